"""Better corners of hexahedra and tetrahedra by small moves of their points."""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel

__all__ = ["least_corner", "relax"]

# The three edges that leave each corner of a hexahedron, right-handed.
_ENDS = np.array(
    [(1, 3, 4), (2, 0, 5), (3, 1, 6), (0, 2, 7), (7, 5, 0), (4, 6, 1), (5, 7, 2), (6, 4, 3)]
)


@kernel
def least_corner(x, cell):
    """Return the least determinant of unit edges over the corners of a hexahedron.

    In a tetrahedron that of its first corner, whose sign is that of all.
    """
    least = 2.0
    is_tetrahedron = len(cell) == 4
    for corner in range(1 if is_tetrahedron else 8):
        o = cell[corner]
        if is_tetrahedron:
            a, b, c = cell[1], cell[2], cell[3]
        else:
            a, b, c = cell[_ENDS[corner, 0]], cell[_ENDS[corner, 1]], cell[_ENDS[corner, 2]]
        ax, ay, az = x[a, 0] - x[o, 0], x[a, 1] - x[o, 1], x[a, 2] - x[o, 2]
        bx, by, bz = x[b, 0] - x[o, 0], x[b, 1] - x[o, 1], x[b, 2] - x[o, 2]
        cx, cy, cz = x[c, 0] - x[o, 0], x[c, 1] - x[o, 1], x[c, 2] - x[o, 2]
        det = ax * (by * cz - bz * cy) - ay * (bx * cz - bz * cx) + az * (bx * cy - by * cx)
        size = (ax * ax + ay * ay + az * az) * (bx * bx + by * by + bz * bz)
        size *= cx * cx + cy * cy + cz * cz
        least = min(least, det / np.sqrt(size + 1e-300))
    return least


@kernel
def relax(x, home, cells, first, member, movable, limits):
    """Move points one by one along the axes as long as the worst corner around them improves.

    Parameters
    ----------
    x : (n_points, 3) float
        Places, changed.
    home : (n_points, 3) float
        Where the points may not go far from.
    cells : (n_cells, 8) or (n_cells, 4) int32
        Points of the cells.
    first, member : int arrays
        Cells of every point, as `gather_cells` lists them.
    movable : (n_points,) bool
        Points that may move.
    limits : (4,) float
        Wanted least corner, first step, last step, farthest move.

    Returns
    -------
    int
        Moves made.
    """
    wanted, step, last, reach = limits[0], limits[1], limits[2], limits[3]
    moves = 0
    # Most points are well off, and stay so until one beside them moves.
    is_sound = np.zeros(len(x), np.bool_)
    while step > last:
        for p in range(len(x)):
            if not movable[p] or is_sound[p]:
                continue
            now = 2.0
            for k in range(first[p], first[p + 1]):
                now = min(now, least_corner(x, cells[member[k]]))
            if now >= wanted:
                is_sound[p] = True
                continue
            for trial in range(6):
                axis, sign = trial % 3, 1.0 - 2.0 * (trial // 3)
                before = x[p, axis]
                x[p, axis] = before + sign * step
                found = -2.0
                if abs(x[p, axis] - home[p, axis]) <= reach:
                    found = 2.0
                    for k in range(first[p], first[p + 1]):
                        found = min(found, least_corner(x, cells[member[k]]))
                if found > now:
                    now = found
                    moves += 1
                    for k in range(first[p], first[p + 1]):
                        is_sound[cells[member[k]]] = False
                else:
                    x[p, axis] = before
        step *= 0.8
    return moves
