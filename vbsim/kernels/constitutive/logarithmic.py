r"""Logarithmic (Hencky) strain of a deformation gradient, and first Piola stress from its stress.

``E = 1/2 ln(F^T F)`` and ``P = F S`` with ``S = 2 dE/dC : T`` for the stress T that is conjugate to
E: a law for small strain becomes one for large deformation, indifferent to rotation (Miehe, Apel &
Lambrecht 2002, doi 10.1016/S0045-7825(02)00438-3).

All is done in the principal frame Q of ``C = F^T F``, eigenvalues l. Divided differences f of
``1/2 ln`` give both derivatives of the logarithm there: ``dE_ab = f(l_a, l_b) dC_ab`` and, for
fixed T, ``dS_ab = 2 sum_c f(l_a, l_b, l_c) (T_cb dC_ca + T_ac dC_bc)``. With B the change of C by
that of F, the tangent is ``dP/dF = 1 x S + B^T H B``: one 6 x 6 matrix H holds law and curvature.

Gradients are nine numbers, row by row; strain and stress are Voigt ``xx yy zz yz xz xy``, strain
with engineering shear.
"""

from __future__ import annotations

import math

from vbsim.kernels import inlined, kernel

__all__ = ["N_ROWS", "strain", "piola"]

_ROW = (0, 1, 2, 1, 0, 0)
_COLUMN = (0, 1, 2, 2, 2, 1)
_VOIGT = ((0, 5, 4), (5, 1, 3), (4, 3, 2))
_SWEEPS = 12  # cyclic Jacobi on 3 x 3 converges quadratically; 5 are enough, 12 never hurt
_NEAR = 1e-4  # relative gap of eigenvalues below which a Taylor series is the better difference

# Rows of the scratch array of `piola`, nine numbers each.
_B, _HB, _R, _CR, _H = 0, 6, 12, 18, 24
_T, _G, _S, _FIRST, _SECOND = 30, 31, 32, 33, 34
N_ROWS = 35
"""Rows of the scratch array of `piola`."""


@inlined
def _rotation(app, aqq, apq):
    """Return tangent, cosine and sine of the turn that makes an off-diagonal entry vanish."""
    gap, twice = aqq - app, 2.0 * apq
    length = math.sqrt(gap * gap + twice * twice)
    t = twice / (gap + math.copysign(length, gap)) if length > 0.0 else 0.0
    c = 1.0 / math.sqrt(t * t + 1.0)
    return t, c, t * c


@inlined
def _turn(Q, p, q, c, s):
    for k in range(3):
        Q[k, p], Q[k, q] = c * Q[k, p] - s * Q[k, q], s * Q[k, p] + c * Q[k, q]


@kernel
def strain(F, eps, lengths, Q):
    """Set the logarithmic strain of a deformation gradient; False if that is inverted.

    Parameters
    ----------
    F : (9,)
        Deformation gradient.
    eps, lengths, Q : (6,), (3,), (3, 3)
        Results: strain, eigenvalues of F^T F, principal axes as columns.
    """
    xx = F[0] * F[0] + F[3] * F[3] + F[6] * F[6]
    yy = F[1] * F[1] + F[4] * F[4] + F[7] * F[7]
    zz = F[2] * F[2] + F[5] * F[5] + F[8] * F[8]
    yz = F[1] * F[2] + F[4] * F[5] + F[7] * F[8]
    xz = F[0] * F[2] + F[3] * F[5] + F[6] * F[8]
    xy = F[0] * F[1] + F[3] * F[4] + F[6] * F[7]
    for i in range(3):
        for j in range(3):
            Q[i, j] = 1.0 if i == j else 0.0
    small = 1e-17 * (xx + yy + zz)
    for _ in range(_SWEEPS):
        if abs(xy) + abs(xz) + abs(yz) <= small:
            break
        t, c, s = _rotation(xx, yy, xy)
        xx, yy, xy = xx - t * xy, yy + t * xy, 0.0
        xz, yz = c * xz - s * yz, s * xz + c * yz
        _turn(Q, 0, 1, c, s)
        t, c, s = _rotation(xx, zz, xz)
        xx, zz, xz = xx - t * xz, zz + t * xz, 0.0
        xy, yz = c * xy - s * yz, s * xy + c * yz
        _turn(Q, 0, 2, c, s)
        t, c, s = _rotation(yy, zz, yz)
        yy, zz, yz = yy - t * yz, zz + t * yz, 0.0
        xy, xz = c * xy - s * xz, s * xy + c * xz
        _turn(Q, 1, 2, c, s)
    lengths[0], lengths[1], lengths[2] = xx, yy, zz
    if not (
        F[0] * (F[4] * F[8] - F[5] * F[7])
        - F[1] * (F[3] * F[8] - F[5] * F[6])
        + F[2] * (F[3] * F[7] - F[4] * F[6])
        > 0.0
        and min(xx, yy, zz) > 0.0
    ):
        return False
    x, y, z = 0.5 * math.log(xx), 0.5 * math.log(yy), 0.5 * math.log(zz)
    for row in range(6):
        i, j = _ROW[row], _COLUMN[row]
        total = x * Q[i, 0] * Q[j, 0] + y * Q[i, 1] * Q[j, 1] + z * Q[i, 2] * Q[j, 2]
        eps[row] = total if row < 3 else 2.0 * total
    return True


