"""The step that fills a vertebral body with cement."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim.augmentation.approach import NeedlePath
from vbsim.augmentation.born import Curing, set_under_load
from vbsim.augmentation.describe import describe
from vbsim.augmentation.distribution import DistributionChoice
from vbsim.augmentation.levels import Order, order_of
from vbsim.augmentation.shapes import Bipedicular, Distribution, body_points
from vbsim.checks import Parameters, frozen, require
from vbsim.data import value
from vbsim.materials.cement import BoneCementLaw, Cement, cement
from vbsim.specimen.specimen import CementField, Specimen

__all__ = ["CementFill", "needle_paths"]

FloatArray = NDArray[np.float64]

MM3_PER_ML = 1000.0


class CementFill(Parameters):
    """Fill the pores of the body with a volume of cement, in the shape of a distribution.

    Inside the shape the pore space is full; cells that its surface cuts are filled in part, so that
    the volume placed is the volume asked at any spacing. Shell, endplates and posterior elements
    take no cement. Give the volume in one of two ways; shapes with a size of their own (``cleft``,
    ``image``) need neither.

    Examples
    --------
    >>> CementFill(volume_ml=5.0).distribution.kind
    'bipedicular'
    >>> CementFill(volume_ml=3.0, distribution="unipedicular_left").distribution.side
    'left'
    >>> CementFill(volume_ml=3.0, filling_fraction_percent=20.0)
    Traceback (most recent call last):
        ...
    vbsim.checks.InvalidInput: CementFill: ... volume_ml or filling_fraction_percent, not both
    """

    kind: Literal["cement"] = "cement"
    cement: Cement = Field(
        default_factory=lambda: cement("pmma"),
        description="Name in the cement library, or a table of properties.",
    )
    volume_ml: float | None = Field(
        None, ge=0.0, le=50.0, description="Cement to be placed, ml; 0 places none."
    )
    filling_fraction_percent: float | None = Field(
        None,
        ge=0.0,
        le=100.0,
        description="Cement to be placed, percent of the volume of the body as it is when filled.",
    )
    distribution: DistributionChoice = Field(
        default_factory=Bipedicular, description="Where the cement goes: a name or a table."
    )
    law: BoneCementLaw = Field(
        default_factory=BoneCementLaw,
        description="How bone filled with cement behaves, interface included.",
    )

    injection_pressure_mpa: float = Field(
        0.0,
        ge=0.0,
        le=3.0,
        description="pressure on what the cement fills until it has set, MPa; needs a collapsed or "
        "expanded body",
    )
    shrinkage_percent: float = Field(
        0.0,
        ge=0.0,
        le=5.0,
        description="linear shrinkage as it sets, percent; needs a collapsed or expanded body",
    )

    debonds: bool = Field(
        default=False,
        description="its surface may separate from the bone and slide on it; needs a collapsed or "
        "expanded body",
    )

    @model_validator(mode="after")
    def _one_amount(self) -> CementFill:
        given = (self.volume_ml is not None) + (self.filling_fraction_percent is not None)
        if given == 2:
            raise ValueError("give volume_ml or filling_fraction_percent, not both")
        if given == 0 and self.distribution.own_level is None:
            raise ValueError(
                f"distribution {self.distribution.kind!r} has no volume of its own: give "
                "volume_ml or filling_fraction_percent"
            )
        return self

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen with the cement in it.

        Raises
        ------
        InvalidInput
            If the volume does not fit (the message names the largest that does), if a needle's tip
            lies outside the body, or if the grid is not aligned with the body.
        """
        if specimen.mechanics is None:
            for name in ("injection_pressure_mpa", "shrinkage_percent"):
                given = getattr(self, name)
                require(given == 0.0, name, given, "0 unless mechanics has deformed the body")
            wanted = "false unless mechanics has deformed the body (a step of kind 'collapse')"
            require(not self.debonds, "debonds", self.debonds, wanted)
        asked = self._asked_ml(specimen)
        if asked == 0.0:
            return self._finish(specimen, specimen.cements)
        order = self._order(specimen)
        filled = self._cement_field(specimen, order, self._level(specimen, order, asked))
        if specimen.mechanics is not None:
            return self._cured(specimen, filled)
        return self._finish(specimen, (*specimen.cements, filled))

    def needles(self, specimen: Specimen) -> tuple[NeedlePath, ...]:
        """Return the needles of the distribution; none if no needle places it."""
        return self.distribution.needles(specimen.anatomy)

    def _cured(self, specimen: Specimen, filling: CementField) -> Specimen:
        """Return a body under mechanics with the filling set in it and its loads taken off."""
        how = Curing(
            self.injection_pressure_mpa, self.shrinkage_percent / 100.0, debonds=self.debonds
        )
        placed_ml = float(filling.fraction.sum()) * specimen.domain.cell_volume_mm3 / 1000.0
        line = f"{placed_ml:.3f} ml {self.cement.name}, {self.distribution.kind}, set under load"
        after, loaded = set_under_load(specimen, filling, how, line)
        return replace(after, report=(*describe(after, placed_ml=placed_ml), *loaded))

    def largest_volume_ml(self, specimen: Specimen) -> float:
        """Return the largest volume of this distribution that fits into a specimen, ml."""
        return _rounded_down(self._order(specimen).capacity_mm3 / MM3_PER_ML)

    def _asked_ml(self, specimen: Specimen) -> float | None:
        if self.filling_fraction_percent is not None:
            return self.filling_fraction_percent / 100.0 * specimen.volume_ml()
        return self.volume_ml

    def _order(self, specimen: Specimen) -> Order:
        """Return the order in which this distribution fills the pores of a specimen."""
        held = specimen.pore_fraction * _reach(specimen, self.distribution)
        preference = self.distribution.preference(specimen)
        return order_of(preference, held * specimen.domain.cell_volume_mm3)

    def _level(self, specimen: Specimen, order: Order, asked_ml: float | None) -> float:
        """Return the level that encloses the volume asked, or the shape's own."""
        largest = _rounded_down(order.capacity_mm3 / MM3_PER_ML)
        own = self.distribution.own_level
        if asked_ml is None and own is not None:
            kind = self.distribution.kind
            fits = order.capacity_mm3 > 0.0 and order.enclosed_mm3(own) > 0.0
            require(fits, "distribution", kind, "where this body has pores to fill")
            return own
        volume_mm3 = (asked_ml or 0.0) * MM3_PER_ML
        reach = f"all that distribution {self.distribution.kind!r} reaches in this body"
        if self.filling_fraction_percent is not None:
            percent = _rounded_down(100.0 * largest / specimen.volume_ml())
            require(
                volume_mm3 <= order.capacity_mm3,
                "filling_fraction_percent",
                self.filling_fraction_percent,
                f"at most {percent} %, {reach}",
            )
        require(
            volume_mm3 <= order.capacity_mm3,
            "volume_ml",
            self.volume_ml,
            f"at most {largest} ml, {reach}",
        )
        return order.level_of(volume_mm3)

    def _cement_field(self, specimen: Specimen, order: Order, level: float) -> CementField:
        shape = specimen.domain.shape
        volume, pore = np.zeros(specimen.domain.n_cells), specimen.pore_fraction
        volume[order.cells] = order.volume_mm3 * order.saturation(level)
        fraction = volume.reshape(shape) / specimen.domain.cell_volume_mm3
        saturation = np.divide(fraction, pore, out=np.zeros(shape), where=pore > 0.0)
        saturation = np.clip(saturation, 0.0, 1.0)
        return CementField(self.cement, self.law, frozen(fraction), frozen(saturation))

    def _finish(self, specimen: Specimen, cements: tuple[CementField, ...]) -> Specimen:
        filled = replace(specimen, cements=cements)
        placed_ml = filled.cement_volume_ml - specimen.cement_volume_ml
        line = f"{placed_ml:.3f} ml {self.cement.name}, {self.distribution.kind}"
        report = describe(filled, placed_ml=placed_ml)
        return replace(filled.with_stage_name("augmented", line), report=report)


