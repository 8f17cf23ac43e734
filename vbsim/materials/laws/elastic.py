"""Elastic constituents of a non-linear body."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.kernels import constitutive

__all__ = ["Elastic"]

_CODES = {
    "small": constitutive.ELASTIC,
    "green": constitutive.SAINT_VENANT,
    "logarithmic": constitutive.HENCKY,
}


@dataclass(frozen=True, eq=False)
class Elastic:
    """Orthotropic elasticity along the grid's axes.

    Parameters
    ----------
    constants_mpa : (n, 9) float
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` of each voxel.
    strain : {"small", "green", "logarithmic"}
        Which strain the stress is linear in: the small one; Green's, exact for large rotations
        (Saint Venant-Kirchhoff); the logarithmic one, for large strains too (Hencky).
    """

    constants_mpa: NDArray[np.float64]
    strain: Literal["small", "green", "logarithmic"] = "small"

    def __post_init__(self) -> None:
        shape = np.shape(self.constants_mpa)
        require(len(shape) == 2 and shape[1] == 9, "constants_mpa", shape, "of shape (n, 9)")

    @property
    def code(self) -> int:
        """Rung of the ladder."""
        return _CODES[self.strain]

    @property
    def n_state(self) -> int:
        """It keeps no state."""
        return 0

    def rows(self) -> NDArray[np.float64]:
        """Return the kernel's parameters, (n, 9)."""
        return np.ascontiguousarray(self.constants_mpa, dtype=np.float64)
