r"""Crushable bone at large deformation: an elastoplastic skeleton beside an elastic backbone.

Logarithmic strain (see `logarithmic`). Two branches share it:

- a *skeleton*, ``(1 - D) C : (eps - eps_p)``, that yields on
  ``sqrt(a p^2 + b q^2) + c p = s`` with p the mean stress (tension positive) and q von Mises'
  equivalent: an ellipse. a, b and c follow from the ratio t of the uniaxial tensile to the
  compressive strength s and from the flow under uniaxial compression (`_shape`). The flow is
  associated; kappa is the plastic strain of that compression and s kappa the dissipation;
- a weak elastic *backbone* that never yields. What it has stored pushes the crushed skeleton back
  when the load is taken off, against its small tensile strength. Its volume stiffens as pores close
  (densification).

Strength grows with the skeleton's own inelastic strain kappa and falls with the softening x of the
step before (see the package), as do the tensile ratio and the modulus:

    s = strength R(kappa) S(x),  R = r + (1 - r)(1 - exp(-kappa / hardening_strain)) + growth kappa
    S = plateau + (1 - plateau) exp(-(x / softening_strain)^2)
    t = crushed + (tension - crushed) exp(-x / fading_strain)
    D = most_damage (1 - exp(-damage_rate x))

s is the strength of the damaged skeleton: damage lowers its modulus, not its strength. A true
viscosity adds ``s relaxation / dt`` times the plastic step to s.

Transversely isotropic bone is mapped on an isotropic one: the mapped strain is
``(a xx + b yy, b xx + a yy, zz, c yz, c xz, d xy)`` and the stress is mapped back by the transpose
(Car, Oller & Onate 2001); a uniaxial stress along z stays what it is.
"""

from __future__ import annotations

from math import exp, sqrt

import numpy as np

from vbsim.kernels import inlined, kernel
from vbsim.kernels.constitutive import logarithmic
from vbsim.kernels.constitutive.slots import DAMAGE, DISSIPATED, INELASTIC, OWN, SOFTENING

__all__ = ["N_PARAMS", "N_STATE", "respond", "stress"]

# Places of the parameters.
E, NU, MAP_A, MAP_B, MAP_C, MAP_D = 0, 1, 2, 3, 4, 5
STRENGTH, TENSION, FLOW = 6, 7, 8
FIRST_YIELD, HARDENING_STRAIN, GROWTH = 9, 10, 11
PLATEAU, SOFTENING_STRAIN = 12, 13
CRUSHED, FADING_STRAIN = 14, 15
MOST_DAMAGE, DAMAGE_RATE = 16, 17
BACKBONE, CLOSING_STRAIN, CLOSING, RELAXATION = 18, 19, 20, 21
N_PARAMS = 22
N_STATE = OWN + 6  # six plastic (mapped) strains behind the shared places

_LIMIT = 60  # bisection alone gains 18 digits
_CLOSE = 1e-13  # of the strength: round-off

_strain = logarithmic.strain
_piola = logarithmic.piola


@inlined
def _shape(row, softening):
    """Return (a, b, c) of the yield function for unit strength.

    They follow from yield at uniaxial -1 and +t and from the flow under uniaxial compression,
    ``k = (1/2 - nu) / (1 + nu)`` with nu the plastic Poisson ratio there: first the ellipse
    ``A (p - u)^2 + B q^2 = 1``, for which ``A (1/3 + u) = 3 B k``, then its gauge.
    """
    t = row[CRUSHED] + (row[TENSION] - row[CRUSHED]) * exp(-softening / row[FADING_STRAIN])
    bottom = 2.0 * row[FLOW] + 1.0 - t
    v, w = row[FLOW] * (1.0 + t) / (3.0 * bottom), (1.0 + t) / (9.0 * bottom)
    A = 1.0 / (v * v + w)
    u = v - 1.0 / 3.0
    inside = 1.0 - A * u * u
    c = -A * u / inside
    return A / inside + c * c, A * w / inside, c


@inlined
def _strength(row, kappa, scale):
    """Return the strength and its slope over kappa; `scale` is what softening has left of it."""
    grown = (1.0 - row[FIRST_YIELD]) * exp(-kappa / row[HARDENING_STRAIN])
    ratio = 1.0 - grown + row[GROWTH] * kappa
    return scale * ratio, scale * (grown / row[HARDENING_STRAIN] + row[GROWTH])


