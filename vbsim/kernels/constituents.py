"""Constituents of the active cells of a body, and what their laws answer to a gradient.

A cell's stress is the weighted sum of those of its constituents. Bodies of voxels (`inelastic`) and
of meshes (`cell_means`) ask for it here.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import inlined, kernel
from vbsim.kernels.constitutive import ladder, logarithmic

__all__ = ["N_PACKED", "Active", "Scratch", "answer", "pack", "scratch", "secant", "trace"]

N_PACKED = 45
"""Numbers of a symmetric 9 x 9 tangent, row by row from the diagonal."""


class Active(NamedTuple):
    """Active cells and their constituents.

    Attributes
    ----------
    entry : (n_active + 1,) int64
        First constituent of each cell.
    law : (n,) int64
        Rung of the ladder, per constituent.
    weight : (n,) float64
        Factor of its stress.
    params : (n, n_params) float64
        Its parameters.
    birth : (n,) int64
        Row of its reference gradient, or -1.
    births : (m, 10) float64
        Inverse of a reference gradient F0 row by row, then det F0.
    share : (n_active,) float64
        Part of the cell that belongs to the cavity.
    """

    entry: NDArray[np.int64]
    law: NDArray[np.int64]
    weight: NDArray[np.float64]
    params: NDArray[np.float64]
    birth: NDArray[np.int64]
    births: NDArray[np.float64]
    share: NDArray[np.float64]


class Scratch(NamedTuple):
    """Room that `answer` works in.

    Attributes
    ----------
    stress, tangent : (9,) and (9, 9) float64
        Of one constituent.
    born : (11, 9) float64
        Gradient, stress and tangent of one that is free of stress elsewhere.
    sums : (15, 6) float64
        Rows: strain, one stress, all of it, one tangent, all of it.
    frame : (4, 3) float64
        Principal stretches and directions.
    """

    stress: NDArray[np.float64]
    tangent: NDArray[np.float64]
    born: NDArray[np.float64]
    sums: NDArray[np.float64]
    frame: NDArray[np.float64]


@kernel
def scratch():
    """Return room for `answer`."""
    return Scratch(
        np.empty(9), np.empty((9, 9)), np.empty((11, 9)), np.empty((15, 6)), np.empty((4, 3))
    )


@kernel
def answer(F, active, at, old, new, dt, P, A, room):
    """Set stress and tangent of an active cell.

    Parameters
    ----------
    F : (9,) float
        Deformation gradient, row by row.
    active : Active
        Constituents.
    at : int
        Active cell.
    old, new : (n, n_state) float
        State of the constituents before and after.
    dt : float
        Time of the step, s.
    P : (9,) float
        Receives the first Piola stress.
    A : (9, 9) float
        Receives its derivative.
    room : Scratch
        Room to work in.

    Returns
    -------
    int
        Laws that found the step too large.
    """
    first, stop = active.entry[at], active.entry[at + 1]
    refused = _logarithmic(F, active, first, stop, old, new, dt, P, A, room.sums, room.frame)
    one_P, one_A = room.stress, room.tangent
    for j in range(first, stop):
        law, params = active.law[j], active.params[j]
        if active.birth[j] >= 0:
            birth = active.births[active.birth[j]]
            flag = _born(law, F, params, birth, old[j], dt, one_P, one_A, new[j], room.born)
        elif ladder.is_logarithmic(law):
            continue
        else:
            flag = ladder.respond(law, F, params, old[j], dt, one_P, one_A, new[j])
        if flag != 0:
            refused += 1
        weight = active.weight[j]
        for k in range(9):
            P[k] += weight * one_P[k]
            for m in range(9):
                A[k, m] += weight * one_A[k, m]
    return refused


@inlined
def _logarithmic(F, active, first, stop, old, new, dt, P, A, sums, frame):
    """Set stress and tangent of the constituents of a cell that share its logarithmic strain.

    One principal frame and one tangent for all of them together, but for those with a birth.
    Returns 1 if the cell is inverted.
    """
    eps, one, total = sums[0], sums[1], sums[2]
    one_C, C, lengths, Q = sums[3:9], sums[9:], frame[0], frame[1:]
    found = False
    for j in range(first, stop):
        if active.birth[j] >= 0 or not ladder.is_logarithmic(active.law[j]):
            continue
        if not found:
            found = True
            if not logarithmic.strain(F, eps, lengths, Q):
                return 1
            total[:] = 0.0
            C[:] = 0.0
        ladder.stress(active.law[j], eps, active.params[j], old[j], dt, one, one_C, new[j])
        weight = active.weight[j]
        for k in range(6):
            total[k] += weight * one[k]
            for m in range(6):
                C[k, m] += weight * one_C[k, m]
    if found:
        logarithmic.piola(F, total, C, lengths, Q, P, A)
    else:
        P[:] = 0.0
        A[:] = 0.0
    return 0


@kernel
def _born(law, F, params, birth, old, dt, P, A, new, work):
    """Ask a law whose constituent is free of stress at F0: ``P = P(F F0^-1) F0^-T det F0``."""
    Fe, Pe, Ae = work[0], work[1], work[2:11]
    for i in range(3):
        for J in range(3):
            Fe[3 * i + J] = (
                F[3 * i] * birth[J] + F[3 * i + 1] * birth[3 + J] + F[3 * i + 2] * birth[6 + J]
            )
    flag = ladder.respond(law, Fe, params, old, dt, Pe, Ae, new)
    J0 = birth[9]
    for i in range(3):
        for J in range(3):
            total = 0.0
            for M in range(3):
                total += Pe[3 * i + M] * birth[3 * J + M]
            P[3 * i + J] = J0 * total
            for k in range(3):
                for L in range(3):
                    total = 0.0
                    for M in range(3):
                        for N in range(3):
                            total += Ae[3 * i + M, 3 * k + N] * birth[3 * J + M] * birth[3 * L + N]
                    A[3 * i + J, 3 * k + L] = J0 * total
    return flag


@kernel
def trace(A):
    """Return the sum of the six diagonal terms of a tangent against the strain."""
    return (
        A[0, 0] + A[4, 4] + A[8, 8]
        + 0.25 * (A[5, 5] + A[7, 7] + 2.0 * A[5, 7])
        + 0.25 * (A[2, 2] + A[6, 6] + 2.0 * A[2, 6])
        + 0.25 * (A[1, 1] + A[3, 3] + 2.0 * A[1, 3])
    )  # fmt: skip


@kernel
def secant(F, P, c):
    """Return the norm of a stress over that of an orthotropic stiffness times Green's strain."""
    xx = 0.5 * (F[0] * F[0] + F[3] * F[3] + F[6] * F[6] - 1.0)
    yy = 0.5 * (F[1] * F[1] + F[4] * F[4] + F[7] * F[7] - 1.0)
    zz = 0.5 * (F[2] * F[2] + F[5] * F[5] + F[8] * F[8] - 1.0)
    yz = c[6] * (F[1] * F[2] + F[4] * F[5] + F[7] * F[8])
    xz = c[7] * (F[0] * F[2] + F[3] * F[5] + F[6] * F[8])
    xy = c[8] * (F[0] * F[1] + F[3] * F[4] + F[6] * F[7])
    normal = (
        (c[0] * xx + c[3] * yy + c[4] * zz) ** 2
        + (c[3] * xx + c[1] * yy + c[5] * zz) ** 2
        + (c[4] * xx + c[5] * yy + c[2] * zz) ** 2
    )
    elastic = normal + 2.0 * (yz * yz + xz * xz + xy * xy)
    total = 0.0
    for k in range(9):
        total += P[k] * P[k]
    return (total / elastic) ** 0.5 if elastic > 0.0 else 1.0


@kernel
def pack(A, row):
    """Store the symmetric part of a cell's 9 x 9 matrix, row by row from the diagonal."""
    place = 0
    for k in range(9):
        for m in range(k, 9):
            row[place] = 0.5 * (A[k, m] + A[m, k])
            place += 1
