r"""Logarithmic (Hencky) strain of a deformation gradient, and first Piola stress from its stress.

``E = 1/2 ln(F^T F)`` and ``P = F S`` with ``S = 2 dE/dC : T`` for the stress T that is conjugate to
E: a law for small strain becomes one for large deformation, indifferent to rotation (Miehe, Apel &
Lambrecht 2002, doi 10.1016/S0045-7825(02)00438-3).

All is done in the principal frame Q of ``C = F^T F``, eigenvalues l. Divided differences f of
``1/2 ln`` give both derivatives of the logarithm there: ``dE_ab = f(l_a, l_b) dC_ab`` and, for
fixed T, ``dS_ab = 2 sum_c (T_cb f(l_c, l_a, l_b) dC_ca + T_ac f(l_a, l_b, l_c) dC_bc)``.

Gradients are nine numbers, row by row; strain and stress are Voigt ``xx yy zz yz xz xy``, strain
with engineering shear.
"""

from __future__ import annotations

import math

from vbsim.kernels import inlined, kernel

__all__ = ["strain", "piola"]

_ROW = (0, 1, 2, 1, 0, 0)
_COLUMN = (0, 1, 2, 2, 2, 1)
_VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
_SWEEPS = 12  # cyclic Jacobi on 3 x 3 converges quadratically; 5 are enough, 12 never hurt
_NEAR = 1e-4  # relative gap of eigenvalues below which a Taylor series is the better difference


@inlined
def _rotate(C, Q, p, q):
    """Turn axes p and q of a symmetric matrix so that its entry (p, q) vanishes."""
    theta = 0.5 * (C[q, q] - C[p, p]) / C[p, q]
    t = math.copysign(1.0, theta) / (abs(theta) + math.sqrt(theta * theta + 1.0))
    c = 1.0 / math.sqrt(t * t + 1.0)
    s = t * c
    for k in range(3):
        C[k, p], C[k, q] = c * C[k, p] - s * C[k, q], s * C[k, p] + c * C[k, q]
    for k in range(3):
        C[p, k], C[q, k] = c * C[p, k] - s * C[q, k], s * C[p, k] + c * C[q, k]
        Q[k, p], Q[k, q] = c * Q[k, p] - s * Q[k, q], s * Q[k, p] + c * Q[k, q]


@kernel
def strain(F, eps, lengths, Q, work):
    """Set the logarithmic strain of a deformation gradient; False if that is inverted.

    Parameters
    ----------
    F : (9,)
        Deformation gradient.
    eps, lengths, Q : (6,), (3,), (3, 3)
        Results: strain, eigenvalues of F^T F, principal axes as columns.
    work : (3, 3)
        Scratch.
    """
    for i in range(3):
        for j in range(3):
            work[i, j] = F[i] * F[j] + F[3 + i] * F[3 + j] + F[6 + i] * F[6 + j]
            Q[i, j] = 1.0 if i == j else 0.0
    size = work[0, 0] + work[1, 1] + work[2, 2]
    for _ in range(_SWEEPS):
        off = abs(work[0, 1]) + abs(work[0, 2]) + abs(work[1, 2])
        if off <= 1e-17 * size:
            break
        for p, q in ((0, 1), (0, 2), (1, 2)):
            if abs(work[p, q]) > 1e-18 * size:
                _rotate(work, Q, p, q)
    for a in range(3):
        lengths[a] = work[a, a]
    if not (
        F[0] * (F[4] * F[8] - F[5] * F[7])
        - F[1] * (F[3] * F[8] - F[5] * F[6])
        + F[2] * (F[3] * F[7] - F[4] * F[6])
        > 0.0
        and min(lengths[0], lengths[1], lengths[2]) > 0.0
    ):
        return False
    for row in range(6):
        i, j = _ROW[row], _COLUMN[row]
        total = 0.0
        for a in range(3):
            total += 0.5 * math.log(lengths[a]) * Q[i, a] * Q[j, a]
        eps[row] = total if row < 3 else 2.0 * total
    return True


@inlined
def _first(a, b):
    """Return the divided difference of 1/2 ln."""
    x = (a - b) / b
    return 0.5 / b if x == 0.0 else 0.5 * math.log1p(x) / (x * b)


