"""Strain of every cell from a compact displacement, without fields over the whole box."""

from __future__ import annotations

from vbsim.kernels import inlined, kernel

__all__ = ["effective"]


@inlined
def _sums(u, component, a, b, c, d):
    """Return differences along x, y and z over a cell whose lines begin at a, b, c, d."""
    line = u[component]
    a0, a1, b0, b1 = line[a], line[a + 1], line[b], line[b + 1]
    c0, c1, d0, d1 = line[c], line[c + 1], line[d], line[d + 1]
    return (
        (a1 - a0) + (b1 - b0) + (c1 - c0) + (d1 - d0),
        (b0 - a0) + (b1 - a1) + (d0 - c0) + (d1 - c1),
        (c0 - a0) + (c1 - a1) + (d0 - b0) + (d1 - b1),
    )


@kernel
def effective(u, constants, cells, start, stop, out):
    """Set ``out = sqrt(e . C e)`` of the mean strain e on cell planes ``start <= z < stop``.

    Parameters
    ----------
    u : (3, N) float64
        Covariant displacement (see `voxel`).
    constants : (9,) float64
        Unit stiffness C per volume, with the edges of a cell folded in, as in `voxel`.
    cells : Cells
        Where the cells lie.
    start, stop : int
        Cell planes.
    out : (n_cells,)
        Result; times the modulus and squared it is twice the energy per volume.
    """
    t = constants
    for run in range(cells.plane[start], cells.plane[stop]):
        first, lines = cells.first[run], cells.lines[run]
        for i in range(cells.length[run]):
            a, b, c, d = lines[0] + i, lines[1] + i, lines[2] + i, lines[3] + i
            xx, xy, xz = _sums(u, 0, a, b, c, d)
            yx, yy, yz = _sums(u, 1, a, b, c, d)
            zx, zy, zz = _sums(u, 2, a, b, c, d)
            normal = t[0] * xx * xx + t[1] * yy * yy + t[2] * zz * zz
            mixed = t[3] * xx * yy + t[4] * xx * zz + t[5] * yy * zz
            shear = t[6] * (yz + zy) ** 2 + t[7] * (xz + zx) ** 2 + t[8] * (xy + yx) ** 2
            out[first + i] = max(normal + 2.0 * mixed + shear, 0.0) ** 0.5
