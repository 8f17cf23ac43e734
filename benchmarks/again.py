"""What the second and later solves of one body cost: other load cases, a local change of moduli.

The first solve numbers points and cells, coarsens and iterates from nothing. A second load case
keeps all of that. A change of moduli keeps numbering and memory (`PlatenProblem.renew`), coarsens
anew and starts from the last solution; the same body from scratch stands beside it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vbsim.fem.krylov import ConjugateGradients
from vbsim.fem.layout import Team
from vbsim.fem.problem import PlatenProblem
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.benchmark import Surroundings, generate, write_records
from vbsim.study.benchmark.record import Measured
from vbsim.study.microfe import load_kernels

POISSON = 0.3
STIFFENED = 3.0  # factor on the moduli inside the ball
BALL = 0.15  # its radius, shares of the shortest edge of the box


class Ends(NamedTuple):
    """The lowest and the highest plane of points."""

    lower: Any
    upper: Any
    pivot_mm: Any


class Body(NamedTuple):
    """What a problem asks for."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends


@dataclass(frozen=True)
class Again(Measured):
    """One solve after another on one body."""

    what: str
    dof: int
    iterations: int
    cpu_s: float


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--dof", type=float, default=1e6, help="degrees of freedom")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--record", type=Path, help="file to which records are added")
    options = parser.parse_args(words)
    load_kernels(1)
    found = series(options.dof, options.tolerance)
    for one in found:
        print(
            f"{one.what:44s} {one.iterations:4d} iterations {one.cpu_s:8.2f} CPU s   "
            f"load {one.load:.1f}"
        )
    if options.record:
        write_records(options.record, found)


def series(dof: float, tolerance: float) -> list[Again]:
    """Solve one body again and again."""
    image = generate("body", dof)
    first = StiffnessField.isotropic(image.moduli_mpa, POISSON)
    second = StiffnessField.isotropic(stiffened(image.moduli_mpa), POISSON)
    n_z, n_y, n_x = image.grid.shape
    plane = np.arange((n_y + 1) * (n_x + 1))
    ends = Ends(plane, plane + n_z * len(plane), np.zeros(3))
    found: list[Again] = []

    def note(what: str, work: Callable[[], tuple[Any, int, int]]) -> Any:
        around, begun = Surroundings(), time.process_time()
        result, iterations, n_dof = work()
        took = time.process_time() - begun
        found.append(Again(what, n_dof, iterations, took, load=around.load()))
        return result

    def solve(problem: PlatenProblem, motion: int, start: Any = None) -> tuple[Any, int, int]:
        solver = ConjugateGradients(problem.operator, problem.multigrid)
        x, outcome = problem.solve(solver, motion, tolerance=tolerance, limit=500, start_mm=start)
        return (problem, x), outcome.iterations, problem.operator.n_dof

    def cold(materials: StiffnessField) -> tuple[Any, int, int]:
        return solve(PlatenProblem(Body(image.grid, materials, ends), "held", Team(1)), 0)

    problem, x = note("first load case, from nothing", lambda: cold(first))
    note("second load case, same set-up", lambda: solve(problem, 1))
    start = spread(problem, x, image.grid.spacing_mm)

    def renewed() -> tuple[Any, int, int]:
        problem.renew(second)
        return solve(problem, 0, start)

    _, again = note("ball stiffened: set-up renewed, warm start", renewed)
    _, fresh = note("the same from nothing", lambda: cold(second))
    apart = np.abs(again - fresh).max() / np.abs(fresh).max()
    if apart > 1e3 * tolerance:
        raise SystemExit(f"the two disagree by {apart:.1e}")
    return found


def spread(problem: PlatenProblem, x: Any, spacing_mm: tuple[float, float, float]) -> Any:
    """Return a covariant solution as displacements over the whole grid, mm."""
    problem.to_mm(x)
    dense = np.zeros((3, *(s.stop for s in problem.point_box)))
    dense[(slice(None), *problem.point_box)] = problem.operator.layout.dense(x)
    return dense


def stiffened(moduli: Any) -> Any:
    """Return moduli that are larger inside a ball in the middle."""
    z, y, x = (np.arange(n) + 0.5 - 0.5 * n for n in moduli.shape)
    square = z[:, None, None] ** 2 + y[:, None] ** 2 + x**2
    inside = square < (BALL * min(moduli.shape)) ** 2
    return np.where(inside, STIFFENED * moduli, moduli).astype(np.float32)


if __name__ == "__main__":
    main()
