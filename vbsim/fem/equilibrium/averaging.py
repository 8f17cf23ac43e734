"""Mean of an internal variable over the neighbourhood: softening that does not know the grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.ndimage import gaussian_filter

__all__ = ["Averaging", "ScatteredAveraging"]

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


class ScatteredAveraging:
    """The same mean over the cells of a mesh: by way of a grid of half the length.

    Every entry is shared out to the corners of the grid's cell that holds its centre, smoothed
    there, and read back in the same proportions; what both widen is taken off the Gaussian.

    Parameters
    ----------
    centres_mm : (n, 3) float
        Centre of each entry.
    part : (n,) int
        Constituent of each entry; only entries of the same one are averaged.
    weight : (n,) float
        Volume of each entry.
    length_mm : float
        Standard deviation of the Gaussian; 0 averages nothing.
    """

    def __init__(
        self, centres_mm: FloatArray, part: NDArray[np.int64], weight: FloatArray, length_mm: float
    ) -> None:
        self._groups = []
        if length_mm == 0.0:
            return
        h = 0.5 * length_mm
        # sharing out to corners and reading back have a variance of h^2 / 6 each
        self._sigma = np.sqrt(length_mm**2 - h**2 / 3.0) / h
        for number in np.unique(part):
            chosen = np.flatnonzero(part == number)
            to_grid, size = _shared_out(centres_mm[chosen] / h)
            mine = weight[chosen]
            total = np.asarray(to_grid @ self._smooth(to_grid.T @ mine, size))
            self._groups.append((chosen, to_grid, mine, size, total))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Return the mean of a value of every entry, (n,)."""
        out = values.copy()
        for chosen, to_grid, weight, size, total in self._groups:
            field = self._smooth(to_grid.T @ (weight * values[chosen]), size)
            out[chosen] = (to_grid @ field) / total
        return out

    def _smooth(self, field: FloatArray, size: tuple[int, ...]) -> FloatArray:
        smooth = gaussian_filter(field.reshape(size), self._sigma, mode="constant", truncate=3.0)
        return np.asarray(smooth).ravel()


def _shared_out(places: FloatArray) -> tuple[sparse.csr_array, tuple[int, ...]]:
    """Return the shares (n, n_corners) of places, in spacings, in the corners of a grid."""
    low = np.floor(places.min(axis=0))
    first = np.floor(places - low).astype(np.int64)
    size = tuple(int(k) for k in first.max(axis=0) + 2)
    along = places - low - first
    index, share = [], []
    for corner in np.ndindex(2, 2, 2):
        index.append(np.ravel_multi_index(tuple((first + corner).T), size))
        share.append(np.where(corner, along, 1.0 - along).prod(axis=1))
    n = len(places)
    columns, values = np.stack(index, axis=1).ravel(), np.stack(share, axis=1).ravel()
    shape = (n, int(np.prod(size)))
    return sparse.csr_array((values, columns, np.arange(0, 8 * n + 1, 8)), shape=shape), size
