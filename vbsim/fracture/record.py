"""What a fracture leaves behind for the steps that follow it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import frozen
from vbsim.fracture.band import Band

__all__ = ["FractureRecord"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FractureRecord:
    """One fracture as it is now, kept with the specimen.

    Column arrays are (n_y, n_x) over the specimen's grid, body z, mm.

    Parameters
    ----------
    kind : str
        ``wedge``, ``biconcave`` or ``crush``.
    band : Band
        Frame before the fracture, losses and cleft.
    loss_mm : (n_y, n_x) float
        Descent of what lies above the band, as the fracture made it.
    lower_mm : (n_y, n_x) float
        Bottom of the band.
    floor_mm : (n_y, n_x) float
        Bottom of the cleft now.
    opening_mm : (n_y, n_x) float
        Height of the cleft now; 0 where there is none.
    upper_mm : (n_y, n_x) float
        Top of the band now.
    recovered : float
        Share of the loss that reductions have undone.
    """

    kind: str
    band: Band
    loss_mm: FloatArray
    lower_mm: FloatArray
    floor_mm: FloatArray
    opening_mm: FloatArray
    upper_mm: FloatArray
    recovered: float = 0.0

    def __post_init__(self) -> None:
        for name in ("loss_mm", "lower_mm", "floor_mm", "opening_mm", "upper_mm"):
            object.__setattr__(self, name, frozen(getattr(self, name)))

    @property
    def frame_before(self) -> BodyFrame:
        """The body before the fracture."""
        return self.band.frame

    def moved(self, z_mm: FloatArray, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the heights now of points of the body before the fracture, body mm.

        The same map of heights that carries the fields: bone below the band stays, the band is
        compacted below and above the cleft, what lies above it sinks; reductions draw it out again.

        Parameters
        ----------
        z_mm : (...) float, mm
            Heights before.
        x_mm, y_mm : (...) float, mm
            Column of each point.
        """
        x, y, z = np.broadcast_arrays(x_mm, y_mm, z_mm)
        columns = self.band.at(x, y)
        lens = np.zeros(x.shape) if self.band.cleft is None else self.band.cleft.lens(x, y)
        lift = self.recovered * columns.loss_mm
        gap = lens * lift
        bone = columns.bone_mm + lift - gap
        bottom, top = columns.lower_mm, columns.lower_mm + columns.thickness_mm
        split = bottom + columns.cleft_fraction * columns.thickness_mm
        floor = bottom + columns.cleft_fraction * bone
        roof = floor + columns.opening_mm + gap
        shrunk = bone / columns.thickness_mm
        below, above = floor + (z - split) * shrunk, roof + (z - split) * shrunk
        height = np.select([z <= bottom, z <= split, z <= top], [z, below, above], z + lift)
        result: FloatArray = height - np.where(z > top, columns.loss_mm, 0.0)
        return result

    @property
    def bone_mm(self) -> FloatArray:
        """Height of the band's bone now, the cleft left out, (n_y, n_x), mm."""
        return self.upper_mm - self.lower_mm - self.opening_mm
