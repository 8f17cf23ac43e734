"""Products and sweeps of matrices of 3 x 3 blocks, in rows: ``start, column, values``.

Vectors are (n_points, 3). Every kernel does some rows, so that callers can share them out.
"""

from __future__ import annotations

from vbsim.kernels import kernel

__all__ = ["diagonal_inverse", "product", "residual", "sweep"]


@kernel
def product(start, column, values, x, rows, y):
    """Set ``y = A x`` in some rows."""
    for p in range(rows[0], rows[1]):
        y[p, :] = 0.0  # sums have the precision of the vector
        y0, y1, y2 = y[p, 0], y[p, 1], y[p, 2]
        for k in range(start[p], start[p + 1]):
            a, q = values[k], column[k]
            u, v, w = x[q, 0], x[q, 1], x[q, 2]
            y0 += a[0, 0] * u + a[0, 1] * v + a[0, 2] * w
            y1 += a[1, 0] * u + a[1, 1] * v + a[1, 2] * w
            y2 += a[2, 0] * u + a[2, 1] * v + a[2, 2] * w
        y[p, 0], y[p, 1], y[p, 2] = y0, y1, y2


@kernel
def residual(start, column, values, x, b, free, rows, r):
    """Set ``r = free (b - A x)`` in some rows; `free` is 0 at held components."""
    for p in range(rows[0], rows[1]):
        r0, r1, r2 = b[p, 0], b[p, 1], b[p, 2]
        for k in range(start[p], start[p + 1]):
            a, q = values[k], column[k]
            u, v, w = x[q, 0], x[q, 1], x[q, 2]
            r0 -= a[0, 0] * u + a[0, 1] * v + a[0, 2] * w
            r1 -= a[1, 0] * u + a[1, 1] * v + a[1, 2] * w
            r2 -= a[2, 0] * u + a[2, 1] * v + a[2, 2] * w
        r[p, 0], r[p, 1], r[p, 2] = r0 * free[p, 0], r1 * free[p, 1], r2 * free[p, 2]


@kernel
def sweep(inverse, r, step, keep, rows, d, x):
    """Chebyshev step in some rows: ``d = keep d + step D^-1 r`` and ``x += d``.

    Parameters
    ----------
    inverse : (n, 3, 3)
        Inverse of the diagonal blocks, 0 in held rows and columns.
    r : (n, 3)
        Residual of x.
    step, keep : float
        Coefficients of the recurrence.
    """
    for p in range(rows[0], rows[1]):
        a = inverse[p]
        u, v, w = r[p, 0], r[p, 1], r[p, 2]
        for i in range(3):
            d[p, i] = keep * d[p, i] + step * (a[i, 0] * u + a[i, 1] * v + a[i, 2] * w)
            x[p, i] += d[p, i]


@kernel
def diagonal_inverse(start, column, values, free, out):
    """Invert the free part of every diagonal block; held rows and columns become 0."""
    for p in range(len(start) - 1):
        for k in range(start[p], start[p + 1]):
            if column[k] == p:
                a = values[k]
                break
        f0, f1, f2 = free[p, 0], free[p, 1], free[p, 2]
        a00 = a[0, 0] * f0 + (1.0 - f0)
        a11 = a[1, 1] * f1 + (1.0 - f1)
        a22 = a[2, 2] * f2 + (1.0 - f2)
        a01, a02, a12 = a[0, 1] * f0 * f1, a[0, 2] * f0 * f2, a[1, 2] * f1 * f2
        c00, c01, c02 = a11 * a22 - a12 * a12, a02 * a12 - a01 * a22, a01 * a12 - a02 * a11
        det = a00 * c00 + a01 * c01 + a02 * c02
        out[p, 0, 0] = c00 / det * f0
        out[p, 1, 1] = (a00 * a22 - a02 * a02) / det * f1
        out[p, 2, 2] = (a00 * a11 - a01 * a01) / det * f2
        out[p, 0, 1] = out[p, 1, 0] = c01 / det * f0 * f1
        out[p, 0, 2] = out[p, 2, 0] = c02 / det * f0 * f2
        out[p, 1, 2] = out[p, 2, 1] = (a01 * a02 - a00 * a12) / det * f1 * f2


@kernel
def relax(start, column, values, inverse, b, forwards, x):
    """Gauss-Seidel: solve every row's own block in turn, forwards or backwards, in place."""
    n = len(start) - 1
    for t in range(n):
        p = t if forwards else n - 1 - t
        r0, r1, r2 = b[p, 0], b[p, 1], b[p, 2]
        for k in range(start[p], start[p + 1]):
            a, q = values[k], column[k]
            u, v, w = x[q, 0], x[q, 1], x[q, 2]
            r0 -= a[0, 0] * u + a[0, 1] * v + a[0, 2] * w
            r1 -= a[1, 0] * u + a[1, 1] * v + a[1, 2] * w
            r2 -= a[2, 0] * u + a[2, 1] * v + a[2, 2] * w
        m = inverse[p]
        x[p, 0] += m[0, 0] * r0 + m[0, 1] * r1 + m[0, 2] * r2
        x[p, 1] += m[1, 0] * r0 + m[1, 1] * r1 + m[1, 2] * r2
        x[p, 2] += m[2, 0] * r0 + m[2, 1] * r1 + m[2, 2] * r2
