"""What the non-linear solver asks of a law."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Law"]


class Law(Protocol):
    """A law for n voxels."""

    @property
    def code(self) -> int:
        """Rung of the ladder in `kernels.constitutive`."""

    @property
    def n_state(self) -> int:
        """Numbers of state per voxel; 0 if it keeps none."""

    def rows(self) -> NDArray[np.float64]:
        """Return the kernel's parameters, (n, n_params)."""
