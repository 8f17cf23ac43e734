"""Fused vector passes of the conjugate gradient iteration, with sums per plane of points.

Sums are added plane by plane in float64, so that they do not depend on how planes are shared out.
`plane` holds the first point of each plane (see `runs.Points`).
"""

from __future__ import annotations

from vbsim.kernels import kernel, summed

__all__ = ["step", "scalar", "direction", "jacobi"]


@summed
def _step_line(alpha, p, q, x, r, single):
    total = 0.0
    for i in range(x.shape[0]):
        x[i] += alpha * p[i]
        rest = r[i] - alpha * q[i]
        r[i] = rest
        single[i] = rest
        total += rest * rest
    return total


@summed
def _scalar_line(r, single):
    total = 0.0
    for i in range(r.shape[0]):
        total += r[i] * float(single[i])
    return total


@kernel
def step(alpha, p, q, plane, start, stop, x, r, single, sums):
    """``x += alpha p``, ``r -= alpha q``, ``single = r`` (float32), ``sums[z] = r . r``."""
    for z in range(start, stop):
        a, b = plane[z], plane[z + 1]
        total = 0.0
        for c in range(3):
            total += _step_line(alpha, p[c, a:b], q[c, a:b], x[c, a:b], r[c, a:b], single[c, a:b])
        sums[z] = total


@kernel
def scalar(r, single, plane, start, stop, sums):
    """``sums[z] = r . single``."""
    for z in range(start, stop):
        a, b = plane[z], plane[z + 1]
        total = 0.0
        for c in range(3):
            total += _scalar_line(r[c, a:b], single[c, a:b])
        sums[z] = total


@kernel
def direction(single, beta, plane, start, stop, p):
    """``p = single + beta p``."""
    a, b = plane[start], plane[stop]
    for c in range(3):
        target, source = p[c, a:b], single[c, a:b]
        for i in range(b - a):
            target[i] = source[i] + beta * target[i]


@kernel
def jacobi(weight, dinv, b, plane, start, stop, d, x):
    """``d = x = weight dinv b``."""
    first, last = plane[start], plane[stop]
    for c in range(3):
        scale, right = dinv[c, first:last], b[c, first:last]
        change, solution = d[c, first:last], x[c, first:last]
        for i in range(last - first):
            value = weight * (scale[i] * right[i])
            change[i] = value
            solution[i] = value
