r"""Laws in the cells of a mesh: one evaluation per cell, of its mean gradient.

The mean displacement gradient of a cell is ``H[k, m] = sum_a u_k(a) B_m(a)`` with B the volume mean
of the gradients of the shape functions. The laws' stress P does work against it alone, so a cell's
forces are ``V P[k, m] B_m(a)`` and its tangent ``V B A B``. What resists all other motions of the
cell is left to the caller, as in `inelastic`, whose *active* cells and constituents these are.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import constituents, inlined, kernel

__all__ = [
    "add_block",
    "add_forces",
    "add_stress",
    "add_tangents",
    "evaluate",
    "gradient",
    "mean_gradients",
    "orthotropic_matrix",
    "packed_orthotropic",
    "unpack",
]


@kernel
def mean_gradients(cells, points, slopes, weights, means, volumes):
    """Set the volume mean of the gradients of every cell, and its volume.

    Parameters
    ----------
    cells : (n_cells, n) int32
        Points of each cell.
    points : (n_points, 3) float
        Places.
    slopes : (n_quadrature, 3, n) float
        Gradients in reference coordinates.
    weights : (n_quadrature,) float
        Weights.
    means : (n_cells, n, 3) float
        Receives the means.
    volumes : (n_cells,) float
        Receives the volumes.
    """
    n = cells.shape[1]
    J, cof = np.empty((3, 3)), np.empty((3, 3))
    for c in range(len(cells)):
        own = means[c]
        own[:] = 0.0
        total = 0.0
        for q in range(len(weights)):
            J[:] = 0.0
            for a in range(n):
                for k in range(3):
                    for i in range(3):
                        J[k, i] += slopes[q, k, a] * points[cells[c, a], i]
            for k in range(3):
                r, s = (k + 1) % 3, (k + 2) % 3
                for i in range(3):
                    j, m = (i + 1) % 3, (i + 2) % 3
                    cof[k, i] = J[r, j] * J[s, m] - J[r, m] * J[s, j]
            det = J[0, 0] * cof[0, 0] + J[0, 1] * cof[0, 1] + J[0, 2] * cof[0, 2]
            total += weights[q] * det
            for a in range(n):
                for i in range(3):
                    for k in range(3):
                        own[a, i] += weights[q] * cof[k, i] * slopes[q, k, a]
        volumes[c] = total
        for a in range(n):
            for i in range(3):
                own[a, i] /= total


@kernel
def evaluate(
    u, cells, means, number, part, active, old, new, dt, rest, stress, tangent, trace, secant
):
    """Ask the laws of some active cells.

    Parameters
    ----------
    u : (n_points, 3) float
        Displacement.
    cells, means : arrays
        See `mean_gradients`.
    number : (n_active,) int64
        Cell of each active cell.
    part : (2,) int64
        First and last + 1 active cell to do.
    active : Active
        Constituents.
    old, new : (n, n_state) float
        State before and after.
    dt : float
        Time of the step, s.
    rest : (n_active, 9) float
        Orthotropic stiffness of the cells at rest.
    stress : (n_active, 9) float
        Receives the first Piola stress.
    tangent : (n_active, 45) float
        Receives the symmetric part of its derivative.
    trace, secant : (n_active,) float32
        As in `inelastic.evaluate`.

    Returns
    -------
    int
        Cells in which a law found the step too large.
    """
    F, A, room = np.empty(9), np.empty((9, 9)), constituents.scratch()
    refused = 0
    for at in range(part[0], part[1]):
        c, P = number[at], stress[at]
        gradient(u, cells[c], means[c], F)
        refused += constituents.answer(F, active, at, old, new, dt, P, A, room)
        trace[at] = constituents.trace(A)
        secant[at] = constituents.secant(F, P, rest[at])
        constituents.pack(A, tangent[at])
    return refused


@kernel
def gradient(u, cell, mean, F):
    """Set F to the deformation gradient of a cell, row by row, from mean gradients (n, 3)."""
    F[:] = 0.0
    F[0] = F[4] = F[8] = 1.0
    for a in range(len(cell)):
        point = u[cell[a]]
        for k in range(3):
            for m in range(3):
                F[3 * k + m] += point[k] * mean[a, m]


@kernel
def add_forces(cells, means, volumes, number, stress, out):
    """Add the forces of the active cells to their points, (n_points, 3)."""
    for at in range(len(number)):
        c = number[at]
        add_stress(stress[at], cells[c], means[c], volumes[c], out)


@kernel
def add_stress(P, cell, mean, volume, out):
    """Add the forces of a gradient stress in a cell to its points."""
    for a in range(len(cell)):
        force = out[cell[a]]
        for k in range(3):
            total = P[3 * k] * mean[a, 0] + P[3 * k + 1] * mean[a, 1] + P[3 * k + 2] * mean[a, 2]
            force[k] += volume * total


@kernel
def add_tangents(cells, means, volumes, number, tangent, place, rows, values):
    """Add ``V B A B`` of the active cells to the blocks on and above the diagonal of some rows.

    `tangent` is (n_active, 45), as `evaluate` leaves it; see `assembly` for the rest.
    """
    n = cells.shape[1]
    A, T, block = np.empty((9, 9)), np.empty((n, 9, 3)), np.empty((3, 3))
    for at in range(len(number)):
        c = number[at]
        touches = False
        for a in range(n):
            touches |= rows[0] <= cells[c, a] < rows[1]
        if not touches:
            continue
        unpack(tangent[at], volumes[c], A)
        for b in range(n):
            x, y, z = means[c, b, 0], means[c, b, 1], means[c, b, 2]
            for row in range(9):
                own = A[row]
                for k in range(3):
                    T[b, row, k] = own[3 * k] * x + own[3 * k + 1] * y + own[3 * k + 2] * z
        pair = 0
        for a in range(n):
            x, y, z = means[c, a, 0], means[c, a, 1], means[c, a, 2]
            for b in range(a, n):
                to = place[c, pair]
                pair += 1
                if not rows[0] <= min(cells[c, a], cells[c, b]) < rows[1]:
                    continue
                for i in range(3):
                    for k in range(3):
                        block[i, k] = (
                            x * T[b, 3 * i, k] + y * T[b, 3 * i + 1, k] + z * T[b, 3 * i + 2, k]
                        )
                add_block(block, to, values)


@inlined
def add_block(block, to, values):
    """Add what a cell gives to the block of a pair, transposed where `to` is negative."""
    target = values[max(to, -1 - to)]
    for i in range(3):
        for k in range(3):
            if to >= 0:
                target[i, k] += block[i, k]
            else:
                target[k, i] += block[i, k]


@kernel
def unpack(row, scale, A):
    """Set a symmetric 9 x 9 matrix from its packed form, times a factor."""
    place = 0
    for k in range(9):
        for m in range(k, 9):
            A[k, m] = A[m, k] = scale * row[place]
            place += 1


@kernel
def packed_orthotropic(constants, factor, out):
    """Set packed 9 x 9 matrices, (n, 45), of orthotropic stiffnesses (n, 9) times factors (n,)."""
    A = np.empty((9, 9))
    for at in range(len(constants)):
        orthotropic_matrix(constants[at], A)
        A *= factor[at]
        constituents.pack(A, out[at])


@kernel
def orthotropic_matrix(c, A):
    """Set the 9 x 9 matrix of an orthotropic stiffness against a gradient."""
    A[:] = 0.0
    A[0, 0], A[4, 4], A[8, 8] = c[0], c[1], c[2]
    A[0, 4] = A[4, 0] = c[3]
    A[0, 8] = A[8, 0] = c[4]
    A[4, 8] = A[8, 4] = c[5]
    for k, m, own in ((5, 7, 6), (2, 6, 7), (1, 3, 8)):
        A[k, k] = A[m, m] = A[k, m] = A[m, k] = c[own]
