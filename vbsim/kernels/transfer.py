"""Trilinear transfer between voxel grids whose spacing doubles along some axes.

Coarse point j lies on fine point ``2 j`` along a halved axis and on point j along a kept one. The
restriction is the transpose of the interpolation. Vectors are compact (see `runs`) and covariant on
each grid (displacement times that grid's spacing), hence the factor 1/2 for components along halved
axes. `factors` is 2 where the axis (z, y, x) was halved, else 1.
"""

from __future__ import annotations

from vbsim.kernels import inlined, kernel
from vbsim.kernels.runs import HELD_Z

__all__ = ["restrict", "prolong", "coarsen", "hold", "ACTIVE"]

ACTIVE = 8
"""Flag of a point with material."""


@inlined
def _add_line(line, vector, c, points, z, y, weight):
    """Add the runs of one line of points to a dense line."""
    for r in range(points.line[z, y], points.line[z, y + 1]):
        first, n = points.first[r], points.length[r]
        source = vector[c, first : first + n]
        target = line[points.x[r] : points.x[r] + n]
        for i in range(n):
            target[i] += weight * source[i]


@inlined
def _clear(line, points, z, y):
    """Set a dense line to 0 where `_add_line` has written."""
    for r in range(points.line[z, y], points.line[z, y + 1]):
        line[points.x[r] : points.x[r] + points.length[r]] = 0


@kernel
def restrict(fine, fine_points, factors, coarse_points, start, stop, padded, coarse):
    """Set coarse point planes ``start <= z < stop`` to the transposed interpolation of `fine`.

    Parameters
    ----------
    fine : (3, N)
        Fine vector.
    fine_points, coarse_points : Points
        Where the points lie.
    factors : (3,) int
        See above.
    padded : (at least 2 Xc + 3,)
        Work, 0 on entry and on return: a dense line behind one entry that stays 0.
    coarse : (3, M)
        Result.
    """
    f_z, f_y, f_x = factors
    line = padded[1:]
    half, one = line.dtype.type(0.5), line.dtype.type(1.0)
    n_z, n_y = fine_points.line.shape[0], fine_points.line.shape[1] - 1
    n_lines = coarse_points.line.shape[1] - 1
    for c in range(3):
        share = one / factors[2 - c]
        for z in range(start, stop):
            low_z, top_z = max(f_z * z - f_z + 1, 0), min(f_z * z + f_z, n_z)
            for y in range(n_lines):
                if coarse_points.line[z, y] == coarse_points.line[z, y + 1]:
                    continue
                low_y, top_y = max(f_y * y - f_y + 1, 0), min(f_y * y + f_y, n_y)
                for q in range(low_z, top_z):
                    for r in range(low_y, top_y):
                        weight = share * (one if q == f_z * z else half)
                        weight *= one if r == f_y * y else half
                        _add_line(line, fine, c, fine_points, q, r, weight)
                for r in range(coarse_points.line[z, y], coarse_points.line[z, y + 1]):
                    first, n, at = (
                        coarse_points.first[r],
                        coarse_points.length[r],
                        coarse_points.x[r],
                    )
                    target = coarse[c, first : first + n]
                    if f_x == 2:
                        for i in range(n):
                            j = 2 * (at + i)
                            target[i] = padded[j + 1] + half * (padded[j] + padded[j + 2])
                    else:
                        for i in range(n):
                            target[i] = line[at + i]
                for q in range(low_z, top_z):
                    for r in range(low_y, top_y):
                        _clear(line, fine_points, q, r)


