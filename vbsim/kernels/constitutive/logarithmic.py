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

__all__ = ["strain", "piola"]

_ROW = (0, 1, 2, 1, 0, 0)
_COLUMN = (0, 1, 2, 2, 2, 1)
_SWEEPS = 12  # cyclic Jacobi on 3 x 3 converges quadratically; 5 are enough, 12 never hurt
_ROUND = 2e-16  # of the trace: what is off the diagonal by less is round-off
_SLIGHT = 1e-4  # a turn by less has a short series
_NEAR = 1e-4  # relative gap of eigenvalues below which a Taylor series is the better difference


@inlined
def _rotation(app, aqq, apq):
    """Return tangent, cosine and sine of the turn that makes an off-diagonal entry vanish."""
    gap, twice = aqq - app, 2.0 * apq
    if abs(twice) < _SLIGHT * abs(gap):
        r = apq / gap
        t = r - r * r * r
        c = 1.0 - t * t * (0.5 - 0.375 * t * t)
        return t, c, t * c
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
    small = _ROUND * (xx + yy + zz)
    for _ in range(_SWEEPS):
        if abs(xy) <= small and abs(xz) <= small and abs(yz) <= small:
            break
        if abs(xy) > small:
            t, c, s = _rotation(xx, yy, xy)
            xx, yy, xy = xx - t * xy, yy + t * xy, 0.0
            xz, yz = c * xz - s * yz, s * xz + c * yz
            _turn(Q, 0, 1, c, s)
        if abs(xz) > small:
            t, c, s = _rotation(xx, zz, xz)
            xx, zz, xz = xx - t * xz, zz + t * xz, 0.0
            xy, yz = c * xy - s * yz, s * xy + c * yz
            _turn(Q, 0, 2, c, s)
        if abs(yz) > small:
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
def _dot(r, s):
    return r[0] * s[0] + r[1] * s[1] + r[2] * s[2] + r[3] * s[3] + r[4] * s[4] + r[5] * s[5]


@inlined
def _column(m, j):
    return (m[0][j], m[1][j], m[2][j], m[3][j], m[4][j], m[5][j])


@inlined
def _by_six(r, m):
    """Return a row of six times six rows of six."""
    return (
        _dot(r, _column(m, 0)), _dot(r, _column(m, 1)), _dot(r, _column(m, 2)),
        _dot(r, _column(m, 3)), _dot(r, _column(m, 4)), _dot(r, _column(m, 5)),
    )  # fmt: skip


@inlined
def _by_nine(r, m):
    """Return a row of six times six rows of nine."""
    return (
        _dot(r, _column(m, 0)), _dot(r, _column(m, 1)), _dot(r, _column(m, 2)),
        _dot(r, _column(m, 3)), _dot(r, _column(m, 4)), _dot(r, _column(m, 5)),
        _dot(r, _column(m, 6)), _dot(r, _column(m, 7)), _dot(r, _column(m, 8)),
    )  # fmt: skip


@inlined
def _six(C, i):
    return (C[i, 0], C[i, 1], C[i, 2], C[i, 3], C[i, 4], C[i, 5])


@inlined
def _strains(a, b, twice, f):
    """Return a row of M, from the rows of Q that its component of strain belongs to."""
    yz, xz, xy = a[1] * b[2] + a[2] * b[1], a[0] * b[2] + a[2] * b[0], a[0] * b[1] + a[1] * b[0]
    return (
        twice * f[0] * a[0] * b[0], twice * f[1] * a[1] * b[1], twice * f[2] * a[2] * b[2],
        twice * f[3] * yz, twice * f[4] * xz, twice * f[5] * xy,
    )  # fmt: skip


@inlined
def _changes(q, G, a, b):
    """Return a row of B: what the gradient does to component ab of C in the principal frame."""
    qa = (q[0][a], q[1][a], q[2][a])
    qb = (q[0][b], q[1][b], q[2][b])
    x, y, z = G
    return (
        x[b] * qa[0] + x[a] * qb[0], x[b] * qa[1] + x[a] * qb[1], x[b] * qa[2] + x[a] * qb[2],
        y[b] * qa[0] + y[a] * qb[0], y[b] * qa[1] + y[a] * qb[1], y[b] * qa[2] + y[a] * qb[2],
        z[b] * qa[0] + z[a] * qb[0], z[b] * qa[1] + z[a] * qb[1], z[b] * qa[2] + z[a] * qb[2],
    )  # fmt: skip


