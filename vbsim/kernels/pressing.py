"""Pressure that follows the surface of a cavity: the energy ``-pressure det F`` of its cells."""

from __future__ import annotations

from vbsim.kernels import kernel

__all__ = ["cofactor", "press"]


@kernel
def cofactor(F, cof):
    """Set `cof` to det(F) F^-T, the derivative of det F; return det F."""
    cof[0] = F[4] * F[8] - F[5] * F[7]
    cof[1] = F[5] * F[6] - F[3] * F[8]
    cof[2] = F[3] * F[7] - F[4] * F[6]
    cof[3] = F[2] * F[7] - F[1] * F[8]
    cof[4] = F[0] * F[8] - F[2] * F[6]
    cof[5] = F[1] * F[6] - F[0] * F[7]
    cof[6] = F[1] * F[5] - F[2] * F[4]
    cof[7] = F[2] * F[3] - F[0] * F[5]
    cof[8] = F[0] * F[4] - F[1] * F[3]
    return F[0] * cof[0] + F[1] * cof[1] + F[2] * cof[2]


@kernel
def press(F, pressure, P, A, cof):
    """Add a follower pressure in a cell: the energy ``-pressure det F``."""
    cofactor(F, cof)
    for a in range(9):
        P[a] -= pressure * cof[a]
    # d cof_iJ / dF_kL = eps_ikm eps_JLN F_mN
    for i in range(3):
        for J in range(3):
            for s in range(2):
                k, m = ((i + 1) % 3, (i + 2) % 3) if s == 0 else ((i + 2) % 3, (i + 1) % 3)
                for t in range(2):
                    L, N = ((J + 1) % 3, (J + 2) % 3) if t == 0 else ((J + 2) % 3, (J + 1) % 3)
                    sign = 1.0 if s == t else -1.0
                    A[3 * i + J, 3 * k + L] -= pressure * sign * F[3 * m + N]
