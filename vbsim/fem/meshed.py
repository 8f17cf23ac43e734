"""Platen tests of a body on a mesh: an assembled matrix, solved by what fits its size and form."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.checks import NotConverged, frozen, require
from vbsim.fem.assembled import BlockMatrix, Rows, assemble
from vbsim.fem.corner_multigrid import CornerMultigrid
from vbsim.fem.krylov import Outcome
from vbsim.fem.problem import MOTIONS, Platens
from vbsim.fem.response import PlatenModes, SolverReport, Status
from vbsim.fem.sparse import Factorisation, smoothed_aggregation
from vbsim.fem.swept_multigrid import SweptMultigrid
from vbsim.materials.field import StiffnessField
from vbsim.mesh.elements import Element
from vbsim.mesh.hexa.sweep import Sweep
from vbsim.mesh.mesh import Mesh

__all__ = ["MeshedSolid", "MeshProblem", "preconditioner_of", "solve_mesh_modes"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Preconditioner = Callable[[FloatArray], NDArray[Any]]

# Up to this many points a factorisation costs less than setting up an iteration.
_DIRECT_POINTS = 2500
# What cells without material (cavities, clefts) resist, as a share of the stiffest: their points
# follow those around them, and no force is felt.
_EMPTY = 1e-6


class MeshedSolid(Protocol):
    """All that a solve asks of a body on a mesh."""

    @property
    def domain(self) -> Mesh:
        """The mesh; the platens lie across its z."""

    @property
    def element(self) -> Element:
        """The finite element of its cells."""

    @property
    def materials(self) -> StiffnessField:
        """Stiffness of every cell, moduli (K, n_cells)."""

    @property
    def ends(self) -> Platens | None:
        """Platen node sets; the pivot in the mesh's coordinates."""

    @property
    def sweep(self) -> Sweep | None:
        """How the mesh is built, where it is a sweep: opens geometric multigrid."""


