r"""Products with the stiffness of a voxel body of trilinear hexahedra, without a matrix.

Parity basis. For component c and a set p of axes, ``U[c, p] = sum_a s_p(a) u[c, a]`` over the eight
corners a of a cell, with ``s_p(a)`` the product over the axes in p of +1 at the far and -1 at the
near face. In this basis the stiffness of an axis-aligned orthotropic cell has 45 non-zeros:
translations cost nothing, the six first-order sums are the mean strain of the cell, the others are
its bending modes.

Displacements are covariant, ``u_c = h_c * displacement_c`` with h the spacing of the grid; a cell
of any edge ratio then has the same form, with the edges folded into its constants ``c11 c22 c33 c12
c13 c23 c44 c55 c66``. Those against the bending modes carry a factor 1/3; those against the mean
strain are three times as large, plus a volumetric part that bends for free (selective reduction).

Vectors are compact, ``(3, N)`` over the points with material (see `runs`). A product packs cell
runs one behind the other into line buffers, with an empty cell between two runs, and works on the
whole buffer at once. It sweeps cell planes upwards with two planes of sums: a plane of points is
finished and stored once, in an order that no partition into slabs changes.
"""

from __future__ import annotations

from vbsim.kernels import inlined, kernel, summed

__all__ = ["MOST_UNITS", "work_shape", "product", "diagonal"]

CAPACITY = 128  # positions in a line buffer: all buffers of a pass stay in the first-level cache
WIDTH = (
    CAPACITY + 16
)  # distance between line buffers; a constant, so that loops vectorise unchecked
MOST_UNITS = 8  # unit materials that the line buffers hold
_LINES = 12  # 3 components x 4 parities in (y, z)
_EVEN = _LINES * WIDTH  # contributions to the near point of a cell
_ODD = 2 * _LINES * WIDTH  # contributions to the far point
_MODULI = 3 * _LINES * WIDTH
_CONSTANTS = _MODULI + MOST_UNITS * WIDTH
_VOLUMETRIC, _SHEARING = 9, 10  # lines and columns of the parts on the mean strain alone
_N_LINES = 11
_WEIGHTS = 11  # columns of their nine weights
_THIRD, _ONE, _TWO, _THREE = 20, 21, 22, 23  # columns that hold numbers of the right type


def work_shape() -> int:
    """Return the length of the line buffer that one slab of a product needs."""
    return _CONSTANTS + _N_LINES * WIDTH


@inlined
def _pack(u, moduli, cells, run, at, work):
    """Put the four point lines of a run, as sums and differences in y and z, at a position."""
    n = cells.length[run]
    a, b, c, d = cells.lines[run, 0], cells.lines[run, 1], cells.lines[run, 2], cells.lines[run, 3]
    for component in range(3):
        near_low = u[component, a : a + n + 1]
        far_low = u[component, b : b + n + 1]
        near_top = u[component, c : c + n + 1]
        far_top = u[component, d : d + n + 1]
        line = work[4 * component * WIDTH + at : 4 * (component + 1) * WIDTH]
        for i in range(n + 1):
            low, low_y = near_low[i] + far_low[i], far_low[i] - near_low[i]
            top, top_y = near_top[i] + far_top[i], far_top[i] - near_top[i]
            line[i] = low + top
            line[i + WIDTH] = low_y + top_y
            line[i + 2 * WIDTH] = top - low
            line[i + 3 * WIDTH] = top_y - low_y
    first = cells.first[run]
    for k in range(moduli.shape[0]):
        modulus = moduli[k, first : first + n]
        line = work[_MODULI + k * WIDTH + at : _MODULI + (k + 1) * WIDTH]
        for i in range(n):
            line[i] = modulus[i]
        line[n] = 0  # the empty cell behind the run


@kernel
def _unpack_parities(work, n):
    """Turn forces on parities into forces on the four point lines, in place of the packed lines."""
    for c in range(3):
        even = work[_EVEN + 4 * c * WIDTH : _EVEN + 4 * (c + 1) * WIDTH]
        odd = work[_ODD + 4 * c * WIDTH : _ODD + 4 * (c + 1) * WIDTH]
        line = work[4 * c * WIDTH : 4 * (c + 1) * WIDTH]
        for i in range(n):
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


@inlined
def _add_lines(work, at, cells, run, low, base_low, top, base_top):
    """Add the forces of a run to the planes of sums below and above it."""
    n = cells.length[run] + 1
    a, b = cells.lines[run, 0] - base_low, cells.lines[run, 1] - base_low
    c, d = cells.lines[run, 2] - base_top, cells.lines[run, 3] - base_top
    for component in range(3):
        line = work[4 * component * WIDTH + at : 4 * (component + 1) * WIDTH]
        near, far = low[component, a : a + n], low[component, b : b + n]
        for i in range(n):
            near[i] += line[i]
        for i in range(n):
            far[i] += line[i + WIDTH]
        near, far = top[component, c : c + n], top[component, d : d + n]
        for i in range(n):
            near[i] += line[i + 2 * WIDTH]
        for i in range(n):
            far[i] += line[i + 3 * WIDTH]