class _Needled(Protocol):
    """A step that may use needles."""

    def needles(self, specimen: Specimen) -> tuple[NeedlePath, ...]:
        """Return its needles in body coordinates."""


def needle_paths(specimen: Specimen, fill: _Needled) -> tuple[NeedlePath, ...]:
    """Return the needles of a filling, for display; none if no needle places it."""
    return fill.needles(specimen)


def _rounded_down(number: float) -> float:
    """Return a number cut to 4 decimals, so that what an error message offers does fit."""
    return math.floor(number * 1e4) / 1e4


def _reach(specimen: Specimen, distribution: Distribution) -> FloatArray:
    """Return the share of each cell that cement may enter, (n_z, n_y, n_x), 0 to 1.

    Shell and endplates hold no pores, so that without gaps it is 1 everywhere. An imaged body has
    no shell of its own: its outermost layer counts as such.
    """
    frame = specimen.anatomy.frame
    at = body_points(specimen)
    spacing = specimen.domain.spacing_mm
    reach = np.ones(specimen.domain.shape)
    is_imaged = specimen.anatomy.origin == "image"
    cortex = float(value("augmentation.image.cortex_mm")) if is_imaged else 0.0
    if distribution.endplate_gap_mm > 0.0 or is_imaged:
        above, below = _endplate_thickness_mm(specimen)
        gap = distribution.endplate_gap_mm + cortex
        upper = frame.superior_at(at.x, at.y) - above - at.z
        lower = at.z - frame.inferior_at(at.x, at.y) - below
        reach *= np.clip(0.5 + (np.minimum(upper, lower) - gap) / spacing[2], 0.0, 1.0)
    if distribution.wall_gap_mm > 0.0 or is_imaged:
        height = frame.normalised_height(at.x, at.y, at.z)
        wall = frame.wall_radius(np.arctan2(at.y, at.x), height) - np.hypot(at.x, at.y)
        gap = distribution.wall_gap_mm + cortex
        reach *= np.clip(0.5 + (wall - gap) / spacing[0], 0.0, 1.0)
    return reach


def _endplate_thickness_mm(specimen: Specimen) -> tuple[FloatArray, FloatArray]:
    """Return the thickness of the upper and the lower endplate, each (1, n_y, n_x), mm."""
    endplate = specimen.tissue.endplate * specimen.domain.spacing_mm[2]
    at = body_points(specimen)
    frame = specimen.anatomy.frame
    middle = 0.5 * (frame.superior_at(at.x, at.y) + frame.inferior_at(at.x, at.y))
    is_above = at.z > middle
    above = np.where(is_above, endplate, 0.0).sum(axis=0, keepdims=True)
    below = np.where(is_above, 0.0, endplate).sum(axis=0, keepdims=True)
    return above, below