class MeshProblem:
    """A body between its platens as a matrix.

    Parameters
    ----------
    body : MeshedSolid
        Body with platen node sets.
    lateral : {"held", "sliding", "lower_held"}
        Whether platen points are held sideways: at both ends, at none, at the lower one.
    threads : int or None
        Threads; by default all cores. Results do not depend on it.
    """

    def __init__(self, body: MeshedSolid, lateral: str, threads: int | None = None) -> None:
        require(body.ends is not None, "ends", None, "two platen node sets; fit caps first")
        assert body.ends is not None
        self.lateral = lateral
        self._ends = (np.asarray(body.ends.lower), np.asarray(body.ends.upper))
        self._pivot_mm = body.ends.pivot_mm
        self._points = body.domain.points
        self._swept = body.sweep
        self.constants = _without_holes(body.materials.mean_constants())
        self.matrix: BlockMatrix = assemble(
            body.domain, body.element, self.constants, rows=Rows(body.domain.n_points, threads)
        )
        self.free = self._free()
        self._precondition = preconditioner_of(body, self.matrix, self.constants, self.free)

    def _free(self) -> BoolArray:
        free = np.ones((len(self._points), 3), bool)
        for points, name in zip(self._ends, ("lower_held", "upper_held"), strict=True):
            free[points, 2] = False
            if self.lateral in ("held", name):
                free[points, :2] = False
        if self.lateral == "sliding":
            # Three components hold the sideways rigid motion and feel no force. The first points of
            # a plane are a line of the plan, whose ends lie on every coarser grid.
            first, second = self._ends[0][0], self._pair()
            free[first, :2] = False
            free[second, 1] = False
        return free

    def _pair(self) -> int:
        """Return a point of the lower platen far along x from the first."""
        lower = self._ends[0]
        if self._swept is not None:
            return int(lower[self._swept.plan.side])
        apart = np.abs(self._points[lower] - self._points[lower[0]])
        return int(lower[np.argmax(apart[:, 0] - apart[:, 1])])

    def hand_over(self) -> BlockMatrix:
        """Return the matrix for another use, and let go of what solved it: `solve` ends here."""
        self._precondition = _spent
        return self.matrix

    # Solving -------------------------------------------------------------------------------------

    def descent(self, motion: int) -> FloatArray:
        """Return u_z of every point if it followed the upper platen rigidly, mm."""
        if motion == 0:
            return np.full(len(self._points), -1.0)
        x, y = (self._points[:, k] - self._pivot_mm[k] for k in range(2))
        result: FloatArray = y if motion == 1 else -x
        return result

    def solve(
        self,
        motion: int,
        *,
        tolerance: float,
        limit: int,
        start_mm: FloatArray | None = None,
    ) -> tuple[FloatArray, Outcome]:
        """Return the displacement (n_points, 3) of one unit motion, and how the solve ended."""
        u, work = np.zeros_like(self._points), np.empty_like(self._points)
        u[self._ends[1], 2] = self.descent(motion)[self._ends[1]]
        self.matrix.product(u, work)
        size = float(np.linalg.norm(work[self.free]))
        if start_mm is not None:
            u[self.free] = start_mm[self.free]
        else:
            z = self._points[:, 2]
            low, high = (float(z[end].mean()) for end in self._ends)
            follow = self.descent(motion) * np.clip((z - low) / (high - low), 0.0, 1.0)
            u[self.free[:, 2], 2] = follow[self.free[:, 2]]
        return u, self._iterate(u, size, tolerance, limit)

    def _iterate(self, u: FloatArray, size: float, tolerance: float, limit: int) -> Outcome:
        """Conjugate gradients (Hestenes & Stiefel 1952) for zero force, from u, in place."""
        q = np.empty_like(u)
        held = ~self.free
        done, residual = 0, np.inf
        while done < limit:
            self.matrix.product(u, q)
            r = np.where(held, 0.0, -q)
            residual, begun = float(np.linalg.norm(r)) / size, done
            if residual <= tolerance:
                break
            p = self._precondition(r).astype(np.float64)
            rho = float(np.vdot(r, p))
            while done < limit:
                done += 1
                curvature = self.matrix.product(p, q)
                if not (np.isfinite(curvature) and curvature > 0.0 and rho > 0.0):
                    return Outcome(done, residual, False)
                q[held] = 0.0
                u += (rho / curvature) * p
                r -= (rho / curvature) * q
                residual = float(np.linalg.norm(r)) / size
                if residual <= tolerance:
                    break
                z = self._precondition(r)
                before, rho = rho, float(np.vdot(r, z))
                p *= rho / before
                p += z
            if done - begun <= 1:  # round-off is all that is left to gain
                self.matrix.product(u, q)
                residual = float(np.linalg.norm(q[self.free])) / size
                break
        return Outcome(done, residual, residual <= tolerance)

    # Results -------------------------------------------------------------------------------------

    def modes(self, fields: list[FloatArray], report: SolverReport) -> PlatenModes:
        """Return the platen modes from the displacements of the motions."""
        stiffness, reactions = np.zeros((3, 3)), np.zeros((3, 2, 6))
        displacement = np.zeros((3, 3, len(self._points)))
        force = np.empty_like(self._points)
        upper = self._ends[1]
        for j, field in enumerate(fields):
            self.matrix.product(field, force)
            reactions[j] = self._resultants(force)
            for i in range(len(fields)):
                stiffness[i, j] = force[upper, 2] @ self.descent(i)[upper]
            if self.lateral == "sliding":
                self._remove_drift(field)
            displacement[j] = field.T
        stiffness = 0.5 * (stiffness + stiffness.T)
        return PlatenModes(
            frozen(displacement), frozen(stiffness), frozen(reactions), self.lateral, report
        )

    def _resultants(self, force: FloatArray) -> FloatArray:
        """Return force and moment about the pivot over the height of both platens, (2, 6), N."""
        found = np.zeros((2, 6))
        height = float(np.ptp([self._points[end, 2].mean() for end in self._ends]))
        for k, end in enumerate(self._ends):
            arms = self._points[end] - self._pivot_mm
            found[k, :3] = force[end].sum(axis=0)
            found[k, 3:] = np.cross(arms, force[end]).sum(axis=0) / height
        return found

    def _remove_drift(self, field: FloatArray) -> None:
        """Take out the sideways rigid motion that sliding platens leave undetermined."""
        x, y = (self._points[:, k] - self._points[:, k].mean() for k in range(2))
        u, v = field[:, 0], field[:, 1]
        spin = float((x @ v - y @ u) / (x @ x + y @ y))
        u += spin * y - u.mean()
        v -= spin * x + v.mean()


