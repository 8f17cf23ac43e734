"""Beside CalculiX on the same voxels: a porous, graded, plastic block compressed past yield.

Same cells, material by bins of voxels, von Mises plasticity with linear hardening, the same motion
of the platen in the same number of increments at least. CalculiX (Debian package `calculix-ccx`,
GPL, run as a program) takes its 8-node brick with eight integration points and a mean dilatation,
and its default tolerances.
Compared: the force at every tenth of the path, and processor time on one thread. Not compared:
memory, and finer grids, on which a direct solver falls further behind.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from vbsim.fem.equilibrium import Equilibrium, EquilibriumSettings, Leg, Status, move
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Quadric, Softening, Surface
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.benchmark import Surroundings, write_records
from vbsim.study.benchmark.record import Measured

POISSON, HARDENING = 0.3, 0.5
BINS, VOIDS, SEED = 12, 0.1, 1
STRAIN, INCREMENTS = 0.02, 10


@dataclass(frozen=True)
class PlasticRecord(Measured):
    """One program on one block."""

    name: str
    structure: str
    element: str
    cells: int
    dof: int
    force_n: tuple[float, ...]
    cpu_s: float
    wall_s: float
    deviation: float


class Ends(NamedTuple):
    """Platen node sets of a block."""

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    pivot_mm: NDArray[np.float64]


class Block(NamedTuple):
    """A block between its lowest and highest plane of points."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends
    modulus: NDArray[np.float64]

    @property
    def strength(self) -> NDArray[np.float64]:
        """Yield stress of every voxel: 0.8 % of its modulus."""
        return 0.008 * self.modulus


def block(n: int, structure: str = "graded") -> Block:
    """Return a block of n x n x n voxels, with moduli in bins and voids.

    ``graded``: a field that varies over four voxels, with a round hole of a third of the edge.
    ``rough``: every voxel for itself, a tenth of them void.
    """
    rng = np.random.default_rng(SEED)
    raw = rng.normal(0.0, 0.5, (n, n, n))
    solid = rng.random(raw.shape) >= VOIDS
    if structure == "graded":
        raw = gaussian_filter(raw, 2.0, mode="wrap")
        at = np.indices(raw.shape) + 0.5 - n / 2
        solid = np.sqrt((at**2).sum(axis=0)) > n / 6
    edges = np.quantile(raw, np.linspace(0.0, 1.0, BINS + 1)[1:-1])
    level = np.exp(np.linspace(-1.0, 1.0, BINS))[np.digitize(raw, edges)]
    modulus = 200.0 * level * solid
    grid = VoxelGrid((n, n, n), (1.0, 1.0, 1.0))
    index = np.arange(grid.n_points).reshape(grid.point_shape)
    touched = grid.points_of(modulus > 0.0)
    ends = Ends(
        index[0][touched[0]], index[-1][touched[-1]], np.array([n / 2.0, n / 2.0, float(n)])
    )
    return Block(grid, StiffnessField.isotropic(modulus, POISSON), ends, modulus)


def by_vbsim(body: Block) -> tuple[list[float], int, float, float]:
    """Return forces along the path, degrees of freedom, processor and wall time."""
    cells = np.flatnonzero(body.modulus)
    law = Quadric(
        body.materials.mean_constants().reshape(-1, 9)[cells],
        body.strength.ravel()[cells],
        Surface(interaction=0.5),
        Softening(slope=HARDENING),
    )
    made = Constituents.join([Part("bone", cells, law)])
    cpu, wall = process_time(), perf_counter()
    test = Equilibrium(body, made, settings=EquilibriumSettings(tolerance=1e-3, bending="secant"))
    share = 1.0 / INCREMENTS
    n = body.domain.shape[0]
    status = test.run(Leg("load", move(STRAIN * n), first=share, largest=share))
    assert status is Status.DONE, status
    spent = process_time() - cpu, perf_counter() - wall
    at = np.linspace(0.0, STRAIN * n, INCREMENTS + 1)[1:]
    travel = [0.0, *(step.axial_mm for step in test.history)]
    force = np.interp(at, travel, [0.0, *(step.force_n for step in test.history)])
    return [float(f) for f in force], int(test.body.free.sum()), *spent


