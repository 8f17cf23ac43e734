"""How assembly and solve on a fitted mesh compare with other packages: same mesh, one core.

Trilinear hexahedra of an augmented L1, one modulus a cell, Poisson's ratio 0.3, one thread. Every
package is a process of its own and does its task twice; the second run counts. Peers, each by a
Python that has it (``--peer-python``): NGSolve (assembly; conjugate gradients with 3 x 3 blocks of
the diagonal), FElupe and scikit-fem (assembly). "kept" is our assembly that keeps the stiffness of
every cell, which makes matrices for other moduli quick. Assemblies are compared by the energy of
one and the same vector, solves by their reaction at the same residual.

Not compared: elements of higher order, several threads, PETSc, factorisations.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from vbsim.study.benchmark import Surroundings, write_records
from vbsim.study.benchmark.record import commit, machine, now, versions

HERE = Path(__file__).parent
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROW = "{:22s} {:9s} {:>9s} {:>8s} {:>7s} {:>8s} {:>9s} {:>5s} {:>9s} {:>7s} {:>5s}"
HEAD = ("solver", "task", "dof", "cpu s", "times", "again s", "grown MB", "iter", "residual")


@dataclass(frozen=True)
class Fitted:
    """One task of one package.

    Parameters
    ----------
    name : str
        Package and version.
    task : str
        ``assembly`` (mesh, pattern and matrix), ``kept`` (the same with the stiffness of every
        cell kept, of which matrices for other moduli are summed) or ``solve`` (mesh, pattern,
        matrix and the iteration).
    dof : int
        Components of all points.
    cpu_s : float
        Processor time of the second run, s.
    again_cpu_s : float
        Of assembling anew for other moduli, s; NaN for solves.
    setup_cpu_s : float
        Of a solve before its first iteration, s; NaN for assemblies.
    iterations : int
        Of the solve; 0 for assemblies.
    relative_residual : float
        Reached residual; 0 for assemblies.
    check : float
        Energy of the probe (assembly) or reaction, N (solve).
    peak_bytes, grown_bytes : int
        Largest memory of the process, and what it grew by in the task.
    load : float
        Processors that others kept busy meanwhile.
    """

    name: str
    task: str
    dof: int
    cpu_s: float
    check: float
    peak_bytes: int
    grown_bytes: int
    load: float
    again_cpu_s: float = float("nan")
    setup_cpu_s: float = float("nan")
    iterations: int = 0
    relative_residual: float = 0.0
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)
    commit: str | None = field(default_factory=commit)
    taken: str = field(default_factory=now)

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name."""
        return asdict(self)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="0.26", help="millions of degrees of freedom")
    parser.add_argument("--peer-python", help="a Python that has ngsolve, felupe and scikit-fem")
    parser.add_argument("--peers", default="ngsolve,felupe", help="of ngsolve,felupe,scikit-fem")
    parser.add_argument("--tasks", default="assembly,kept,solve", help="of assembly,kept,solve")
    parser.add_argument("--meshes", type=Path, help="folder that keeps the meshes between runs")
    parser.add_argument("--record", type=Path, help="file to which records are added")
    options = parser.parse_args(words)
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as aside:
            folder = Path(aside) if options.meshes is None else options.meshes / size
            folder.mkdir(parents=True, exist_ok=True)
            if not (folder / "mesh.npz").exists():
                made = [sys.executable, str(HERE / "fitted_mesh.py"), str(folder), size]
                subprocess.run(made, check=True)
            records = compare(folder, options)
        if options.record:
            write_records(options.record, records)


def compare(folder: Path, options: argparse.Namespace) -> list[Fitted]:
    """Run every task of every package on one mesh; print the rows, return the records."""
    with np.load(folder / "mesh.npz") as data:
        dof = data["points"].size
    print(ROW.format(*HEAD, "differs", "load"))
    records: list[Fitted] = []
    for task in options.tasks.split(","):
        ours = None
        for python, script, word in _runs(task, options):
            around = Surroundings()
            done = subprocess.run(
                [python, str(HERE / "solvers" / script), str(folder), word],
                env={**os.environ, **ONE_CORE, "NUMBA_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                text=True,
                check=True,
            )
            answer = json.loads(done.stdout.splitlines()[-1])
            record = Fitted(dof=dof, load=around.load(), **answer)
            ours = ours or record
            _show(record, ours)
            records.append(record)
    return records


def _runs(task: str, options: argparse.Namespace):
    """Yield Python, script and word of every package that does a task."""
    yield sys.executable, "fitted_with_vbsim.py", task
    peers = options.peers.split(",") if options.peer_python else []
    if "ngsolve" in peers and task != "kept":
        yield options.peer_python, "fitted_with_ngsolve.py", task
    for package in ("felupe", "scikit-fem"):
        if package in peers and task == "assembly":
            yield options.peer_python, "fitted_with_felupe.py", package


def _show(record: Fitted, ours: Fitted) -> None:
    difference = record.check / ours.check - 1.0
    cells = (
        record.name,
        record.task,
        f"{record.dof:,}",
        f"{record.cpu_s:.2f}",
        f"{record.cpu_s / ours.cpu_s:.1f}",
        f"{record.again_cpu_s:.2f}",
        f"{record.grown_bytes / 1e6:.0f}",
        str(record.iterations),
        f"{record.relative_residual:.0e}",
        f"{difference:.0e}" if record is not ours else "",
        f"{record.load:.1f}",
    )
    print(ROW.format(*cells), flush=True)


if __name__ == "__main__":
    main()