def _without_holes(constants: FloatArray) -> FloatArray:
    """Return orthotropic constants, (n_cells, 9), with a filler in cells that have none."""
    least = _EMPTY * float(constants[:, 2].max(initial=0.0))
    empty = constants[:, 2] < least
    filled = np.array(constants)
    filled[empty] = least * np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5])
    return np.ascontiguousarray(filled)


def _spent(r: FloatArray) -> NDArray[Any]:
    raise RuntimeError("the matrix of this problem was handed over")


def preconditioner_of(
    body: MeshedSolid,
    matrix: BlockMatrix,
    constants: FloatArray,
    free: BoolArray,
    *,
    direct_points: int | None = None,
) -> Preconditioner:
    """Return what fits the size and the form of a mesh.

    Factors of small matrices, geometric multigrid of sweeps, two grids for cells of second order,
    smoothed aggregation of others.

    Parameters
    ----------
    body : MeshedSolid
        Mesh, element, and how it is swept.
    matrix : BlockMatrix
        Its stiffness or a tangent.
    constants : (n_cells, 9) float, MPa
        Elastic constants from which coarser grids take theirs.
    free : (n_points, 3) bool
        Components that are not held.
    direct_points : int, optional
        Up to so many points a sweep has factors instead of a multigrid cycle; as many as pay for
        three motions of one matrix by default.
    """
    direct = _DIRECT_POINTS if direct_points is None else direct_points
    if body.sweep is not None and len(free) > direct:
        return SweptMultigrid(body.sweep, body.element, constants, matrix, free)
    edges = body.element.shape.edges
    if edges and len(free) > _DIRECT_POINTS:
        return CornerMultigrid(body.domain, edges, matrix, free, _general)
    return _general(matrix.to_scipy(), body.domain.points, free)


def _general(
    matrix: sp.bsr_array, points: FloatArray, free: BoolArray
) -> Callable[[FloatArray], FloatArray]:
    """Return what fits the size of a matrix of which no more is known."""
    if len(points) > _DIRECT_POINTS:
        return smoothed_aggregation(matrix, points, free)
    return _factorised(matrix, free)


def _factorised(matrix: sp.bsr_array, free: BoolArray) -> Callable[[FloatArray], FloatArray]:
    chosen = np.flatnonzero(free.ravel())
    factors = Factorisation(matrix.tocsr()[chosen][:, chosen])

    def solve(r: FloatArray) -> FloatArray:
        z = np.zeros(r.size)
        z[chosen] = factors.solve(r.ravel()[chosen])
        return z.reshape(r.shape)

    return solve


def solve_mesh_modes(
    body: MeshedSolid,
    *,
    lateral: str,
    tolerance: float,
    max_iterations: int,
    threads: int | None,
    motions: int = 3,
    start: PlatenModes | None = None,
    progress: Callable[[str], None] | None = None,
) -> PlatenModes:
    """Solve unit motions of the upper platen on a mesh; see `fem.solve_modes`."""
    begun = time.perf_counter()
    problem = MeshProblem(body, lateral, threads)
    outcomes, fields = [], []
    for motion, name in enumerate(MOTIONS[:motions]):
        if progress is not None:
            progress(name)
        first = None if start is None else start.displacement_mm[motion].T
        field, outcome = problem.solve(
            motion, tolerance=tolerance, limit=max_iterations, start_mm=first
        )
        outcomes.append(outcome)
        fields.append(field)
    report = SolverReport(
        iterations=tuple(outcome.iterations for outcome in outcomes),
        relative_residual=max(outcome.relative_residual for outcome in outcomes),
        n_dof=int(np.count_nonzero(problem.free)),
        seconds=time.perf_counter() - begun,
    )
    if not all(outcome.converged for outcome in outcomes):
        raise NotConverged(
            f"the solver stopped at a relative residual of {report.relative_residual:.1e} after "
            f"{max(report.iterations)} iterations (wanted {tolerance:.0e}): "
            f"{Status.STALLED.value}",
            report,
        )
    return problem.modes(fields, report)
