"""Work on a hexahedral mesh with vbsim: ``FOLDER assembly|kept|solve`` prints a record."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

from vbsim.fem.assembled import BlockMatrix, Pattern, Rows, assemble
from vbsim.fem.kept import KeptCells
from vbsim.fem.meshed import MeshProblem
from vbsim.fem.statics import isotropic_constants
from vbsim.materials.field import StiffnessField, UnitStiffness
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.hexa import Plan, Sweep
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.order import brick
from vbsim.specimen.tissue import Ends

POISSON = 0.3


class Body:
    """A swept mesh with a modulus for every cell, between two platens."""

    element = ELEMENTS["hex8"]

    def __init__(self, data) -> None:
        self.sweep = Sweep(data["plan"], data["planes"])
        self.domain = Mesh(data["points"], data["cells"])
        unit = tuple(isotropic_constants(1.0, POISSON, 1)[0])
        self.materials = StiffnessField(
            (UnitStiffness("isotropic", unit, unit),), data["moduli_mpa"][None]
        )
        self.ends = Ends(data["lower"], data["upper"], data["points"][data["upper"]].mean(axis=0))


def main(folder: Path, task: str) -> None:
    with np.load(folder / "mesh.npz") as stored:
        data = {name: stored[name] for name in stored.files}
    plan = Plan(int(data["side"]), tuple(data["radii"]))
    _compile()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = {"name": f"vbsim {version('vbsim')}", "task": task}
    data["plan"] = plan
    work = {"assembly": _assembly, "kept": _kept, "solve": _solve}[task]
    work(data)  # the second run counts: memory has then been given to the process
    answer |= work(data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**answer, "peak_bytes": peak * 1024, "grown_bytes": (peak - before) * 1024}))


def _assembly(data) -> dict:
    clock = time.process_time()
    mesh, element = Mesh(data["points"], data["cells"]), ELEMENTS["hex8"]
    pattern, rows = Pattern(mesh.cells, mesh.n_points), Rows(mesh.n_points, 1)
    constants = data["moduli_mpa"][:, None] * isotropic_constants(1.0, POISSON, 1)
    matrix = assemble(mesh, element, constants, pattern=pattern, rows=rows)
    took = time.process_time() - clock
    energy = matrix.product(data["probe"], np.empty_like(data["probe"]))
    clock = time.process_time()
    assemble(mesh, element, 2.0 * constants, into=matrix)
    return {"cpu_s": took, "again_cpu_s": time.process_time() - clock, "check": energy}


def _kept(data) -> dict:
    """Assemble with the stiffness of every cell kept, then anew from that."""
    clock = time.process_time()
    mesh, element = Mesh(data["points"], data["cells"]), ELEMENTS["hex8"]
    pattern, rows = Pattern(mesh.cells, mesh.n_points), Rows(mesh.n_points, 1)
    unit = np.repeat(isotropic_constants(1.0, POISSON, 1), mesh.n_cells, axis=0)
    kept = KeptCells(mesh, element, unit, pattern, rows)
    matrix = BlockMatrix(pattern, np.empty((pattern.n_blocks, 3, 3)), rows)
    kept.refill(data["moduli_mpa"], matrix)
    took = time.process_time() - clock
    energy = matrix.product(data["probe"], np.empty_like(data["probe"]))
    clock = time.process_time()
    kept.refill(2.0 * data["moduli_mpa"], matrix)
    return {"cpu_s": took, "again_cpu_s": time.process_time() - clock, "check": energy}


def _solve(data) -> dict:
    clock = time.process_time()
    problem = MeshProblem(Body(data), "held", 1)
    setup = time.process_time() - clock
    u, outcome = problem.solve(0, tolerance=float(data["tolerance"]), limit=2000)
    took = time.process_time() - clock
    force = np.empty_like(u)
    problem.matrix.product(u, force)
    reaction = abs(float(force[data["upper"], 2].sum()))
    return {
        "cpu_s": took,
        "setup_cpu_s": setup,
        "iterations": outcome.iterations,
        "relative_residual": outcome.relative_residual,
        "check": reaction,
    }


def _compile() -> None:
    """Compile, or load from the cache, what will be measured."""
    plan = Plan(8, (0.0, 0.5, 1.0))
    planes = np.array([np.column_stack([plan.disc, np.full(plan.n_points, z)]) for z in range(34)])
    sweep = Sweep(plan, planes)
    mesh, n = sweep.mesh(), plan.n_points
    data = {
        "planes": planes,
        "points": mesh.points,
        "cells": mesh.cells,
        "moduli_mpa": np.ones(mesh.n_cells),
        "lower": np.arange(n),
        "upper": mesh.n_points - n + np.arange(n),
        "tolerance": 1e-3,
        "plan": plan,
    }
    _solve(data)
    block = brick((2, 2, 2), (1.0, 1.0, 1.0))
    probe = np.ones_like(block.points)
    small = {"points": block.points, "cells": block.cells, "moduli_mpa": np.ones(8), "probe": probe}
    _assembly(small)
    _kept(small)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
