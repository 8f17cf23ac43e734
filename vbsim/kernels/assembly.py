"""Element stiffness straight into a block matrix whose pattern is known.

A matrix holds 3 x 3 blocks, one for each pair of points that share a cell, in rows
(``start, column, values``). `connect` lays the pattern out and notes for every cell where its
blocks lie; after that a matrix for new moduli is one pass over the cells. Rows are shared out among
callers: each computes the cells that touch its rows, so that sums run in the order of the cells
whatever the number of callers.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel
from vbsim.kernels.stiffness import LANES, contract, make_room, moments

__all__ = ["assemble", "connect", "count_blocks", "gather_cells"]


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
    place : (n_cells, n_nodes, n_nodes) int32 or int64
        Receives the number of the block of each pair of nodes.
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
            for a in range(n_nodes):
                if cells[c, a] == p:
                    for b in range(n_nodes):
                        place[c, a, b] = at[cells[c, b]]


@kernel
def assemble(cells, points, tables, constants, place, rows, values):
    """Add the stiffness of every cell to the blocks of some rows.

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
    place : (n_cells, n, n) int
        Blocks of each cell.
    rows : (2,) int
        First and last + 1 point whose rows are filled.
    values : (n_blocks, 3, 3) float
        Receives the sums.
    """
    n_cells, n = cells.shape
    n_constants, m = constants.shape[1], tables.slopes.shape[2]
    room = make_room(n, m, len(tables.weights))
    batch = np.zeros(LANES, np.int64)
    filled = 0
    for c in range(n_cells):
        touches = False
        for a in range(n):
            touches |= rows[0] <= cells[c, a] < rows[1]
        if touches:
            batch[filled] = c
            filled += 1
        if filled == LANES or (filled > 0 and c == n_cells - 1):
            for lane in range(LANES):
                cell = batch[min(lane, filled - 1)]  # lanes left over repeat the last cell
                for a in range(n):
                    for i in range(3):
                        room.x[i, a, lane] = points[cells[cell, a], i]
                for k in range(n_constants):
                    room.c[k, lane] = constants[cell, k]
            moments(tables, room)
            contract(room, n, m, n_constants == 36)
            for lane in range(filled):
                cell = batch[lane]
                _scatter(room.K, lane, cells[cell], m, place[cell], rows, values)
            filled = 0


@kernel
def _scatter(K, lane, cell, m, place, rows, values):
    """Add one cell's stiffness to the blocks of its rows."""
    n = len(cell)
    for a in range(n):
        mine = rows[0] <= cell[a] < rows[1]
        first = a * m - a * (a - 1) // 2 - a
        for b in range(a, n):
            own = K[first + b]
            if mine:
                block = values[place[a, b]]
                for i in range(3):
                    for j in range(3):
                        block[i, j] += own[i, j, lane]
            if b > a and rows[0] <= cell[b] < rows[1]:
                block = values[place[b, a]]
                for i in range(3):
                    for j in range(3):
                        block[j, i] += own[i, j, lane]