@inlined
def _after(row, trial, shape, step, kappa, scale, rate):
    """Return the residual after a plastic step, its slopes, and stress and its slopes.

    `trial` holds mean and equivalent stress, bulk and three times the shear modulus; `rate` is the
    stress that viscosity costs per plastic step. With ``size = s + rate step`` and
    ``m = size - c p`` yield reads ``m = sqrt(a p^2 + b q^2)``, the flow
    ``p (1 + K a step / m) = p_trial - K c step`` and ``q (1 + 3 G b step / m) = q_trial``. The
    first is a quadratic with one root of positive m; the residual is that of yield.
    """
    p_trial, q_trial, K, G3 = trial
    a, b, c = shape
    s, s_slope = _strength(row, kappa + step, scale)
    size, size_slope = s + rate * step, s_slope + rate
    T = p_trial - K * c * step
    beta = size + K * a * step + c * T
    root = sqrt(max(beta * beta - 4.0 * c * T * size, 1e-300))
    p = 2.0 * T * size / (beta + root) if beta > 0.0 or c == 0.0 else (beta - root) / (2.0 * c)
    p_slope = (T * size_slope - K * c * size - (size_slope + K * (a - c * c)) * p) / root
    m = max(size - c * p, 1e-300)
    p_p = m / root
    m_slope, m_p = size_slope - c * p_slope, -c * p_p
    down = 1.0 + G3 * b * step / m
    q = q_trial / down
    q_slope = -q * G3 * b * (m - step * m_slope) / (m * m * down)
    q_p = q * G3 * b * step * m_p / (m * m * down)
    n = max(sqrt(a * p * p + b * q * q), 1e-300)
    residual = n - m
    n_slope = (a * p * p_slope + b * q * q_slope) / n
    by_p = (a * p * p_p + b * q * q_p) / n - m_p
    by_q = b * q / (n * down)
    # The stress falls with a step as 1 / (1 + step): m / n is almost straight, n - m is not.
    straight = m / n * n_slope - m_slope
    slope = n_slope - m_slope
    return residual, slope, by_p, by_q, p, q, p_slope, q_slope, p_p, q_p, down, straight


@inlined
def _plastic_step(row, trial, shape, kappa, scale, rate, found):
    """Return the plastic step at which the excess of stress is gone, and what `_after` says there.

    Newton's method, kept in a bracket; `found` is what `_after` says at the trial.
    """
    # A first step that a stress far beyond the tensile apex survives, too.
    low, high = 0.0, np.inf
    step = 0.1 * (abs(trial[0]) + trial[1]) / (trial[2] * shape[0] + trial[3] * shape[1])
    step = max(step, min(found[0] / max(-found[11], 1e-300), 10.0 * step))
    for _ in range(_LIMIT):
        found = _after(row, trial, shape, step, kappa, scale, rate)
        if abs(found[0]) <= _CLOSE * scale:
            break
        if found[0] > 0.0:
            low = step
        else:
            high = step
        longest = 10.0 * step  # a flat or rising residual tells nothing about the distance
        step -= found[0] / min(found[11], -1e-300)
        if not low < step < min(high, longest):
            step = 0.5 * (low + high) if high < np.inf else longest
    else:
        found = _after(row, trial, shape, step, kappa, scale, rate)
    return step, found


@inlined
def _backbone(row, volume):
    """Return pressure, its slope over the volume strain and shear modulus of the backbone."""
    modulus, nu = row[BACKBONE] * row[E], row[NU]
    mu, lam = 0.5 * modulus / (1.0 + nu), modulus * nu / ((1.0 + nu) * (1.0 - 2.0 * nu))
    closed = max(-volume - row[CLOSING_STRAIN], 0.0)
    pressure = lam * volume - row[CLOSING] * row[E] * closed * closed
    return pressure, lam + 2.0 * row[CLOSING] * row[E] * closed, mu


@inlined
def _mapped(row, v):
    """Return a mapped strain; the map is symmetric and maps a stress back, too."""
    return (
        row[MAP_A] * v[0] + row[MAP_B] * v[1], row[MAP_B] * v[0] + row[MAP_A] * v[1], v[2],
        row[MAP_C] * v[3], row[MAP_C] * v[4], row[MAP_D] * v[5],
    )  # fmt: skip


@inlined
def _sum(x, v, y, w):
    """Return ``x v + y w`` of two times six numbers."""
    return (
        x * v[0] + y * w[0], x * v[1] + y * w[1], x * v[2] + y * w[2],
        x * v[3] + y * w[3], x * v[4] + y * w[4], x * v[5] + y * w[5],
    )  # fmt: skip


@inlined
def _spread(row, trial, found, step, left, stiff, N, C):
    """Set the tangent: ``1 x (..) + N x (..)`` with N the direction of the deviator, and shear.

    `stiff` holds modulus of the volume and shear modulus of the backbone.
    """
    K, G3 = trial[2], trial[3]
    scale, p_p, p_q, q_p, q_q = 1.0, 1.0, 0.0, 0.0, 1.0
    if step > 0.0:
        step_p, step_q = -found[2] / found[1], -found[3] / found[1]
        scale = 1.0 / found[10]
        p_p, p_q = found[8] + found[6] * step_p, found[6] * step_q
        q_p, q_q = found[9] + found[7] * step_p, scale + found[7] * step_q
    shear = left * scale * G3 / 3.0
    volume = left * K * p_p - 2.0 / 3.0 * shear + stiff[0]
    shear += stiff[1]
    one = _mapped(row, (1.0, 1.0, 1.0, 0.0, 0.0, 0.0))
    n = _mapped(row, N)
    by_one = _sum(volume, one, left * G3 * p_q, n)
    by_n = _sum(left * K * q_p, one, left * G3 * (q_q - scale), n)
    for i in range(6):
        for j in range(6):
            C[i, j] = one[i] * by_one[j] + n[i] * by_n[j]
    a, b, c, d = row[MAP_A], row[MAP_B], row[MAP_C], row[MAP_D]
    C[0, 0] += 2.0 * shear * (a * a + b * b)
    C[1, 1] += 2.0 * shear * (a * a + b * b)
    C[0, 1] += 4.0 * shear * a * b
    C[1, 0] += 4.0 * shear * a * b
    C[2, 2] += 2.0 * shear
    C[3, 3] += shear * c * c
    C[4, 4] += shear * c * c
    C[5, 5] += shear * d * d


