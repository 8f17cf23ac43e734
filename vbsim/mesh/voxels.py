"""Regular grids of box-shaped cells, placed anywhere in the world frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import frozen, require

__all__ = ["VoxelGrid", "Located"]

FloatArray = NDArray[np.float64]


class Located(Protocol):
    """What `VoxelGrid.around` needs: a body frame in the world and the body's bounds in it."""

    @property
    def origin_mm(self) -> FloatArray:
        """Origin of the body frame in the world, (3,), mm."""

    @property
    def axes(self) -> FloatArray:
        """Columns are the body's x, y, z directions in the world, (3, 3)."""

    def bounds_mm(self) -> FloatArray:
        """Lower and upper corner in body coordinates, (2, 3), mm."""


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """A regular grid of box-shaped cells.

    Cell arrays are indexed ``[z, y, x]``, x fastest; points and vectors are ``(x, y, z)``.
    *Local* coordinates run along the grid's own axes from its outer corner; *world* coordinates
    are DICOM patient axes (LPS), mm.

    Parameters
    ----------
    shape : tuple of int
        Cells ``(n_z, n_y, n_x)``.
    spacing_mm : tuple of float
        Cell size ``(x, y, z)``, mm.
    origin_mm : (3,) float, mm
        World position of the outer corner of cell ``[0, 0, 0]``.
    axes : (3, 3) float
        Columns are the directions of grid x, y and z in the world; orthonormal.

    Examples
    --------
    >>> grid = VoxelGrid((2, 3, 4), (1.0, 1.0, 2.0))
    >>> grid.n_cells, grid.n_points, grid.cell_volume_mm3
    (24, 60, 2.0)
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    origin_mm: FloatArray = field(default_factory=lambda: np.zeros(3))
    axes: FloatArray = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        require(min(self.shape) >= 1, "shape", self.shape, "at least one cell along each axis")
        require(min(self.spacing_mm) > 0, "spacing_mm", self.spacing_mm, "positive, in mm")
        axes = np.array(self.axes, dtype=np.float64)
        require(
            bool(np.allclose(axes.T @ axes, np.eye(3), atol=1e-6)),
            "axes",
            axes.tolist(),
            "three orthonormal columns",
        )
        set_field = object.__setattr__
        set_field(self, "shape", tuple(int(n) for n in self.shape))
        set_field(self, "spacing_mm", tuple(float(h) for h in self.spacing_mm))
        set_field(self, "origin_mm", frozen(np.array(self.origin_mm, dtype=np.float64)))
        set_field(self, "axes", frozen(axes))

    @classmethod
    def around(cls, body: Located, *, spacing_mm: float, margin_mm: float = 14.0) -> VoxelGrid:
        """Return a grid aligned with a body's frame that holds it with a margin on every side.

        The frame's origin lies on a cell corner, so that a finer grid of half the spacing nests
        and a left-right symmetric body is sampled symmetrically.

        Parameters
        ----------
        body : Located
            A body frame with bounds.
        spacing_mm : float
            Edge of the cubic cells, mm.
        margin_mm : float
            Least distance from the body's bounds to the grid's faces, mm. The default leaves room
            for caps of 10 mm above and below the endplates.
        """
        require(spacing_mm > 0, "spacing_mm", spacing_mm, "positive, in mm")
        lower, upper = np.asarray(body.bounds_mm(), dtype=np.float64)
        first = np.floor((lower - margin_mm) / spacing_mm)
        last = np.ceil((upper + margin_mm) / spacing_mm)
        counts = (last - first).astype(int)
        origin = body.origin_mm + body.axes @ (first * spacing_mm)
        n_x, n_y, n_z = (int(n) for n in counts)
        return cls((n_z, n_y, n_x), (spacing_mm,) * 3, origin, body.axes)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return int(np.prod(self.shape))

    @property
    def point_shape(self) -> tuple[int, int, int]:
        """Points ``(n_z + 1, n_y + 1, n_x + 1)``."""
        n_z, n_y, n_x = self.shape
        return n_z + 1, n_y + 1, n_x + 1

    @property
    def n_points(self) -> int:
        """Number of points (cell corners)."""
        return int(np.prod(self.point_shape))

    @property
    def cell_volume_mm3(self) -> float:
        """Volume of one cell, mm3."""
        return float(np.prod(self.spacing_mm))

    def points_of(self, cells: ArrayLike) -> NDArray[np.bool_]:
        """Return which points are corners of the cells that are set, (n_z + 1, n_y + 1, n_x + 1).

        Parameters
        ----------
        cells : (n_z, n_y, n_x) array
            Not 0 where set.

        Examples
        --------
        >>> grid = VoxelGrid((1, 1, 3), (1.0, 1.0, 1.0))
        >>> grid.points_of([[[1, 0, 0]]])[0, 0].tolist()
        [True, True, False, False]
        """
        is_set = np.asarray(cells) != 0
        require(is_set.shape == self.shape, "cells", is_set.shape, f"of the grid, {self.shape}")
        is_point = np.zeros(self.point_shape, dtype=np.bool_)
        n_z, n_y, n_x = self.shape
        for k, j, i in np.ndindex(2, 2, 2):
            is_point[k : k + n_z, j : j + n_y, i : i + n_x] |= is_set
        return is_point

    def centres_local(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return local coordinates of the cell centres along x, y and z, each 1-D, mm."""
        n_z, n_y, n_x = self.shape
        h_x, h_y, h_z = self.spacing_mm
        return (
            (np.arange(n_x, dtype=np.float64) + 0.5) * h_x,
            (np.arange(n_y, dtype=np.float64) + 0.5) * h_y,
            (np.arange(n_z, dtype=np.float64) + 0.5) * h_z,
        )

    def faces_local(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return local coordinates of the cell faces (point planes) along x, y, z, mm."""
        n_z, n_y, n_x = self.shape
        h_x, h_y, h_z = self.spacing_mm
        return (
            np.arange(n_x + 1, dtype=np.float64) * h_x,
            np.arange(n_y + 1, dtype=np.float64) * h_y,
            np.arange(n_z + 1, dtype=np.float64) * h_z,
        )

    def centres(self) -> FloatArray:
        """Return world coordinates of the cell centres, (n_z, n_y, n_x, 3), mm."""
        return self._mesh(self.centres_local())

    def points(self) -> FloatArray:
        """Return world coordinates of the points, (n_z + 1, n_y + 1, n_x + 1, 3), mm."""
        return self._mesh(self.faces_local())

    def to_world(self, local_mm: ArrayLike) -> FloatArray:
        """Map local to world coordinates, (..., 3), mm."""
        result: FloatArray = self.origin_mm + np.asarray(local_mm) @ np.transpose(self.axes)
        return result

    def to_local(self, world_mm: ArrayLike) -> FloatArray:
        """Map world to local coordinates, (..., 3), mm."""
        result: FloatArray = (np.asarray(world_mm) - self.origin_mm) @ self.axes
        return result

    def affine(self) -> FloatArray:
        """Return the (4, 4) map from cell index ``(i_x, i_y, i_z)`` to its centre in the world."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.asarray(self.axes) * np.array(self.spacing_mm)
        matrix[:3, 3] = self.to_world(0.5 * np.array(self.spacing_mm))
        return matrix

    def crop(self, window: Sequence[slice]) -> VoxelGrid:
        """Return the part inside a window ``[z, y, x]`` of slices with given starts and stops."""
        n_z, n_y, n_x = (part.stop - part.start for part in window)
        corner = np.array([part.start for part in window][::-1]) * np.array(self.spacing_mm)
        return VoxelGrid((n_z, n_y, n_x), self.spacing_mm, self.to_world(corner), self.axes)

    def _mesh(self, axes_mm: tuple[FloatArray, FloatArray, FloatArray]) -> FloatArray:
        x, y, z = axes_mm
        local = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
        return self.to_world(local)
