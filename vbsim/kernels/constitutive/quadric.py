r"""Elasto-plasticity of small strain with a quadric yield surface, softening and damage.

The yield function is of degree one in the (effective) stress,

    y(s) = sqrt(s . Q s) + q . s  <=  Y

with Q of orthotropic form and the flow associated (Schwiedrzik, Wolfram & Zysset 2013,
doi 10.1007/s10237-013-0472-5). Q and q are scaled so that y is the stress at yield in uniaxial
compression along z; the multiplier is then the plastic strain of that test and ``Y`` times it the
dissipation. The strength

    Y = strength * R(kappa) * S(softening),   R = r + (1 - r) (1 - exp(-kappa / hardening_strain)),
    S = residual + (1 - residual) exp(-max(softening - onset, 0) / softening_strain)

hardens with its own inelastic strain and softens with that of the step before (see the package), as
does the damage ``D = most (1 - exp(-softening / damage_strain))`` that scales stress and stiffness.
"""

from __future__ import annotations

from math import exp, sqrt

from vbsim.kernels import kernel
from vbsim.kernels.constitutive.elastic import stress
from vbsim.kernels.constitutive.slots import DAMAGE, DISSIPATED, INELASTIC, OWN, SOFTENING
from vbsim.kernels.constitutive.voigt import small_strain, spread_stress, spread_tangent

__all__ = ["N_PARAMS", "N_STATE", "respond"]

# Places of the parameters behind the nine elastic constants.
_Q, _LINEAR = 9, 18
STRENGTH, FIRST_YIELD, HARDENING_STRAIN, SLOPE = 21, 22, 23, 24
RESIDUAL, ONSET, SOFTENING_STRAIN = 25, 26, 27
MOST_DAMAGE, DAMAGE_STRAIN = 28, 29
N_PARAMS = 30
N_STATE = OWN + 6  # six plastic strains behind the shared places

_TOLERANCE = 1e-11  # of the yield function over the strength, and of the strain
_LIMIT = 40


@kernel
def _dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2] + a[3] * b[3] + a[4] * b[4] + a[5] * b[5]


@kernel
def _symmetric(b, v):
    """Multiply an orthotropic matrix (11 22 33 12 13 23 44 55 66) and a vector."""
    return stress(b, v)


@kernel
def _resolvent(c, p, a):
    """Return ``B = C (1 + a Q C)^-1``, orthotropic; C may be singular (a membrane)."""
    q11, q22, q33, q12, q13, q23 = p[_Q], p[_Q + 1], p[_Q + 2], p[_Q + 3], p[_Q + 4], p[_Q + 5]
    c11, c22, c33, c12, c13, c23 = c[0], c[1], c[2], c[3], c[4], c[5]
    m00 = 1.0 + a * (q11 * c11 + q12 * c12 + q13 * c13)
    m01 = a * (q11 * c12 + q12 * c22 + q13 * c23)
    m02 = a * (q11 * c13 + q12 * c23 + q13 * c33)
    m10 = a * (q12 * c11 + q22 * c12 + q23 * c13)
    m11 = 1.0 + a * (q12 * c12 + q22 * c22 + q23 * c23)
    m12 = a * (q12 * c13 + q22 * c23 + q23 * c33)
    m20 = a * (q13 * c11 + q23 * c12 + q33 * c13)
    m21 = a * (q13 * c12 + q23 * c22 + q33 * c23)
    m22 = 1.0 + a * (q13 * c13 + q23 * c23 + q33 * c33)
    k00, k01, k02 = m11 * m22 - m12 * m21, m02 * m21 - m01 * m22, m01 * m12 - m02 * m11
    k10, k11, k12 = m12 * m20 - m10 * m22, m00 * m22 - m02 * m20, m02 * m10 - m00 * m12
    k20, k21, k22 = m10 * m21 - m11 * m20, m01 * m20 - m00 * m21, m00 * m11 - m01 * m10
    over = 1.0 / (m00 * k00 + m01 * k10 + m02 * k20)
    return (
        (c11 * k00 + c12 * k10 + c13 * k20) * over,
        (c12 * k01 + c22 * k11 + c23 * k21) * over,
        (c13 * k02 + c23 * k12 + c33 * k22) * over,
        (c11 * k01 + c12 * k11 + c13 * k21) * over,
        (c11 * k02 + c12 * k12 + c13 * k22) * over,
        (c12 * k02 + c22 * k12 + c23 * k22) * over,
        c[6] / (1.0 + a * p[_Q + 6] * c[6]),
        c[7] / (1.0 + a * p[_Q + 7] * c[7]),
        c[8] / (1.0 + a * p[_Q + 8] * c[8]),
    )


