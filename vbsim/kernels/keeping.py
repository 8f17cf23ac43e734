"""Stiffness of every cell, kept in the order in which a matrix takes it up.

For other moduli a kept matrix is one pass: every block on and above the diagonal sums what its
cells give it, one behind the other in memory, each times the factor of its cell, and is stored
once, with the block that faces it. No block is cleared, and none is read again.
"""

from __future__ import annotations

from vbsim.kernels import kernel
from vbsim.kernels.stiffness import LANES, make_room, stiffnesses

__all__ = ["arrange", "keep", "refill"]


@kernel
def arrange(place, first, slot, cell):
    """Give every block of every cell its place: in the order of blocks, then of cells.

    Parameters
    ----------
    place : (n_cells, n_pairs) int
        Blocks of each cell, as `assembly.connect` leaves them.
    first : (n_blocks + 1,) int
        Zeros; receives where the parts of each block begin.
    slot : (n_cells, n_pairs) int
        Receives the places; ``-1 - place`` where the block is that of the pair transposed.
    cell : (n_cells * n_pairs,) int32
        Receives the cell of each place.
    """
    n_cells, n_pairs = place.shape
    for c in range(n_cells):
        for pair in range(n_pairs):
            at = place[c, pair]
            first[max(at, -1 - at) + 1] += 1
    for k in range(len(first) - 1):
        first[k + 1] += first[k]
    for c in range(n_cells):
        for pair in range(n_pairs):
            at = place[c, pair]
            block = max(at, -1 - at)
            slot[c, pair] = first[block] if at >= 0 else -1 - first[block]
            cell[first[block]] = c
            first[block] += 1
    for k in range(len(first) - 1, 0, -1):
        first[k] = first[k - 1]
    first[0] = 0


@kernel
def keep(cells, points, tables, constants, slot, part, kept):
    """Set what some cells give to every block, (n_cells * n_pairs, 3, 3), for a factor of 1.

    `part` is the first and last + 1 cell; see `assembly.assemble` and `arrange` for the rest.
    """
    n = cells.shape[1]
    m = tables.slopes.shape[2]
    room = make_room(n, m, len(tables.weights))
    for first in range(part[0], part[1], LANES):
        last = min(first + LANES, part[1])
        stiffnesses(cells, points, tables, constants, first, last, room)
        pair = 0
        for a in range(n):
            row = a * m - a * (a - 1) // 2 - a
            for b in range(a, n):
                own = room.K[row + b]
                for lane in range(last - first):
                    to = slot[first + lane, pair]
                    out = kept[max(to, -1 - to)]
                    if to >= 0:
                        for i in range(3):
                            for j in range(3):
                                out[i, j] = own[(3 * i + j) * LANES + lane]
                    else:
                        for i in range(3):
                            for j in range(3):
                                out[j, i] = own[(3 * i + j) * LANES + lane]
                pair += 1


@kernel
def refill(start, column, mirror, first, cell, kept, factor, rows, values):
    """Set the blocks on and above the diagonal of some rows, and those that face them.

    Parameters
    ----------
    start, column, mirror : arrays
        See `assembly.connect` and `assembly.face`.
    first, cell : arrays
        See `arrange`.
    kept : (n_cells * n_pairs, 9) float
        See `keep`.
    factor : (n_cells,) float
        Factor on the stiffness of each cell.
    rows : (2,) int
        First and last + 1 row.
    values : (n_blocks, 9) float
        Receives the blocks.
    """
    for p in range(rows[0], rows[1]):
        for k in range(start[p], start[p + 1]):
            if column[k] < p:
                continue
            xx = xy = xz = yx = yy = yz = zx = zy = zz = 0.0
            for j in range(first[k], first[k + 1]):
                f, own = factor[cell[j]], kept[j]
                xx += f * own[0]
                xy += f * own[1]
                xz += f * own[2]
                yx += f * own[3]
                yy += f * own[4]
                yz += f * own[5]
                zx += f * own[6]
                zy += f * own[7]
                zz += f * own[8]
            out = values[k]
            out[0], out[1], out[2] = xx, xy, xz
            out[3], out[4], out[5] = yx, yy, yz
            out[6], out[7], out[8] = zx, zy, zz
            if column[k] > p:
                out = values[mirror[k]]
                out[0], out[1], out[2] = xx, yx, zx
                out[3], out[4], out[5] = xy, yy, zy
                out[6], out[7], out[8] = xz, yz, zz
