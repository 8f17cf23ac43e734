"""Fracture shapes: wedge, biconcave and crush, by Genant grade or by target heights."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim import data
from vbsim.anatomy.frame import BodyFrame, Heights
from vbsim.checks import InvalidInput, Parameters, require
from vbsim.fracture.band import Band, BandPlace
from vbsim.fracture.cleft import Cleft
from vbsim.fracture.compaction import compacted
from vbsim.fracture.losses import Pattern, losses_for, pattern
from vbsim.specimen.specimen import Specimen

__all__ = ["Shape", "Wedge", "Biconcave", "Crush", "target_heights"]

_PLACES = ("anterior", "middle", "posterior")


class Shape(Parameters):
    """What every shape is asked by; shapes differ in their pattern of losses, kept as data."""

    kind: str
    grade: Literal[1, 2, 3] | None = Field(
        default=None, description="Genant grade; either this or target heights."
    )
    height_anterior_mm: float | None = Field(
        default=None, gt=0.0, description="Anterior height after the fracture, mm."
    )
    height_middle_mm: float | None = Field(
        default=None, gt=0.0, description="Middle height after the fracture, mm."
    )
    height_posterior_mm: float | None = Field(
        default=None, gt=0.0, description="Posterior height after the fracture, mm."
    )
    band: BandPlace = Field(
        default="upper", description="Where the compaction band lies: upper, middle or lower."
    )
    band_modulus_factor: float = Field(
        default_factory=lambda: data.value("fracture.band.modulus_factor"),
        gt=0.0,
        le=1.0,
        description="Modulus of crushed / intact bone in the band; the default is calibrated.",
    )
    cleft: Cleft | None = Field(
        default=None, description="Gap inside the band that leaves the fracture mobile."
    )

    @model_validator(mode="after")
    def _grade_or_heights(self) -> Self:
        if (self.grade is None) == (self.heights_mm == (None, None, None)):
            raise ValueError(
                "give either grade (1, 2 or 3) or target heights (height_anterior_mm, "
                "height_middle_mm, height_posterior_mm), and not both"
            )
        return self

    @property
    def heights_mm(self) -> tuple[float | None, float | None, float | None]:
        """Anterior, middle and posterior height asked for, mm; None where not given."""
        return self.height_anterior_mm, self.height_middle_mm, self.height_posterior_mm


class Wedge(Shape):
    """A wedge fracture: the front of the body sinks most, the back hardly.

    Examples
    --------
    >>> Wedge(grade=2).band
    'upper'
    >>> Wedge(grade=2, height_anterior_mm=15.0)
    Traceback (most recent call last):
        ...
    vbsim.checks.InvalidInput: Wedge: give either grade (1, 2 or 3) or ...
    """

    kind: Literal["wedge"] = "wedge"

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the fractured specimen."""
        return _fractured(self, specimen)


class Biconcave(Shape):
    """A biconcave fracture: the middle of the upper endplate sinks, the rims hardly."""

    kind: Literal["biconcave"] = "biconcave"

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the fractured specimen."""
        return _fractured(self, specimen)


class Crush(Shape):
    """A crush fracture: the whole body loses height."""

    kind: Literal["crush"] = "crush"

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the fractured specimen."""
        return _fractured(self, specimen)


def target_heights(shape: Shape, frame: BodyFrame) -> Heights:
    """Return the heights that a shape asks for in one body, mm.

    By grade, the losses are the grade's worst loss times the shape's shares of it. By heights, one
    that is not given follows the shares, scaled by the given height with the largest share.
    """
    shares = np.array(pattern(shape.kind).shares)
    intact = np.array(frame.heights())
    if shape.grade is not None:
        worst = float(data.value(f"fracture.grade_loss.{shape.grade}"))
        return Heights(*(float(height) for height in intact * (1.0 - worst * shares)))
    given = {i: height for i, height in enumerate(shape.heights_mm) if height is not None}
    leading = max(given, key=lambda i: shares[i])
    worst = (1.0 - given[leading] / intact[leading]) / shares[leading]
    found = [given.get(i, float(intact[i] * (1.0 - worst * shares[i]))) for i in range(3)]
    _check(shape.kind, np.array(found), intact)
    return Heights(*found)


def _fractured(shape: Shape, specimen: Specimen) -> Specimen:
    frame = specimen.anatomy.frame
    losses = losses_for(frame, pattern(shape.kind), target_heights(shape, frame))
    plan = None if shape.cleft is None else shape.cleft.lay_out(frame)
    band = Band(losses, shape.band, plan)
    return compacted(specimen, band, kind=shape.kind, modulus_factor=shape.band_modulus_factor)


def _check(kind: str, wanted: NDArray[np.float64], intact: NDArray[np.float64]) -> None:
    """Refuse heights that grow, that stay, or that belong to another shape."""
    for place, height, before in zip(_PLACES, wanted, intact, strict=True):
        require(
            0.0 < height <= before + 1e-6,
            f"{kind}: height_{place}_mm",
            round(float(height), 2),
            f"above 0 and at most the present height, {before:.2f} mm",
        )
    loss = 1.0 - wanted / intact
    if loss.max() < 1e-6:
        raise InvalidInput(f"{kind}: the heights asked for are the present ones; nothing is lost")
    fits = _belongs(pattern(kind), loss)
    if not fits:
        places = ", ".join(f"{p} {x:.0%}" for p, x in zip(_PLACES, loss, strict=True))
        raise InvalidInput(
            f"{kind}: losses of height ({places}) are those of another shape: a wedge loses most "
            "in front, a biconcave body in the middle, a crushed one everywhere"
        )


def _belongs(shape: Pattern, loss: NDArray[np.float64]) -> bool:
    shares = np.array(shape.shares)
    if shares.min() > 0.5:
        return bool(loss.min() > 0.0)
    return bool(loss[shares.argmax()] >= loss.max() - 1e-9)