@kernel
def _surface(p, s):
    """Return y(s), the length ``sqrt(s . Q s)``, ``Q s`` and the normal."""
    Qs = _symmetric(p[_Q : _Q + 9], s)
    length = sqrt(max(_dot(s, Qs), 1e-300))
    over = 1.0 / length
    normal = (
        Qs[0] * over + p[_LINEAR],
        Qs[1] * over + p[_LINEAR + 1],
        Qs[2] * over + p[_LINEAR + 2],
        Qs[3] * over,
        Qs[4] * over,
        Qs[5] * over,
    )
    linear = p[_LINEAR] * s[0] + p[_LINEAR + 1] * s[1] + p[_LINEAR + 2] * s[2]
    return length + linear, length, Qs, normal


@kernel
def _strength(p, kappa, softened):
    """Return the strength Y and its slope with the inelastic strain."""
    decay = exp(-kappa / p[HARDENING_STRAIN])
    rise = 1.0 - p[FIRST_YIELD]
    scale = p[STRENGTH] * softened
    ratio = p[FIRST_YIELD] + rise * (1.0 - decay) + p[SLOPE] * kappa
    return scale * ratio, scale * (rise * decay / p[HARDENING_STRAIN] + p[SLOPE])


@kernel
def _plus(a, b, t):
    """Return ``a + t b``."""
    return (
        a[0] + t * b[0],
        a[1] + t * b[1],
        a[2] + t * b[2],
        a[3] + t * b[3],
        a[4] + t * b[4],
        a[5] + t * b[5],
    )


@kernel
def _project(p, trial, kappa0, softened):
    """Return the stress on the surface closest to a trial strain (in the energy norm).

    Returns the elastic strain, the stress, the increase of kappa, and whether it was found.
    """
    c = p[0:9]
    e, grown = trial, 0.0
    s = stress(c, e)
    found = False
    start = _strength(p, kappa0, softened)[0]
    for _ in range(_LIMIT):
        y, length, Qs, n = _surface(p, s)
        Y, slope = _strength(p, kappa0 + grown, softened)
        # residuals of the flow rule (a strain) and of the yield condition (a stress)
        flow = _plus(_plus(e, trial, -1.0), n, grown)
        excess = y - Y
        if abs(excess) <= _TOLERANCE * start and sqrt(_dot(flow, flow)) <= _TOLERANCE:
            found = True
            break
        # Xi = (C^-1 + grown dn/ds)^-1, dn/ds = Q / length - Qs Qs / length^3
        B = _resolvent(c, p, grown / length)
        v = _symmetric(B, Qs)
        share = grown / length**3
        share = share / (1.0 - share * _dot(Qs, v))
        Xn = _plus(_symmetric(B, n), v, share * _dot(v, n))
        Xf = _plus(_symmetric(B, flow), v, share * _dot(v, flow))
        step = (excess - _dot(n, Xf)) / (_dot(n, Xn) + slope)
        if grown + step < 0.0:
            step = -0.5 * grown
        ds = _plus(_plus((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), Xf, -1.0), Xn, -step)
        Qds = _symmetric(p[_Q : _Q + 9], ds)
        turn = _plus(Qds, Qs, -_dot(Qs, ds) / length**2)  # length dn/ds ds
        e = _plus(_plus(_plus(e, flow, -1.0), n, -step), turn, -grown / length)
        s = stress(c, e)
        grown += step
    return e, s, grown, found


