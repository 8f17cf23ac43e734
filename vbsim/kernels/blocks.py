"""Products and sweeps of matrices of 3 x 3 blocks, in rows: ``start, column, values``.

Vectors are (n_points, 3). Every kernel does some rows, so that callers can share them out.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel

__all__ = ["block_inverses", "invert", "product", "residual", "sweep"]


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
def sweep(inverse, across, partner, r, steps, rows, d, x):
    """Chebyshev step in some rows: ``d = keep d + step B^-1 r`` and ``x += d``.

    Parameters
    ----------
    inverse, across : (n, 3, 3)
        Rows of the inverse of the diagonal blocks B: the part of the point itself and that of its
        partner; 0 in held rows and columns.
    partner : (n,) int32
        The point that shares a block with each point, or the point itself.
    r : (n, 3)
        Residual of x.
    steps : (2,) float
        ``step`` and ``keep``, coefficients of the recurrence.
    """
    step, keep = steps[0], steps[1]
    for p in range(rows[0], rows[1]):
        a, q = inverse[p], partner[p]
        u, v, w = r[p, 0], r[p, 1], r[p, 2]
        for i in range(3):
            d[p, i] = keep * d[p, i] + step * (a[i, 0] * u + a[i, 1] * v + a[i, 2] * w)
        if q != p:
            a = across[p]
            u, v, w = r[q, 0], r[q, 1], r[q, 2]
            for i in range(3):
                d[p, i] += step * (a[i, 0] * u + a[i, 1] * v + a[i, 2] * w)
        for i in range(3):
            x[p, i] += d[p, i]


@kernel
def block_inverses(start, column, values, free, partner, inverse, across):
    """Invert the free part of the diagonal block of every point or pair of points.

    Parameters
    ----------
    start, column, values : arrays
        The matrix.
    free : (n, 3) float
        1 at free components, 0 at held ones, whose rows and columns of the inverse become 0.
    partner, inverse, across : arrays
        See `sweep`; the last two are filled.
    """
    block = np.empty((6, 6))
    for p in range(len(start) - 1):
        q = partner[p]
        if q < p:
            continue  # done with its partner
        size = 6 if q > p else 3
        for i in range(6):
            for j in range(6):
                block[i, j] = 1.0 if i == j else 0.0
        for t in range(size // 3):
            row = p if t == 0 else q
            for k in range(start[row], start[row + 1]):
                other = column[k]
                own, far = other == p, other == q
                if own or far:
                    ti, tj = 3 * t, 0 if own else 3
                    for i in range(3):
                        for j in range(3):
                            both = free[row, i] * free[other, j]
                            if both > 0.0:
                                block[ti + i, tj + j] = values[k, i, j]
        invert(block, size)
        for i in range(3):
            for j in range(3):
                both = free[p, i] * free[p, j]
                inverse[p, i, j] = block[i, j] * both
                if size == 6:
                    inverse[q, i, j] = block[3 + i, 3 + j] * free[q, i] * free[q, j]
                    across[p, i, j] = block[i, 3 + j] * free[p, i] * free[q, j]
                    across[q, i, j] = block[3 + i, j] * free[q, i] * free[p, j]


@kernel
def invert(block, n):
    """Invert a symmetric positive definite matrix in place (Gauss-Jordan, no pivots needed)."""
    for k in range(n):
        pivot = 1.0 / block[k, k]
        block[k, k] = 1.0
        for j in range(n):
            block[k, j] *= pivot
        for i in range(n):
            if i != k:
                factor = block[i, k]
                block[i, k] = 0.0
                for j in range(n):
                    block[i, j] -= factor * block[k, j]