@inlined
def _split(work, line, i):
    """Return the sum and the difference along x of a line of parities over cell i."""
    near, far = work[line * WIDTH + i], work[line * WIDTH + i + 1]
    return far + near, far - near


@inlined
def _put(work, line, i, scale, plain, along):
    """Put the forces on a parity, and on it and x, on the near and far points of cell i."""
    work[_EVEN + line * WIDTH + i] = (plain - along) * scale
    work[_ODD + line * WIDTH + i + 1] = (plain + along) * scale


# The stiffness falls into four parts that share no parity sum: one of the normal strains and one of
# each shear strain, each with the bending modes that go with it. Each reads and writes three lines.
# One after the other they keep few enough values alive for 16 vector registers.


@inlined
def _normal_part(work, i, scale, n, b22_e66, b33_e55, b23):
    """Do normal strains, with bending ``y: xy`` and ``z: xz``; lines x, y: y and z: z."""
    n11, n22, n33, n12, n13, n23 = n
    _, ux_x = _split(work, 0, i)
    uy_y, uy_xy = _split(work, 5, i)
    uz_z, uz_xz = _split(work, 10, i)
    f_x = n11 * ux_x + n12 * uy_y + n13 * uz_z
    work[_EVEN + i] = -f_x * scale
    work[_ODD + i + 1] = f_x * scale
    f_y = n12 * ux_x + n22 * uy_y + n23 * uz_z
    _put(work, 5, i, scale, f_y, b22_e66 * uy_xy + b23 * uz_xz)
    f_z = n13 * ux_x + n23 * uy_y + n33 * uz_z
    _put(work, 10, i, scale, f_z, b33_e55 * uz_xz + b23 * uy_xy)


@inlined
def _shear_part(work, i, scale, lines, shear, first, second, both, last):
    """Do the shear strain of x and another axis; lines x: that axis, it, and the third: yz.

    `first` and `second` are the constants of the bending modes, `both` couples them, `last` is the
    constant of the third component's mode xyz.
    """
    x_line, other_line, third_line = lines
    plain, along = _split(work, x_line, i)
    _, other = _split(work, other_line, i)
    third, third_along = _split(work, third_line, i)
    f = shear * (plain + other)
    _put(work, x_line, i, scale, f, first * along + both * third)
    work[_EVEN + other_line * WIDTH + i] = -f * scale
    work[_ODD + other_line * WIDTH + i + 1] = f * scale
    _put(work, third_line, i, scale, second * third + both * along, last * third_along)


@inlined
def _torsion_part(work, i, scale, m44, e44, e55, e66, last):
    """Do shear strain yz and torsion; lines y: z, z: y and x: yz."""
    uy_z, uy_xz = _split(work, 6, i)
    uz_y, uz_xy = _split(work, 9, i)
    ux_yz, ux_xyz = _split(work, 3, i)
    s_yz = m44 * (uy_z + uz_y)
    # torsion: three 1x1 blocks of shear that two components share
    t_x = e44 * (uy_xz + uz_xy)
    t_y = e55 * (ux_yz + uz_xy)
    t_z = e66 * (ux_yz + uy_xz)
    _put(work, 6, i, scale, s_yz, t_x + t_z)
    _put(work, 9, i, scale, s_yz, t_x + t_y)
    _put(work, 3, i, scale, t_y + t_z, last * ux_xyz)


_XY = (1, 4, 11)  # lines x: y, y, z: yz
_XZ = (2, 8, 7)  # lines x: z, z, y: yz


@kernel
def _cells_of_one(work, t, n):
    """Add up the forces of packed cells of one unit material with constants `t`."""
    three, third, extra, shear = t[_THREE], t[_THIRD], t[_VOLUMETRIC], t[_SHEARING]
    both = extra + t[_TWO] * shear
    b11, b22, b33, b12, b13, b23 = t[0], t[1], t[2], t[3], t[4], t[5]
    e44, e55, e66 = t[6], t[7], t[8]
    normal = (
        three * b11 + both * t[_WEIGHTS],
        three * b22 + both * t[_WEIGHTS + 1],
        three * b33 + both * t[_WEIGHTS + 2],
        three * b12 + extra * t[_WEIGHTS + 3],
        three * b13 + extra * t[_WEIGHTS + 4],
        three * b23 + extra * t[_WEIGHTS + 5],
    )
    m44 = three * e44 + shear * t[_WEIGHTS + 6]
    m55 = three * e55 + shear * t[_WEIGHTS + 7]
    m66 = three * e66 + shear * t[_WEIGHTS + 8]
    last_x = (b11 + e55 + e66) * third
    last_y = (b22 + e44 + e66) * third
    last_z = (b33 + e44 + e55) * third
    for i in range(n):
        _normal_part(work, i, work[_MODULI + i], normal, b22 + e66, b33 + e55, b23)
    for i in range(n):
        scale = work[_MODULI + i]
        _shear_part(work, i, scale, _XY, m66, b11 + e66, b33 + e44, b13, last_z)
    for i in range(n):
        scale = work[_MODULI + i]
        _shear_part(work, i, scale, _XZ, m55, b11 + e55, b22 + e44, b12, last_y)
    for i in range(n):
        _torsion_part(work, i, work[_MODULI + i], m44, e44, e55, e66, last_x)


