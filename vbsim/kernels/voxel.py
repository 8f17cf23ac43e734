r"""Products with the stiffness of a regular grid of trilinear hexahedra, without a matrix.

Parity basis. For component c and a set p of axes, ``U[c, p] = sum_a s_p(a) u[c, a]`` over the eight
corners a of a cell, with ``s_p(a)`` the product over the axes in p of +1 at the far and -1 at the
near face. In this basis the stiffness of an axis-aligned orthotropic cell has 45 non-zeros:
translations cost nothing, the six first-order sums are the mean strain of the cell, the others are
its bending modes.

Displacements are covariant, ``u_c = h_c * displacement_c`` with h the spacing of the finest grid; a
cell of any edge ratio then has the same form, with the edges folded into its 18 constants:
``0-8`` ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` against the mean strain, ``9-17`` the same against
the bending modes (with their factor 1/3).

Vectors are ``(3, n_z + 1, n_y + 1, n_x + 1)``, components apart, x fastest. A product sweeps cell
planes upwards with two planes of sums: a plane of points is finished and stored once, in an order
that no partition into slabs changes.
"""

from __future__ import annotations

from vbsim.kernels import inlined, kernel

__all__ = ["CHUNK", "WIDTH", "work_shape", "product", "diagonal"]

CHUNK = 96  # cells per pass along x: all line buffers of a pass stay in the first-level cache
WIDTH = CHUNK + 16  # distance between line buffers; a constant, so that loops vectorise unchecked
_LINES = 12  # 3 components x 4 parities in (y, z)
_EVEN = _LINES * WIDTH  # contributions to the near point of a cell
_ODD = 2 * _LINES * WIDTH  # contributions to the far point
_CONSTANTS = 3 * _LINES * WIDTH
_N_CONSTANTS = 18


def work_shape() -> int:
    """Return the length of the line buffer that one slab of a product needs."""
    return _CONSTANTS + _N_CONSTANTS * WIDTH


@inlined
def _gather(u, z, y, x0, n, work):
    """Form sums and differences in y and z of the four point lines of a row of cells."""
    for c in range(3):
        near_low = u[c, z, y, x0 : x0 + n + 1]
        far_low = u[c, z, y + 1, x0 : x0 + n + 1]
        near_top = u[c, z + 1, y, x0 : x0 + n + 1]
        far_top = u[c, z + 1, y + 1, x0 : x0 + n + 1]
        base = 4 * c * WIDTH
        line = work[base : base + 4 * WIDTH]
        for i in range(n + 1):
            low, low_y = near_low[i] + far_low[i], far_low[i] - near_low[i]
            top, top_y = near_top[i] + far_top[i], far_top[i] - near_top[i]
            line[i] = low + top
            line[i + WIDTH] = low_y + top_y
            line[i + 2 * WIDTH] = top - low
            line[i + 3 * WIDTH] = top_y - low_y


@inlined
def _scatter(work, z_low, z_top, y, x0, n):
    """Back from parities to the four point lines; `z_low`, `z_top` are planes of sums."""
    for c in range(3):
        base = _EVEN + 4 * c * WIDTH
        even = work[base : base + 4 * WIDTH]
        odd = work[base + _LINES * WIDTH : base + (_LINES + 4) * WIDTH]
        line = work[4 * c * WIDTH : 4 * (c + 1) * WIDTH]
        for i in range(n + 1):
            plain = even[i] + odd[i]
            in_y = even[i + WIDTH] + odd[i + WIDTH]
            in_z = even[i + 2 * WIDTH] + odd[i + 2 * WIDTH]
            in_yz = even[i + 3 * WIDTH] + odd[i + 3 * WIDTH]
            near, far = plain - in_y, plain + in_y
            near_z, far_z = in_z - in_yz, in_z + in_yz
            line[i] = near - near_z
            line[i + WIDTH] = far - far_z
            line[i + 2 * WIDTH] = near + near_z
            line[i + 3 * WIDTH] = far + far_z
        for row in range(2):
            target = z_low[c, y + row, x0 : x0 + n + 1]
            for i in range(n + 1):
                target[i] += line[i + row * WIDTH]
            above = z_top[c, y + row, x0 : x0 + n + 1]
            for i in range(n + 1):
                above[i] += line[i + (2 + row) * WIDTH]