@inlined
def _matrix(C, M, S, lengths, f):
    """Return H: ``M^T C M``, and what the second derivative of the logarithm adds to it."""
    x, y, z = lengths[0], lengths[1], lengths[2]
    low, high = min(x, y, z), max(x, y, z)
    middle = x + y + z - low - high
    xyz = _second(low, middle, high, _first(low, middle), _first(middle, high))
    yyz, yzz = _twice(y, z, f[3]), _twice(z, y, f[3])
    xxz, xzz = _twice(x, z, f[4]), _twice(z, x, f[4])
    xxy, xyy = _twice(x, y, f[5]), _twice(y, x, f[5])
    # stress in the principal frame
    T = (S[0] / f[0], S[1] / f[1], S[2] / f[2])
    t = (0.5 * S[3] / f[3], 0.5 * S[4] / f[4], 0.5 * S[5] / f[5])
    rows = (
        _by_six(_six(C, 0), M), _by_six(_six(C, 1), M), _by_six(_six(C, 2), M),
        _by_six(_six(C, 3), M), _by_six(_six(C, 4), M), _by_six(_six(C, 5), M),
    )  # fmt: skip
    a, b, c = _column(M, 0), _column(M, 1), _column(M, 2)
    d, e, g = _column(M, 3), _column(M, 4), _column(M, 5)
    k3, k4, k5 = _column(rows, 3), _column(rows, 4), _column(rows, 5)
    k1, k2 = _column(rows, 1), _column(rows, 2)
    aa = _dot(a, _column(rows, 0)) - 2.0 * f[0] * f[0] * T[0]
    bb = _dot(b, k1) - 2.0 * f[1] * f[1] * T[1]
    cc = _dot(c, k2) - 2.0 * f[2] * f[2] * T[2]
    ab, ac, bc = _dot(a, k1), _dot(a, k2), _dot(b, k2)
    ad, ae, ag = _dot(a, k3), _dot(a, k4) + 2.0 * xxz * t[1], _dot(a, k5) + 2.0 * xxy * t[2]
    bd, be, bg = _dot(b, k3) + 2.0 * yyz * t[0], _dot(b, k4), _dot(b, k5) + 2.0 * xyy * t[2]
    cd, ce, cg = _dot(c, k3) + 2.0 * yzz * t[0], _dot(c, k4) + 2.0 * xzz * t[1], _dot(c, k5)
    dd = _dot(d, k3) + 2.0 * (yyz * T[1] + yzz * T[2])
    ee = _dot(e, k4) + 2.0 * (xxz * T[0] + xzz * T[2])
    gg = _dot(g, k5) + 2.0 * (xxy * T[0] + xyy * T[1])
    de, dg = _dot(d, k4) + 2.0 * xyz * t[2], _dot(d, k5) + 2.0 * xyz * t[1]
    eg = _dot(e, k5) + 2.0 * xyz * t[0]
    return (
        (aa, ab, ac, ad, ae, ag), (ab, bb, bc, bd, be, bg), (ac, bc, cc, cd, ce, cg),
        (ad, bd, cd, dd, de, dg), (ae, be, ce, de, ee, eg), (ag, bg, cg, dg, eg, gg),
    )  # fmt: skip


@kernel
def piola(F, sig, C, lengths, Q, P, A):
    """Set first Piola stress and dP/dF from stress and tangent of the logarithmic strain.

    Parameters
    ----------
    F, lengths, Q : (9,), (3,), (3, 3)
        Deformation gradient and its principal frame (see `strain`).
    sig, C : (6,), (6, 6)
        Stress conjugate to the logarithmic strain and its derivative, which is symmetric.
    P, A : (9,), (9, 9)
        Results.
    """
    x, y, z = lengths[0], lengths[1], lengths[2]
    f = (0.5 / x, 0.5 / y, 0.5 / z, _first(y, z), _first(x, z), _first(x, y))
    q = (
        (Q[0, 0], Q[0, 1], Q[0, 2]), (Q[1, 0], Q[1, 1], Q[1, 2]), (Q[2, 0], Q[2, 1], Q[2, 2])
    )  # fmt: skip
    # M: the strain that a change of C in the principal frame makes.
    M = (
        _strains(q[0], q[0], 1.0, f), _strains(q[1], q[1], 1.0, f), _strains(q[2], q[2], 1.0, f),
        _strains(q[1], q[2], 2.0, f), _strains(q[0], q[2], 2.0, f), _strains(q[0], q[1], 2.0, f),
    )  # fmt: skip
    G = (_turned(F, 0, q), _turned(F, 3, q), _turned(F, 6, q))
    B = (
        _changes(q, G, 0, 0), _changes(q, G, 1, 1), _changes(q, G, 2, 2),
        _changes(q, G, 1, 2), _changes(q, G, 0, 2), _changes(q, G, 0, 1),
    )  # fmt: skip
    S = _by_six((sig[0], sig[1], sig[2], sig[3], sig[4], sig[5]), M)
    stress = _by_nine(S, B)
    H = _matrix(C, M, S, lengths, f)
    HB = (
        _by_nine(H[0], B), _by_nine(H[1], B), _by_nine(H[2], B),
        _by_nine(H[3], B), _by_nine(H[4], B), _by_nine(H[5], B),
    )  # fmt: skip
    for m in range(9):
        P[m] = stress[m]
        row = _by_nine((B[0][m], B[1][m], B[2][m], B[3][m], B[4][m], B[5][m]), HB)
        for n in range(9):
            A[m, n] = row[n]
    _turn_with(q, S, A)


@inlined
def _turned(F, k, q):
    """Return a row of F in the principal frame."""
    return (
        F[k] * q[0][0] + F[k + 1] * q[1][0] + F[k + 2] * q[2][0],
        F[k] * q[0][1] + F[k + 1] * q[1][1] + F[k + 2] * q[2][1],
        F[k] * q[0][2] + F[k + 1] * q[1][2] + F[k + 2] * q[2][2],
    )


@inlined
def _turn_with(q, S, A):
    """Add ``1 x S``: the stress turns with the gradient."""
    for J in range(3):
        a, b, c = q[J]
        x = 2.0 * S[0] * a + S[5] * b + S[4] * c
        y = S[5] * a + 2.0 * S[1] * b + S[3] * c
        z = S[4] * a + S[3] * b + 2.0 * S[2] * c
        for L in range(3):
            total = x * q[L][0] + y * q[L][1] + z * q[L][2]
            for i in range(3):
                A[3 * i + J, 3 * i + L] += total
