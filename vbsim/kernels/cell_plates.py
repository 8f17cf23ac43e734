r"""Laws in thin cells of a mesh: at several points through the thickness.

A wall one cell thick folds, and its mean strain sees nothing of it. Here the deformation gradient
has a second part, which grows with the height h through the thickness (-1 to 1 between the faces):

    F(h) = 1 + u B + h (u D + a N),    D the first moment of the shape functions' gradients

N is the normal of the thin direction and a a vector of the cell's own, by which it bends as freely
as a plate does: it makes the traction across the thickness the same at all heights, ``sum h P(h) N
= 0``. (Without it the wall would resist bending by a strain across that nothing holds.) The laws'
stresses do work against both parts, so that a cell has two sets of nine stresses, ``sum P`` and
``sum h P``, and a tangent of 18 x 18 from which a is condensed.

Constituents of one cell at one height are a *site*; those of the flat cells are those of
`cell_means`. Elastic sites are as stiff against D as the incompatible modes of the element make it:
``a`` is the mode ``1 - h^2``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import constituents, inlined, kernel
from vbsim.kernels.cell_means import add_block, gradient, orthotropic_matrix

__all__ = ["N_PACKED", "Plates", "add_forces", "add_tangents", "evaluate", "packed_rest"]

N_PACKED = 171
"""Numbers of a symmetric 18 x 18 tangent, row by row from the diagonal."""

# Traction out of balance that is wanted, and taken where round-off allows no better: of the stress,
# and as a strain, for cells without stress.
_WANTED, _TAKEN = (1e-10, 1e-13), (1e-6, 1e-10)
_LIMIT, _SEARCHES = 80, 12
_SLOPE = 0.5  # left of the slope along a step, at most
# Added to what resists a, as a share of its elastic value: ideal flow across resists nothing.
_HELD = 1e-9


class Plates(NamedTuple):
    """Thin cells.

    Attributes
    ----------
    number : (n,) int64
        Their cells.
    bends : (n, n_nodes, 3) float
        First moments D of the gradients of the shape functions, for h from -1 to 1.
    normal : (n, 3) float
        Unit normal N at the centre.
    first : (n + 1,) int64
        First site of each cell.
    height : (n_sites,) float
        Height h of each site.
    """

    number: NDArray[np.int64]
    bends: NDArray[np.float64]
    normal: NDArray[np.float64]
    first: NDArray[np.int64]
    height: NDArray[np.float64]


class _Room(NamedTuple):
    """Gradients (mean, its slope, one site's), their stresses and tangents, and what a leaves."""

    F: NDArray[np.float64]
    G: NDArray[np.float64]
    one: NDArray[np.float64]
    P: NDArray[np.float64]
    A: NDArray[np.float64]
    T: NDArray[np.float64]
    down: NDArray[np.float64]
    across: NDArray[np.float64]
    S: NDArray[np.float64]
    R: NDArray[np.float64]
    tried: NDArray[np.float64]


@kernel
def _make_room(n_sites):
    return _Room(
        np.empty(9),
        np.empty(9),
        np.empty(9),
        np.empty((n_sites, 9)),
        np.empty((n_sites, 9, 9)),
        np.empty((18, 18)),
        np.empty((18, 3)),
        np.empty((3, 18)),
        np.empty((3, 3)),
        np.empty(3),
        np.empty(3),
    )


@kernel
def evaluate(
    u,
    cells,
    means,
    plates,
    part,
    active,
    old,
    new,
    dt,
    rest,
    relief,
    stress,
    tangent,
    trace,
    secant,
):
    """Ask the laws of some thin cells.

    Parameters
    ----------
    u : (n_points, 3) float
        Displacement.
    cells, means : arrays
        See `cell_means.mean_gradients`.
    plates : Plates
        The thin cells.
    part : (2,) int64
        First and last + 1 thin cell to do.
    active : Active
        Constituents; ``entry`` tells the first one of each site.
    old, new, dt : arrays and float
        See `cell_means.evaluate`.
    rest : (n, 9) float
        Orthotropic stiffness of the cells at rest.
    relief : (n, 3) float
        Receives the vectors a. They are looked for from 0, so that forces follow from displacement
        and state alone, whatever was tried before.
    stress : (n, 18) float
        Receives ``sum P`` and ``sum h P``.
    tangent : (n, 171) float
        Receives the symmetric part of the derivative, a condensed.
    trace, secant : (n,) float32
        Of the mean strain, as in `cell_means.evaluate`.

    Returns
    -------
    int
        Cells in which a law found the step too large, or no a was found.
    """
    most = 1
    for at in range(part[0], part[1]):
        most = max(most, plates.first[at + 1] - plates.first[at])
    room, laws = _make_room(most), constituents.scratch()
    refused = 0
    for at in range(part[0], part[1]):
        c = plates.number[at]
        gradient(u, cells[c], means[c], room.F)
        gradient(u, cells[c], plates.bends[at], room.G)
        room.G[0] -= 1.0
        room.G[4] -= 1.0
        room.G[8] -= 1.0
        stiff = rest[at, 0] + rest[at, 1] + rest[at, 2]
        relief[at, :] = 0.0
        flag = _balanced(plates, at, active, old, new, dt, stiff, relief[at], room, laws)
        if flag != 0:
            refused += 1
            continue
        _sum_up(plates, at, room, stress[at])
        trace[at] = constituents.trace(room.T[:9, :9])
        secant[at] = constituents.secant(room.F, stress[at, :9], rest[at])
        _pack(room.T, tangent[at])
    return refused


@kernel
def _balanced(plates, at, active, old, new, dt, stiff, relief, room, laws):
    """Find the a of a thin cell by Newton's method; return 0 if it was found.

    Its steps jump to and fro across a kink of the curve unless their share is bracketed by the sign
    of the slope along them.
    """
    S, R, tried = room.S, room.R, room.tried
    x = y = z = share = slope = low = at_low = at_high = 0.0
    high, searches, norm, size, flag = np.inf, 0, np.inf, 0.0, 0
    for _ in range(_LIMIT):
        tried[0] = relief[0] - share * x
        tried[1] = relief[1] - share * y
        tried[2] = relief[2] - share * z
        flag, norm, size = _out_of_balance(plates, at, active, old, new, dt, tried, room, laws)
        searches += 1
        if flag != 0:
            if searches > _SEARCHES or share == 0.0:  # nothing lies before no relief
                return flag
            share = low + 0.3 * (share - low)
            continue
        now = R[0] * x + R[1] * y + R[2] * z
        is_good = abs(now) <= _SLOPE * abs(slope) or (now > 0.0 and high == np.inf)
        if not is_good and searches <= _SEARCHES:
            if now > 0.0:
                low, at_low = share, now
            else:
                high, at_high = share, now
            between = at_low / (at_low - at_high)
            share = low + min(max(between, 0.1), 0.9) * (high - low)
            continue
        for k in range(3):
            relief[k] = tried[k]
            S[k, k] += _HELD * stiff
        if norm <= max(_WANTED[0] * size, _WANTED[1] * stiff):
            return 0
        x, y, z = _solved(S, R)
        slope = R[0] * x + R[1] * y + R[2] * z
        low, high, at_low, share, searches = 0.0, np.inf, slope, 1.0, 0
    for k in range(3):
        relief[k] = tried[k]
        S[k, k] += _HELD * stiff
    return 0 if flag == 0 and norm <= max(_TAKEN[0] * size, _TAKEN[1] * stiff) else 1


@kernel
def _out_of_balance(plates, at, active, old, new, dt, relief, room, laws):
    """Ask the sites of a cell; set the first moment of the traction and what resists a.

    Returns how many laws refused, the norm of that moment, and that of the stresses.
    """
    F, G, one, R, S, normal = room.F, room.G, room.one, room.R, room.S, plates.normal[at]
    R[:] = 0.0
    S[:] = 0.0
    refused, size = 0, 0.0
    begin = plates.first[at]
    for site in range(begin, plates.first[at + 1]):
        h, P, A = plates.height[site], room.P[site - begin], room.A[site - begin]
        for k in range(3):
            for m in range(3):
                one[3 * k + m] = F[3 * k + m] + h * (G[3 * k + m] + relief[k] * normal[m])
        refused += constituents.answer(one, active, site, old, new, dt, P, A, laws)
        for k in range(3):
            for m in range(3):
                R[k] += h * P[3 * k + m] * normal[m]
                size += abs(h * P[3 * k + m])
                for n in range(3):
                    for q in range(3):
                        S[k, n] += h * h * normal[m] * A[3 * k + m, 3 * n + q] * normal[q]
    return refused, (R[0] * R[0] + R[1] * R[1] + R[2] * R[2]) ** 0.5, size + 1e-300


@inlined
def _solved(S, r):
    """Return ``S^-1 r`` of a 3 x 3 matrix."""
    a, b, c = S[0, 0], S[0, 1], S[0, 2]
    d, e, f = S[1, 0], S[1, 1], S[1, 2]
    p, q, s = S[2, 0], S[2, 1], S[2, 2]
    over = 1.0 / (a * (e * s - f * q) + b * (f * p - d * s) + c * (d * q - e * p))
    return (
        over * ((e * s - f * q) * r[0] + (c * q - b * s) * r[1] + (b * f - c * e) * r[2]),
        over * ((f * p - d * s) * r[0] + (a * s - c * p) * r[1] + (c * d - a * f) * r[2]),
        over * ((d * q - e * p) * r[0] + (b * p - a * q) * r[1] + (a * e - b * d) * r[2]),
    )


@kernel
def _sum_up(plates, at, room, stress):
    """Set both sets of stresses of a cell, and its tangent without a in ``room.T``."""
    T, down, across, normal = room.T, room.down, room.across, plates.normal[at]
    stress[:] = 0.0
    T[:] = 0.0
    down[:] = 0.0
    across[:] = 0.0
    begin = plates.first[at]
    for site in range(begin, plates.first[at + 1]):
        h, P, A = plates.height[site], room.P[site - begin], room.A[site - begin]
        for p in range(9):
            stress[p] += P[p]
            stress[9 + p] += h * P[p]
            for q in range(9):
                T[p, q] += A[p, q]
                T[p, 9 + q] += h * A[p, q]
                T[9 + p, 9 + q] += h * h * A[p, q]
            for k in range(3):
                for m in range(3):
                    by_a = h * A[p, 3 * k + m] * normal[m]
                    down[p, k] += by_a
                    down[9 + p, k] += h * by_a
                    of_a = h * normal[m] * A[3 * k + m, p]
                    across[k, p] += of_a
                    across[k, 9 + p] += h * of_a
    for p in range(9):
        for q in range(9):
            T[9 + p, q] = T[p, 9 + q]
    _condense(T, down, across, room.S)


@kernel
def _condense(T, down, across, S):
    """Take three unknowns out of a tangent: ``T -= down S^-1 across``."""
    for q in range(18):
        x, y, z = _solved(S, across[:, q])
        for p in range(18):
            T[p, q] -= down[p, 0] * x + down[p, 1] * y + down[p, 2] * z


@kernel
def _pack(T, row):
    """Store the symmetric part of an 18 x 18 matrix, row by row from the diagonal."""
    place = 0
    for k in range(18):
        for m in range(k, 18):
            row[place] = 0.5 * (T[k, m] + T[m, k])
            place += 1


@kernel
def packed_rest(constants, normal, second, factor, out):
    """Set packed 18 x 18 matrices, (n, 171), of elastic thin cells times a factor.

    Parameters
    ----------
    constants : (n, 9) float
        Orthotropic stiffness of each.
    normal : (n, 3) float
        See `Plates`.
    second : float
        Mean of h^2.
    factor : float
        The factor.
    out : (n, 171) float
        Receives the matrices.
    """
    A, T, S = np.empty((9, 9)), np.empty((18, 18)), np.empty((3, 3))
    down, across = np.empty((18, 3)), np.empty((3, 18))
    for at in range(len(constants)):
        orthotropic_matrix(constants[at], A)
        T[:] = 0.0
        S[:] = 0.0
        down[:] = 0.0
        across[:] = 0.0
        for p in range(9):
            for q in range(9):
                T[p, q] = factor * A[p, q]
                T[9 + p, 9 + q] = factor * second * A[p, q]
            for k in range(3):
                for m in range(3):
                    by_a = factor * second * A[p, 3 * k + m] * normal[at, m]
                    down[9 + p, k] += by_a
                    across[k, 9 + p] += by_a
        for k in range(3):
            for n in range(3):
                for m in range(3):
                    S[k, n] += normal[at, m] * down[9 + 3 * k + m, n]
        _condense(T, down, across, S)
        _pack(T, out[at])


@kernel
def add_forces(cells, means, volumes, plates, stress, out):
    """Add the forces of the thin cells to their points, (n_points, 3)."""
    for at in range(len(plates.number)):
        c, P = plates.number[at], stress[at]
        for a in range(cells.shape[1]):
            force, mean, bend = out[cells[c, a]], means[c, a], plates.bends[at, a]
            for k in range(3):
                total = 0.0
                for m in range(3):
                    total += P[3 * k + m] * mean[m] + P[9 + 3 * k + m] * bend[m]
                force[k] += volumes[c] * total


@kernel
def add_tangents(cells, means, volumes, plates, tangent, place, rows, values):
    """Add the tangents of the thin cells to the blocks on and above the diagonal of some rows.

    `tangent` is (n, 171), as `evaluate` leaves it; see `cell_means.add_tangents` for the rest.
    """
    n = cells.shape[1]
    A, T, block = np.empty((18, 18)), np.empty((18, 3)), np.empty((3, 3))
    for at in range(len(plates.number)):
        c = plates.number[at]
        touches = False
        for a in range(n):
            touches |= rows[0] <= cells[c, a] < rows[1]
        if not touches:
            continue
        number = 0
        for p in range(18):
            for q in range(p, 18):
                A[p, q] = A[q, p] = volumes[c] * tangent[at, number]
                number += 1
        own = means[c], plates.bends[at]
        for b in range(n):
            T[:] = 0.0
            for p in range(18):
                for k in range(3):
                    for m in range(3):
                        T[p, k] += A[p, 3 * k + m] * own[0][b, m]
                        T[p, k] += A[p, 9 + 3 * k + m] * own[1][b, m]
            for a in range(b + 1):
                if not rows[0] <= min(cells[c, a], cells[c, b]) < rows[1]:
                    continue
                block[:] = 0.0
                for i in range(3):
                    for m in range(3):
                        for k in range(3):
                            block[i, k] += own[0][a, m] * T[3 * i + m, k]
                            block[i, k] += own[1][a, m] * T[9 + 3 * i + m, k]
                add_block(block, place[c, a * n - a * (a - 1) // 2 + b - a], values)
