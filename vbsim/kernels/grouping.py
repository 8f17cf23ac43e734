"""Groups of up to three points that a stiffness ties together, and sweeps over them.

Matrices are rows of 3 x 3 blocks as in `blocks`; vectors are (n_points, 3). A group is a row of
three points, -1 where it has fewer.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel
from vbsim.kernels.blocks import invert

__all__ = ["group_inverses", "join", "sweep_groups", "ties"]


@kernel
def ties(start, column, values, size, first, second, strength):
    """List every two points whose block is large beside those of the points themselves.

    Parameters
    ----------
    start, column, values : arrays
        The matrix.
    size : (n,) float
        Receives the Frobenius norm of every diagonal block.
    first, second : (n_blocks,) int32
        Receive the points, first < second.
    strength : (n_blocks,) float
        Receives the norm of their block over the root of the product of the points' own.

    Returns
    -------
    int
        Number of pairs.
    """
    n = len(start) - 1
    for p in range(n):
        for k in range(start[p], start[p + 1]):
            if column[k] == p:
                size[p] = np.sqrt((values[k] ** 2).sum())
    count = 0
    for p in range(n):
        for k in range(start[p], start[p + 1]):
            q = column[k]
            if q > p:
                first[count], second[count] = p, q
                strength[count] = np.sqrt((values[k] ** 2).sum() / (size[p] * size[q]))
                count += 1
    return count


@kernel
def join(first, second, group, members, count):
    """Join pairs, the first given first, into groups of up to three points.

    Parameters
    ----------
    first, second : (n_pairs,) int32
        The points.
    group : (n,) int32
        Group of every point; at first its own number.
    members : (n, 3) int32
        Points of every group; at first the point itself and -1. An emptied group holds -1 alone.
    count : (n,) int32
        Points of every group, at first 1.
    """
    for k in range(len(first)):
        a, b = group[first[k]], group[second[k]]
        if a == b or count[a] + count[b] > members.shape[1]:
            continue
        for i in range(count[b]):
            p = members[b, i]
            group[p] = a
            members[a, count[a] + i] = p
            members[b, i] = -1
        count[a] += count[b]
        count[b] = 0


@kernel
def group_inverses(start, column, values, free, groups, inverse):
    """Invert the free part of the block of every group.

    Parameters
    ----------
    start, column, values : arrays
        The matrix.
    free : (n, 3) float
        1 at free components, 0 at held ones, whose rows and columns of the inverse become 0.
    groups : (n_groups, 3) int32
        Points, -1 for none.
    inverse : (n_groups, 9, 9)
        Receives the inverses; rows and columns of missing points are 0.
    """
    block = np.empty((9, 9))
    for g in range(len(groups)):
        for i in range(9):
            for j in range(9):
                block[i, j] = 1.0 if i == j else 0.0
        for s in range(3):
            p = groups[g, s]
            if p < 0:
                continue
            for k in range(start[p], start[p + 1]):
                for t in range(3):
                    if groups[g, t] == column[k]:
                        for i in range(3):
                            for j in range(3):
                                if free[p, i] * free[column[k], j] > 0.0:
                                    block[3 * s + i, 3 * t + j] = values[k, i, j]
        invert(block, 9)
        for s in range(3):
            p = groups[g, s]
            for t in range(3):
                q = groups[g, t]
                for i in range(3):
                    for j in range(3):
                        both = free[p, i] * free[q, j] if p >= 0 and q >= 0 else 0.0
                        inverse[g, 3 * s + i, 3 * t + j] = both * block[3 * s + i, 3 * t + j]


@kernel
def sweep_groups(start, column, values, groups, inverse, b, backward, x):
    """Solve the rows of one group after the other for its points (block Gauss-Seidel), in place.

    Parameters
    ----------
    start, column, values : arrays
        The matrix.
    groups, inverse : arrays
        See `group_inverses`.
    b : (n, 3)
        Right-hand side.
    backward : bool
        Begin with the last group.
    x : (n, 3)
        Improved; held components stay.
    """
    r = np.empty(9, x.dtype)
    n = len(groups)
    for at in range(n):
        g = n - 1 - at if backward else at
        r[:] = 0.0
        for s in range(3):
            p = groups[g, s]
            if p < 0:
                continue
            r0, r1, r2 = b[p, 0], b[p, 1], b[p, 2]
            for k in range(start[p], start[p + 1]):
                a, q = values[k], column[k]
                u, v, w = x[q, 0], x[q, 1], x[q, 2]
                r0 -= a[0, 0] * u + a[0, 1] * v + a[0, 2] * w
                r1 -= a[1, 0] * u + a[1, 1] * v + a[1, 2] * w
                r2 -= a[2, 0] * u + a[2, 1] * v + a[2, 2] * w
            r[3 * s], r[3 * s + 1], r[3 * s + 2] = r0, r1, r2
        for s in range(3):
            p = groups[g, s]
            if p < 0:
                continue
            for i in range(3):
                row, step = inverse[g, 3 * s + i], x[p, i]
                for j in range(9):
                    step += row[j] * r[j]
                x[p, i] = step
