"""Linear elastic tests: three unit motions of the platen, combined into any load case."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vbsim.checks import NotConverged, require
from vbsim.fem.krylov import ConjugateGradients
from vbsim.fem.layout import Team
from vbsim.fem.loads import Lateral, LoadCase
from vbsim.fem.meshed import MeshedSolid, solve_mesh_modes
from vbsim.fem.problem import MOTIONS, PlatenProblem, Solid
from vbsim.fem.response import PlatenModes, Response, SolverReport, Status
from vbsim.mesh.mesh import Mesh

__all__ = ["Settings", "solve", "solve_modes", "respond"]

DEFAULT_TOLERANCE = 1e-9


class Settings(NamedTuple):
    """How to solve.

    Attributes
    ----------
    tolerance : float
        Relative residual ``|b - A x| / |b|`` of every motion.
    max_iterations : int
        Bound on the iterations of each motion.
    threads : int or None
        Threads; by default all cores. Results do not depend on it.
    """

    tolerance: float = DEFAULT_TOLERANCE
    max_iterations: int = 400
    threads: int | None = None


DEFAULTS = Settings()


def solve(body: Solid | MeshedSolid, load: LoadCase, *, settings: Settings = DEFAULTS) -> Response:
    """Test a body under one load case.

    For several load cases on one body use `solve_modes` once and `respond` for each.

    Raises
    ------
    NotConverged
        If the iteration stops short or nothing joins the platens.
    """
    return respond(solve_modes(body, lateral=load.lateral, settings=settings), load)


def respond(modes: PlatenModes, load: LoadCase) -> Response:
    """Combine the unit motions of a body into its response to a load case."""
    require(modes.lateral == load.lateral, "lateral", load.lateral, f"{modes.lateral!r} as solved")
    amplitudes, forces = load.motion(modes.stiffness)
    displacement = np.tensordot(amplitudes, modes.displacement_mm, axes=1)
    lower, upper = np.tensordot(amplitudes, modes.reactions_n, axes=1)
    error = float(np.abs(lower + upper).max() / max(np.abs(upper).max(), np.abs(lower).max()))
    compliance = np.asarray(np.linalg.pinv(modes.stiffness, hermitian=True), dtype=np.float64)
    displacement.flags.writeable = False
    return Response(
        test=load.label(),
        platen=load.platen,
        status=Status.CONVERGED,
        motion=amplitudes,
        force_n=float(forces[0]),
        moment_n_mm=forces[1:],
        displacement_mm=displacement,
        equilibrium_error=error,
        compliance=compliance,
        report=modes.report,
    )


def solve_modes(
    body: Solid | MeshedSolid,
    *,
    lateral: Lateral = "held",
    settings: Settings = DEFAULTS,
    motions: int = 3,
    start: PlatenModes | None = None,
    progress: Callable[[str], None] | None = None,
) -> PlatenModes:
    """Solve three unit motions of the upper platen over the fixed lower one.

    Parameters
    ----------
    body : Solid or MeshedSolid
        Body with platen node sets, on a grid or on a mesh.
    lateral : {"held", "sliding", "lower_held"}
        Whether platen points are held sideways: at both ends, at none, at the lower one.
    settings : Settings
        Tolerance, threads.
    motions : {3, 1}
        All three, or the axial one alone (guided compression of a body without tilt).
    start : PlatenModes, optional
        Modes of a similar body on the same grid to start from: fewer iterations, the same
        tolerance.
    progress : callable, optional
        Told once per motion what is happening.

    Raises
    ------
    NotConverged
        If the iteration stops short or nothing joins the platens.
    InvalidInput
        If the body has no platen node sets.
    """
    if isinstance(body.domain, Mesh):
        return solve_mesh_modes(
            body,
            lateral=lateral,
            tolerance=settings.tolerance,
            max_iterations=settings.max_iterations,
            threads=settings.threads,
            motions=motions,
            start=start,
            progress=progress,
        )
    begun = time.perf_counter()
    if start is not None:
        shape = start.displacement_mm.shape[2:]
        require(shape == body.domain.point_shape, "start", shape, "modes on the same grid")
    problem = PlatenProblem(body, lateral, Team(settings.threads))
    solver = ConjugateGradients(problem.operator, problem.multigrid)
    outcomes, fields = [], []
    for motion, name in enumerate(MOTIONS[:motions]):
        if progress is not None:
            progress(name)
        field, outcome = problem.solve(
            solver,
            motion,
            tolerance=settings.tolerance,
            limit=settings.max_iterations,
            start_mm=None if start is None else start.displacement_mm[motion],
        )
        outcomes.append(outcome)
        fields.append(field)
    report = SolverReport(
        iterations=tuple(outcome.iterations for outcome in outcomes),
        relative_residual=max(outcome.relative_residual for outcome in outcomes),
        n_dof=problem.operator.n_dof,
        seconds=time.perf_counter() - begun,
    )
    if not all(outcome.converged for outcome in outcomes):
        raise NotConverged(
            f"the solver stopped at a relative residual of {report.relative_residual:.1e} after "
            f"{max(report.iterations)} iterations (wanted {settings.tolerance:.0e}): "
            f"{Status.STALLED.value}",
            report,
        )
    force = solver.spare
    del solver  # the displacement of all points takes more than its vectors
    return problem.modes(fields, report, force)
