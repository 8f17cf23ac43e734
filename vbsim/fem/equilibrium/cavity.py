"""A cavity under pressure in the cells of a mesh."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.equilibrium.cells import Means
from vbsim.kernels import cell_cavity
from vbsim.kernels.constituents import N_PACKED

__all__ = ["CellCavity"]

FloatArray = NDArray[np.float64]


class CellCavity:
    """Parts of some cells that a pressure inflates.

    Parameters
    ----------
    means : Means
        The mesh.
    share : (n_cells,) float
        Part of each cell that belongs to the cavity.
    """

    def __init__(self, means: Means, share: FloatArray) -> None:
        self._number = np.flatnonzero(share > 0.0)
        self._share = np.ascontiguousarray(share[self._number], np.float64)
        self._on = (*means.arrays, self._number)
        self._packed = np.zeros((len(self._number), N_PACKED))
        self._is_pressed = False

    def press(self, u: FloatArray, pressure_mpa: float, out: FloatArray) -> None:
        """Add the forces of a pressure to those on all points, (n_points, 3); see `add_product`."""
        self._is_pressed = pressure_mpa != 0.0
        if self._is_pressed:
            cell_cavity.press(u, *self._on, self._share, pressure_mpa, out, self._packed)

    def add_product(self, p: FloatArray, out: FloatArray) -> None:
        """Add the product of the tangent of the last pressure with a displacement."""
        if self._is_pressed:
            cell_cavity.add_products(p, *self._on, self._packed, out)

    def volume_mm3(self, u: FloatArray, gradient: FloatArray) -> float:
        """Return the volume of the cavity and set its gradient, (n_points, 3)."""
        gradient[...] = 0.0
        return float(cell_cavity.cavity(u, *self._on, self._share, gradient))
