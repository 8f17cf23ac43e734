"""Compact numbering: only points and cells with material, in runs along x.

Points with material are numbered along x, then y, then z; so are cells. A *point run* is a stretch
of consecutive points on one line, a *cell run* a stretch of consecutive cells on one row. The
points of a cell run lie next to each other in each of its four lines, so four indices place it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import inlined, kernel

__all__ = ["Cells", "Points", "count", "number", "expand", "compress", "gather_cells", "flag"]

LONGEST = 127  # cells in one run; longer ones are cut, so that a run fits the line buffers

HELD_X, HELD_Y, HELD_Z = 1, 2, 4
"""Flags of a point: components that are held."""


class Cells(NamedTuple):
    """Cell runs.

    Attributes
    ----------
    plane : (n_z + 1,) int64
        First run of each cell plane.
    length : (R,) int32
        Cells in each run.
    first : (R,) int64
        Compact index of its first cell.
    lines : (R, 4) int32
        Compact index of its first point on the lines (z, y), (z, y + 1), (z + 1, y),
        (z + 1, y + 1).
    row : (R,) int32
        Row y.
    x : (R,) int32
        First cell along x.
    """

    plane: NDArray[np.int64]
    length: NDArray[np.int32]
    first: NDArray[np.int64]
    lines: NDArray[np.int32]
    row: NDArray[np.int32]
    x: NDArray[np.int32]


class Points(NamedTuple):
    """Point runs.

    Attributes
    ----------
    plane : (Z + 1,) int64
        First point of each point plane.
    line : (Z, Y + 1) int32
        First run of each line; the last entry ends the plane.
    x : (P,) int32
        First point along x.
    length : (P,) int32
        Points in each run.
    first : (P,) int32
        Compact index of its first point.
    """

    plane: NDArray[np.int64]
    line: NDArray[np.int32]
    x: NDArray[np.int32]
    length: NDArray[np.int32]
    first: NDArray[np.int32]


@inlined
def _mark_points(solid, z, mark):
    """Mark the points of plane z that touch a solid cell."""
    n_z, n_y, n_x = solid.shape
    mark[:] = 0
    for k in range(max(z - 1, 0), min(z + 1, n_z)):
        for y in range(n_y):
            cells, near, far = solid[k, y], mark[y], mark[y + 1]
            for x in range(n_x):
                if cells[x]:
                    near[x] = 1
                    near[x + 1] = 1
                    far[x] = 1
                    far[x + 1] = 1


@kernel
def count(solid, mark, totals):
    """Count what `number` will fill.

    Parameters
    ----------
    solid : (n_z, n_y, n_x) bool
        Cells with material.
    mark : (n_y + 1, n_x + 1) uint8
        Work.
    totals : (4,) int64
        Result: cells, cell runs, points, point runs.
    """
    n_z, n_y, n_x = solid.shape
    totals[:] = 0
    for z in range(n_z):
        for y in range(n_y):
            length = 0
            for x in range(n_x):
                if solid[z, y, x]:
                    if length == 0 or length == LONGEST:
                        totals[1] += 1
                        length = 0
                    length += 1
                    totals[0] += 1
                else:
                    length = 0
    for z in range(n_z + 1):
        _mark_points(solid, z, mark)
        for y in range(n_y + 1):
            inside = False
            for x in range(n_x + 1):
                if mark[y, x]:
                    totals[2] += 1
                    if not inside:
                        totals[3] += 1
                    inside = True
                else:
                    inside = False


@kernel
def number(solid, mark, index, cells, points):
    """Give points and cells their numbers.

    Parameters
    ----------
    solid : (n_z, n_y, n_x) bool
        Cells with material.
    mark : (n_y + 1, n_x + 1) uint8
        Work.
    index : (2, n_y + 1, n_x + 1) int32
        Work: compact index of the points of two planes.
    cells, points : Cells, Points
        Filled.
    """
    n_z, n_y, n_x = solid.shape
    n_points = 0
    n_runs = 0
    cell = 0
    run = 0
    low, top = index[0], index[1]
    for z in range(n_z + 1):
        _mark_points(solid, z, mark)
        points.plane[z] = n_points
        for y in range(n_y + 1):
            points.line[z, y] = n_runs
            inside = False
            for x in range(n_x + 1):
                if mark[y, x]:
                    if not inside:
                        points.x[n_runs] = x
                        points.first[n_runs] = n_points
                        points.length[n_runs] = 0
                        n_runs += 1
                    inside = True
                    points.length[n_runs - 1] += 1
                    top[y, x] = n_points
                    n_points += 1
                else:
                    inside = False
        points.line[z, n_y + 1] = n_runs
        if z > 0:
            cells.plane[z - 1] = run
            for y in range(n_y):
                length = 0
                for x in range(n_x):
                    if solid[z - 1, y, x]:
                        if length == 0 or length == LONGEST:
                            cells.first[run] = cell
                            cells.length[run] = 0
                            cells.row[run] = y
                            cells.x[run] = x
                            cells.lines[run, 0] = low[y, x]
                            cells.lines[run, 1] = low[y + 1, x]
                            cells.lines[run, 2] = top[y, x]
                            cells.lines[run, 3] = top[y + 1, x]
                            run += 1
                            length = 0
                        length += 1
                        cells.length[run - 1] = length
                        cell += 1
                    else:
                        length = 0
        low, top = top, low
    points.plane[n_z + 1] = n_points
    cells.plane[n_z] = run


@kernel
def gather_cells(dense, cells, out):
    """Copy dense cell fields (K, n_z, n_y, n_x) into compact ones (K, n_cells)."""
    for k in range(dense.shape[0]):
        for z in range(dense.shape[1]):
            for r in range(cells.plane[z], cells.plane[z + 1]):
                first, x = cells.first[r], cells.x[r]
                for i in range(cells.length[r]):
                    out[k, first + i] = dense[k, z, cells.row[r], x + i]


@kernel
def expand(compact, points, dense):
    """Copy a compact vector (3, N) into a dense one (3, Z, Y, X); other points keep their value."""
    for c in range(3):
        for z in range(dense.shape[1]):
            for y in range(dense.shape[2]):
                for r in range(points.line[z, y], points.line[z, y + 1]):
                    first, x = points.first[r], points.x[r]
                    for i in range(points.length[r]):
                        dense[c, z, y, x + i] = compact[c, first + i]


@kernel
def compress(dense, points, compact):
    """Copy a dense field (Z, Y, X) at the points with material into a compact one (N,)."""
    for z in range(dense.shape[0]):
        for y in range(dense.shape[1]):
            for r in range(points.line[z, y], points.line[z, y + 1]):
                first, x = points.first[r], points.x[r]
                for i in range(points.length[r]):
                    compact[first + i] = dense[z, y, x + i]


@kernel
def flag(points, value, flags):
    """Set a flag of the points with material in a dense field (Z, Y, X)."""
    for z in range(flags.shape[0]):
        for y in range(flags.shape[1]):
            for r in range(points.line[z, y], points.line[z, y + 1]):
                x = points.x[r]
                for i in range(points.length[r]):
                    flags[z, y, x + i] |= value
