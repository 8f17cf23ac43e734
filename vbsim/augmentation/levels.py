"""The level of an order of filling that encloses a volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt
from scipy.optimize import brentq

__all__ = ["Order", "order_of"]

FloatArray = NDArray[np.float64]

# Least width of the boundary against the typical one: where an order has a ridge or a source its
# gradient vanishes, and a boundary without width would make the volume jump there.
_LEAST_WIDTH = 0.25


class Order(NamedTuple):
    """A continuous order of filling over the cells that can be filled.

    The saturation at a level falls from 1 to 0 over about one cell across the level's surface: the
    partial volume of a cell that the surface cuts.

    Attributes
    ----------
    cells : (n,) int array
        Flat indices of the cells that can be filled.
    preference : (n,) float array
        Order: small first.
    width : (n,) float array
        Change of the order across one cell.
    volume_mm3 : (n,) float array
        What each cell holds when it is full, mm3.
    """

    cells: NDArray[np.intp]
    preference: FloatArray
    width: FloatArray
    volume_mm3: FloatArray

    @property
    def capacity_mm3(self) -> float:
        """All that can be filled, mm3."""
        return float(self.volume_mm3.sum())

    def saturation(self, level: float) -> FloatArray:
        """Return how full each cell is at a level, (n,), 0 to 1."""
        return np.clip(0.5 + (level - self.preference) / self.width, 0.0, 1.0)

    def enclosed_mm3(self, level: float) -> float:
        """Return the volume that a level encloses, mm3; never falls as the level rises."""
        return float(self.volume_mm3 @ self.saturation(level))

    def level_of(self, volume_mm3: float) -> float:
        """Return the level that encloses a volume between 0 and the capacity.

        The volume is continuous in the level, so that the bracketed root is exact to round-off.
        """
        half = 0.5 * self.width
        empty = float((self.preference - half).min())
        full = float((self.preference + half).max())
        if volume_mm3 >= self.capacity_mm3:
            return full
        root = brentq(
            lambda level: self.enclosed_mm3(level) - volume_mm3,
            empty,
            full,
            xtol=1e-13 * max(1.0, full - empty),
            rtol=8.9e-16,
            maxiter=200,
        )
        return float(root)


def order_of(preference: FloatArray, volume_mm3: FloatArray) -> Order:
    """Return the order of filling of the cells that hold something and can be reached.

    Parameters
    ----------
    preference : (n_z, n_y, n_x) float array
        Order of all cells; ``inf`` for never.
    volume_mm3 : (n_z, n_y, n_x) float array
        What each cell can hold, mm3.
    """
    reached = np.isfinite(preference)
    if not bool(reached.any()):
        empty = np.zeros(0)
        return Order(np.zeros(0, dtype=np.intp), empty, empty, empty)
    filled = preference
    if not bool(reached.all()):
        nearest = distance_transform_edt(~reached, return_distances=False, return_indices=True)
        filled = preference[tuple(np.asarray(nearest))]
    # Differences between neighbours, not per mm: the change across one cell whatever its edges.
    squared = [np.gradient(filled, axis=axis) ** 2 for axis in range(3) if filled.shape[axis] > 1]
    slope = np.sqrt(np.sum(squared, axis=0))
    cells = np.flatnonzero(reached & (volume_mm3 > 0.0))
    width = slope.ravel()[cells]
    if len(width):
        typical = float(np.median(width))
        width = np.maximum(width, _LEAST_WIDTH * typical if typical > 0.0 else 1.0)
    return Order(cells, preference.ravel()[cells], width, volume_mm3.ravel()[cells])
