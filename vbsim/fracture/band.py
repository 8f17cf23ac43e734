"""The compaction band: where in the body the loss of height is taken up, and how densely."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim import data
from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import InvalidInput
from vbsim.fracture.cleft import CleftPlan
from vbsim.fracture.columns import ColumnMap
from vbsim.fracture.losses import LossField

__all__ = ["Band", "BandColumns", "BandPlace"]

FloatArray = NDArray[np.float64]

BandPlace = Literal["upper", "middle", "lower"]


class BandColumns(NamedTuple):
    """The band in some columns; arrays of the columns' shape, body z, mm.

    Attributes
    ----------
    loss_mm : float array
        Descent of all that lies above the band.
    opening_mm : float array
        Height of the cleft; 0 where there is none.
    lower_mm : float array
        Bottom of the band; it does not move.
    thickness_mm : float array
        Thickness before the fracture.
    cleft_fraction : float
        Height of the cleft in the band's bone, 0 to 1.
    """

    loss_mm: FloatArray
    opening_mm: FloatArray
    lower_mm: FloatArray
    thickness_mm: FloatArray
    cleft_fraction: float

    @property
    def compaction(self) -> FloatArray:
        """Height that the band's bone loses / its height before."""
        lost: FloatArray = (self.loss_mm + self.opening_mm) / self.thickness_mm
        return lost

    @property
    def bone_mm(self) -> FloatArray:
        """Height of the band's bone after the fracture, the cleft left out, mm."""
        return self.thickness_mm - self.loss_mm - self.opening_mm

    @property
    def floor_mm(self) -> FloatArray:
        """Bottom of the cleft after the fracture, mm."""
        return self.lower_mm + self.cleft_fraction * self.bone_mm

    def picked(self, where: NDArray[np.bool_]) -> BandColumns:
        """Return the columns chosen by a mask, as lists in C order."""
        arrays = (self.loss_mm, self.opening_mm, self.lower_mm, self.thickness_mm)
        loss, opening, lower, thickness = (array[where] for array in arrays)
        return BandColumns(loss, opening, lower, thickness, self.cleft_fraction)

    def map(self, faces_mm: FloatArray) -> ColumnMap:
        """Return the fracture as a map of height: three pieces, the middle one the cleft."""
        lower, split = self.lower_mm, self.lower_mm + self.cleft_fraction * self.thickness_mm
        roof = self.floor_mm + self.opening_mm
        # The roof of a cleft at the very top of the band may pass it by round-off.
        upper = np.maximum(lower + self.thickness_mm - self.loss_mm, roof)
        before = np.stack([lower, split, split, lower + self.thickness_mm])
        after = np.stack([lower, self.floor_mm, roof, upper])
        return ColumnMap(faces_mm, before, after)


@dataclass(frozen=True, eq=False)
class Band:
    """One compaction band in one body.

    Its thickness before the fracture is, column by column, large enough for the loss and the
    cleft; the bony endplates stay outside it.

    Parameters
    ----------
    losses : LossField
        Descent of the upper endplate, on the body before the fracture.
    place : {"upper", "middle", "lower"}
        Under the upper endplate, at mid-height, or over the lower endplate. The lower endplate
        stays where it is in every case.
    cleft : CleftPlan or None
        Gap inside the band.
    """

    losses: LossField
    place: BandPlace
    cleft: CleftPlan | None = None

    @property
    def frame(self) -> BodyFrame:
        """The body before the fracture."""
        return self.losses.frame

    def at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> BandColumns:
        """Return the band in the columns at (x, y), of their broadcast shape."""
        x, y = np.broadcast_arrays(np.asarray(x_mm, dtype=float), np.asarray(y_mm, dtype=float))
        loss = self.losses(x, y)
        if self.cleft is None:
            opening, split = np.zeros_like(loss), 0.5
        else:
            opening, split = (
                self.cleft.thickness_mm * self.cleft.lens(x, y),
                self.cleft.band_fraction,
            )
        thickness = _thickness_mm(loss, opening)
        gap = float(data.value("fracture.band.endplate_gap_mm"))
        upper, lower = self.frame.superior_at(x, y), self.frame.inferior_at(x, y)
        bottoms = {
            "upper": upper - gap - thickness,
            "middle": 0.5 * (upper + lower - thickness),
            "lower": lower + gap,
        }
        return BandColumns(loss, opening, bottoms[self.place], thickness, split)

    def check(self) -> None:
        """Refuse a band that does not fit between the endplates, or a cleft outside the wall."""
        x, y = np.meshgrid(self.frame.x_mm, self.frame.y_mm)
        inside = self.frame.footprint()
        columns = self.at(x[inside], y[inside])
        gap = float(data.value("fracture.band.endplate_gap_mm"))
        height = (self.frame.superior_mm - self.frame.inferior_mm)[inside]
        room = height - 2.0 * gap - columns.thickness_mm
        tightest = int(np.argmin(room))
        if room[tightest] < 0.0:
            raise InvalidInput(
                f"a loss of {columns.loss_mm[tightest]:.1f} mm"
                + (f" with a cleft of {columns.opening_mm[tightest]:.1f} mm" if self.cleft else "")
                + f" needs a compaction band of {columns.thickness_mm[tightest]:.1f} mm, but the "
                f"body has {height[tightest] - 2.0 * gap:.1f} mm between its endplates at "
                f"x = {x[inside][tightest]:.0f}, y = {y[inside][tightest]:.0f} mm: ask for a "
                "smaller loss" + (" or a thinner cleft" if self.cleft else "")
            )
        if self.cleft is not None:
            self._check_cleft(self.cleft)

    def _check_cleft(self, cleft: CleftPlan) -> None:
        x, y = cleft.rim_mm()
        columns = self.at(x, y)
        z = columns.lower_mm + cleft.band_fraction * columns.thickness_mm
        reach = float(self.frame.normalised_radius(x, y, z).max())
        most = float(data.value("fracture.cleft.most_radius"))
        if reach > most:
            raise InvalidInput(
                f"cleft of {2 * cleft.semi_y_mm:.1f} mm (anteroposterior) x "
                f"{2 * cleft.semi_x_mm:.1f} mm (transverse): reaches {reach:.0%} of the way from "
                f"the axis to the outer wall, must stay within {most:.0%}: make it smaller or move "
                "centre_fraction towards the middle"
            )


def _thickness_mm(loss_mm: FloatArray, opening_mm: FloatArray) -> FloatArray:
    read = {key: float(data.value(f"fracture.band.{key}")) for key in _THICKNESS}
    least, per_loss, compaction = (read[key] for key in _THICKNESS)
    thickness = np.maximum(least, loss_mm / per_loss)
    result: FloatArray = np.maximum(thickness, (loss_mm + opening_mm) / compaction)
    return result


_THICKNESS = ("least_thickness_mm", "most_loss_per_thickness", "most_compaction")