@inlined
def _first(a, b):
    """Return the divided difference of 1/2 ln."""
    x = (a - b) / b
    return 0.5 / b if x == 0.0 else 0.5 * math.log1p(x) / (x * b)


@inlined
def _second(a, b, c, ab, bc):
    """Return the second divided difference of 1/2 ln, for ``a <= b <= c``; `ab`, `bc` the first."""
    mean = (a + b + c) / 3.0
    if c - a <= _NEAR * mean:
        # f''/2 at the mean, and the next term: f''''/24 times the square of the spread.
        x, y, z = (a - mean) / mean, (b - mean) / mean, (c - mean) / mean
        spread = x * x + y * y + z * z + x * y + y * z + x * z
        return -(0.25 + 0.125 * spread) / (mean * mean)
    return (ab - bc) / (a - c)


@inlined
def _twice(a, b, ab):
    """Return the second divided difference at ``a, a, b``; `ab` is the first at ``a, b``."""
    if a <= b:
        return _second(a, a, b, 0.5 / a, ab)
    return _second(b, a, a, ab, 0.5 / a)


@inlined
def _differences(lengths, w):
    """Set first and second divided differences, by Voigt place and by axes; see `_place`."""
    x, y, z = lengths[0], lengths[1], lengths[2]
    yz, xz, xy = _first(y, z), _first(x, z), _first(x, y)
    w[_FIRST, 0], w[_FIRST, 1], w[_FIRST, 2] = 0.5 / x, 0.5 / y, 0.5 / z
    w[_FIRST, 3], w[_FIRST, 4], w[_FIRST, 5] = yz, xz, xy
    low, high = min(x, y, z), max(x, y, z)
    middle = x + y + z - low - high
    near, far = _first(low, middle), _first(middle, high)
    w[_SECOND, 0] = _second(low, middle, high, near, far)  # x y z
    w[_SECOND, 1], w[_SECOND, 2] = _twice(y, z, yz), _twice(z, y, yz)  # y y z, y z z
    w[_SECOND, 3], w[_SECOND, 4] = _twice(x, z, xz), _twice(z, x, xz)  # x x z, x z z
    w[_SECOND, 5], w[_SECOND, 6] = _twice(x, y, xy), _twice(y, x, xy)  # x x y, x y y


