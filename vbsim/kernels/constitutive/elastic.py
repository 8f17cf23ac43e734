"""Elastic laws: linear, Saint Venant-Kirchhoff for large rotations, Hencky for large strains.

Parameters are the nine constants ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` of an axis-aligned
orthotropic stiffness, MPa. None keeps a state.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel
from vbsim.kernels.constitutive import logarithmic
from vbsim.kernels.constitutive.voigt import PLACE, small_strain, spread_stress, spread_tangent

__all__ = [
    "N_PARAMS",
    "hencky",
    "linear",
    "logarithmic_stress",
    "saint_venant",
    "stress",
    "stiffness",
]

N_PARAMS = 9


@kernel
def stress(c, e):
    """Return the stress of a strain, both of 6 numbers."""
    return (
        c[0] * e[0] + c[3] * e[1] + c[4] * e[2],
        c[3] * e[0] + c[1] * e[1] + c[5] * e[2],
        c[4] * e[0] + c[5] * e[1] + c[2] * e[2],
        c[6] * e[3],
        c[7] * e[4],
        c[8] * e[5],
    )


@kernel
def stiffness(c):
    """Return the stiffness as 6 rows of 6 numbers."""
    return (
        (c[0], c[3], c[4], 0.0, 0.0, 0.0),
        (c[3], c[1], c[5], 0.0, 0.0, 0.0),
        (c[4], c[5], c[2], 0.0, 0.0, 0.0),
        (0.0, 0.0, 0.0, c[6], 0.0, 0.0),
        (0.0, 0.0, 0.0, 0.0, c[7], 0.0),
        (0.0, 0.0, 0.0, 0.0, 0.0, c[8]),
    )


@kernel
def linear(F, params, old, dt, P, A, new):
    """Linear elasticity of the small strain; see the package for the form."""
    new[:] = old
    spread_stress(stress(params, small_strain(F)), P)
    spread_tangent(stiffness(params), A)
    return 0


@kernel
def saint_venant(F, params, old, dt, P, A, new):
    """Linear elasticity between Green's strain and the second Piola stress.

    Exact for any rotation, meant for strains of a few per cent: squeezed to 0.58 of its length it
    gives way.
    """
    new[:] = old
    E = (
        0.5 * (F[0] * F[0] + F[3] * F[3] + F[6] * F[6] - 1.0),
        0.5 * (F[1] * F[1] + F[4] * F[4] + F[7] * F[7] - 1.0),
        0.5 * (F[2] * F[2] + F[5] * F[5] + F[8] * F[8] - 1.0),
        F[1] * F[2] + F[4] * F[5] + F[7] * F[8],
        F[0] * F[2] + F[3] * F[5] + F[6] * F[8],
        F[0] * F[1] + F[3] * F[4] + F[6] * F[7],
    )
    S = stress(params, E)
    C = stiffness(params)
    for i in range(3):
        for J in range(3):
            total = 0.0
            for K in range(3):
                total += F[3 * i + K] * S[PLACE[3 * K + J]]
            P[3 * i + J] = total
    # dP_iJ / dF_kL = delta_ik S_LJ + F_iM C_MJLN F_kN, without the zeros of C
    for i in range(3):
        for J in range(3):
            for k in range(3):
                for L in range(3):
                    total = S[PLACE[3 * L + J]] if i == k else 0.0
                    total += C[J][L] * F[3 * i + J] * F[3 * k + L]
                    if J == L:
                        M, N = (J + 1) % 3, (J + 2) % 3
                        total += params[6 + N] * F[3 * i + M] * F[3 * k + M]
                        total += params[6 + M] * F[3 * i + N] * F[3 * k + N]
                    else:
                        total += params[9 - J - L] * F[3 * i + L] * F[3 * k + J]
                    A[3 * i + J, 3 * k + L] = total
    return 0


@kernel
def logarithmic_stress(eps, params, old, dt, sig, C, new):
    """Set stress (6,) and its derivative (6, 6) from the logarithmic strain (6,)."""
    new[:] = old
    total, rows = stress(params, eps), stiffness(params)
    for i in range(6):
        sig[i] = total[i]
        for j in range(6):
            C[i, j] = rows[i][j]


@kernel
def hencky(F, params, old, dt, P, A, new):
    """Linear elasticity of the logarithmic strain: the harder to squeeze, the shorter it is.

    Returns 1 if the voxel is inverted.
    """
    work, Q = np.empty((9, 6)), np.empty((3, 3))
    eps, sig, lengths, C = work[0], work[1], work[2, :3], work[3:]
    if not logarithmic.strain(F, eps, lengths, Q):
        return 1
    logarithmic_stress(eps, params, old, dt, sig, C, new)
    logarithmic.piola(F, sig, C, lengths, Q, P, A)
    return 0
