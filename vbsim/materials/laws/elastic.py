"""Elastic constituents of a non-linear body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.kernels import constitutive

__all__ = ["Elastic"]


@dataclass(frozen=True, eq=False)
class Elastic:
    """Orthotropic elasticity along the grid's axes.

    Parameters
    ----------
    constants_mpa : (n, 9) float
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` of each voxel.
    rotates : bool
        Saint Venant-Kirchhoff, exact for large rotations, instead of small strain.
    """

    constants_mpa: NDArray[np.float64]
    rotates: bool = False

    def __post_init__(self) -> None:
        shape = np.shape(self.constants_mpa)
        require(len(shape) == 2 and shape[1] == 9, "constants_mpa", shape, "of shape (n, 9)")

    @property
    def code(self) -> int:
        """Rung of the ladder."""
        return constitutive.SAINT_VENANT if self.rotates else constitutive.ELASTIC

    @property
    def n_state(self) -> int:
        """It keeps no state."""
        return 0

    def rows(self) -> NDArray[np.float64]:
        """Return the kernel's parameters, (n, 9)."""
        return np.ascontiguousarray(self.constants_mpa, dtype=np.float64)
