"""Fused vector passes of the conjugate gradient iteration, with sums per plane of points.

Sums are added plane by plane in float64, so that they do not depend on how planes are shared out.
"""

from __future__ import annotations

from vbsim.kernels import kernel

__all__ = ["step", "scalar", "direction"]


@kernel
def step(alpha, p, q, start, stop, x, r, single, sums):
    """``x += alpha p``, ``r -= alpha q``, ``single = r`` (float32), ``sums[z] = r . r``."""
    for z in range(start, stop):
        total = 0.0
        for c in range(3):
            for y in range(x.shape[2]):
                xs, rs, ps, qs = x[c, z, y], r[c, z, y], p[c, z, y], q[c, z, y]
                short = single[c, z, y]
                for i in range(xs.shape[0]):
                    xs[i] += alpha * ps[i]
                    rs[i] -= alpha * qs[i]
                    short[i] = rs[i]
                    total += rs[i] * rs[i]
        sums[z] = total


@kernel
def scalar(r, single, start, stop, sums):
    """``sums[z] = r . single``."""
    for z in range(start, stop):
        total = 0.0
        for c in range(3):
            for y in range(r.shape[2]):
                rs, short = r[c, z, y], single[c, z, y]
                for i in range(rs.shape[0]):
                    total += rs[i] * short[i]
        sums[z] = total


@kernel
def direction(single, beta, start, stop, p):
    """``p = single + beta p``."""
    for z in range(start, stop):
        for c in range(3):
            for y in range(p.shape[2]):
                ps, short = p[c, z, y], single[c, z, y]
                for i in range(ps.shape[0]):
                    ps[i] = short[i] + beta * ps[i]
