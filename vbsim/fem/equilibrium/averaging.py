"""Mean of an internal variable over the neighbourhood: softening that does not know the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

__all__ = ["Averaging"]

FloatArray = NDArray[np.float64]


class Averaging:
    """Gaussian mean over the same constituent, weighted by its volume.

    Bazant & Pijaudier-Cabot 1988, doi 10.1115/1.3173674, with a Gaussian in place of the bell.

    Parameters
    ----------
    cells : (n,) int
        Flat index of the voxel of each entry.
    part : (n,) int
        Constituent of each entry; only entries of the same one are averaged.
    weight : (n,) float
        Volume of each entry.
    shape : tuple of 3 int
        Cells of the grid (z, y, x).
    sigma : tuple of 3 float
        Standard deviation of the Gaussian in cells (z, y, x); 0 averages nothing.
    """

    def __init__(
        self,
        cells: NDArray[np.int64],
        part: NDArray[np.int64],
        weight: FloatArray,
        shape: tuple[int, int, int],
        sigma: tuple[float, float, float],
    ) -> None:
        self.sigma = sigma
        self._groups = []
        if max(sigma) == 0.0:
            return
        for number in np.unique(part):
            chosen = np.flatnonzero(part == number)
            z, y, x = np.unravel_index(cells[chosen], shape)
            low = [int(index.min()) for index in (z, y, x)]
            size = tuple(
                int(index.max()) - at + 1 for index, at in zip((z, y, x), low, strict=True)
            )
            flat = np.ravel_multi_index((z - low[0], y - low[1], x - low[2]), size)
            total = self._smooth(np.bincount(flat, weight[chosen], int(np.prod(size))), size)
            self._groups.append((chosen, flat, weight[chosen], size, total[flat]))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the mean of a value of every entry, (n,)."""
        out = values.copy()
        for chosen, flat, weight, size, total in self._groups:
            field = np.bincount(flat, weight * values[chosen], int(np.prod(size)))
            out[chosen] = self._smooth(field, size)[flat] / total
        return out

    def _smooth(self, field: NDArray[Any], size: tuple[int, ...]) -> FloatArray:
        box = field.reshape(size)
        # zeros outside: both the values and the weights they are divided by end there
        smooth = gaussian_filter(box, self.sigma, mode="constant", truncate=3.0)
        return np.asarray(smooth).ravel()
