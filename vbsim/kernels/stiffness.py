"""Stiffness of several cells at once, each in one lane of the processor's vectors.

All arrays end in `LANES`, one place for each cell. For shape functions a <= b the pair number k
counts (0, 0), (0, 1) ... (1, 1), (1, 2) ...; ``K[k, i, j]`` couples component i of a with j of b.

Moduli are constant in a cell, so that its stiffness is a contraction of moments that know the shape
alone: ``G_ij(a, b) = sum over quadrature points of w d_i N_a d_j N_b``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import kernel

__all__ = ["LANES", "Room", "Tables", "contract", "make_room", "moments"]

LANES = 4
"""Cells that are worked on together: what one vector of 256 bits holds."""

# Voigt number of each pair of axes: xx yy zz yz xz xy.
_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


class Tables(NamedTuple):
    """A reference element.

    Attributes
    ----------
    slopes : (n_quadrature, 3, m) float
        Gradients of the shape functions in reference coordinates; functions beyond the n nodes
        are incompatible modes. The number of points is even; the last may weigh 0.
    weights : (n_quadrature,) float
        Weights of the quadrature.
    centre : (3, n) float
        Gradients of the shape functions at the centre, for the modes.
    """

    slopes: NDArray[np.float64]
    weights: NDArray[np.float64]
    centre: NDArray[np.float64]


class Room(NamedTuple):
    """Memory to work in.

    Attributes
    ----------
    x : (3, n, LANES)
        Places of the nodes.
    c : (36, LANES)
        Elastic constants: the first 9, or all.
    g : (n_quadrature, 3, m, LANES)
        Gradients of all functions.
    w : (n_quadrature, LANES)
        Volume that each point stands for.
    J, R, R0 : (3, 3, LANES)
        Jacobian, its inverse, its inverse at the centre.
    det, det0 : (LANES,)
        Determinants of both.
    K : (n_pairs, 3, 3, LANES)
        Moments, then the stiffness.
    S : (q + 1, q, LANES), V : (q + 1, 3, n, LANES)
        The modes' own matrix and their coupling to the nodes, q = 3 (m - n); the last row of S is
        -1, that of V is 0.
    """

    x: NDArray[np.float64]
    c: NDArray[np.float64]
    g: NDArray[np.float64]
    w: NDArray[np.float64]
    J: NDArray[np.float64]
    R: NDArray[np.float64]
    R0: NDArray[np.float64]
    det: NDArray[np.float64]
    det0: NDArray[np.float64]
    K: NDArray[np.float64]
    S: NDArray[np.float64]
    V: NDArray[np.float64]


@kernel
def make_room(n, m, n_quadrature):
    """Return room for elements of n nodes and m functions."""
    q = max(3 * (m - n), 1)
    S, V = np.full((q + 1, q, LANES), -1.0), np.zeros((q + 1, 3, n, LANES))
    return Room(
        np.empty((3, n, LANES)),
        np.empty((36, LANES)),
        np.empty((n_quadrature, 3, m, LANES)),
        np.empty((n_quadrature, LANES)),
        np.empty((3, 3, LANES)),
        np.empty((3, 3, LANES)),
        np.empty((3, 3, LANES)),
        np.empty(LANES),
        np.empty(LANES),
        np.empty((m * (m + 1) // 2, 3, 3, LANES)),
        S,
        V,
    )


@kernel
def _jacobian(slopes, x, J):
    """Set ``J[k, i] = d x_i / d xi_k`` from slopes (3, at least n)."""
    for k in range(3):
        for i in range(3):
            total = J[k, i]
            for lane in range(LANES):
                total[lane] = 0.0
            for a in range(x.shape[1]):
                s, place = slopes[k, a], x[i, a]
                for lane in range(LANES):
                    total[lane] += s * place[lane]


@kernel
def _invert(J, R, det):
    """Set R to the inverse of J, and det to its determinant."""
    for lane in range(LANES):
        a, b, c = J[0, 0, lane], J[0, 1, lane], J[0, 2, lane]
        d, e, f = J[1, 0, lane], J[1, 1, lane], J[1, 2, lane]
        p, q, r = J[2, 0, lane], J[2, 1, lane], J[2, 2, lane]
        first, second, third = e * r - f * q, f * p - d * r, d * q - e * p
        whole = a * first + b * second + c * third
        v = 1.0 / whole
        R[0, 0, lane], R[1, 0, lane], R[2, 0, lane] = first * v, second * v, third * v
        R[0, 1, lane], R[1, 1, lane] = (c * q - b * r) * v, (a * r - c * p) * v
        R[2, 1, lane], R[0, 2, lane] = (b * p - a * q) * v, (b * f - c * e) * v
        R[1, 2, lane], R[2, 2, lane] = (c * d - a * f) * v, (a * e - b * d) * v
        det[lane] = whole


@kernel
def _spread(R, slopes, first, last, g):
    """Set the gradients of functions first ... last - 1: ``g = R slopes``."""
    for i in range(3):
        r0, r1, r2 = R[i, 0], R[i, 1], R[i, 2]
        for a in range(first, last):
            s0, s1, s2, t = slopes[0, a], slopes[1, a], slopes[2, a], g[i, a]
            for lane in range(LANES):
                t[lane] = r0[lane] * s0 + r1[lane] * s1 + r2[lane] * s2


@kernel
def _modes(R0, slopes, n, det0, det, g):
    """Set the gradients of the incompatible modes, n and beyond (Taylor, Beresford & Wilson)."""
    _spread(R0, slopes, n, g.shape[1], g)
    for i in range(3):
        for a in range(n, g.shape[1]):
            t = g[i, a]
            for lane in range(LANES):
                t[lane] *= det0[lane] / det[lane]


@kernel
def moments(tables, room):
    """Set K to the moments of the cells whose nodes lie at ``room.x``."""
    n, m = room.x.shape[1], tables.slopes.shape[2]
    if m > n:
        _jacobian(tables.centre, room.x, room.J)
        _invert(room.J, room.R0, room.det0)
    for q in range(len(tables.weights)):
        slopes, g, w, weight = tables.slopes[q], room.g[q], room.w[q], tables.weights[q]
        _jacobian(slopes, room.x, room.J)
        _invert(room.J, room.R, room.det)
        _spread(room.R, slopes, 0, n, g)
        if m > n:
            _modes(room.R0, slopes, n, room.det0, room.det, g)
        for lane in range(LANES):
            w[lane] = weight * room.det[lane]
    room.K[...] = 0.0
    k = 0
    for a in range(m):
        for b in range(a, m):
            for q in range(0, len(room.w), 2):
                _add_products(room.g[q], room.g[q + 1], room.w[q], room.w[q + 1], a, b, room.K[k])
            k += 1


@kernel
def _add_products(g, h, w0, w1, a, b, out):
    """Add ``w0 g(a) g(b) + w1 h(a) h(b)``; two at once spare half of the stores."""
    ax, ay, az, bx, by, bz = g[0, a], g[1, a], g[2, a], g[0, b], g[1, b], g[2, b]
    cx, cy, cz, dx, dy, dz = h[0, a], h[1, a], h[2, a], h[0, b], h[1, b], h[2, b]
    for lane in range(LANES):
        x, y, z = w0[lane] * ax[lane], w0[lane] * ay[lane], w0[lane] * az[lane]
        p, q, r = w1[lane] * cx[lane], w1[lane] * cy[lane], w1[lane] * cz[lane]
        x0, y0, z0, x1, y1, z1 = bx[lane], by[lane], bz[lane], dx[lane], dy[lane], dz[lane]
        out[0, 0, lane] += x * x0 + p * x1
        out[0, 1, lane] += x * y0 + p * y1
        out[0, 2, lane] += x * z0 + p * z1
        out[1, 0, lane] += y * x0 + q * x1
        out[1, 1, lane] += y * y0 + q * y1
        out[1, 2, lane] += y * z0 + q * z1
        out[2, 0, lane] += z * x0 + r * x1
        out[2, 1, lane] += z * y0 + r * y1
        out[2, 2, lane] += z * z0 + r * z1


@kernel
def contract(room, n, m, is_general):
    """Turn the moments in K into the stiffness; modes, if any, are condensed.

    Parameters
    ----------
    room : Room
        With the constants in c: ``c11 c22 c33 c12 c13 c23 c44 c55 c66``, or all 36.
    n, m : int
        Nodes and functions.
    is_general : bool
        Whether c holds the whole elastic matrix.
    """
    for k in range(m * (m + 1) // 2):
        if is_general:
            _contract_general(room.K[k], room.c, room.J)
        else:
            _contract_orthotropic(room.K[k], room.c)
    if m > n:
        _condense(room.K, n, m, room.S, room.V)


@kernel
def _contract_orthotropic(K, c):
    for lane in range(LANES):
        xx, xy, xz = K[0, 0, lane], K[0, 1, lane], K[0, 2, lane]
        yx, yy, yz = K[1, 0, lane], K[1, 1, lane], K[1, 2, lane]
        zx, zy, zz = K[2, 0, lane], K[2, 1, lane], K[2, 2, lane]
        c44, c55, c66 = c[6, lane], c[7, lane], c[8, lane]
        K[0, 0, lane] = c[0, lane] * xx + c66 * yy + c55 * zz
        K[1, 1, lane] = c66 * xx + c[1, lane] * yy + c44 * zz
        K[2, 2, lane] = c55 * xx + c44 * yy + c[2, lane] * zz
        K[0, 1, lane] = c[3, lane] * xy + c66 * yx
        K[1, 0, lane] = c[3, lane] * yx + c66 * xy
        K[0, 2, lane] = c[4, lane] * xz + c55 * zx
        K[2, 0, lane] = c[4, lane] * zx + c55 * xz
        K[1, 2, lane] = c[5, lane] * yz + c44 * zy
        K[2, 1, lane] = c[5, lane] * zy + c44 * yz


@kernel
def _contract_general(K, c, made):
    """Set ``K_ik = sum_jl C_ij,kl G_jl`` for an elastic matrix in Voigt order."""
    for i in range(3):
        for k in range(3):
            for lane in range(LANES):
                made[i, k, lane] = 0.0
            for j in range(3):
                for p in range(3):
                    modulus = c[6 * _VOIGT[i, j] + _VOIGT[k, p]]
                    for lane in range(LANES):
                        made[i, k, lane] += modulus[lane] * K[j, p, lane]
    K[...] = made


@kernel
def _pair(a, b, m):
    """Return the number of the pair a <= b."""
    return a * m - a * (a - 1) // 2 + b - a


@kernel
def _condense(K, n, m, S, V):
    """Take the modes n <= a < m out of K: ``K_uu -= K_ui K_ii^-1 K_iu`` (Cholesky)."""
    q = 3 * (m - n)
    for row in range(q):
        s, i = row // 3, row % 3
        for b in range(n):
            own = K[_pair(b, n + s, m)]
            for j in range(3):
                V[row, j, b] = own[j, i]
        for column in range(row + 1):
            S[row, column] = K[_pair(n + column // 3, n + s, m), column % 3, i]
    for k in range(q):
        for t in range(k):
            _subtract(S[k, t], S[k, t], S[k, k])
        for lane in range(LANES):
            S[k, k, lane] = 1.0 / np.sqrt(S[k, k, lane])
        for row in range(k + 1, q):
            for t in range(k):
                _subtract(S[row, t], S[k, t], S[row, k])
            for lane in range(LANES):
                S[row, k, lane] *= S[k, k, lane]
    for k in range(q):
        for j in range(3):
            for b in range(n):
                for t in range(k):
                    _subtract(S[k, t], V[t, j, b], V[k, j, b])
                for lane in range(LANES):
                    V[k, j, b, lane] *= S[k, k, lane]
    minus = S[q]
    for a in range(n):
        for b in range(a, n):
            out = K[_pair(a, b, m)]
            for k in range(0, q, 2):
                _add_products(V[k], V[k + 1], minus[0], minus[0], a, b, out)


@kernel
def _subtract(x, y, out):
    for lane in range(LANES):
        out[lane] -= x[lane] * y[lane]
