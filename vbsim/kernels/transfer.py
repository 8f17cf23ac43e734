"""Trilinear transfer between grids whose spacing doubles along some axes.

Coarse point j lies on fine point ``2 j`` along a halved axis and on point j along a kept one. The
restriction is the transpose of the interpolation. Vectors are covariant on each grid (displacement
times that grid's spacing), hence the factor 1/2 for components along halved axes.
"""

from __future__ import annotations

from vbsim.kernels import inlined, kernel

__all__ = ["restrict", "prolong", "coarsen", "hold"]


@inlined
def _add(line, source, weight):
    for i in range(source.shape[0]):
        line[i] += weight * source[i]


@kernel
def restrict(fine, factors, start, stop, line, coarse):
    """Set coarse point planes ``start <= z < stop`` to the transposed interpolation of `fine`.

    Parameters
    ----------
    fine : (3, Z, Y, X)
        Fine vector.
    factors : (3,) int
        2 where the axis (z, y, x) was halved, else 1.
    line : (X,)
        Work.
    coarse : (3, Zc, Yc, Xc)
        Result.
    """
    f_z, f_y, f_x = factors
    half = line.dtype.type(0.5)
    one = line.dtype.type(1.0)
    n_z, n_y, n_x = fine.shape[1], fine.shape[2], fine.shape[3]
    for c in range(3):
        share = one / factors[2 - c]
        for z in range(start, stop):
            for y in range(coarse.shape[2]):
                line[:] = 0
                for q in range(1 - f_z, f_z):
                    fine_z = f_z * z + q
                    if fine_z < 0 or fine_z >= n_z:
                        continue
                    for r in range(1 - f_y, f_y):
                        fine_y = f_y * y + r
                        if fine_y < 0 or fine_y >= n_y:
                            continue
                        weight = share * (half if q != 0 else one) * (half if r != 0 else one)
                        _add(line, fine[c, fine_z, fine_y], weight)
                target = coarse[c, z, y]
                if f_x == 1:
                    target[:] = line
                    continue
                for x in range(coarse.shape[3]):
                    total = line[2 * x] if 2 * x < n_x else line[0] * 0
                    if x > 0:
                        total += half * line[2 * x - 1]
                    if 2 * x + 1 < n_x:
                        total += half * line[2 * x + 1]
                    target[x] = total


@kernel
def prolong(coarse, factors, start, stop, line, dinv, out, x):
    """Interpolate to fine point planes ``start <= z < stop``: ``out = P coarse, x += out``.

    Parameters
    ----------
    coarse : (3, Zc, Yc, Xc)
        Coarse vector.
    factors : (3,) int
        2 where the axis (z, y, x) was halved, else 1.
    line : (Xc,)
        Work.
    dinv : (3, Z, Y, X)
        Inverse diagonal, 0 at fixed and empty points, which stay 0.
    out, x : (3, Z, Y, X)
        Interpolated vector; vector to which it is added.
    """
    f_z, f_y, f_x = factors
    half = line.dtype.type(0.5)
    one = line.dtype.type(1.0)
    n_y, n_x = out.shape[2], out.shape[3]
    for c in range(3):
        share = one / factors[2 - c]
        for z in range(start, stop):
            low_z, odd_z = z // f_z, z % f_z
            for y in range(n_y):
                low_y, odd_y = y // f_y, y % f_y
                weight = share * (half if odd_z else one) * (half if odd_y else one)
                line[:] = 0
                for q in range(odd_z + 1):
                    for r in range(odd_y + 1):
                        _add(line, coarse[c, low_z + q, low_y + r], weight)
                target, free, solution = out[c, z, y], dinv[c, z, y], x[c, z, y]
                if f_x == 1:
                    target[:] = line
                else:
                    for i in range(n_x // 2):
                        target[2 * i] = line[i]
                        target[2 * i + 1] = half * (line[i] + line[i + 1])
                    if n_x % 2 == 1:
                        target[n_x - 1] = line[n_x // 2]
                for i in range(n_x):
                    if free[i] == 0:
                        target[i] = 0
                    solution[i] += target[i]


@kernel
def coarsen(fine, factors, held, coarse):
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
    held : (n_z + 1, n_y + 1, n_x + 1) bool
        Fine points held along z.
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
                if not (held[z, y, x] and held[z, y + 1, x + 1]):
                    continue
                if not (held[z, y + 1, x] and held[z, y, x + 1]):
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
def hold(fixed, dinv, factors, coarse):
    """Mark the coarse components that are held.

    A coarse point is held where the fine point on it is, and where its interpolation reaches held
    points but no free one: it lies behind the plane that holds the body.

    Parameters
    ----------
    fixed : (3, Z, Y, X) bool
        Held fine components.
    dinv : (3, Z, Y, X)
        Fine inverse diagonal; 0 at held and empty components.
    factors : (3,) int
        2 where the axis (z, y, x) was halved, else 1.
    coarse : (3, Zc, Yc, Xc) bool
        Result.
    """
    f_z, f_y, f_x = factors
    n_z, n_y, n_x = fixed.shape[1], fixed.shape[2], fixed.shape[3]
    for c in range(3):
        for z in range(coarse.shape[1]):
            for y in range(coarse.shape[2]):
                for x in range(coarse.shape[3]):
                    q, r, s = f_z * z, f_y * y, f_x * x
                    if q < n_z and r < n_y and s < n_x and fixed[c, q, r, s]:
                        coarse[c, z, y, x] = True
                        continue
                    reached = False
                    free = False
                    for k in range(max(q - f_z + 1, 0), min(q + f_z, n_z)):
                        for j in range(max(r - f_y + 1, 0), min(r + f_y, n_y)):
                            for i in range(max(s - f_x + 1, 0), min(s + f_x, n_x)):
                                reached |= fixed[c, k, j, i]
                                free |= dinv[c, k, j, i] > 0
                    coarse[c, z, y, x] = reached and not free
