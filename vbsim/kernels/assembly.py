"""Element stiffness straight into a block matrix whose pattern is known.

A matrix holds 3 x 3 blocks, one for each pair of points that share a cell, in rows
(``start, column, values``). `connect` lays the pattern out and notes for every cell where its
blocks lie; after that a matrix for new moduli is one pass over the cells, which fills the blocks on
and above the diagonal, and one over the rows, which copies them below (`reflect`). Rows are shared
out among callers: each computes the cells that touch its rows, in groups by their number, so that
sums keep their order whatever the number of callers.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel
from vbsim.kernels.stiffness import LANES, make_room, stiffnesses

__all__ = ["assemble", "connect", "count_blocks", "face", "gather_cells", "reflect"]


@kernel
def gather_cells(cells, first, member):
    """List the cells of every point.

    Parameters
    ----------
    cells : (n_cells, n_nodes) int32
        Points of each cell.
    first : (n_points + 1,) int64
        Receives the start of each point's list.
    member : (n_cells * n_nodes,) int32
        Receives the lists.
    """
    n_cells, n_nodes = cells.shape
    for c in range(n_cells):
        for a in range(n_nodes):
            first[cells[c, a] + 1] += 1
    for p in range(len(first) - 1):
        first[p + 1] += first[p]
    for c in range(n_cells):
        for a in range(n_nodes):
            p = cells[c, a]
            member[first[p]] = c
            first[p] += 1
    for p in range(len(first) - 1, 0, -1):
        first[p] = first[p - 1]
    first[0] = 0


@kernel
def count_blocks(cells, first, member, start):
    """Count the points that share a cell with each point into ``start[1:]``, summed up."""
    n_points = len(first) - 1
    seen = np.full(n_points, -1, np.int32)
    for p in range(n_points):
        found = 0
        for k in range(first[p], first[p + 1]):
            for a in range(cells.shape[1]):
                q = cells[member[k], a]
                if seen[q] != p:
                    seen[q] = p
                    found += 1
        start[p + 1] = start[p] + found


@kernel
def connect(cells, first, member, start, column, place):
    """Fill in the columns of every row, rising, and where each block of each cell lies.

    Parameters
    ----------
    cells, first, member, start : arrays
        See `gather_cells` and `count_blocks`.
    column : (n_blocks,) int32
        Receives the columns.
    place : (n_cells, n_pairs) int32 or int64
        Receives, for each pair of nodes a <= b, the number of their block on or above the
        diagonal: that of (a, b), or, as ``-1 - number``, that of (b, a) where b is the lower point.
    """
    n_points, n_nodes = len(first) - 1, cells.shape[1]
    at = np.full(n_points, -1, start.dtype)
    for p in range(n_points):
        begin, end = start[p], start[p]
        for k in range(first[p], first[p + 1]):
            for a in range(n_nodes):
                q = cells[member[k], a]
                if at[q] < begin or at[q] >= end or column[at[q]] != q:
                    column[end] = q
                    at[q] = end
                    end += 1
        for k in range(begin + 1, end):  # a row is short: insertion
            q = column[k]
            t = k
            while t > begin and column[t - 1] > q:
                column[t] = column[t - 1]
                t -= 1
            column[t] = q
        for k in range(begin, end):
            at[column[k]] = k
        for k in range(first[p], first[p + 1]):
            c = member[k]
            pair = 0
            for a in range(n_nodes):
                for b in range(a, n_nodes):
                    lower, upper = cells[c, a], cells[c, b]
                    if lower == p and upper >= p:
                        place[c, pair] = at[upper]
                    elif upper == p and lower > p:
                        place[c, pair] = -1 - at[lower]
                    pair += 1


@kernel
def face(start, column, mirror):
    """Find the block that faces each block across the diagonal, itself on it.

    Rows and columns rise, so that the blocks below the diagonal of a row are met in their order.
    """
    reached = start[:-1].copy()
    for p in range(len(start) - 1):
        for k in range(start[p], start[p + 1]):
            q = column[k]
            if q == p:
                mirror[k] = k
            elif q > p:
                mirror[k] = reached[q]
                mirror[reached[q]] = k
                reached[q] += 1


@kernel
def reflect(start, column, mirror, rows, values):
    """Copy the blocks above the diagonal to those below it in some rows, transposed."""
    for p in range(rows[0], rows[1]):
        k = start[p]
        while column[k] < p:
            own, other = values[k], values[mirror[k]]
            for i in range(3):
                for j in range(3):
                    own[i, j] = other[j, i]
            k += 1


@kernel
def assemble(cells, points, tables, constants, place, rows, values):
    """Add the stiffness of every cell to the blocks of some rows on and above the diagonal.

    Parameters
    ----------
    cells : (n_cells, n) int32
        Points of each cell.
    points : (n_points, 3) float
        Places.
    tables : Tables
        The reference element.
    constants : (n_cells, 9) or (n_cells, 36) float
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` or the elastic matrix, row by row.
    place : (n_cells, n_pairs) int
        Blocks of each cell, as `connect` leaves them.
    rows : (2,) int
        First and last + 1 point whose rows are filled.
    values : (n_blocks, 3, 3) float
        Receives the sums.
    """
    n_cells, n = cells.shape
    m = tables.slopes.shape[2]
    room = make_room(n, m, len(tables.weights))
    # Cells go together by their number, whoever computes them: so that sums keep their order.
    for first in range(0, n_cells, LANES):
        last = min(first + LANES, n_cells)
        touches = False
        for c in range(first, last):
            for a in range(n):
                touches |= rows[0] <= cells[c, a] < rows[1]
        if not touches:
            continue
        stiffnesses(cells, points, tables, constants, first, last, room)
        _scatter(room.K, m, cells[first:last], place[first:last], rows, values)


@kernel
def _scatter(K, m, cells, place, rows, values):
    """Add the stiffness of some cells to the blocks of their rows, pair by pair."""
    n = cells.shape[1]
    pair = 0
    for a in range(n):
        first = a * m - a * (a - 1) // 2 - a
        for b in range(a, n):
            own = K[first + b]
            for lane in range(len(cells)):
                if rows[0] <= min(cells[lane, a], cells[lane, b]) < rows[1]:
                    at = place[lane, pair]
                    block = values[max(at, -1 - at)]
                    if at >= 0:
                        for i in range(3):
                            for j in range(3):
                                block[i, j] += own[(3 * i + j) * LANES + lane]
                    else:
                        for i in range(3):
                            for j in range(3):
                                block[j, i] += own[(3 * i + j) * LANES + lane]
            pair += 1