@inlined
def _parities(work, i):
    """Return the parity sums of cell i that strain it: per component x y xy z xz yz xyz."""
    x0, x1, x2, x3 = i, i + WIDTH, i + 2 * WIDTH, i + 3 * WIDTH
    y0, y1, y2, y3 = i + 4 * WIDTH, i + 5 * WIDTH, i + 6 * WIDTH, i + 7 * WIDTH
    z0, z1, z2, z3 = i + 8 * WIDTH, i + 9 * WIDTH, i + 10 * WIDTH, i + 11 * WIDTH
    w = work
    return (
        w[x0 + 1] - w[x0],
        w[x1 + 1] + w[x1],
        w[x1 + 1] - w[x1],
        w[x2 + 1] + w[x2],
        w[x2 + 1] - w[x2],
        w[x3 + 1] + w[x3],
        w[x3 + 1] - w[x3],
        w[y0 + 1] - w[y0],
        w[y1 + 1] + w[y1],
        w[y1 + 1] - w[y1],
        w[y2 + 1] + w[y2],
        w[y2 + 1] - w[y2],
        w[y3 + 1] + w[y3],
        w[y3 + 1] - w[y3],
        w[z0 + 1] - w[z0],
        w[z1 + 1] + w[z1],
        w[z1 + 1] - w[z1],
        w[z2 + 1] + w[z2],
        w[z2 + 1] - w[z2],
        w[z3 + 1] + w[z3],
        w[z3 + 1] - w[z3],
    )


@inlined
def _forces(U, n, m, b, e, third):
    """Return the forces conjugate to the 21 parity sums (same order).

    `n` 6 and `m` 3 constants against the mean strain, `b` 6 and `e` 3 against the bending modes.
    """
    ux_x, ux_y, ux_xy, ux_z, ux_xz, ux_yz, ux_xyz = U[0], U[1], U[2], U[3], U[4], U[5], U[6]
    uy_x, uy_y, uy_xy, uy_z, uy_xz, uy_yz, uy_xyz = U[7], U[8], U[9], U[10], U[11], U[12], U[13]
    uz_x, uz_y, uz_xy, uz_z, uz_xz, uz_yz, uz_xyz = U[14], U[15], U[16], U[17], U[18], U[19], U[20]
    n11, n22, n33, n12, n13, n23 = n
    m44, m55, m66 = m
    b11, b22, b33, b12, b13, b23 = b
    e44, e55, e66 = e
    # mean strain
    s_xy = m66 * (ux_y + uy_x)
    s_xz = m55 * (ux_z + uz_x)
    s_yz = m44 * (uy_z + uz_y)
    # torsion: three 1x1 blocks of shear that two components share
    t_x = e44 * (uy_xz + uz_xy)
    t_y = e55 * (ux_yz + uz_xy)
    t_z = e66 * (ux_yz + uy_xz)
    return (
        n11 * ux_x + n12 * uy_y + n13 * uz_z,
        s_xy,
        (b11 + e66) * ux_xy + b13 * uz_yz,
        s_xz,
        (b11 + e55) * ux_xz + b12 * uy_yz,
        t_y + t_z,
        (b11 + e55 + e66) * third * ux_xyz,
        s_xy,
        n12 * ux_x + n22 * uy_y + n23 * uz_z,
        (b22 + e66) * uy_xy + b23 * uz_xz,
        s_yz,
        t_x + t_z,
        (b22 + e44) * uy_yz + b12 * ux_xz,
        (b22 + e44 + e66) * third * uy_xyz,
        s_xz,
        s_yz,
        t_x + t_y,
        n13 * ux_x + n23 * uy_y + n33 * uz_z,
        (b33 + e55) * uz_xz + b23 * uy_xy,
        (b33 + e44) * uz_yz + b13 * ux_xy,
        (b33 + e44 + e55) * third * uz_xyz,
    )


