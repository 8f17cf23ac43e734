"""The intravertebral cleft: a flat gap that leaves a fracture mobile."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from vbsim import data
from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import Parameters

__all__ = ["Cleft", "CleftPlan"]

FloatArray = NDArray[np.float64]


class CleftPlan(NamedTuple):
    """A cleft laid out in one body: an ellipse in plan.

    Attributes
    ----------
    thickness_mm : float
        Opening at the middle of the cleft, mm.
    centre_y_mm : float
        Centre on the midline, body y, mm.
    semi_x_mm, semi_y_mm : float
        Half of the transverse and of the anteroposterior size, mm.
    band_fraction : float
        Height in the compaction band, 0 at its bottom, 1 at its top.
    """

    thickness_mm: float
    centre_y_mm: float
    semi_x_mm: float
    semi_y_mm: float
    band_fraction: float

    @property
    def area_mm2(self) -> float:
        """Area in plan, mm2."""
        return float(np.pi * self.semi_x_mm * self.semi_y_mm)

    def lens(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the opening / thickness at (x, y): flat in the middle, 0 at the rim and beyond."""
        x, y = np.asarray(x_mm) / self.semi_x_mm, np.asarray(y_mm) - self.centre_y_mm
        squared = x**2 + (y / self.semi_y_mm) ** 2
        result: FloatArray = np.maximum(1.0 - squared**2, 0.0)
        return result

    def rim_mm(self) -> tuple[FloatArray, FloatArray]:
        """Return (x, y) of points on the rim, mm."""
        theta = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
        return self.semi_x_mm * np.cos(theta), self.centre_y_mm + self.semi_y_mm * np.sin(theta)


class Cleft(Parameters):
    """A slab-shaped gap inside the compaction band; what is not given follows the body's size.

    Bone gives way to the cleft by closer packing above and below it, so no mineral is lost.

    Examples
    --------
    >>> Cleft(thickness_mm=2.0).thickness_mm
    2.0
    """

    thickness_mm: float = Field(
        default_factory=lambda: data.value("fracture.cleft.thickness_mm"),
        gt=0.0,
        le=10.0,
        description="Opening at the middle of the cleft, mm.",
    )
    anteroposterior_mm: float | None = Field(
        default=None,
        gt=0.0,
        description="Size from front to back, mm; default: a share of the body's depth.",
    )
    transverse_mm: float | None = Field(
        default=None,
        gt=0.0,
        description="Size from right to left, mm; default: a share of the body's width.",
    )
    centre_fraction: float = Field(
        default_factory=lambda: data.value("fracture.cleft.centre_fraction"),
        ge=0.0,
        le=1.0,
        description="Centre along the mid-sagittal depth, 0 in front, 1 behind.",
    )
    band_fraction: float = Field(
        default_factory=lambda: data.value("fracture.cleft.band_fraction"),
        ge=0.0,
        le=1.0,
        description="Height in the compaction band, 0 at its bottom, 1 at its top.",
    )

    def lay_out(self, frame: BodyFrame) -> CleftPlan:
        """Return the cleft's size and place in one body."""
        front, back = frame.sagittal_extent_mm()
        n_theta = frame.outline_mm.shape[1]
        width = 2.0 * float(frame.outline_mm[[0, -1]][:, [0, n_theta // 2]].mean())
        depth_mm = self.anteroposterior_mm or _share("depth_share") * (back - front)
        width_mm = self.transverse_mm or _share("width_share") * width
        return CleftPlan(
            thickness_mm=self.thickness_mm,
            centre_y_mm=front + self.centre_fraction * (back - front),
            semi_x_mm=0.5 * width_mm,
            semi_y_mm=0.5 * depth_mm,
            band_fraction=self.band_fraction,
        )


def _share(name: str) -> float:
    return float(data.value(f"fracture.cleft.{name}"))