def deck(body: Block, path: Path, element: str) -> None:
    """Write the block as a deck of CalculiX."""
    n = body.domain.shape[0]
    z, y, x = np.nonzero(body.modulus)
    corners = [
        (0, 0, 0),
        (1, 0, 0),
        (1, 1, 0),
        (0, 1, 0),
        (0, 0, 1),
        (1, 0, 1),
        (1, 1, 1),
        (0, 1, 1),
    ]
    nodes = np.stack(
        [
            np.ravel_multi_index((z + k, y + j, x + i), body.domain.point_shape)
            for i, j, k in corners
        ],
        axis=1,
    )
    used = np.unique(nodes)
    pz, py, px = np.unravel_index(used, body.domain.point_shape)
    lines = ["*NODE"]
    lines += [f"{u + 1},{i},{j},{k}" for u, i, j, k in zip(used, px, py, pz, strict=True)]
    values = body.modulus[z, y, x]
    for number, modulus in enumerate(np.unique(values)):
        lines.append(f"*ELEMENT,TYPE={element},ELSET=E{number}")
        for at in np.flatnonzero(values == modulus):
            lines.append(f"{at + 1}," + ",".join(str(v + 1) for v in nodes[at]))
        strength = 0.008 * modulus
        after = strength * (1.0 + HARDENING * 1.0)
        lines += [f"*MATERIAL,NAME=M{number}", "*ELASTIC", f"{modulus:.10g},{POISSON}"]
        lines += ["*PLASTIC", f"{strength:.10g},0.", f"{after:.10g},1."]
        lines.append(f"*SOLID SECTION,ELSET=E{number},MATERIAL=M{number}")
    for name, points in (("LOW", body.ends.lower), ("TOP", body.ends.upper)):
        lines.append(f"*NSET,NSET={name}")
        lines += [f"{p + 1}," for p in points if p in set(used.tolist())]
    step = 1.0 / INCREMENTS
    lines += [f"*STEP,INC={20 * INCREMENTS}", "*STATIC,DIRECT", f"{step},1."]
    lines += ["*BOUNDARY", "LOW,1,3", "TOP,1,2", f"TOP,3,3,{-STRAIN * n}"]
    lines += ["*NODE PRINT,NSET=TOP,TOTALS=ONLY", "RF", "*END STEP"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def by_calculix(body: Block, element: str) -> tuple[list[float], float, float]:
    """Return forces along the path, processor and wall time of CalculiX on one thread."""
    program = shutil.which("ccx")
    assert program, "CalculiX is not there: apt-get install calculix-ccx"
    with tempfile.TemporaryDirectory() as folder:
        deck(body, Path(folder) / "block.inp", element)
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
        done = subprocess.run(
            [program, "block"],
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.returncode == 0, done.stdout[-2000:]
        printed = (Path(folder) / "block.dat").read_text(encoding="utf-8").splitlines()
    rows = [line.split() for line in printed if len(line.split()) == 3]
    forces = [-float(row[2]) for row in rows if row[0][0] in "-0123456789"]
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return forces, cpu, perf_counter() - wall


def main() -> None:
    """Run both on one block and add the records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=16, help="voxels along an edge")
    parser.add_argument("--structure", choices=("graded", "rough"), default="graded")
    parser.add_argument("--element", default="C3D8", help="element of CalculiX")
    parser.add_argument("--records", type=Path, help="file of records to add to")
    given = parser.parse_args()
    body = block(given.cells, given.structure)
    by_vbsim(block(4))  # compile
    around = Surroundings()
    ours, dof, cpu, wall = by_vbsim(body)
    theirs, peer_cpu, peer_wall = by_calculix(body, given.element)
    load = around.load()
    deviation = float(np.abs(np.array(ours) / np.array(theirs) - 1.0).max())
    cells = int(np.count_nonzero(body.modulus))
    records = [
        PlasticRecord(
            "vbsim",
            given.structure,
            "one point",
            cells,
            dof,
            tuple(ours),
            cpu,
            wall,
            deviation,
            load=load,
        ),
        PlasticRecord(
            "CalculiX",
            given.structure,
            given.element,
            cells,
            dof,
            tuple(theirs),
            peer_cpu,
            peer_wall,
            0.0,
            load=load,
        ),
    ]
    for record in records:
        print(f"{record.name:9s} {record.element:9s} {record.cpu_s:8.2f} s CPU", end="  ")
        print(" ".join(f"{force:.1f}" for force in record.force_n), "N")
    print(f"{cells} cells, {dof} degrees of freedom; largest deviation {100 * deviation:.2f} %")
    print(f"{peer_cpu / cpu:.1f} times less processor time; others kept {load:.2f} cores busy")
    if given.records:
        write_records(given.records, records)


if __name__ == "__main__":
    main()