@kernel
def _mix(work, table, n):
    """Form the constants of packed cells: ``sum_k moduli[k] * table[k]``."""
    for j in range(_N_LINES):
        line = work[_CONSTANTS + j * WIDTH : _CONSTANTS + j * WIDTH + n]
        factor = table[0, j]
        for i in range(n):
            line[i] = factor * work[_MODULI + i]
        for k in range(1, table.shape[0]):
            factor = table[k, j]
            if factor != 0:
                modulus = work[_MODULI + k * WIDTH : _MODULI + k * WIDTH + n]
                for i in range(n):
                    line[i] += factor * modulus[i]


@kernel
def _cells_of_mixture(work, t, n):
    """Add up the forces of packed cells, each with its own constants."""
    three, third, one, two = t[_THREE], t[_THIRD], t[_ONE], t[_TWO]
    w11, w22, w33 = t[_WEIGHTS], t[_WEIGHTS + 1], t[_WEIGHTS + 2]
    w12, w13, w23 = t[_WEIGHTS + 3], t[_WEIGHTS + 4], t[_WEIGHTS + 5]
    w44, w55, w66 = t[_WEIGHTS + 6], t[_WEIGHTS + 7], t[_WEIGHTS + 8]
    for i in range(n):
        k = _CONSTANTS + i
        b11, b22, b33 = work[k], work[k + WIDTH], work[k + 2 * WIDTH]
        b12, b13, b23 = work[k + 3 * WIDTH], work[k + 4 * WIDTH], work[k + 5 * WIDTH]
        e55, e66 = work[k + 7 * WIDTH], work[k + 8 * WIDTH]
        extra = work[k + _VOLUMETRIC * WIDTH]
        both = extra + two * work[k + _SHEARING * WIDTH]
        normal = (
            three * b11 + both * w11,
            three * b22 + both * w22,
            three * b33 + both * w33,
            three * b12 + extra * w12,
            three * b13 + extra * w13,
            three * b23 + extra * w23,
        )
        _normal_part(work, i, one, normal, b22 + e66, b33 + e55, b23)
    for i in range(n):
        k = _CONSTANTS + i
        b11, b33, b13 = work[k], work[k + 2 * WIDTH], work[k + 4 * WIDTH]
        e44, e55, e66 = work[k + 6 * WIDTH], work[k + 7 * WIDTH], work[k + 8 * WIDTH]
        last = (b33 + e44 + e55) * third
        m66 = three * e66 + work[k + _SHEARING * WIDTH] * w66
        _shear_part(work, i, one, _XY, m66, b11 + e66, b33 + e44, b13, last)
    for i in range(n):
        k = _CONSTANTS + i
        b11, b22, b12 = work[k], work[k + WIDTH], work[k + 3 * WIDTH]
        e44, e55, e66 = work[k + 6 * WIDTH], work[k + 7 * WIDTH], work[k + 8 * WIDTH]
        last = (b22 + e44 + e66) * third
        m55 = three * e55 + work[k + _SHEARING * WIDTH] * w55
        _shear_part(work, i, one, _XZ, m55, b11 + e55, b22 + e44, b12, last)
    for i in range(n):
        k = _CONSTANTS + i
        b11 = work[k]
        e44, e55, e66 = work[k + 6 * WIDTH], work[k + 7 * WIDTH], work[k + 8 * WIDTH]
        last = (b11 + e55 + e66) * third
        m44 = three * e44 + work[k + _SHEARING * WIDTH] * w44
        _torsion_part(work, i, one, m44, e44, e55, e66, last)


