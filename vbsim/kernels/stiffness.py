"""Stiffness of several cells at once, each in one lane of the processor's vectors.

For shape functions a <= b the pair number k counts (0, 0), (0, 1) ... (1, 1), (1, 2) ...; the block
of a pair couples component i of a with component j of b, at place 3 i + j. Rows of every array hold
their numbers one behind the other, each in `LANES` neighbouring places, one a cell: loops over
lanes then read and write at fixed distances within few rows, which compilers turn into vectors.

Moduli are constant in a cell, so that its stiffness is a contraction of moments that know the shape
alone: ``G_ij(a, b) = sum over quadrature points of w d_i N_a d_j N_b``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import kernel

__all__ = ["LANES", "POINTS", "Room", "Tables", "make_room", "stiffnesses"]

LANES = 16
"""Cells that are worked on together: compilers make no vectors of shorter loops."""

POINTS = 4
"""Quadrature points whose products are summed in registers."""

_ROW = 3 * LANES
_CHUNK = POINTS * _ROW

# Voigt number of each pair of axes: xx yy zz yz xz xy.
_VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])


class Tables(NamedTuple):
    """A reference element.

    Attributes
    ----------
    slopes : (n_quadrature, 3, m) float
        Gradients of the shape functions in reference coordinates; functions beyond the n nodes
        are incompatible modes. The number of points is a multiple of `POINTS`; the last may
        weigh 0.
    weights : (n_quadrature,) float
        Weights of the quadrature.
    centre : (3, n) float
        Gradients of the shape functions at the centre, for the modes.
    """

    slopes: NDArray[np.float64]
    weights: NDArray[np.float64]
    centre: NDArray[np.float64]


class Room(NamedTuple):
    """Memory to work in; rows end in lanes.

    Attributes
    ----------
    x : (n, 3 LANES)
        Places of the nodes.
    c : (36 LANES,)
        Elastic constants: the first 9, or all.
    g, h : (m, n_quadrature / POINTS, POINTS 3 LANES)
        Gradients of all functions, and the same times the volume that each point stands for.
    w, det, det0 : (LANES,)
        Volume of a point, determinants there and at the centre.
    J, R, R0 : (9 LANES,)
        Jacobian, its inverse, its inverse at the centre.
    K : (n_pairs, 9 LANES)
        Moments, then the stiffness.
    S : (q, q, LANES)
        The modes' own matrix, q = 3 (m - n).
    V, U : (n, chunks of the q modes, POINTS 3 LANES)
        Coupling of the modes to the nodes, laid out as gradients are, and its negative.
    """

    x: NDArray[np.float64]
    c: NDArray[np.float64]
    g: NDArray[np.float64]
    h: NDArray[np.float64]
    w: NDArray[np.float64]
    det: NDArray[np.float64]
    det0: NDArray[np.float64]
    J: NDArray[np.float64]
    R: NDArray[np.float64]
    R0: NDArray[np.float64]
    K: NDArray[np.float64]
    S: NDArray[np.float64]
    V: NDArray[np.float64]
    U: NDArray[np.float64]


@kernel
def make_room(n, m, n_quadrature):
    """Return room for elements of n nodes and m functions."""
    q = 3 * (m - n)
    n_chunks, n_modes = n_quadrature // POINTS, max((q + POINTS - 1) // POINTS, 1)
    return Room(
        np.zeros((n, _ROW)),
        np.zeros(36 * LANES),
        np.zeros((m, n_chunks, _CHUNK)),
        np.zeros((m, n_chunks, _CHUNK)),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(LANES),
        np.zeros(9 * LANES),
        np.zeros(9 * LANES),
        np.zeros(9 * LANES),
        np.zeros((m * (m + 1) // 2, 9 * LANES)),
        np.zeros((max(q, 1), max(q, 1), LANES)),
        np.zeros((n, n_modes, _CHUNK)),
        np.zeros((n, n_modes, _CHUNK)),
    )


@kernel
def stiffnesses(cells, points, tables, constants, first, last, room):
    """Set ``room.K`` to the stiffness of up to `LANES` neighbouring cells, first to last - 1.

    Parameters
    ----------
    cells, points, tables, constants : arrays
        See `assembly.assemble`.
    first, last : int
        The cells; lanes left over repeat the last one.
    room : Room
        Room to work in.
    """
    n, n_constants = cells.shape[1], constants.shape[1]
    for lane in range(LANES):
        c = min(first + lane, last - 1)
        for a in range(n):
            for i in range(3):
                room.x[a, i * LANES + lane] = points[cells[c, a], i]
        for k in range(n_constants):
            room.c[k * LANES + lane] = constants[c, k]
    moments(tables, room)
    contract(room, n, tables.slopes.shape[2], n_constants == 36)


@kernel
def moments(tables, room):
    """Set K to the moments of the cells whose nodes lie at ``room.x``."""
    n, m = len(room.x), tables.slopes.shape[2]
    if m > n:
        _jacobian(tables.centre, room.x, room.J)
        _invert(room.J, room.R0, room.det0)
    for q in range(len(tables.weights)):
        slopes, weight = tables.slopes[q], tables.weights[q]
        _jacobian(slopes, room.x, room.J)
        _invert(room.J, room.R, room.det)
        for lane in range(LANES):
            room.w[lane] = weight * room.det[lane]
        _spread(room.R, slopes, room.w, q, 0, n, room.g, room.h)
        if m > n:  # by the inverse at the centre, so that modes have no mean gradient
            _scale(room.R0, room.det0, room.det, room.R)
            _spread(room.R, slopes, room.w, q, n, m, room.g, room.h)
    room.K[...] = 0.0
    k = 0
    for a in range(m):
        for b in range(a, m):
            for chunk in range(room.g.shape[1]):
                _add_products(room.h[a, chunk], room.g[b, chunk], room.K[k])
            k += 1


@kernel
def _jacobian(slopes, x, J):
    """Set ``J[k, i] = d x_i / d xi_k`` from slopes (3, at least n)."""
    J[:] = 0.0
    for a in range(len(x)):
        r, s, t, place = slopes[0, a], slopes[1, a], slopes[2, a], x[a]
        for lane in range(LANES):
            X, Y, Z = place[lane], place[LANES + lane], place[2 * LANES + lane]
            J[lane] += r * X
            J[LANES + lane] += r * Y
            J[2 * LANES + lane] += r * Z
            J[3 * LANES + lane] += s * X
            J[4 * LANES + lane] += s * Y
            J[5 * LANES + lane] += s * Z
            J[6 * LANES + lane] += t * X
            J[7 * LANES + lane] += t * Y
            J[8 * LANES + lane] += t * Z


@kernel
def _invert(J, R, det):
    """Set R to the inverse of J, and det to its determinant."""
    for lane in range(LANES):
        a, b, c = J[lane], J[LANES + lane], J[2 * LANES + lane]
        d, e, f = J[3 * LANES + lane], J[4 * LANES + lane], J[5 * LANES + lane]
        p, q, r = J[6 * LANES + lane], J[7 * LANES + lane], J[8 * LANES + lane]
        first, second, third = e * r - f * q, f * p - d * r, d * q - e * p
        whole = a * first + b * second + c * third
        v = 1.0 / whole
        R[lane] = first * v
        R[LANES + lane] = (c * q - b * r) * v
        R[2 * LANES + lane] = (b * f - c * e) * v
        R[3 * LANES + lane] = second * v
        R[4 * LANES + lane] = (a * r - c * p) * v
        R[5 * LANES + lane] = (c * d - a * f) * v
        R[6 * LANES + lane] = third * v
        R[7 * LANES + lane] = (b * p - a * q) * v
        R[8 * LANES + lane] = (a * e - b * d) * v
        det[lane] = whole


@kernel
def _scale(R0, det0, det, R):
    """Set ``R = R0 det0 / det``."""
    for lane in range(LANES):
        factor = det0[lane] / det[lane]
        for k in range(9):
            R[k * LANES + lane] = factor * R0[k * LANES + lane]


@kernel
def _spread(R, slopes, w, q, first, last, g, h):
    """Set the gradients of functions first ... last - 1 at a point, and the same times w."""
    chunk, at = q // POINTS, (q % POINTS) * _ROW
    for a in range(first, last):
        r, s, t = slopes[0, a], slopes[1, a], slopes[2, a]
        own, weighed = g[a, chunk, at : at + _ROW], h[a, chunk, at : at + _ROW]
        for i in range(LANES):
            x = R[i] * r + R[LANES + i] * s + R[2 * LANES + i] * t
            y = R[3 * LANES + i] * r + R[4 * LANES + i] * s + R[5 * LANES + i] * t
            z = R[6 * LANES + i] * r + R[7 * LANES + i] * s + R[8 * LANES + i] * t
            own[i], own[LANES + i], own[2 * LANES + i] = x, y, z
            weighed[i], weighed[LANES + i] = w[i] * x, w[i] * y
            weighed[2 * LANES + i] = w[i] * z


@kernel
def _add_products(h, g, K):
    """Add the outer products of three components of h with those of g at `POINTS` points."""
    for i in range(LANES):
        x, y, z = h[i], h[LANES + i], h[2 * LANES + i]
        u, v, w = g[i], g[LANES + i], g[2 * LANES + i]
        xx, xy, xz = K[i] + x * u, K[LANES + i] + x * v, K[2 * LANES + i] + x * w
        yx, yy, yz = K[3 * LANES + i] + y * u, K[4 * LANES + i] + y * v, K[5 * LANES + i] + y * w
        zx, zy, zz = K[6 * LANES + i] + z * u, K[7 * LANES + i] + z * v, K[8 * LANES + i] + z * w
        x, y, z = h[3 * LANES + i], h[4 * LANES + i], h[5 * LANES + i]
        u, v, w = g[3 * LANES + i], g[4 * LANES + i], g[5 * LANES + i]
        xx, xy, xz = xx + x * u, xy + x * v, xz + x * w
        yx, yy, yz = yx + y * u, yy + y * v, yz + y * w
        zx, zy, zz = zx + z * u, zy + z * v, zz + z * w
        x, y, z = h[6 * LANES + i], h[7 * LANES + i], h[8 * LANES + i]
        u, v, w = g[6 * LANES + i], g[7 * LANES + i], g[8 * LANES + i]
        xx, xy, xz = xx + x * u, xy + x * v, xz + x * w
        yx, yy, yz = yx + y * u, yy + y * v, yz + y * w
        zx, zy, zz = zx + z * u, zy + z * v, zz + z * w
        x, y, z = h[9 * LANES + i], h[10 * LANES + i], h[11 * LANES + i]
        u, v, w = g[9 * LANES + i], g[10 * LANES + i], g[11 * LANES + i]
        K[i], K[LANES + i], K[2 * LANES + i] = xx + x * u, xy + x * v, xz + x * w
        K[3 * LANES + i], K[4 * LANES + i], K[5 * LANES + i] = yx + y * u, yy + y * v, yz + y * w
        K[6 * LANES + i], K[7 * LANES + i], K[8 * LANES + i] = zx + z * u, zy + z * v, zz + z * w


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
        _condense(room, n, m)


@kernel
def _contract_orthotropic(K, c):
    for i in range(LANES):
        xx, xy, xz = K[i], K[LANES + i], K[2 * LANES + i]
        yx, yy, yz = K[3 * LANES + i], K[4 * LANES + i], K[5 * LANES + i]
        zx, zy, zz = K[6 * LANES + i], K[7 * LANES + i], K[8 * LANES + i]
        c44, c55, c66 = c[6 * LANES + i], c[7 * LANES + i], c[8 * LANES + i]
        c12, c13, c23 = c[3 * LANES + i], c[4 * LANES + i], c[5 * LANES + i]
        K[i] = c[i] * xx + c66 * yy + c55 * zz
        K[LANES + i] = c12 * xy + c66 * yx
        K[2 * LANES + i] = c13 * xz + c55 * zx
        K[3 * LANES + i] = c12 * yx + c66 * xy
        K[4 * LANES + i] = c66 * xx + c[LANES + i] * yy + c44 * zz
        K[5 * LANES + i] = c23 * yz + c44 * zy
        K[6 * LANES + i] = c13 * zx + c55 * xz
        K[7 * LANES + i] = c23 * zy + c44 * yz
        K[8 * LANES + i] = c55 * xx + c44 * yy + c[2 * LANES + i] * zz


@kernel
def _contract_general(K, c, made):
    """Set ``K_ik = sum_jl C_ij,kl G_jl`` for an elastic matrix in Voigt order."""
    made[:] = 0.0
    for i in range(3):
        for k in range(3):
            out = made[(3 * i + k) * LANES : (3 * i + k + 1) * LANES]
            for j in range(3):
                for p in range(3):
                    at = (6 * _VOIGT[i, j] + _VOIGT[k, p]) * LANES
                    _add_product(c[at : at + LANES], K[(3 * j + p) * LANES :], out)
    K[:] = made


@kernel
def _add_product(x, y, out):
    for lane in range(LANES):
        out[lane] += x[lane] * y[lane]


@kernel
def _subtract(x, y, out):
    for lane in range(LANES):
        out[lane] -= x[lane] * y[lane]


@kernel
def _subtract_row(x, y, out):
    """Take x times three components off."""
    for lane in range(LANES):
        out[lane] -= x[lane] * y[lane]
        out[LANES + lane] -= x[lane] * y[LANES + lane]
        out[2 * LANES + lane] -= x[lane] * y[2 * LANES + lane]


@kernel
def _pair(a, b, m):
    """Return the number of the pair a <= b."""
    return a * m - a * (a - 1) // 2 + b - a


@kernel
def _condense(room, n, m):
    """Take the modes n <= a < m out of K: ``K_uu -= K_ui K_ii^-1 K_iu`` (Cholesky)."""
    K, S, V = room.K, room.S, room.V
    q = 3 * (m - n)
    for row in range(q):
        s, i = row // 3, row % 3
        for b in range(n):
            own = K[_pair(b, n + s, m), i * LANES :]
            out = V[b, row // POINTS, (row % POINTS) * _ROW :]
            for j in range(3):
                for lane in range(LANES):
                    out[j * LANES + lane] = own[3 * j * LANES + lane]
        for column in range(row + 1):
            at = (3 * (column % 3) + i) * LANES
            S[row, column] = K[_pair(n + column // 3, n + s, m), at : at + LANES]
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
    for b in range(n):
        for k in range(q):
            own = V[b, k // POINTS, (k % POINTS) * _ROW : (k % POINTS + 1) * _ROW]
            for t in range(k):
                _subtract_row(S[k, t], V[b, t // POINTS, (t % POINTS) * _ROW :], own)
            for i in range(LANES):
                own[i] *= S[k, k, i]
                own[LANES + i] *= S[k, k, i]
                own[2 * LANES + i] *= S[k, k, i]
        for chunk in range(V.shape[1]):
            for place in range(_CHUNK):
                room.U[b, chunk, place] = -V[b, chunk, place]
    for a in range(n):
        for b in range(a, n):
            for chunk in range(V.shape[1]):
                _add_products(room.U[a, chunk], V[b, chunk], K[_pair(a, b, m)])
