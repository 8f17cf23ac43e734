"""Slow twin of thin cells: moments of the shape functions, and points through the thickness."""

from __future__ import annotations

import numpy as np

from vbsim.kernels.constitutive import ladder


def moments_of(corners, element, across):
    """Mean gradients (n, 3), first moments (n, 3), unit normal and volume of one cell."""
    mean, first, second, total, z_mean = 0.0, 0.0, 0.0, 0.0, 0.0
    points, weights = element.rule
    sums = []
    for place, weight in zip(points, weights, strict=True):
        slopes = element.values(place[None])[1][0]
        J = slopes.T @ corners
        gradient, dV = slopes @ np.linalg.inv(J).T, weight * np.linalg.det(J)
        sums.append((place[across], gradient, dV))
        total += dV
        z_mean += place[across] * dV
        mean = mean + dV * gradient
    z_mean /= total
    for z, gradient, dV in sums:
        first = first + (z - z_mean) * dV * gradient
        second += (z - z_mean) ** 2 * dV
    middle = element.values(np.zeros((1, 3)))[1][0].T @ corners
    normal = np.linalg.inv(middle)[:, across]
    scaled = first / second * np.sqrt(3.0 * second / total)
    return mean / total, scaled, normal / np.linalg.norm(normal), total


def asked(law, gradient, row, old):
    """First Piola stress (3, 3), its derivative (3, 3, 3, 3) and the new state of one law."""
    P, A, new = np.zeros(9), np.zeros((9, 9)), np.zeros(len(old))
    assert ladder.respond(law, gradient.ravel(), row, old, 0.0, P, A, new) == 0
    return P.reshape(3, 3), A.reshape(3, 3, 3, 3), new


def plate(law, F, G, normal, points):
    """Stress sums (2, 3, 3), states and relief of a thin cell; points are (h, weight, row, old).

    The relief is sought by bisection along Newton's directions, however long that takes.
    """

    def at(a):
        found = [
            (h, w, *asked(law, F + h * (G + np.outer(a, normal)), row, old))
            for h, w, row, old in points
        ]
        R = sum(h * w * P @ normal for h, w, P, _, _ in found)
        S = sum(h * h * w * np.einsum("iJkL,J,L->ik", A, normal, normal) for h, w, _, A, _ in found)
        return R, S, found

    a = np.zeros(3)
    R, S, found = at(a)
    for _ in range(200):
        if np.linalg.norm(R) < 1e-12 * sum(np.linalg.norm(P) for _, _, P, _, _ in found):
            break
        d = np.linalg.solve(S, R)
        low, high = 0.0, 1.0
        if at(a - d)[0] @ d < 0.0:
            for _ in range(60):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if at(a - middle * d)[0] @ d > 0.0 else (low, middle)
        a = a - high * d
        R, S, found = at(a)
    sums = [sum(h**k * w * P for h, w, P, _, _ in found) for k in (0, 1)]
    return np.array(sums), [new for *_, new in found], a
