"""The linear problem of a body between two platens, on the part of the grid that carries load."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.checks import NotConverged, frozen, require
from vbsim.fem.krylov import ConjugateGradients, Outcome
from vbsim.fem.layout import Layout, Team
from vbsim.fem.multigrid import Multigrid, held_components
from vbsim.fem.operators import VoxelOperator
from vbsim.fem.response import PlatenModes, SolverReport, Status
from vbsim.kernels import runs, transfer
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Dropped", "Platens", "Solid", "PlatenProblem"]

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


class Dropped(NamedTuple):
    """What was left out because it does not join the platens."""

    n_parts: int
    n_cells: int


class PlatenProblem:
    """A body cut down to what joins its platens, with covariant compact vectors.

    Parameters
    ----------
    body : Solid
        Body with platen node sets.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways: at both ends, at none, at one of them.
    team : Team
        Threads.

    Attributes
    ----------
    operator : VoxelOperator
        Stiffness of what joins the platens.
    multigrid : Multigrid
        Its preconditioner.
    dropped : Dropped
        What does not join them.
    box, point_box : tuple of slice
        Cells and points (z, y, x) around what joins them; the operator's layout counts from there.
    ends : tuple of (n,) int array
        Compact indices of the points on the lower and upper platen.

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
        solid = np.asarray(body.materials.moduli.any(axis=0))
        carrying, self.dropped = _joined(solid, lower, upper)
        self.box = _bounding_box(carrying)
        self.point_box = tuple(slice(part.start, part.stop + 1) for part in self.box)
        lower, upper = lower[self.point_box], upper[self.point_box]
        moduli = body.materials.moduli[(slice(None), *self.box)].astype(np.float32)
        if self.dropped.n_parts:
            moduli *= carrying[self.box]
        layout = Layout(carrying[self.box])
        self.ends = (_nodes(layout, lower), _nodes(layout, upper))
        flags = self._flags(layout)
        self.operator = VoxelOperator(
            body.materials.units,
            layout.compact_cells(moduli),
            body.domain.spacing_mm,
            layout=layout,
            held=held_components(layout, flags),
            team=team,
        )
        self.multigrid = Multigrid(self.operator, moduli, flags)
        self._pivot_mm = body.ends.pivot_mm

    def renew(self, materials: StiffnessField) -> None:
        """Take other moduli in the same voxels: numbering, platens and memory stay.

        Parameters
        ----------
        materials : StiffnessField
            On the same grid, of the same unit materials, with material where there was some.

        Raises
        ------
        InvalidInput
            If the unit materials are others, or voxels that carried load are void.
        """
        units = self.operator.units
        names = tuple(unit.name for unit in materials.units)
        require(materials.units == units, "units", names, f"{[unit.name for unit in units]}")
        layout = self.operator.layout
        carrying = layout.dense_cells(np.ones(layout.n_cells, bool))
        moduli = materials.moduli[(slice(None), *self.box)].astype(np.float32)
        moduli *= carrying
        n_void = layout.n_cells - np.count_nonzero(moduli.any(axis=0))
        require(n_void == 0, "voxels without material", n_void, "0 where there was material")
        self.multigrid.renew(moduli, self._flags(layout))

    def _flags(self, layout: Layout) -> NDArray[np.uint8]:
        """Return the flags of the points of the box, as `Multigrid` reads them."""
        compact = np.full(layout.n_points, transfer.ACTIVE, np.uint8)
        for nodes, name in zip(self.ends, ("lower_held", "upper_held"), strict=True):
            compact[nodes] |= runs.HELD_Z
            if self._lateral in ("held", name):
                compact[nodes] |= runs.HELD_X | runs.HELD_Y
        flags = np.zeros(layout.point_shape, np.uint8)
        flags[layout.index()] = compact
        return flags

    @cached_property
    def _arms(self) -> FloatArray:
        """Place of every point across, x and y from the pivot, (2, N), mm."""
        layout = self.operator.layout
        out: FloatArray = np.empty((2, layout.n_points))
        _, y, x = layout.index()
        for target, index, k in ((out[0], x, 0), (out[1], y, 1)):
            axis = self._grid.faces_local()[k][self.point_box[2 - k]] - self._pivot_mm[k]
            np.take(axis, index, out=target)
        return out

    def descent(self, motion: int, points: NDArray[np.int64] | slice) -> FloatArray:
        """Return u_z of points if they followed the upper platen rigidly, mm."""
        if motion == 0:
            count = points.stop - points.start if isinstance(points, slice) else len(points)
            return np.full(count, -1.0)
        result: FloatArray = self._arms[1, points] if motion == 1 else -self._arms[0, points]
        return result

    def solve(
        self,
        solver: ConjugateGradients,
        motion: int,
        *,
        tolerance: float,
        limit: int,
        start_mm: FloatArray | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> tuple[FloatArray, Outcome]:
        """Return the covariant displacement of one unit motion, and how the solve ended.

        `start_mm` is a displacement (3, n_z + 1, n_y + 1, n_x + 1) of the whole grid to start
        from; by default the descent grows evenly with height.
        """
        h_z = self._grid.spacing_mm[2]
        x = np.zeros(self.operator.shape)
        upper = self.ends[1]
        x[2, upper] = self.descent(motion, upper) * h_z
        size = solver.load_norm(x)
        if start_mm is None:
            self._descend(motion, x)
        else:
            self._start_from(start_mm, x)
        outcome = solver.solve(
            x, tolerance=tolerance, max_iterations=limit, size=size, progress=progress
        )
        return x, outcome

    def _descend(self, motion: int, x: FloatArray) -> None:
        """Let the free points follow the upper platen in proportion to their height."""
        h_z = self._grid.spacing_mm[2]
        plane = self.operator.layout.points.plane
        for k, share in enumerate(np.linspace(0.0, h_z, len(plane) - 1)):
            points = slice(int(plane[k]), int(plane[k + 1]))
            is_free = self.operator.dinv[2, points] > 0
            np.multiply(self.descent(motion, points), share, out=x[2, points], where=is_free)

    def _start_from(self, start_mm: FloatArray, x: FloatArray) -> None:
        """Put the free components of a displacement of the whole grid into a covariant vector."""
        box = np.ascontiguousarray(start_mm[(slice(None), *self.point_box)])
        start = self.operator.layout.compact(box)
        start *= np.array(self._grid.spacing_mm)[:, None]
        np.copyto(x, start, where=self.operator.dinv > 0)

    def reactions(self, field: FloatArray, force: FloatArray) -> FloatArray:
        """Return the total force (x, y, z) on the lower and upper platen, (2, 3), N.

        Parameters
        ----------
        field : (3, N) float
            Covariant displacement.
        force : (3, N) float
            Receives the covariant force on every point.
        """
        self.operator.reactions(field, force)
        h = np.array(self._grid.spacing_mm)
        return np.array([h * force[:, nodes].sum(axis=1) for nodes in self.ends])

    def _moments(self, force: FloatArray) -> FloatArray:
        """Return the moments of the platens' forces about the pivot over the height, (2, 3), N."""
        spacing = np.array(self._grid.spacing_mm)
        n_z = self.operator.layout.shape[0]
        base = self._grid.faces_local()[2][self.point_box[0].start] - self._pivot_mm[2]
        plane = self.operator.layout.points.plane
        moments = []
        for nodes in self.ends:
            z = base + spacing[2] * (np.searchsorted(plane, nodes, side="right") - 1)
            arms = np.stack([*self._arms[:, nodes], z], axis=1)
            moments.append(np.cross(arms, spacing * force[:, nodes].T).sum(axis=0))
        result: FloatArray = np.array(moments) / (n_z * spacing[2])
        return result

    def modes(
        self, fields: list[FloatArray], report: SolverReport, force: FloatArray
    ) -> PlatenModes:
        """Return the platen modes from the covariant displacements of the motions; uses `force`."""
        stiffness = np.zeros((3, 3))
        reactions = np.zeros((3, 2, 6))
        displacement = np.zeros((3, 3, *self._grid.point_shape))
        upper = self.ends[1]
        for j, field in enumerate(fields):
            reactions[j, :, :3] = self.reactions(field, force)
            reactions[j, :, 3:] = self._moments(force)
            along = force[2, upper] * self._grid.spacing_mm[2]
            for i in range(len(fields)):
                stiffness[i, j] = along @ self.descent(i, upper)
            self.to_mm(field)
            box = displacement[j][(slice(None), *self.point_box)]
            runs.expand(field, self.operator.layout.points, box)
        stiffness = 0.5 * (stiffness + stiffness.T)
        return PlatenModes(
            frozen(displacement), frozen(stiffness), frozen(reactions), self._lateral, report
        )

    def to_mm(self, field: FloatArray) -> None:
        """Turn a covariant displacement (3, N) into millimetres, in place."""
        field /= np.array(self._grid.spacing_mm)[:, None]
        if self._lateral == "sliding":
            self._remove_drift(field)

    def _remove_drift(self, field: FloatArray) -> None:
        """Take out the sideways rigid motion that sliding platens leave undetermined."""
        x, y = (arm - arm.mean() for arm in self._arms)
        u, v = field[0], field[1]
        spin = float((x @ v - y @ u) / (x @ x + y @ y))
        u += spin * y - u.mean()
        v -= spin * x + v.mean()

    def _points(self, nodes: NDArray[np.int64]) -> BoolArray:
        mask = np.zeros(self._grid.n_points, bool)
        mask[nodes] = True
        return mask.reshape(self._grid.point_shape)


def _nodes(layout: Layout, points: BoolArray) -> NDArray[np.int64]:
    """Return the compact indices of points of the box."""
    chosen = np.zeros(layout.n_points, bool)
    runs.compress(points, layout.points, chosen)
    return np.flatnonzero(chosen)


def _bounding_box(cells: BoolArray) -> tuple[slice, ...]:
    """Return the slices (z, y, x) that hold every true cell."""
    lines = (np.flatnonzero(cells.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    return tuple(slice(int(line[0]), int(line[-1]) + 1) for line in lines)


def _joined(solid: BoolArray, lower: BoolArray, upper: BoolArray) -> tuple[BoolArray, Dropped]:
    """Return the cells of the face-connected parts that reach both platens, and what is not."""
    parts, n_parts = ndimage.label(solid)
    reached = []
    for points in (lower, upper):
        z, y, x = np.nonzero(points)
        corners = [parts[k, j, i] for k, j, i in _around(z, y, x, parts.shape)]
        reached.append(np.bincount(np.concatenate(corners), minlength=n_parts + 1) > 0)
    both = reached[0] & reached[1]
    both[0] = False
    if not both.any():
        raise NotConverged(Status.NOT_CONNECTED.value)
    if both[1:].all():
        return solid, Dropped(0, 0)
    carrying = np.empty_like(solid)
    for layer, kept in zip(parts, carrying, strict=True):  # indices are widened to int64 meanwhile
        np.take(both, layer, out=kept)
    n_lost = np.count_nonzero(solid) - np.count_nonzero(carrying)
    return carrying, Dropped(n_parts - int(np.count_nonzero(both)), int(n_lost))


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