@kernel
def stress(strain, row, old, dt, sig, C, new):
    """Set stress (6,), its derivative (6, 6) and the state, from the logarithmic strain (6,)."""
    eps = _mapped(row, strain)
    # The backbone takes its share of the initial modulus: together they have E.
    modulus = (1.0 - row[BACKBONE]) * row[E]
    K, G = modulus / (3.0 * (1.0 - 2.0 * row[NU])), 0.5 * modulus / (1.0 + row[NU])
    softening, kappa = old[SOFTENING], old[INELASTIC]
    damage = row[MOST_DAMAGE] * (1.0 - exp(-row[DAMAGE_RATE] * softening))
    left = 1.0 - damage
    ratio = softening / row[SOFTENING_STRAIN]
    scale = row[PLATEAU] + (1.0 - row[PLATEAU]) * exp(-ratio * ratio)
    scale *= row[STRENGTH] / left  # of the undamaged modulus that the return works with
    held = (
        eps[0] - old[OWN], eps[1] - old[OWN + 1], eps[2] - old[OWN + 2],
        eps[3] - old[OWN + 3], eps[4] - old[OWN + 4], eps[5] - old[OWN + 5],
    )  # fmt: skip
    volume = held[0] + held[1] + held[2]
    third = volume / 3.0
    deviator = (
        2.0 * G * (held[0] - third), 2.0 * G * (held[1] - third), 2.0 * G * (held[2] - third),
        G * held[3], G * held[4], G * held[5],
    )  # fmt: skip
    squared = deviator[0] ** 2 + deviator[1] ** 2 + deviator[2] ** 2
    squared += 2.0 * (deviator[3] ** 2 + deviator[4] ** 2 + deviator[5] ** 2)
    trial = (K * volume, sqrt(1.5 * squared), K, 3.0 * G)
    rate = scale * row[RELAXATION] / dt if dt > 0.0 else 0.0
    shape = _shape(row, softening)
    new[SOFTENING], new[DAMAGE] = softening, damage

    step, p, q = 0.0, trial[0], trial[1]
    found = _after(row, trial, shape, step, kappa, scale, rate)
    if found[0] > _CLOSE * scale:
        step, found = _plastic_step(row, trial, shape, kappa, scale, rate, found)
        p, q = found[4], found[5]
    new[INELASTIC] = kappa + step
    spent = p * (trial[0] - p) / K + q * (trial[1] - q) / (3.0 * G)
    # What damage takes is of the energy that is stored when the step ends, not of the trial's.
    stored = 0.5 * (p * p / K + q * q / (3.0 * G))
    new[DISSIPATED] = old[DISSIPATED] + left * spent + max(damage - old[DAMAGE], 0.0) * stored
    inverse = 1.0 / trial[1] if trial[1] > 0.0 else 0.0
    N = _sum(inverse, deviator, 0.0, deviator)
    for i in range(3):
        if step > 0.0:
            new[OWN + i] = eps[i] - q * N[i] / (2.0 * G) - p / (3.0 * K)
            new[OWN + 3 + i] = eps[3 + i] - q * N[3 + i] / G
        else:
            new[OWN + i], new[OWN + 3 + i] = old[OWN + i], old[OWN + 3 + i]
    pressure, slope, mu = _backbone(row, eps[0] + eps[1] + eps[2])
    pressure += left * p
    push = left * q
    total = _mapped(
        row,
        (
            pressure + push * N[0] + 2.0 * mu * eps[0],
            pressure + push * N[1] + 2.0 * mu * eps[1],
            pressure + push * N[2] + 2.0 * mu * eps[2],
            push * N[3] + mu * eps[3],
            push * N[4] + mu * eps[4],
            push * N[5] + mu * eps[5],
        ),
    )
    for i in range(6):
        sig[i] = total[i]
    _spread(row, trial, found, step, left, (slope, mu), N, C)


@kernel
def respond(F, params, old, dt, P, A, new):
    """Crushable bone; see the package for the form. Returns 1 if the voxel is inverted."""
    work, Q = np.empty((9, 6)), np.empty((3, 3))
    eps, sig, lengths, C = work[0], work[1], work[2, :3], work[3:]
    if not _strain(F, eps, lengths, Q):
        return 1
    stress(eps, params, old, dt, sig, C, new)
    _piola(F, sig, C, lengths, Q, P, A)
    return 0