@kernel
def _tangent(p, s, grown, slope):
    """Return the algorithmic stiffness as 6 rows of 6 numbers."""
    _, length, Qs, n = _surface(p, s)
    B = _resolvent(p[0:9], p, grown / length)
    v = _symmetric(B, Qs)
    share = grown / length**3
    share = share / (1.0 - share * _dot(Qs, v))
    w = _plus(_symmetric(B, n), v, share * _dot(v, n))  # Xi n
    over = 1.0 / (_dot(n, w) + slope)
    rows = (
        (B[0], B[3], B[4], 0.0, 0.0, 0.0),
        (B[3], B[1], B[5], 0.0, 0.0, 0.0),
        (B[4], B[5], B[2], 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, B[6], 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0, B[7], 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, B[8]),
    )
    return (
        _plus(_plus(rows[0], v, share * v[0]), w, -over * w[0]),
        _plus(_plus(rows[1], v, share * v[1]), w, -over * w[1]),
        _plus(_plus(rows[2], v, share * v[2]), w, -over * w[2]),
        _plus(_plus(rows[3], v, share * v[3]), w, -over * w[3]),
        _plus(_plus(rows[4], v, share * v[4]), w, -over * w[4]),
        _plus(_plus(rows[5], v, share * v[5]), w, -over * w[5]),
    )


@kernel
def _softened(p, softening):
    beyond = max(softening - p[ONSET], 0.0)
    return p[RESIDUAL] + (1.0 - p[RESIDUAL]) * exp(-beyond / p[SOFTENING_STRAIN])


@kernel
def _scaled(rows, t):
    zero = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    return (
        _plus(zero, rows[0], t),
        _plus(zero, rows[1], t),
        _plus(zero, rows[2], t),
        _plus(zero, rows[3], t),
        _plus(zero, rows[4], t),
        _plus(zero, rows[5], t),
    )


@kernel
def respond(F, params, old, dt, P, A, new):
    """Return-map a small strain; see the package for the form."""
    p = params
    new[:] = old
    e = small_strain(F)
    e = (
        e[0] - old[OWN],
        e[1] - old[OWN + 1],
        e[2] - old[OWN + 2],
        e[3] - old[OWN + 3],
        e[4] - old[OWN + 4],
        e[5] - old[OWN + 5],
    )
    kappa = old[INELASTIC]
    softened = _softened(p, old[SOFTENING])
    damage = p[MOST_DAMAGE] * (1.0 - exp(-old[SOFTENING] / p[DAMAGE_STRAIN]))
    left = 1.0 - damage
    new[DAMAGE] = damage
    s = stress(p[0:9], e)
    # What damage takes from the elastic energy is dissipated too.
    more = 0.5 * max(damage - old[DAMAGE], 0.0)
    y = _surface(p, s)[0]
    Y = _strength(p, kappa, softened)[0]
    if y <= Y:
        c = p[0:9]
        rows = (
            (c[0], c[3], c[4], 0.0, 0.0, 0.0),
            (c[3], c[1], c[5], 0.0, 0.0, 0.0),
            (c[4], c[5], c[2], 0.0, 0.0, 0.0),
            (0.0, 0.0, 0.0, c[6], 0.0, 0.0),
            (0.0, 0.0, 0.0, 0.0, c[7], 0.0),
            (0.0, 0.0, 0.0, 0.0, 0.0, c[8]),
        )
        spread_stress(_plus((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), s, left), P)
        spread_tangent(_scaled(rows, left), A)
        new[DISSIPATED] = old[DISSIPATED] + more * _dot(s, e)
        return 0
    elastic, s, grown, found = _project(p, e, kappa, softened)
    if not found:
        return 1
    Y, slope = _strength(p, kappa + grown, softened)
    new[INELASTIC] = kappa + grown
    new[DISSIPATED] = old[DISSIPATED] + left * Y * grown + more * _dot(s, elastic)
    for i in range(6):
        new[OWN + i] = old[OWN + i] + (e[i] - elastic[i])
    spread_stress(_plus((0.0, 0.0, 0.0, 0.0, 0.0, 0.0), s, left), P)
    spread_tangent(_scaled(_tangent(p, s, grown, slope), left), A)
    return 0