@inlined
def _cell_plane(u, moduli, table, cells, points, z, low, top, work):
    """Add the forces of one plane of cells to the planes of sums below and above it."""
    base_low, base_top = points.plane[z], points.plane[z + 1]
    run, stop = cells.plane[z], cells.plane[z + 1]
    while run < stop:
        first, n = run, 0
        while run < stop and n + cells.length[run] + 1 <= CAPACITY:
            _pack(u, moduli, cells, run, n, work)
            n += cells.length[run] + 1
            run += 1
        if moduli.shape[0] == 1:
            _cells_of_one(work, table[0], n)
        else:
            _mix(work, table, n)
            _cells_of_mixture(work, table[0], n)
        _unpack_parities(work, n)
        at = 0
        for r in range(first, run):
            _add_lines(work, at, cells, r, low, base_low, top, base_top)
            at += cells.length[r] + 1


@summed
def _dot(a, b):
    """Return the scalar product in float64."""
    total = 0.0
    for i in range(a.shape[0]):
        total += float(a[i]) * float(b[i])
    return total


@kernel
def _finish(u, plane, first, last, mode, b, out, dinv, x, coefficients):
    """Store one finished plane of points; see `product`."""
    c0, c1 = coefficients[0], coefficients[1]
    total = 0.0
    for c in range(3):
        line, target, free = plane[c], out[c, first:last], dinv[c, first:last]
        n = last - first
        if mode == 3:
            for i in range(n):
                target[i] = line[i]
        elif mode == 0:
            for i in range(n):
                target[i] = line[i] if free[i] != 0 else 0
            total += _dot(u[c, first:last], target)
        elif mode == 1:
            right = b[c, first:last]
            for i in range(n):
                target[i] = right[i] - line[i] if free[i] != 0 else 0
        else:
            right, vector, solution = b[c, first:last], u[c, first:last], x[c, first:last]
            for i in range(n):
                right[i] -= line[i]
                target[i] = c0 * vector[i] + c1 * (free[i] * right[i])
                solution[i] += target[i]
    return total


@kernel
def product(
    u,
    moduli,
    table,
    cells,
    points,
    start,
    stop,
    planes,
    work,
    mode,
    b,
    out,
    dinv,
    x,
    coefficients,
    sums,
):
    """Multiply by the stiffness on point planes ``start <= z < stop`` and finish each plane.

    Parameters
    ----------
    u : (3, N)
        Vector to multiply.
    moduli : (K, n_cells) float32
        Scalar fields of the unit materials.
    table : (K, 24)
        9 constants of each unit material against bending, its shares in the volumetric and in the
        shearing part on the mean strain alone, the nine weights of both, then 1/3, 1, 2 and 3.
    cells, points : Cells, Points
        Where they lie.
    start, stop : int
        Point planes of this slab.
    planes : (2, 3, most points of a plane)
        Work: planes of sums.
    work : (work_shape(),)
        Work: line buffers.
    mode : int
        0 ``out = A u`` at free points, 0 elsewhere, and ``sums[z] = u . out``;
        1 ``out = b - A u`` at free points, 0 elsewhere;
        2 a Chebyshev step: ``b <- b - A u, out = c0 u + c1 dinv b, x += out``;
        3 ``out = A u`` everywhere (reactions).
    b, out, x : (3, N)
        See `mode`.
    dinv : (3, N)
        Inverse diagonal, 0 at held components.
    coefficients : (2,)
        c0, c1.
    sums : (Z,) float64
        Scalar product per plane.
    """
    n_z = cells.plane.shape[0] - 1
    low, top = planes[0], planes[1]
    low[:] = 0
    for z in range(max(start - 1, 0), min(stop, n_z)):
        size = points.plane[z + 2] - points.plane[z + 1]
        top[:, :size] = 0
        _cell_plane(u, moduli, table, cells, points, z, low, top, work)
        if z >= start:
            first, last = points.plane[z], points.plane[z + 1]
            sums[z] = _finish(u, low, first, last, mode, b, out, dinv, x, coefficients)
        low, top = top, low
    if stop == n_z + 1:
        first, last = points.plane[n_z], points.plane[n_z + 1]
        sums[n_z] = _finish(u, low, first, last, mode, b, out, dinv, x, coefficients)


@kernel
def diagonal(moduli, weights, cells, out):
    """Add the diagonal of the stiffness.

    Parameters
    ----------
    moduli : (K, n_cells)
        Scalar fields of the unit materials.
    weights : (K, 3)
        Diagonal of a unit cell along each component; the same at its eight corners.
    cells : Cells
        Where they lie.
    out : (3, N)
        0 on entry; the diagonal on return.
    """
    for c in range(3):
        for run in range(cells.length.shape[0]):
            first = cells.first[run]
            for i in range(cells.length[run]):
                value = weights[0, c] * moduli[0, first + i]
                for k in range(1, moduli.shape[0]):
                    value += weights[k, c] * moduli[k, first + i]
                for k in range(4):
                    at = cells.lines[run, k] + i
                    out[c, at] += value
                    out[c, at + 1] += value
