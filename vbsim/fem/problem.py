"""The linear problem of a body between two platens, on the part of the grid that carries load."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.checks import NotConverged, frozen, require
from vbsim.fem.krylov import ConjugateGradients, Outcome
from vbsim.fem.layout import Layout, Team
from vbsim.fem.multigrid import Multigrid, held_components, mark_active
from vbsim.fem.operators import VoxelOperator
from vbsim.fem.response import PlatenModes, SolverReport, Status
from vbsim.kernels import runs
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
    """A body cut down to what joins its platens, with covariant compact vectors.

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
        lower, upper = (self._points(nodes) for nodes in (body.ends.lower, body.ends.upper))
        carrying = _joined(body.materials.moduli, lower, upper)
        self._box = _bounding_box(carrying)
        self._point_box = tuple(slice(part.start, part.stop + 1) for part in self._box)
        lower, upper = lower[self._point_box], upper[self._point_box]
        moduli = body.materials.moduli[(slice(None), *self._box)].astype(np.float32)
        moduli *= carrying[self._box]
        flags = np.zeros(upper.shape, np.uint8)
        flags[lower | upper] = runs.HELD_Z
        if lateral != "sliding":
            flags[lower | upper if lateral == "held" else lower] |= runs.HELD_X | runs.HELD_Y
        layout = Layout(carrying[self._box])
        self.operator = VoxelOperator(
            body.materials.units,
            layout.compact_cells(moduli),
            body.domain.spacing_mm,
            layout=layout,
            held=held_components(layout, flags),
            team=team,
        )
        mark_active(layout, flags)
        self.multigrid = Multigrid(self.operator, moduli, flags)
        self._ends = (self._nodes(lower), self._nodes(upper))
        self._arms: FloatArray = self._lever_arms(body.ends.pivot_mm)

    def _nodes(self, points: BoolArray) -> NDArray[np.int64]:
        """Return the compact indices of points of the box."""
        chosen = np.zeros(self.operator.layout.n_points, bool)
        runs.compress(points, self.operator.layout.points, chosen)
        return np.flatnonzero(chosen)

    def _lever_arms(self, pivot_mm: FloatArray) -> FloatArray:
        """Return x and y of every point from the pivot, and its share of the height, (3, N)."""
        layout = self.operator.layout
        out: FloatArray = np.empty((3, layout.n_points))
        z, y, x = layout.index()
        for target, index, k in ((out[0], x, 0), (out[1], y, 1)):
            axis = self._grid.faces_local()[k][self._point_box[2 - k]] - pivot_mm[k]
            np.take(axis, index, out=target)
        np.divide(z, layout.shape[0], out=out[2])
        return out

    def descent(self, motion: int) -> FloatArray:
        """Return u_z of every point if it followed the upper platen rigidly, (N,), mm."""
        if motion == 0:
            return np.full(self.operator.layout.n_points, -1.0)
        result: FloatArray = self._arms[1] if motion == 1 else -self._arms[0]
        return result

    def solve(
        self, solver: ConjugateGradients, motion: int, *, tolerance: float, limit: int
    ) -> tuple[FloatArray, Outcome]:
        """Return the covariant displacement of one unit motion, and how the solve ended."""
        h_z = self._grid.spacing_mm[2]
        descent = self.descent(motion) * h_z
        x = np.zeros(self.operator.shape)
        upper = self._ends[1]
        x[2, upper] = descent[upper]
        size = solver.load_norm(x)
        # Start from a descent that grows evenly with height.
        np.multiply(descent, self._arms[2], out=x[2], where=self.operator.dinv[2] > 0)
        outcome = solver.solve(x, tolerance=tolerance, max_iterations=limit, size=size)
        return x, outcome

    def modes(self, fields: list[FloatArray], report: SolverReport) -> PlatenModes:
        """Return the platen modes from the covariant displacements of the motions."""
        stiffness = np.zeros((3, 3))
        reactions = np.zeros((3, 2, 3))
        displacement = np.zeros((3, 3, *self._grid.point_shape))
        force = np.empty(self.operator.shape)
        h = np.array(self._grid.spacing_mm)[:, None]
        upper = self._ends[1]
        for j, field in enumerate(fields):
            self.operator.reactions(field, force)
            force *= h
            for k, nodes in enumerate(self._ends):
                reactions[j, k] = force[:, nodes].sum(axis=1)
            for i in range(len(fields)):
                stiffness[i, j] = force[2, upper] @ self.descent(i)[upper]
            field /= h
            if self._lateral == "sliding":
                self._remove_drift(field)
            box = displacement[j][(slice(None), *self._point_box)]
            runs.expand(field, self.operator.layout.points, box)
        stiffness = 0.5 * (stiffness + stiffness.T)
        return PlatenModes(
            frozen(displacement), frozen(stiffness), frozen(reactions), self._lateral, report
        )

    def _remove_drift(self, field: FloatArray) -> None:
        """Take out the sideways rigid motion that sliding platens leave undetermined."""
        x, y = (arm - arm.mean() for arm in self._arms[:2])
        u, v = field[0], field[1]
        spin = float((x @ v - y @ u) / (x @ x + y @ y))
        u += spin * y - u.mean()
        v -= spin * x + v.mean()

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
