"""Small strain in Voigt order ``xx yy zz yz xz xy`` with engineering shear, and the way back."""

from __future__ import annotations

from vbsim.kernels import kernel

__all__ = ["PLACE", "small_strain", "spread_stress", "spread_tangent"]

PLACE = (0, 5, 4, 5, 1, 3, 4, 3, 2)
"""Voigt component of each entry of a tensor written row by row."""


@kernel
def small_strain(F):
    """Return ``sym(F - 1)``, 6 numbers."""
    return F[0] - 1.0, F[4] - 1.0, F[8] - 1.0, F[5] + F[7], F[2] + F[6], F[1] + F[3]


@kernel
def spread_stress(s, P):
    """Write a symmetric stress of 6 numbers row by row."""
    P[0], P[4], P[8] = s[0], s[1], s[2]
    P[5] = P[7] = s[3]
    P[2] = P[6] = s[4]
    P[1] = P[3] = s[5]


@kernel
def spread_tangent(D, A):
    """Write a stiffness (6 rows of 6 numbers) against the strain as one against the gradient."""
    for a in range(9):
        row = D[PLACE[a]]
        for b in range(9):
            A[a, b] = row[PLACE[b]]