@inlined
def _store(work, i, c, scale, F):
    """Put the forces of cell i along component c, times `scale`, on its near and far points."""
    f_x, f_y, f_xy, f_z, f_xz, f_yz, f_xyz = F
    near = _EVEN + 4 * c * WIDTH + i
    far = _ODD + 4 * c * WIDTH + i + 1
    work[near] = -f_x * scale
    work[far] = f_x * scale
    work[near + WIDTH] = (f_y - f_xy) * scale
    work[far + WIDTH] = (f_y + f_xy) * scale
    work[near + 2 * WIDTH] = (f_z - f_xz) * scale
    work[far + 2 * WIDTH] = (f_z + f_xz) * scale
    work[near + 3 * WIDTH] = (f_yz - f_xyz) * scale
    work[far + 3 * WIDTH] = (f_yz + f_xyz) * scale


@inlined
def _cells_of_one(work, modulus, t, n):
    """Add up the forces of a row of cells of one unit material with constants `t`."""
    third = t[18]
    normal = (t[0], t[1], t[2], t[3], t[4], t[5])
    shear = (t[6], t[7], t[8])
    bend = (t[9], t[10], t[11], t[12], t[13], t[14])
    bend_shear = (t[15], t[16], t[17])
    for i in range(n):
        F = _forces(_parities(work, i), normal, shear, bend, bend_shear, third)
        scale = modulus[i]
        _store(work, i, 0, scale, F[0:7])
        _store(work, i, 1, scale, F[7:14])
        _store(work, i, 2, scale, F[14:21])


@inlined
def _constants_of_mixture(work, moduli, z, y, x0, table, n):
    """Form the 18 constants of every cell of a row: ``sum_k moduli[k] * table[k]``."""
    first = moduli[0, z, y, x0 : x0 + n]
    for j in range(_N_CONSTANTS):
        line = work[_CONSTANTS + j * WIDTH : _CONSTANTS + j * WIDTH + n]
        factor = table[0, j]
        for i in range(n):
            line[i] = factor * first[i]
    for k in range(1, moduli.shape[0]):
        modulus = moduli[k, z, y, x0 : x0 + n]
        for j in range(_N_CONSTANTS):
            factor = table[k, j]
            if factor != 0:
                line = work[_CONSTANTS + j * WIDTH : _CONSTANTS + j * WIDTH + n]
                for i in range(n):
                    line[i] += factor * modulus[i]


@inlined
def _cells_of_mixture(work, third, one, n):
    """Add up the forces of a row of cells, each with its own 18 constants."""
    for i in range(n):
        k = _CONSTANTS + i
        normal = (
            work[k],
            work[k + WIDTH],
            work[k + 2 * WIDTH],
            work[k + 3 * WIDTH],
            work[k + 4 * WIDTH],
            work[k + 5 * WIDTH],
        )
        shear = (work[k + 6 * WIDTH], work[k + 7 * WIDTH], work[k + 8 * WIDTH])
        bend = (
            work[k + 9 * WIDTH],
            work[k + 10 * WIDTH],
            work[k + 11 * WIDTH],
            work[k + 12 * WIDTH],
            work[k + 13 * WIDTH],
            work[k + 14 * WIDTH],
        )
        bend_shear = (work[k + 15 * WIDTH], work[k + 16 * WIDTH], work[k + 17 * WIDTH])
        F = _forces(_parities(work, i), normal, shear, bend, bend_shear, third)
        _store(work, i, 0, one, F[0:7])
        _store(work, i, 1, one, F[7:14])
        _store(work, i, 2, one, F[14:21])


@inlined
def _cell_plane(u, moduli, table, z, low, top, work):
    """Add the forces of one plane of cells to the planes of sums below and above it."""
    n_y, n_x = moduli.shape[2], moduli.shape[3]
    third, one = table[0, 18], table[0, 19]
    for y in range(n_y):
        for x0 in range(0, n_x, CHUNK):
            n = min(CHUNK, n_x - x0)
            _gather(u, z, y, x0, n, work)
            for q in range(_LINES):
                work[_EVEN + q * WIDTH + n] = 0
                work[_ODD + q * WIDTH] = 0
            if moduli.shape[0] == 1:
                _cells_of_one(work, moduli[0, z, y, x0 : x0 + n], table[0], n)
            else:
                _constants_of_mixture(work, moduli, z, y, x0, table, n)
                _cells_of_mixture(work, third, one, n)
            _scatter(work, low, top, y, x0, n)