@kernel
def piola(F, sig, C, lengths, Q, P, A, w):
    """Set first Piola stress and dP/dF from stress and tangent of the logarithmic strain.

    Parameters
    ----------
    F, lengths, Q : (9,), (3,), (3, 3)
        Deformation gradient and its principal frame (see `strain`).
    sig, C : (6,), (6, 6)
        Stress conjugate to the logarithmic strain and its derivative, which is symmetric.
    P, A : (9,), (9, 9)
        Results.
    w : (N_ROWS, 9)
        Scratch.
    """
    _differences(lengths, w)
    # R turns Voigt strain from the principal frame; G = F Q.
    for i in range(3):
        for a in range(3):
            w[_G, 3 * i + a] = F[3 * i] * Q[0, a] + F[3 * i + 1] * Q[1, a] + F[3 * i + 2] * Q[2, a]
    for row in range(6):
        i, j = _ROW[row], _COLUMN[row]
        twice = 1.0 if row < 3 else 2.0
        for a in range(3):
            w[_R + row, a] = twice * Q[i, a] * Q[j, a]
        half = 0.5 * twice
        for column in range(3, 6):
            a, b = _ROW[column], _COLUMN[column]
            w[_R + row, column] = half * (Q[i, a] * Q[j, b] + Q[i, b] * Q[j, a])
    # B, the change of C in the principal frame by that of F.
    for row in range(6):
        a, b = _ROW[row], _COLUMN[row]
        for k in range(3):
            for J in range(3):
                w[_B + row, 3 * k + J] = Q[J, a] * w[_G, 3 * k + b] + w[_G, 3 * k + a] * Q[J, b]
    # T in the principal frame, and what S is there: S_ab by the place of dC_ab.
    for row in range(6):
        total = 0.0
        for k in range(6):
            total += w[_R + k, row] * sig[k]
        w[_T, row] = total
        w[_S, row] = (1.0 if row < 3 else 2.0) * w[_FIRST, row] * total
    for m in range(9):
        total = 0.0
        for row in range(6):
            total += w[_S, row] * w[_B + row, m]
        P[m] = total
    _law(C, w)
    _curve(w)
    _assemble(Q, A, w)


@inlined
def _law(C, w):
    """Set H to the law's part: ``phi R^T C R phi``, phi from dC to strain."""
    for row in range(6):
        for column in range(6):
            total = 0.0
            for k in range(6):
                total += C[row, k] * w[_R + k, column]
            w[_CR + row, column] = total
    for row in range(6):
        left = (1.0 if row < 3 else 2.0) * w[_FIRST, row]
        for column in range(6):
            total = 0.0
            for k in range(6):
                total += w[_R + k, row] * w[_CR + k, column]
            right = (1.0 if column < 3 else 2.0) * w[_FIRST, column]
            w[_H + row, column] = left * right * total


@inlined
def _place(a, b, c):
    """Return where the second difference of axes ``a != b``, and c, lies."""
    if c != a and c != b:
        return 0
    voigt = _VOIGT[a][b]
    first = c == min(a, b)
    return 2 * (voigt - 3) + (1 if first else 2)


@inlined
def _curve(w):
    """Add to H what the second derivative of the logarithm contributes."""
    for row in range(6):
        a, b = _ROW[row], _COLUMN[row]
        share = 1.0 if row < 3 else 2.0  # of S_ab dC_ab in S : dC / 2, times the 2 of dS
        for c in range(3):
            if a == b:
                f = -w[_FIRST, a] * w[_FIRST, a] if c == a else w[_SECOND, _place(a, c, a)]
            else:
                f = w[_SECOND, _place(a, b, c)]
            w[_H + row, _VOIGT[c][a]] += share * f * w[_T, _VOIGT[c][b]]
            w[_H + row, _VOIGT[b][c]] += share * f * w[_T, _VOIGT[a][c]]


@inlined
def _assemble(Q, A, w):
    """Set ``A = 1 x S + B^T H B``."""
    for row in range(6):
        for m in range(9):
            total = 0.0
            for k in range(6):
                total += w[_H + row, k] * w[_B + k, m]
            w[_HB + row, m] = total
    for m in range(9):
        for n in range(m, 9):
            total = 0.0
            for k in range(6):
                total += w[_B + k, m] * w[_HB + k, n]
            A[m, n] = total
            A[n, m] = total
    for J in range(3):
        for L in range(3):
            total = 0.0
            for a in range(3):
                for b in range(3):
                    v = _VOIGT[a][b]
                    total += Q[J, a] * 2.0 * w[_FIRST, v] * w[_T, v] * Q[L, b]
            for i in range(3):
                A[3 * i + J, 3 * i + L] += total