@inlined
def _second(a, b, c):
    """Return the second divided difference of 1/2 ln."""
    low, high = min(a, b, c), max(a, b, c)
    middle = a + b + c - low - high
    mean = (a + b + c) / 3.0
    if high - low <= _NEAR * mean:
        # f''/2 at the mean, and the next term: f''''/24 times the square of the spread.
        x, y, z = (low - mean) / mean, (middle - mean) / mean, (high - mean) / mean
        spread = x * x + y * y + z * z + x * y + y * z + x * z
        return -(0.25 + 0.125 * spread) / (mean * mean)
    return (_first(low, middle) - _first(middle, high)) / (low - high)


@kernel
def piola(F, sig, C, lengths, Q, P, A, work):
    """Set first Piola stress and dP/dF from stress and tangent of the logarithmic strain.

    Parameters
    ----------
    F, lengths, Q : (9,), (3,), (3, 3)
        Deformation gradient and its principal frame (see `strain`).
    sig, C : (6,), (6, 6)
        Stress conjugate to the logarithmic strain and its derivative.
    P, A : (9,), (9, 9)
        Results.
    work : (4, 9, 9)
        Scratch.
    """
    T, S, first, G = work[0], work[1], work[2], work[3]
    # T in the principal frame; S = 2 f T there; F Q = G.
    for a in range(3):
        for b in range(3):
            total, along = 0.0, 0.0
            for i in range(3):
                along += F[3 * a + i] * Q[i, b]
                for j in range(3):
                    total += Q[i, a] * sig[_VOIGT[i][j]] * Q[j, b]
            T[a, b] = total
            G[a, b] = along
            first[a, b] = _first(lengths[a], lengths[b])
            S[a, b] = 2.0 * first[a, b] * total
    # Rows of C turned into the principal frame: half first (columns), then the other half.
    half, M = work[1, 3:9, 3:9], work[0, 3:9, 3:9]
    for row in range(6):
        for other in range(6):
            c, d = _ROW[other], _COLUMN[other]
            total = 0.0
            for k in range(3):
                for m in range(3):
                    total += C[row, _VOIGT[k][m]] * Q[k, c] * Q[m, d]
            half[row, other] = total
    for row in range(6):
        a, b = _ROW[row], _COLUMN[row]
        for other in range(6):
            c, d = _ROW[other], _COLUMN[other]
            total = 0.0
            for i in range(3):
                for j in range(3):
                    total += half[_VOIGT[i][j], other] * Q[i, a] * Q[j, b]
            # dS_ab = M dC_cd, as if C_cd and C_dc were told apart
            M[row, other] = 4.0 * first[a, b] * first[c, d] * total
    _add_curvature(T, lengths, M)
    # d(P Q)_ia by d(F Q)_kb, then both second indices turned back.
    for i in range(3):
        for j in range(3):
            total = 0.0
            for a in range(3):
                for b in range(3):
                    total += G[i, a] * S[a, b] * Q[j, b]
            P[3 * i + j] = total
    _push(G, S, M, Q, A, work[3])


@inlined
def _add_curvature(T, lengths, M):
    """Add what the second derivative of the logarithm contributes to 2 dS/dC, (6, 6)."""
    for row in range(6):
        a, b = _ROW[row], _COLUMN[row]
        for c in range(3):
            # dS_ab = 2 (T_cb f dC_ca + T_ac f dC_bc), symmetric dC
            f = _second(lengths[a], lengths[b], lengths[c])
            for m, n, t in ((c, a, T[c, b]), (b, c, T[a, c])):
                factor = 4.0 if m == n else 2.0
                M[row, _VOIGT[m][n]] += factor * t * f


@inlined
def _push(G, S, M, Q, A, turned):
    """Set A = dP/dF from G = F Q, S and 2 dS/dC in the principal frame."""
    for i in range(3):
        for a in range(3):
            for k in range(3):
                for b in range(3):
                    total = S[a, b] if i == k else 0.0
                    for c in range(3):
                        for d in range(3):
                            total += G[i, c] * M[_VOIGT[c][a], _VOIGT[d][b]] * G[k, d]
                    A[3 * i + a, 3 * k + b] = total
    for row in range(9):
        for k in range(3):
            for j in range(3):
                total = 0.0
                for b in range(3):
                    total += A[row, 3 * k + b] * Q[j, b]
                turned[row, 3 * k + j] = total
    for i in range(3):
        for j in range(3):
            for column in range(9):
                total = 0.0
                for a in range(3):
                    total += turned[3 * i + a, column] * Q[j, a]
                A[3 * i + j, column] = total