@kernel
def prolong(coarse, coarse_points, factors, fine_points, start, stop, line, dinv, out, x):
    """Interpolate to fine point planes ``start <= z < stop``: ``out = P coarse, x += out``.

    Parameters
    ----------
    coarse : (3, M)
        Coarse vector.
    coarse_points, fine_points : Points
        Where the points lie.
    factors : (3,) int
        See above.
    line : (at least Xc + 1,)
        Work, 0 on entry and on return.
    dinv : (3, N)
        Inverse diagonal, 0 at held components, which stay 0.
    out, x : (3, N)
        Interpolated vector; vector to which it is added.
    """
    f_z, f_y, f_x = factors
    half, one = line.dtype.type(0.5), line.dtype.type(1.0)
    for c in range(3):
        share = one / factors[2 - c]
        for z in range(start, stop):
            low_z, odd_z = z // f_z, z % f_z
            for y in range(fine_points.line.shape[1] - 1):
                if fine_points.line[z, y] == fine_points.line[z, y + 1]:
                    continue
                low_y, odd_y = y // f_y, y % f_y
                weight = share * (half if odd_z else one) * (half if odd_y else one)
                for q in range(low_z, low_z + odd_z + 1):
                    for r in range(low_y, low_y + odd_y + 1):
                        _add_line(line, coarse, c, coarse_points, q, r, weight)
                for r in range(fine_points.line[z, y], fine_points.line[z, y + 1]):
                    first, n, at = fine_points.first[r], fine_points.length[r], fine_points.x[r]
                    target = out[c, first : first + n]
                    if f_x == 1:
                        for i in range(n):
                            target[i] = line[at + i]
                    else:
                        odd = at % 2
                        if odd:
                            target[0] = half * (line[at // 2] + line[at // 2 + 1])
                        pairs, j = (n - odd) // 2, (at + odd) // 2
                        even = target[odd : odd + 2 * pairs]
                        for i in range(pairs):
                            even[2 * i] = line[j + i]
                            even[2 * i + 1] = half * (line[j + i] + line[j + i + 1])
                        if odd + 2 * pairs < n:
                            target[n - 1] = line[j + pairs]
                    free, solution = dinv[c, first : first + n], x[c, first : first + n]
                    for i in range(n):
                        value = target[i] if free[i] != 0 else line[0] * 0
                        target[i] = value
                        solution[i] += value
                for q in range(low_z, low_z + odd_z + 1):
                    for r in range(low_y, low_y + odd_y + 1):
                        _clear(line, coarse_points, q, r)


@kernel
def coarsen(fine, factors, flags, coarse):
    """Average cell fields over the children of each coarse cell; cells that are not there count 0.

    Where a held plane of points ends the material inside a coarse cell, the layer that is left has
    half the cell's thickness: with the empty half counted as three times its modulus, the coarse
    cell has the layer's true stiffness against that plane.

    Parameters
    ----------
    fine : (K, n_z, n_y, n_x)
        Fine cell fields.
    factors : (3,) int
        2 where the axis (z, y, x) was halved, else 1.
    flags : (n_z + 1, n_y + 1, n_x + 1) uint8
        Held components of the fine points.
    coarse : (K, m_z, m_y, m_x)
        Result.
    """
    f_z, f_y, f_x = factors
    n_k, n_z, n_y, n_x = fine.shape
    share = coarse.dtype.type(1.0 / (f_z * f_y * f_x))
    coarse[:] = 0
    for k in range(n_k):
        for z in range(n_z):
            for y in range(n_y):
                target = coarse[k, z // f_z, y // f_y]
                source = fine[k, z, y]
                for x in range(n_x):
                    target[x // f_x] += share * source[x]
    if f_z == 1:
        return
    for z in range(1, n_z + 1, 2):  # planes inside a coarse cell
        for y in range(n_y):
            for x in range(n_x):
                if not (flags[z, y, x] & flags[z, y + 1, x + 1] & HELD_Z):
                    continue
                if not (flags[z, y + 1, x] & flags[z, y, x + 1] & HELD_Z):
                    continue
                below = above = coarse[0, 0, 0, 0] * 0
                for k in range(n_k):
                    below += fine[k, z - 1, y, x]
                    above += fine[k, z, y, x] if z < n_z else 0
                if below > 0 and above == 0:
                    for k in range(n_k):
                        coarse[k, z // 2, y // f_y, x // f_x] += 3 * share * fine[k, z - 1, y, x]
                elif below == 0 and above > 0:
                    for k in range(n_k):
                        coarse[k, z // 2, y // f_y, x // f_x] += 3 * share * fine[k, z, y, x]


@kernel
def hold(fine, factors, coarse):
    """Mark the held components of coarse points.

    A coarse point is held where the fine point on it is, and where its interpolation reaches held
    points but no free one: it lies behind the plane that holds the body.

    Parameters
    ----------
    fine : (Z, Y, X) uint8
        Flags of the fine points: held components and `ACTIVE`.
    factors : (3,) int
        See above.
    coarse : (Zc, Yc, Xc) uint8
        Result: held components.
    """
    f_z, f_y, f_x = factors
    n_z, n_y, n_x = fine.shape
    for z in range(coarse.shape[0]):
        for y in range(coarse.shape[1]):
            for x in range(coarse.shape[2]):
                q, r, s = f_z * z, f_y * y, f_x * x
                held, free, here = 0, 0, 0
                for k in range(max(q - f_z + 1, 0), min(q + f_z, n_z)):
                    for j in range(max(r - f_y + 1, 0), min(r + f_y, n_y)):
                        for i in range(max(s - f_x + 1, 0), min(s + f_x, n_x)):
                            flags = fine[k, j, i]
                            if flags & ACTIVE:
                                held |= flags & 7
                                free |= ~flags & 7
                if q < n_z and r < n_y and s < n_x:
                    here = fine[q, r, s] & 7
                coarse[z, y, x] = here | (held & ~free)
