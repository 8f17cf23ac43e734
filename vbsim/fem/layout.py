"""Layout of a voxel body: compact numbering of its points and cells, and how threads share it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import runs

__all__ = ["Layout", "Team"]

Array = NDArray[Any]
BoolArray = NDArray[np.bool_]

# Below this many points a product is cheaper than waking a thread.
_POINTS_WORTH_A_THREAD = 10_000


class Layout:
    """Points and cells with material, numbered without gaps.

    Parameters
    ----------
    solid : (n_z, n_y, n_x) bool
        Cells with material.
    """

    def __init__(self, solid: BoolArray) -> None:
        n_z, n_y, n_x = solid.shape
        solid = np.ascontiguousarray(solid)
        mark = np.zeros((n_y + 1, n_x + 1), np.uint8)
        totals = np.zeros(4, np.int64)
        runs.count(solid, mark, totals)
        n_cells, n_cell_runs, n_points, n_point_runs = (int(n) for n in totals)
        self.shape = (n_z, n_y, n_x)
        self.n_cells = n_cells
        self.n_points = n_points
        self.cells = runs.Cells(
            np.zeros(n_z + 1, np.int64),
            np.zeros(n_cell_runs, np.int32),
            np.zeros(n_cell_runs, np.int64),
            np.zeros((n_cell_runs, 4), np.int32),
            np.zeros(n_cell_runs, np.int32),
            np.zeros(n_cell_runs, np.int32),
        )
        self.points = runs.Points(
            np.zeros(n_z + 2, np.int64),
            np.zeros((n_z + 1, n_y + 2), np.int32),
            np.zeros(n_point_runs, np.int32),
            np.zeros(n_point_runs, np.int32),
            np.zeros(n_point_runs, np.int32),
        )
        index = np.zeros((2, n_y + 1, n_x + 1), np.int32)
        runs.number(solid, mark, index, self.cells, self.points)

    @property
    def point_shape(self) -> tuple[int, int, int]:
        """Points of the whole box, (n_z + 1, n_y + 1, n_x + 1)."""
        n_z, n_y, n_x = self.shape
        return n_z + 1, n_y + 1, n_x + 1

    @property
    def widest_plane(self) -> int:
        """Most points of one point plane."""
        return int(np.diff(self.points.plane).max())

    @property
    def stretches(self) -> float:
        """Unbroken stretches of cells a row, over the rows that have cells."""
        cells = self.cells
        plane = np.repeat(np.arange(self.shape[0]), np.diff(cells.plane))
        is_same_row = (np.diff(plane) == 0) & (np.diff(cells.row) == 0)
        is_cut = is_same_row & (np.diff(cells.x) == cells.length[:-1])  # a long run in two
        n_rows = len(plane) - np.count_nonzero(is_same_row)
        return float((len(plane) - np.count_nonzero(is_cut)) / n_rows)

    @property
    def n_bytes(self) -> int:
        """Memory of the numbering, bytes."""
        return sum(array.nbytes for array in (*self.cells, *self.points))

    def index(self) -> tuple[Array, Array, Array]:
        """Return the box indices (z, y, x) of the points, each (N,) int32."""
        points, (n_z, n_y, _) = self.points, self.point_shape
        number = np.arange(self.n_points, dtype=np.int32)
        x = number + np.repeat(points.x - points.first, points.length)
        runs_of_line = np.diff(points.line, axis=1)
        line_of_run = np.repeat(np.arange(n_z * n_y, dtype=np.int32), runs_of_line.ravel())
        line = np.repeat(line_of_run, points.length)
        return line // n_y, line % n_y, x

    def compact_cells(self, dense: Array) -> Array:
        """Return cell fields (K, n_z, n_y, n_x) as (K, n_cells)."""
        out = np.empty((len(dense), self.n_cells), dense.dtype)
        runs.gather_cells(dense, self.cells, out)
        return out

    def dense_cells(self, compact: Array) -> Array:
        """Return a cell field (n_cells,) as (n_z, n_y, n_x), 0 where there is no material."""
        n_z, n_y, n_x = self.shape
        cells = self.cells
        plane = np.repeat(np.arange(n_z), np.diff(cells.plane))
        start = (plane * n_y + cells.row) * n_x + cells.x - cells.first
        out = np.zeros(self.shape, compact.dtype)
        out.ravel()[np.repeat(start, cells.length) + np.arange(self.n_cells)] = compact
        return out

    def compact(self, dense: Array) -> Array:
        """Return a vector field (3, Z, Y, X) as (3, N)."""
        out = np.empty((3, self.n_points), dense.dtype)
        for component, target in zip(dense, out, strict=True):
            runs.compress(component, self.points, target)
        return out

    def dense(self, compact: Array, out: Array | None = None) -> Array:
        """Return a compact vector (3, N) as (3, Z, Y, X), 0 where there is no material."""
        if out is None:
            out = np.zeros((3, *self.point_shape), compact.dtype)
        runs.expand(compact, self.points, out)
        return out


class Team:
    """Threads that share the point planes of a body.

    Parameters
    ----------
    threads : int or None
        Number of threads; by default the cores this process may use. Results do not depend on it.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or len(os.sched_getaffinity(0))
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def run(self, work: Callable[[int, int, int], None], plane: NDArray[np.int64]) -> None:
        """Call ``work(member, start, stop)`` so that the points are shared out evenly.

        Parameters
        ----------
        work : callable
            Does the planes ``start <= z < stop``.
        plane : (Z + 1,) int
            First point of each plane.
        """
        n_planes, n_points = len(plane) - 1, int(plane[-1])
        if self._pool is None or n_points < _POINTS_WORTH_A_THREAD or n_planes < self.threads:
            work(0, 0, n_planes)
            return
        shares = [n_points * k // self.threads for k in range(1, self.threads)]
        cuts = [0, *(int(cut) for cut in np.searchsorted(plane, shares)), n_planes]
        jobs = [
            self._pool.submit(work, k, cuts[k], cuts[k + 1])
            for k in range(1, self.threads)
            if cuts[k] < cuts[k + 1]
        ]
        work(0, cuts[0], cuts[1])
        for job in jobs:
            job.result()
