"""Curing of cement in the cells of a box: autocatalytic reaction and its heat, cell by cell."""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel

__all__ = ["rate", "react"]

GAS = 8.314


@kernel
def rate(alpha, kelvin, hottest, constants):
    """Return the rate of conversion, 1/s.

    ``K0 exp(-Ea / (R T)) a^m (a_max - a)^n`` with ``a_max = min(1, hottest / glass)``.

    Parameters
    ----------
    alpha : float
        Conversion.
    kelvin : float
        Temperature, K.
    hottest : float
        Highest temperature so far, K.
    constants : (5,)
        K0 (1/s), Ea (J/mol), m, n, glass temperature (K; 0 for no limit).
    """
    most = 1.0
    if constants[4] > 0.0:
        most = min(1.0, max(hottest, kelvin) / constants[4])
    left = most - alpha
    if left <= 0.0 or alpha <= 0.0:
        return 0.0
    speed = constants[0] * np.exp(-constants[1] / (GAS * kelvin))
    return speed * alpha ** constants[2] * left ** constants[3]


@kernel
def react(alpha, kelvin, hottest, rise, constants, dt, most_change):
    """Let cement react for a time without conducting heat: temperature follows conversion.

    Classic Runge-Kutta steps, as many as keep the change of conversion in each small.

    Parameters
    ----------
    alpha : (n,)
        Conversion; changed.
    kelvin : (n,)
        Temperature, K; changed.
    hottest : (n,)
        Highest temperature so far, K; changed.
    rise : (n,)
        Rise of temperature at full conversion, K.
    constants : (5,)
        See `rate`.
    dt : float
        Time, s.
    most_change : float
        Largest change of conversion in one step.

    Returns
    -------
    change : float
        Largest change of conversion of any cell.
    """
    largest = 0.0
    for i in range(alpha.shape[0]):
        if rise[i] <= 0.0:
            continue
        start = alpha[i]
        now, warm, peak = start, kelvin[i], hottest[i]
        guess = rate(now, warm, peak, constants) * dt
        steps = min(max(int(np.ceil(guess / most_change)) * 2, 1), 64)
        h = dt / steps
        for _ in range(steps):
            a = rate(now, warm, peak, constants)
            b = rate(now + 0.5 * h * a, warm + 0.5 * h * a * rise[i], peak, constants)
            c = rate(now + 0.5 * h * b, warm + 0.5 * h * b * rise[i], peak, constants)
            d = rate(now + h * c, warm + h * c * rise[i], peak, constants)
            change = h / 6.0 * (a + 2.0 * b + 2.0 * c + d)
            change = max(min(change, 1.0 - now), 0.0)
            now += change
            warm += change * rise[i]
            peak = max(peak, warm)
        alpha[i] = now
        kelvin[i] = warm
        hottest[i] = peak
        largest = max(largest, now - start)
    return largest
