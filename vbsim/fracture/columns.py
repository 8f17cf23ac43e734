"""Monotone maps of height, one in every vertical column of a grid, and fields carried through them.

Along a column the map is piecewise linear between knots and a pure shift beyond them, so what a
field becomes in every cell is an exact integral: amounts (mineral) are conserved to round-off,
shares of volume stay between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import frozen, require

__all__ = ["ColumnMap"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ColumnMap:
    """A monotone piecewise linear map of z in every column.

    The piece between knots k and k + 1 is stretched from its height before to its height after. A
    piece of no height before and some height after is an *opening*: the material parts there and
    nothing fills it. Below the first and above the last knot the map is a shift.

    Parameters
    ----------
    faces_mm : (n_z + 1,) float
        Evenly spaced heights of the cell faces.
    before_mm, after_mm : (n_knots, n_columns) float
        Heights of the knots before and after, not falling from knot to knot.
    """

    faces_mm: FloatArray
    before_mm: FloatArray
    after_mm: FloatArray

    def __post_init__(self) -> None:
        require(
            self.before_mm.shape == self.after_mm.shape and len(self.before_mm) >= 2,
            "after_mm",
            self.after_mm.shape,
            f"of the shape of before_mm, {self.before_mm.shape}, with two knots or more",
        )
        before, after = np.diff(self.before_mm, axis=0), np.diff(self.after_mm, axis=0)
        require(bool(np.all(before >= 0)), "before_mm", "falling", "not falling from knot to knot")
        require(
            bool(np.all(after >= 0)) and not bool(np.any((after == 0) & (before > 0))),
            "after_mm",
            "falling or flat",
            "rising wherever before_mm rises: material cannot be compressed to nothing",
        )
        for name in ("faces_mm", "before_mm", "after_mm"):
            object.__setattr__(self, name, frozen(np.asarray(getattr(self, name), dtype=float)))

    @property
    def n_pieces(self) -> int:
        """Number of pieces between knots."""
        return len(self.before_mm) - 1

    @cached_property
    def stretch(self) -> FloatArray:
        """Height after / height before of each piece, (n_pieces, n_columns); 0 for openings."""
        before, after = np.diff(self.before_mm, axis=0), np.diff(self.after_mm, axis=0)
        ratio: FloatArray = np.divide(after, before, out=np.zeros_like(after), where=before > 0)
        return ratio

    @cached_property
    def source_mm(self) -> FloatArray:
        """Height before of what lies at each face after, (n_z + 1, n_columns)."""
        z = self.faces_mm[:, None]
        after, before = self.after_mm, self.before_mm
        source = before[0] + np.minimum(z - after[0], 0.0) + np.maximum(z - after[-1], 0.0)
        for k in range(self.n_pieces):
            rise, run = before[k + 1] - before[k], after[k + 1] - after[k]
            per_mm = np.divide(rise, run, out=np.zeros_like(run), where=run > 0)
            source = source + np.clip(z - after[k], 0.0, run) * per_mm
        result: FloatArray = source
        return result

    def amount(self, per_volume: FloatArray) -> FloatArray:
        """Carry a field of amount per voxel volume: what a column holds is conserved.

        Parameters
        ----------
        per_volume : (n_z, n_columns) float
            Amount / voxel volume before, spread evenly over each voxel.

        Returns
        -------
        (n_z, n_columns) float
            Amount / voxel volume after.
        """
        return self._per_cell(self._integral(per_volume, self.source_mm))

    def share(self, fraction: FloatArray, weights: ArrayLike = 1.0) -> FloatArray:
        """Carry a share of volume: it is squeezed and stretched with the space it fills.

        Parameters
        ----------
        fraction : (n_z, n_columns) float
            Volume / voxel volume before, spread evenly over each voxel.
        weights : float or (n_pieces, n_columns) float
            Factor on what comes from each piece; 1 outside the knots.

        Returns
        -------
        (n_z, n_columns) float
            Volume (times weight) / voxel volume after.
        """
        before, source = self.before_mm, self.source_mm
        weight = np.broadcast_to(np.asarray(weights, dtype=float), self.stretch.shape)
        total = self._integral(fraction, np.minimum(source, before[0]))
        total += self._integral(fraction, np.maximum(source, before[-1]))
        for k in range(self.n_pieces):
            inside = np.clip(source, before[k], before[k + 1])
            total += weight[k] * self.stretch[k] * self._integral(fraction, inside)
        return self._per_cell(total)

    def opened(self) -> FloatArray:
        """Return the fraction of each voxel that the openings take, (n_z, n_columns)."""
        z, after = self.faces_mm[:, None], self.after_mm
        total = np.zeros((len(self.faces_mm), *after.shape[1:]))
        for k in range(self.n_pieces):
            new = np.where(self.before_mm[k + 1] > self.before_mm[k], 0.0, after[k + 1] - after[k])
            total += np.clip(z - after[k], 0.0, new)
        return self._per_cell(total)

    def _per_cell(self, integral: FloatArray) -> FloatArray:
        spacing = self.faces_mm[1] - self.faces_mm[0]
        result: FloatArray = np.diff(integral, axis=0) / spacing
        return result

    def _integral(self, field: FloatArray, upper_mm: FloatArray) -> FloatArray:
        """Return the integral of a field from the lowest face up to given heights."""
        n_z, spacing = len(field), self.faces_mm[1] - self.faces_mm[0]
        cumulative = np.zeros((n_z + 1, *field.shape[1:]))
        np.cumsum(field, axis=0, out=cumulative[1:])
        position = np.clip((upper_mm - self.faces_mm[0]) / spacing, 0.0, n_z)
        cell = np.minimum(position.astype(np.int64), n_z - 1)
        below = np.take_along_axis(cumulative, cell, axis=0)
        within = np.take_along_axis(field, cell, axis=0)
        result: FloatArray = (below + within * (position - cell)) * spacing
        return result
