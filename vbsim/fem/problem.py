"""The linear problem of a body between two platens, on the part of the grid that carries load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.checks import NotConverged, frozen, require
from vbsim.fem.krylov import ConjugateGradients, Outcome
from vbsim.fem.operators import Team, VoxelOperator
from vbsim.fem.response import PlatenModes, SolverReport, Status
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Platens", "Solid", "PlatenProblem"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

MOTIONS = ("axial", "tilt about x", "tilt about y")


class Platens(Protocol):
    """Two platen node sets (see `specimen.Ends`)."""

    @property
    def lower(self) -> NDArray[np.int64]:
        """Flat indices of the points glued to the lower platen."""

    @property
    def upper(self) -> NDArray[np.int64]:
        """Flat indices of the points glued to the upper platen."""

    @property
    def pivot_mm(self) -> FloatArray:
        """Point of the upper platen about which it tilts, grid-local, mm."""


class Solid(Protocol):
    """All that a solve asks of a body; it knows no anatomy."""

    @property
    def domain(self) -> VoxelGrid:
        """The grid."""

    @property
    def materials(self) -> StiffnessField:
        """Stiffness of every voxel."""

    @property
    def ends(self) -> Platens | None:
        """Platen node sets."""


class PlatenProblem:
    """A body cut down to what joins its platens, with covariant vectors.

    Parameters
    ----------
    body : Solid
        Body with platen node sets.
    lateral : {"held", "sliding", "lower_held"}
        Whether platen points are held sideways: at both ends, at none, at the lower one.
    team : Team
        Threads.

    Raises
    ------
    InvalidInput
        If the body has no platens.
    NotConverged
        If nothing joins the platens.
    """

    def __init__(self, body: Solid, lateral: str, team: Team) -> None:
        require(body.ends is not None, "ends", None, "two platen node sets; apply Potting first")
        assert body.ends is not None
        self._grid = body.domain
        self._lateral = lateral
        self._h = np.array(body.domain.spacing_mm)[:, None, None, None]
        lower, upper = (self._points(nodes) for nodes in (body.ends.lower, body.ends.upper))
        carrying = _joined(body.materials.moduli, lower, upper)
        self._box = _bounding_box(carrying)
        self._point_box = tuple(slice(part.start, part.stop + 1) for part in self._box)
        self._lower, self._upper = lower[self._point_box], upper[self._point_box]
        x, y, _ = (
            axis[part] - start
            for axis, part, start in zip(
                body.domain.faces_local(), self._point_box[::-1], body.ends.pivot_mm, strict=True
            )
        )
        shape = self._upper.shape
        # u_z of the upper platen in each unit motion
        self._descent = (
            np.full(shape, -1.0),
            np.broadcast_to(y[:, None], shape),
            np.broadcast_to(-x, shape),
        )
        moduli = body.materials.moduli[(slice(None), *self._box)] * carrying[self._box]
        fixed = np.zeros((3, *shape), bool)
        ends = self._lower | self._upper
        fixed[2] = ends
        if lateral != "sliding":
            fixed[:2] = ends if lateral == "held" else self._lower
        self.operator = VoxelOperator(
            body.materials.units, moduli, body.domain.spacing_mm, fixed=fixed, team=team
        )

    def single_operator(self) -> VoxelOperator:
        """Return the same operator in float32, for the preconditioner."""
        fine = self.operator
        moduli = fine.moduli.astype(np.float32)
        return VoxelOperator(fine.units, moduli, fine.cell_mm, fixed=fine.fixed, team=fine.team)

    def lifts(self) -> Iterator[tuple[str, FloatArray]]:
        """Yield the name and the prescribed u_z (mm, full height) of each unit motion."""
        yield from zip(MOTIONS, self._descent, strict=True)

    def solve(
        self, solver: ConjugateGradients, descent: FloatArray, *, tolerance: float, limit: int
    ) -> tuple[FloatArray, Outcome]:
        """Return the covariant displacement of one unit motion, and how the solve ended."""
        operator = self.operator
        lift = np.zeros(operator.shape)
        lift[2][self._upper] = descent[self._upper] * self._h[2, 0, 0, 0]
        b = np.zeros(operator.shape)
        operator.residual(lift, b, b)
        # Start from a descent that grows evenly with height.
        x = np.zeros(operator.shape)
        share = np.linspace(0.0, 1.0, operator.shape[1])[:, None, None]
        np.multiply(descent * self._h[2, 0, 0, 0], share, out=x[2])
        x[operator.dinv == 0] = 0.0
        outcome = solver.solve(b, x, tolerance=tolerance, max_iterations=limit)
        x += lift
        return x, outcome

    def modes(self, fields: list[FloatArray], report: SolverReport) -> PlatenModes:
        """Return the platen modes from the covariant displacements of the three motions."""
        stiffness = np.zeros((3, 3))
        reactions = np.zeros((3, 2, 3))
        displacement = np.zeros((3, 3, *self._grid.point_shape))
        force = np.empty(self.operator.shape)
        for j, field in enumerate(fields):
            self.operator.reactions(field, force)
            force *= self._h
            for k, nodes in enumerate((self._lower, self._upper)):
                reactions[j, k] = force[:, nodes].sum(axis=1)
            pushed = force[2][self._upper]
            stiffness[:, j] = [pushed @ descent[self._upper] for descent in self._descent]
            field /= self._h
            if self._lateral == "sliding":
                self._remove_drift(field)
            displacement[j][(slice(None), *self._point_box)] = field
        stiffness = 0.5 * (stiffness + stiffness.T)
        return PlatenModes(
            frozen(displacement), frozen(stiffness), frozen(reactions), self._lateral, report
        )

    def _remove_drift(self, field: FloatArray) -> None:
        """Take out the sideways rigid motion that sliding platens leave undetermined."""
        active = self.operator.dinv[0] > 0
        _, y, x = (axis.astype(float) for axis in np.nonzero(active))
        h_x, h_y, _ = self._grid.spacing_mm
        x, y = h_x * (x - x.mean()), h_y * (y - y.mean())
        u, v = field[0][active], field[1][active]
        spin = float((x @ v - y @ u) / (x @ x + y @ y))
        field[0][active] = u - u.mean() + spin * y
        field[1][active] = v - v.mean() - spin * x

    def _points(self, nodes: NDArray[np.int64]) -> BoolArray:
        mask = np.zeros(self._grid.n_points, bool)
        mask[nodes] = True
        return mask.reshape(self._grid.point_shape)


def _bounding_box(cells: BoolArray) -> tuple[slice, ...]:
    """Return the slices (z, y, x) that hold every true cell."""
    lines = (np.flatnonzero(cells.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def _joined(moduli: FloatArray, lower: BoolArray, upper: BoolArray) -> BoolArray:
    """Return the cells of the face-connected parts that reach both platens, (n_z, n_y, n_x)."""
    parts, n_parts = ndimage.label(moduli.any(axis=0))
    reached = []
    for points in (lower, upper):
        z, y, x = np.nonzero(points)
        corners = [parts[k, j, i] for k, j, i in _around(z, y, x, parts.shape)]
        reached.append(np.bincount(np.concatenate(corners), minlength=n_parts + 1) > 0)
    both = reached[0] & reached[1]
    both[0] = False
    if not both.any():
        raise NotConverged(Status.NOT_CONNECTED.value)
    return np.asarray(both[parts])


def _around(
    z: NDArray[np.int64], y: NDArray[np.int64], x: NDArray[np.int64], shape: tuple[int, ...]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the indices of the up to eight cells around each point."""
    for dz in (-1, 0):
        for dy in (-1, 0):
            for dx in (-1, 0):
                k, j, i = z + dz, y + dy, x + dx
                inside = (
                    (k >= 0)
                    & (j >= 0)
                    & (i >= 0)
                    & (k < shape[0])
                    & (j < shape[1])
                    & (i < shape[2])
                )
                yield k[inside], j[inside], i[inside]
