"""How vbsim compares with other solvers: same voxels, ends, residual, one core, one run.

Peers, each only if it is there: ParOSol through the parosol-py wheel (run as a program, by a Python
that has it: ``--parosol-python``), and pyamg's smoothed aggregation on a matrix that SciPy
(``--pyamg``) or scikit-fem (``--scikit-fem``) assembles. Every solver is a process of its own, and
all stop at the same residual relative to the forces of the moved end.

Not compared: more than one process (ParOSol scales over MPI, vbsim over threads of one machine),
ParOSol built for this very processor (its wheel is built for any), several load cases on one body,
and non-linear materials.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from published import trabecular_cube

from vbsim.study.benchmark import (
    Record,
    Surroundings,
    clamped_compression,
    generate,
    restored,
    write_records,
)
from vbsim.study.microfe import AxialTest, ModulusImage

SOLVERS = Path(__file__).parent / "solvers"
ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROW = "{:52s} {:>11s} {:>5s} {:>8s} {:>9s} {:>7s} {:>9s} {:>7s} {:>12s} {:>8s} {:>5s}"
HEAD = (
    *("solver", "dof", "iter", "residual", "cpu s", "times", "wall s", "peak MB", "reaction N"),
    *("differs", "load"),
)


def main(words: list[str] | None = None) -> None:
    options = _options(words)
    for structure, image, test in bodies(options):
        with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
            records = compare(structure, image, test, folder=Path(folder), options=options)
        if options.record:
            write_records(options.record, records)
    print(
        "\nNot compared: several processes, a ParOSol built for this processor, several load cases,"
        "\nnon-linear materials. ParOSol's processor time holds reading its input and writing its"
        "\nresult; its own clock for set-up and iterations alone is below its row."
    )


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="0.06,0.3", help="millions of degrees of freedom")
    parser.add_argument("--structures", default="body", help="body, trabecular, block")
    parser.add_argument("--cube", type=Path, help="folder of the LHDL trabecular cube: solve that")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--parosol-python", help="a Python that has parosol-py")
    parser.add_argument("--pyamg", action="store_true", help="SciPy's assembly and pyamg")
    parser.add_argument("--scikit-fem", action="store_true", help="its assembly, and pyamg")
    parser.add_argument("--pyamg-python", default=sys.executable, help="a Python that has them")
    parser.add_argument("--scratch", help="folder for inputs and results while they are needed")
    parser.add_argument("--record", type=Path, help="file to which records are added")
    return parser.parse_args(words)


def bodies(options: argparse.Namespace):
    """Yield name, image and test of every body that is asked for."""
    if options.cube:
        yield "lhdl_trabecular_cube", *trabecular_cube(options.cube)
        return
    for structure in options.structures.split(","):
        for size in options.sizes.split(","):
            yield structure, generate(structure, float(size) * 1e6), clamped_compression()


def compare(
    structure: str,
    image: ModulusImage,
    test: AxialTest,
    *,
    folder: Path,
    options: argparse.Namespace,
) -> list[Record]:
    """Solve one body with every solver; print the rows, return the records."""
    np.savez(
        folder / "body.npz",
        moduli_mpa=image.moduli_mpa,
        spacing_mm=image.grid.spacing_mm[0],
        poisson=test.poisson,
        displacement_mm=test.displacement_mm,
        top_held=test.top == "clamped",
        tolerance=options.tolerance,
        structure=structure,
    )
    n_z, n_y, n_x = image.grid.shape
    print(f"\n{structure}, {n_x} x {n_y} x {n_z} voxels, residual {options.tolerance:g}, one core")
    print(ROW.format(*HEAD))
    ours = restored(Record, _run(sys.executable, "with_vbsim.py", str(folder)))
    records = [ours]
    show(ours, ours)
    for python, *words in peers(options):
        answer = _run(python, *words[:1], str(folder), *words[1:])
        record = restored(Record, {**ours.to_dict(), **answer, **_derived(ours, answer)})
        show(record, ours)
        if "own_clock_s" in answer:
            print(f"{'  its own clock: set-up and iterations':52s} {answer['own_clock_s']:45.2f}")
        records.append(record)
    return records


def _derived(ours: Record, answer: dict) -> dict:
    return {
        "bytes_per_dof": answer["peak_bytes"] / ours.dof,
        "stiffness_n_per_mm": answer["reaction_n"] * ours.stiffness_n_per_mm / ours.reaction_n,
    }


def peers(options: argparse.Namespace) -> list[list[str]]:
    """Return Python, script and words of every peer that is asked for and there."""
    found = []
    python = options.parosol_python
    if python is None and importlib.util.find_spec("parosol_py"):
        python = sys.executable
    if python:
        found.append([python, "with_parosol.py"])
    else:
        print("ParOSol left out: pip install parosol-py somewhere, then --parosol-python PATH")
    if options.pyamg:
        found.append([options.pyamg_python, "with_pyamg.py", "SciPy"])
    if options.scikit_fem:
        found.append([options.pyamg_python, "with_pyamg.py", "scikit-fem"])
    return found


def _run(python: str, script: str, *words: str) -> dict:
    """Return what a solver's script prints last."""
    around = Surroundings()
    done = subprocess.run(
        [python, str(SOLVERS / script), *words],
        env={**os.environ, **ONE_CORE},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {"load": around.load(), **json.loads(done.stdout.splitlines()[-1])}


def show(record: Record, ours: Record) -> None:
    difference = record.reaction_n / ours.reaction_n - 1.0
    print(
        ROW.format(
            record.name,
            f"{record.dof:,}",
            str(record.iterations),
            f"{record.relative_residual:.1e}",
            f"{record.cpu_s:.2f}",
            f"{record.cpu_s / ours.cpu_s:.1f}",
            f"{record.wall_s:.2f}",
            f"{record.peak_bytes / 1e6:.0f}",
            f"{record.reaction_n:.4f}",
            f"{difference:.0e}" if difference else "",
            f"{record.load:.1f}",
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
