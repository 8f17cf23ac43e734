"""Element stiffness straight into a block matrix whose pattern is known.

A matrix holds 3 x 3 blocks, one for each pair of points that share a cell, in rows
(``start, column, values``). `connect` lays the pattern out and notes for every cell where its
blocks lie; after that a matrix for new moduli is one pass over the cells. Rows are shared out among
callers: each computes the cells that touch its rows, so that sums run in the order of the cells
whatever the number of callers.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel

__all__ = ["assemble", "connect", "count_blocks", "gather_cells"]


@kernel
def gather_cells(cells, first, member):
    """List the cells of every point.

    Parameters
    ----------
    cells : (n_cells, n_nodes) int32
        Points of each cell.
    first : (n_points + 1,) int64
        Receives the start of each point's list.
    member : (n_cells * n_nodes,) int32
        Receives the lists.
    """
    n_cells, n_nodes = cells.shape
    for c in range(n_cells):
        for a in range(n_nodes):
            first[cells[c, a] + 1] += 1
    for p in range(len(first) - 1):
        first[p + 1] += first[p]
    for c in range(n_cells):
        for a in range(n_nodes):
            p = cells[c, a]
            member[first[p]] = c
            first[p] += 1
    for p in range(len(first) - 1, 0, -1):
        first[p] = first[p - 1]
    first[0] = 0


@kernel
def count_blocks(cells, first, member, start):
    """Count the points that share a cell with each point into ``start[1:]``, summed up."""
    n_points = len(first) - 1
    seen = np.full(n_points, -1, np.int32)
    for p in range(n_points):
        found = 0
        for k in range(first[p], first[p + 1]):
            for a in range(cells.shape[1]):
                q = cells[member[k], a]
                if seen[q] != p:
                    seen[q] = p
                    found += 1
        start[p + 1] = start[p] + found


@kernel
def connect(cells, first, member, start, column, place):
    """Fill in the columns of every row, rising, and where each block of each cell lies.

    Parameters
    ----------
    cells, first, member, start : arrays
        See `gather_cells` and `count_blocks`.
    column : (n_blocks,) int32
        Receives the columns.
    place : (n_cells, n_nodes, n_nodes) int32 or int64
        Receives the number of the block of each pair of nodes.
    """
    n_points, n_nodes = len(first) - 1, cells.shape[1]
    at = np.full(n_points, -1, start.dtype)
    for p in range(n_points):
        begin, end = start[p], start[p]
        for k in range(first[p], first[p + 1]):
            for a in range(n_nodes):
                q = cells[member[k], a]
                if at[q] < begin or at[q] >= end or column[at[q]] != q:
                    column[end] = q
                    at[q] = end
                    end += 1
        for k in range(begin + 1, end):  # a row is short: insertion
            q = column[k]
            t = k
            while t > begin and column[t - 1] > q:
                column[t] = column[t - 1]
                t -= 1
            column[t] = q
        for k in range(begin, end):
            at[column[k]] = k
        for k in range(first[p], first[p + 1]):
            c = member[k]
            for a in range(n_nodes):
                if cells[c, a] == p:
                    for b in range(n_nodes):
                        place[c, a, b] = at[cells[c, b]]


@kernel
def _inverse(J, R):
    """Set R to the inverse of a 3 x 3 matrix; return its determinant."""
    R[0, 0] = J[1, 1] * J[2, 2] - J[1, 2] * J[2, 1]
    R[1, 0] = J[1, 2] * J[2, 0] - J[1, 0] * J[2, 2]
    R[2, 0] = J[1, 0] * J[2, 1] - J[1, 1] * J[2, 0]
    R[0, 1] = J[0, 2] * J[2, 1] - J[0, 1] * J[2, 2]
    R[1, 1] = J[0, 0] * J[2, 2] - J[0, 2] * J[2, 0]
    R[2, 1] = J[0, 1] * J[2, 0] - J[0, 0] * J[2, 1]
    R[0, 2] = J[0, 1] * J[1, 2] - J[0, 2] * J[1, 1]
    R[1, 2] = J[0, 2] * J[1, 0] - J[0, 0] * J[1, 2]
    R[2, 2] = J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0]
    det = J[0, 0] * R[0, 0] + J[0, 1] * R[1, 0] + J[0, 2] * R[2, 0]
    for i in range(3):
        for j in range(3):
            R[i, j] /= det
    return det


@kernel
def _jacobian(slopes, x, J):
    """Set ``J[k, i] = d x_i / d xi_k`` from the nodes x (3, n) and slopes (3, n)."""
    for k in range(3):
        for i in range(3):
            total = 0.0
            for a in range(x.shape[1]):
                total += slopes[k, a] * x[i, a]
            J[k, i] = total


@kernel
def _pairs(g, c, w, m, K):
    """Add ``w B^T C B`` of gradients g (3, m) and constants c to the upper blocks of K."""
    c11, c22, c33, c12, c13, c23 = w * c[0], w * c[1], w * c[2], w * c[3], w * c[4], w * c[5]
    c44, c55, c66 = w * c[6], w * c[7], w * c[8]
    gx, gy, gz = g[0], g[1], g[2]
    for a in range(m):
        ax, ay, az = gx[a], gy[a], gz[a]
        xx, xy, xz = K[a, :m], K[a, m : 2 * m], K[a, 2 * m :]
        yy, yz, zz = K[m + a, m : 2 * m], K[m + a, 2 * m :], K[2 * m + a, 2 * m :]
        for b in range(m):
            xx[b] += c11 * ax * gx[b] + c66 * ay * gy[b] + c55 * az * gz[b]
            xy[b] += c12 * ax * gy[b] + c66 * ay * gx[b]
            xz[b] += c13 * ax * gz[b] + c55 * az * gx[b]
            yy[b] += c66 * ax * gx[b] + c22 * ay * gy[b] + c44 * az * gz[b]
            yz[b] += c23 * ay * gz[b] + c44 * az * gy[b]
            zz[b] += c55 * ax * gx[b] + c44 * ay * gy[b] + c33 * az * gz[b]


@kernel
def _pairs_general(g, C, w, m, K, stress):
    """Add the same for any elastic matrix C (6, 6) in Voigt order xx yy zz yz xz xy."""
    for a in range(m):
        ax, ay, az = g[0, a], g[1, a], g[2, a]
        for v in range(6):
            stress[0, v] = w * (C[v, 0] * ax + C[v, 5] * ay + C[v, 4] * az)
            stress[1, v] = w * (C[v, 1] * ay + C[v, 5] * ax + C[v, 3] * az)
            stress[2, v] = w * (C[v, 2] * az + C[v, 4] * ax + C[v, 3] * ay)
        for i in range(3):
            s = stress[i]
            for b in range(m):
                bx, by, bz = g[0, b], g[1, b], g[2, b]
                K[i * m + a, b] += s[0] * bx + s[5] * by + s[4] * bz
                K[i * m + a, m + b] += s[1] * by + s[5] * bx + s[3] * bz
                K[i * m + a, 2 * m + b] += s[2] * bz + s[4] * bx + s[3] * by


@kernel
def _condense(K, m, n, S, V):
    """Take the modes n <= a < m out of K: ``K_uu -= K_ui K_ii^-1 K_iu`` (Cholesky).

    Parameters
    ----------
    K : (3m, 3m) float
        Element matrix, upper blocks filled.
    m, n : int
        Functions with and without the modes.
    S : (q, q) float, V : (q, 3n) float
        Room for the modes' own matrix and their coupling, q = 3 (m - n).
    """
    r = m - n
    q = 3 * r
    for i in range(3):
        for s in range(r):
            row = i * r + s
            for j in range(3):
                low, high = min(i, j), max(i, j)
                for t in range(r):
                    first, second = (s, t) if i <= j else (t, s)
                    S[row, j * r + t] = K[low * m + n + first, high * m + n + second]
                for b in range(n):
                    if i <= j:
                        V[row, j * n + b] = K[i * m + n + s, j * m + b]
                    else:
                        V[row, j * n + b] = K[j * m + b, i * m + n + s]
    for k in range(q):
        for t in range(k):
            S[k, k] -= S[k, t] * S[k, t]
        pivot = np.sqrt(S[k, k])
        S[k, k] = pivot
        for row in range(k + 1, q):
            for t in range(k):
                S[row, k] -= S[row, t] * S[k, t]
            S[row, k] /= pivot
    for k in range(q):
        for t in range(k):
            factor = S[k, t]
            for b in range(3 * n):
                V[k, b] -= factor * V[t, b]
        for b in range(3 * n):
            V[k, b] /= S[k, k]
    for i in range(3):
        for a in range(n):
            for k in range(q):
                factor = V[k, i * n + a]
                for j in range(i, 3):
                    target, source = K[i * m + a, j * m : j * m + n], V[k, j * n : j * n + n]
                    for b in range(n):
                        target[b] -= factor * source[b]


@kernel
def assemble(cells, points, slopes, weights, centre, constants, place, rows, values):
    """Add the stiffness of every cell to the blocks of some rows.

    Parameters
    ----------
    cells : (n_cells, n) int32
        Points of each cell.
    points : (n_points, 3) float
        Places.
    slopes : (n_quadrature, 3, m) float
        Gradients of the shape functions in reference coordinates; functions beyond the n nodes
        are incompatible modes, condensed.
    weights : (n_quadrature,) float
        Weights of the quadrature.
    centre : (3, n) float
        Gradients of the shape functions at the centre, for the modes.
    constants : (n_cells, 9) or (n_cells, 36) float
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` or the elastic matrix, row by row.
    place : (n_cells, n, n) int
        Blocks of each cell.
    rows : (2,) int
        First and last + 1 point whose rows are filled.
    values : (n_blocks, 3, 3) float
        Receives the sums.
    """
    n_cells, n = cells.shape
    m = slopes.shape[2]
    r = 3 * (m - n)
    x, g = np.empty((3, n)), np.empty((3, m))
    J, R, R0 = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    K = np.empty((3 * m, 3 * m))
    S, V, stress = np.empty((max(r, 1), max(r, 1))), np.empty((max(r, 1), 3 * n)), np.empty((3, 6))
    is_general = constants.shape[1] == 36
    det0 = 1.0
    for c in range(n_cells):
        touches = False
        for a in range(n):
            p = cells[c, a]
            touches |= rows[0] <= p < rows[1]
            for i in range(3):
                x[i, a] = points[p, i]
        if not touches:
            continue
        K[...] = 0.0
        if m > n:
            _jacobian(centre, x, J)
            det0 = _inverse(J, R0)
        for k in range(len(weights)):
            _jacobian(slopes[k, :, :n], x, J)
            det = _inverse(J, R)
            for i in range(3):
                for a in range(n):
                    g[i, a] = (
                        R[i, 0] * slopes[k, 0, a]
                        + R[i, 1] * slopes[k, 1, a]
                        + R[i, 2] * slopes[k, 2, a]
                    )
                for a in range(n, m):
                    g[i, a] = (det0 / det) * (
                        R0[i, 0] * slopes[k, 0, a]
                        + R0[i, 1] * slopes[k, 1, a]
                        + R0[i, 2] * slopes[k, 2, a]
                    )
            if is_general:
                C = constants[c].reshape(6, 6)
                _pairs_general(g, C, det * weights[k], m, K, stress)
            else:
                _pairs(g, constants[c], det * weights[k], m, K)
        if m > n:
            _condense(K, m, n, S, V)
        for a in range(n):
            if rows[0] <= cells[c, a] < rows[1]:
                for b in range(n):
                    block = values[place[c, a, b]]
                    for i in range(3):
                        for j in range(i, 3):
                            block[i, j] += K[i * m + a, j * m + b]
                        for j in range(i):
                            block[i, j] += K[j * m + b, i * m + a]