@inlined
def _finish(u, plane, z, mode, b, out, dinv, x, coefficients, sums):
    """Store one finished plane of points; see `product`."""
    c0, c1 = coefficients[0], coefficients[1]
    total = 0.0
    for c in range(3):
        for y in range(plane.shape[1]):
            line, target, free = plane[c, y], out[c, z, y], dinv[c, z, y]
            if mode == 3:
                for i in range(line.shape[0]):
                    target[i] = line[i]
            elif mode == 0:
                vector = u[c, z, y]
                for i in range(line.shape[0]):
                    if free[i] == 0:
                        line[i] = 0
                    target[i] = line[i]
                    total += vector[i] * line[i]
            elif mode == 1:
                right = b[c, z, y]
                for i in range(line.shape[0]):
                    target[i] = right[i] - line[i] if free[i] != 0 else 0
            else:
                right, vector, solution = b[c, z, y], u[c, z, y], x[c, z, y]
                for i in range(line.shape[0]):
                    right[i] -= line[i]
                    target[i] = c0 * vector[i] + c1 * (free[i] * right[i])
                    solution[i] += target[i]
    sums[z] = total


@kernel
def product(u, moduli, table, start, stop, planes, work, mode, b, out, dinv, x, coefficients, sums):
    """Multiply by the stiffness on point planes ``start <= z < stop`` and finish each plane.

    Parameters
    ----------
    u : (3, Z, Y, X)
        Vector to multiply.
    moduli : (K, n_z, n_y, n_x)
        Scalar fields of the unit materials.
    table : (K, 20)
        18 constants of each unit material, then 1/3 and 1.
    start, stop : int
        Point planes of this slab.
    planes : (2, 3, Y, X)
        Work: planes of sums.
    work : (work_shape(),)
        Work: line buffers.
    mode : int
        0 ``out = A u`` at free points, 0 elsewhere, and ``sums[z] = u . out``;
        1 ``out = b - A u`` at free points;
        2 the same, then a Chebyshev step ``b <- r, out = c0 u + c1 dinv r, x += out``;
        3 ``out = A u`` everywhere (reactions).
    b, out, x : (3, Z, Y, X)
        See `mode`.
    dinv : (3, Z, Y, X)
        Inverse diagonal, 0 at fixed and empty points.
    coefficients : (2,)
        c0, c1.
    sums : (Z,) float64
        Scalar product per plane.
    """
    n_z = moduli.shape[1]
    low, top = planes[0], planes[1]
    low[:] = 0
    for z in range(max(start - 1, 0), min(stop, n_z)):
        top[:] = 0
        _cell_plane(u, moduli, table, z, low, top, work)
        if z >= start:
            _finish(u, low, z, mode, b, out, dinv, x, coefficients, sums)
        low, top = top, low
    if stop == n_z + 1:
        _finish(u, low, n_z, mode, b, out, dinv, x, coefficients, sums)


@kernel
def diagonal(moduli, weights, start, stop, out):
    """Diagonal of the stiffness on point planes ``start <= z < stop``.

    Parameters
    ----------
    moduli : (K, n_z, n_y, n_x)
        Scalar fields of the unit materials.
    weights : (K, 3)
        Diagonal of a unit cell along each component; the same at its eight corners.
    out : (3, Z, Y, X)
        Diagonal.
    """
    n_k, n_z, n_y, n_x = moduli.shape
    for z in range(start, stop):
        for y in range(n_y + 1):
            for x in range(n_x + 1):
                d_x = d_y = d_z = out[0, z, y, x] * 0
                for k in range(n_k):
                    total = d_x * 0
                    for q in range(max(z - 1, 0), min(z + 1, n_z)):
                        for r in range(max(y - 1, 0), min(y + 1, n_y)):
                            for s in range(max(x - 1, 0), min(x + 1, n_x)):
                                total += moduli[k, q, r, s]
                    d_x += weights[k, 0] * total
                    d_y += weights[k, 1] * total
                    d_z += weights[k, 2] * total
                out[0, z, y, x] = d_x
                out[1, z, y, x] = d_y
                out[2, z, y, x] = d_z
