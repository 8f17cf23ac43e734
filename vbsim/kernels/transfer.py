"""Trilinear transfer between voxel grids whose spacing doubles along some axes.

Coarse point j lies on fine point ``2 j`` along a halved axis and on point j along a kept one. The
restriction is the transpose of the interpolation. Vectors are compact (see `runs`) and covariant on
each grid (displacement times that grid's spacing), hence the factor 1/2 for components along halved
axes. `factors` is 2 where the axis (z, y, x) was halved, else 1.
"""

from __future__ import annotations

from vbsim.kernels import inlined, kernel
from vbsim.kernels.runs import HELD_Z

__all__ = ["relate", "restrict", "prolong", "coarsen", "hold", "ACTIVE"]

ACTIVE = 8
"""Flag of a point with material."""


@kernel
def relate(fine_points, coarse_points, factors, parents):
    """Find the coarse points that each run of fine points lies between.

    The parents of a run are consecutive on each of up to four coarse lines, because a coarse cell
    has all its points wherever one of its children has material.

    Parameters
    ----------
    fine_points, coarse_points : Points
        Where the points lie.
    factors : (3,) int
        See above.
    parents : (4, R) int32
        Result: compact index of the first parent of each run on the coarse lines (z, y),
        (z, y + 1), (z + 1, y), (z + 1, y + 1); unset where the run does not reach that line.
    """
    f_z, f_y, f_x = factors
    for z in range(fine_points.line.shape[0]):
        for y in range(fine_points.line.shape[1] - 1):
            first, last = fine_points.line[z, y], fine_points.line[z, y + 1]
            if first == last:
                continue
            for k in range(z % f_z + 1):
                for j in range(y % f_y + 1):
                    coarse = coarse_points.line[z // f_z + k, y // f_y + j]
                    for run in range(first, last):
                        x = fine_points.x[run] // f_x
                        while coarse_points.x[coarse] + coarse_points.length[coarse] <= x:
                            coarse += 1
                        at = coarse_points.first[coarse] + x - coarse_points.x[coarse]
                        parents[2 * k + j, run] = at


@inlined
def _narrow(source, n, odd, half, line):
    """Put a run, weighted along x, on its parents; return their number.

    `odd` is 1 where the run begins between two parents.
    """
    n_even = (n - odd + 1) // 2
    n_odd = n - n_even
    line[0] = 0
    for i in range(n_even):
        line[odd + i] = source[odd + 2 * i]
    if n_odd >= odd + n_even:
        line[n_odd] = 0
    for i in range(n_odd):
        line[i] += half * source[2 * i + 1 - odd]
    for i in range(n_odd):
        line[i + 1] += half * source[2 * i + 1 - odd]
    return max(n_odd + 1, odd + n_even) if n_odd else n_even


@inlined
def _shares(factors, total, half):
    """Return `total` over the factor of each component (x, y, z); `half` of it is given too."""
    f_z, f_y, f_x = factors
    return (
        half if f_x == 2 else total,
        half if f_y == 2 else total,
        half if f_z == 2 else total,
    )


@inlined
def _add(line, weight, target, n):
    for i in range(n):
        target[i] += weight * line[i]


@kernel
def restrict(fine, fine_points, factors, parents, coarse_points, start, stop, line, coarse):
    """Set coarse point planes ``start <= z < stop`` to the transposed interpolation of `fine`.

    Parameters
    ----------
    fine : (3, N)
        Fine vector.
    fine_points, coarse_points : Points
        Where the points lie.
    factors : (3,) int
        See above.
    parents : (4, R) int32
        See `relate`.
    line : (longest run + 2,)
        Work.
    coarse : (3, M)
        Result.
    """
    f_z, f_y, f_x = factors
    half, one = line.dtype.type(0.5), line.dtype.type(1.0)
    n_z, n_y = fine_points.line.shape[0], fine_points.line.shape[1] - 1
    share_x, share_y, share_z = _shares(factors, one, half)
    for z in range(start, stop):
        for c in range(3):
            coarse[c, coarse_points.plane[z] : coarse_points.plane[z + 1]] = 0
        for q in range(max(f_z * z - f_z + 1, 0), min(f_z * z + f_z, n_z)):
            above = 0 if q >= f_z * z else 2  # whether the plane is below or above the fine one
            weight_z = one if q == f_z * z else half
            for y in range(n_y):
                odd_y = y % f_y
                weight = weight_z * (half if odd_y else one)
                for run in range(fine_points.line[q, y], fine_points.line[q, y + 1]):
                    first, n = fine_points.first[run], fine_points.length[run]
                    odd = fine_points.x[run] % f_x
                    near = parents[above, run]
                    far = parents[above + 1, run] if odd_y else 0
                    for c in range(3):
                        source = fine[c, first : first + n]
                        m = n
                        if f_x == 2:
                            m = _narrow(source, n, odd, half, line)
                        else:
                            for i in range(n):
                                line[i] = source[i]
                        share = weight * (share_x if c == 0 else share_y if c == 1 else share_z)
                        _add(line, share, coarse[c, near : near + m], m)
                        if odd_y:
                            _add(line, share, coarse[c, far : far + m], m)


@kernel
def prolong(coarse, enlarged, factors, parents, fine_points, start, stop, line, dinv, out, x):
    """Interpolate to fine point planes ``start <= z < stop``: ``out = P coarse, x += out``.

    Parameters
    ----------
    coarse : (3, M)
        Coarse vector.
    enlarged : float
        Factor by which it is multiplied.
    factors : (3,) int
        See above.
    parents : (4, R) int32
        See `relate`.
    fine_points : Points
        Where the points lie.
    line : (longest run + 2,)
        Work.
    dinv : (3, N)
        Inverse diagonal, 0 at held components, which stay 0.
    out, x : (3, N)
        Interpolated vector; vector to which it is added.
    """
    f_z, f_y, f_x = factors
    half, one = line.dtype.type(0.5), line.dtype.type(1.0)
    zero, whole = line.dtype.type(0.0), line.dtype.type(enlarged)
    share_x, share_y, share_z = _shares(factors, whole, half * whole)
    for z in range(start, stop):
        odd_z = z % f_z
        for y in range(fine_points.line.shape[1] - 1):
            odd_y = y % f_y
            weight = (half if odd_z else one) * (half if odd_y else one)
            for run in range(fine_points.line[z, y], fine_points.line[z, y + 1]):
                first, n = fine_points.first[run], fine_points.length[run]
                odd = fine_points.x[run] % f_x
                m = (odd + n) // 2 + 1 if f_x == 2 else n
                p0 = parents[0, run]
                p1 = parents[1, run] if odd_y else 0
                p2 = parents[2, run] if odd_z else 0
                p3 = parents[3, run] if odd_y and odd_z else 0
                for c in range(3):
                    share = weight * (share_x if c == 0 else share_y if c == 1 else share_z)
                    a = coarse[c, p0 : p0 + m]
                    for i in range(m):
                        line[i] = share * a[i]
                    if odd_y:
                        _add(coarse[c, p1 : p1 + m], share, line, m)
                    if odd_z:
                        _add(coarse[c, p2 : p2 + m], share, line, m)
                    if odd_y and odd_z:
                        _add(coarse[c, p3 : p3 + m], share, line, m)
                    target, free = out[c, first : first + n], dinv[c, first : first + n]
                    if f_x == 2:
                        n_even = (n - odd + 1) // 2
                        for i in range(n_even):
                            target[odd + 2 * i] = line[odd + i]
                        for i in range(n - n_even):
                            target[2 * i + 1 - odd] = half * (line[i] + line[i + 1])
                    else:
                        for i in range(n):
                            target[i] = line[i]
                    solution = x[c, first : first + n]
                    for i in range(n):
                        value = target[i] if free[i] != 0 else zero
                        target[i] = value
                        solution[i] += value


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


@inlined
def _held_and_free(fine, factors, low_z, top_z, r, s):
    """Return what is held, and what is free, at the points around (r, s) in planes of points."""
    _, f_y, f_x = factors
    n_z, n_y, n_x = fine.shape
    held, free = 0, 0
    for k in range(max(low_z, 0), min(top_z, n_z)):
        for j in range(max(r - f_y + 1, 0), min(r + f_y, n_y)):
            for i in range(max(s - f_x + 1, 0), min(s + f_x, n_x)):
                flags = fine[k, j, i]
                if flags & ACTIVE:
                    held |= flags & 7
                    free |= ~flags & 7
    return held, free


@kernel
def hold(fine, factors, coarse):
    """Mark the held components of coarse points.

    A coarse point is held where the fine point on it is, and where it interpolates to held points
    of its plane but to no free one. Where it has no points in its plane it lies behind the end of
    the body, and those of the next plane decide.

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
    for z in range(coarse.shape[0]):
        for y in range(coarse.shape[1]):
            for x in range(coarse.shape[2]):
                q, r, s = f_z * z, f_y * y, f_x * x
                held, free = _held_and_free(fine, factors, q, q + 1, r, s)
                if held | free == 0:
                    held, free = _held_and_free(fine, factors, q - f_z + 1, q + f_z, r, s)
                here = 0
                if q < fine.shape[0] and r < fine.shape[1] and s < fine.shape[2]:
                    here = fine[q, r, s] & 7
                coarse[z, y, x] = here | (held & ~free)
