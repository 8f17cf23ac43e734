"""The needle's way into the body: from the pedicles' axes to the tip."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field

from vbsim.anatomy.frame import Anatomy, BodyFrame, PedicleAxis
from vbsim.checks import Parameters, require
from vbsim.data import value

__all__ = [
    "Approach",
    "ApproachChoice",
    "NeedlePath",
    "Point",
    "Side",
    "Sides",
    "TipLeft",
    "TipRight",
    "check_inside",
]

FloatArray = NDArray[np.float64]
Point = tuple[float, float, float]
Side = Literal["left", "right"]
Sides = Literal["both", "left", "right"]
TipLeft = Annotated[Point | None, Field(description="Tip of the left needle, body frame, mm.")]
TipRight = Annotated[Point | None, Field(description="Tip of the right needle, body frame, mm.")]


class NeedlePath(NamedTuple):
    """A straight needle in body coordinates.

    Attributes
    ----------
    side : str
        ``left`` or ``right``.
    entry_mm : tuple of float
        Point behind the pedicle where the needle enters, mm.
    tip_mm : tuple of float
        Point inside the body where cement leaves it, mm.
    """

    side: str
    entry_mm: Point
    tip_mm: Point

    @property
    def direction(self) -> FloatArray:
        """Unit vector from the entry to the tip, (3,)."""
        along = np.subtract(self.tip_mm, self.entry_mm)
        unit: FloatArray = along / np.linalg.norm(along)
        return unit


class Approach(Parameters):
    """How the needle reaches the body.

    The needle passes through the pedicle (transpedicular) or along its lateral wall
    (parapedicular), converges in the transverse plane towards its aim (the midline for one needle,
    the middle of its half of the body for two) as far as the range of angles allows, and descends
    towards mid-height, at most 15 deg steeper than the upper endplate.

    Examples
    --------
    >>> Approach(route="parapedicular").route
    'parapedicular'
    """

    route: Literal["transpedicular", "parapedicular"] = Field(
        "transpedicular", description="Through the pedicle, or along its lateral wall."
    )
    depth: float = Field(
        default_factory=lambda: float(value("augmentation.tip.depth")),
        gt=0.0,
        lt=1.0,
        description="Place of the tip along the mid-sagittal depth of the body: 0 front, 1 back.",
    )
    convergence_deg: float | None = Field(
        None,
        ge=-10.0,
        le=60.0,
        description="Angle to the sagittal plane, towards the midline, deg; default: towards the "
        "aim within the published range.",
    )

    def path(
        self,
        anatomy: Anatomy,
        side: Side,
        *,
        alone: bool = False,
        tip: Point | None = None,
        name: str = "tip",
    ) -> NeedlePath:
        """Return the needle of one side.

        Parameters
        ----------
        anatomy : Anatomy
            The vertebra as it is now.
        side : {"left", "right"}
            Side of the pedicle.
        alone : bool
            Whether this is the only needle: it then aims at the midline.
        tip : tuple of float, optional
            Where the tip is, in body coordinates, mm; default: from the approach.
        name : str
            The parameter that gave the tip, for messages.
        """
        landmarks = anatomy.landmarks
        pedicle = landmarks.pedicle_left if side == "left" else landmarks.pedicle_right
        gate = self._gate(pedicle, side)
        if tip is None:
            tip = self._tip(anatomy, pedicle, side, alone=alone)
            name = "approach: its tip"
        check_inside(anatomy.frame, tip, name)
        toward = gate - np.asarray(tip)
        behind = float(np.linalg.norm(np.subtract(pedicle.entry_mm, pedicle.isthmus_mm)))
        entry = gate + toward / np.linalg.norm(toward) * behind
        return NeedlePath(side, _point(entry), tip)

    def _gate(self, pedicle: PedicleAxis, side: Side) -> FloatArray:
        """Return the point that the needle passes at the pedicle's narrowest place, (3,), mm."""
        gate = np.array(pedicle.isthmus_mm)
        if self.route == "parapedicular":
            gate[0] += 0.5 * pedicle.width_mm * _sign(side)
        return gate

    def _tip(self, anatomy: Anatomy, pedicle: PedicleAxis, side: Side, *, alone: bool) -> Point:
        frame = anatomy.frame
        gate = self._gate(pedicle, side)
        front, back = frame.sagittal_extent_mm()
        y = front + self.depth * (back - front)
        advance = gate[1] - y
        require(advance > 0.0, "depth", self.depth, "a place in front of the pedicle")
        angle = self.convergence_deg
        if angle is None:
            angle = _convergence(self, anatomy, pedicle, side, advance, alone=alone)
        x = gate[0] - _sign(side) * advance * np.tan(np.radians(angle))
        return float(x), float(y), _tip_height(frame, gate, float(x), float(y))

    def paths(
        self,
        anatomy: Anatomy,
        sides: Sides,
        *,
        left: Point | None = None,
        right: Point | None = None,
    ) -> tuple[NeedlePath, ...]:
        """Return the needles of one side or of both, left first.

        Parameters
        ----------
        anatomy : Anatomy
            The vertebra as it is now.
        sides : {"both", "left", "right"}
            Which pedicles; a needle alone aims at the midline.
        left, right : tuple of float, optional
            Tips in body coordinates, mm; default: from the approach.
        """
        tips = {"left": left, "right": right}
        chosen: tuple[Side, ...] = ("left", "right") if sides == "both" else (sides,)
        return tuple(
            self.path(anatomy, side, alone=len(chosen) == 1, tip=tips[side], name=f"tip_{side}")
            for side in chosen
        )


ApproachChoice = Annotated[
    Approach,
    BeforeValidator(lambda given: {"route": given} if isinstance(given, str) else given),
]
"""An `Approach`, its table, or just the name of its route."""


def check_inside(frame: BodyFrame, point: Point, name: str) -> None:
    """Refuse a point outside the body."""
    x, y, z = point
    height = float(frame.normalised_height([x], [y], [z])[0])
    radius = float(frame.normalised_radius([x], [y], [z])[0])
    require(
        0.0 < height < 1.0 and radius < 1.0,
        name,
        tuple(round(c, 3) for c in point),
        f"inside the body, mm in body coordinates; this one lies at {height:.2f} of the height "
        f"(0 to 1) and {radius:.2f} of the radius (below 1)",
    )


def _convergence(
    approach: Approach,
    anatomy: Anatomy,
    pedicle: PedicleAxis,
    side: Side,
    advance_mm: float,
    *,
    alone: bool,
) -> float:
    """Return the angle that reaches the aim, within the range of the route, deg."""
    lower, upper = anatomy.frame.bounds_mm()
    middle, half_width = 0.5 * (lower[0] + upper[0]), 0.5 * (upper[0] - lower[0])
    lateral = 0.0 if alone else float(value("augmentation.tip.lateral_bipedicular"))
    aim = middle + _sign(side) * lateral * half_width
    start = approach._gate(pedicle, side)[0]
    wanted = np.degrees(np.arctan(_sign(side) * (start - aim) / advance_mm))
    region = "thoracic_deg" if anatomy.level.startswith("T") else "lumbar_deg"
    least, most = value(f"augmentation.convergence.{region}")
    medial = -_sign(side) * pedicle.direction[0]
    own = float(np.degrees(np.arctan2(medial, -pedicle.direction[1])))
    most = max(most, own + value("augmentation.convergence.beyond_pedicle_deg"))
    if not alone and approach.route == "transpedicular":
        least = own + value("augmentation.convergence.above_pedicle_deg")
    return float(np.clip(wanted, least, most))


def _tip_height(frame: BodyFrame, gate: FloatArray, x_mm: float, y_mm: float) -> float:
    """Return z of the tip: towards mid-height, within the range of descents, mm."""
    station_x, front_y = frame.station_mm(0.05)
    _, back_y = frame.station_mm(0.95)
    rise = np.mean(frame.superior_at(station_x, back_y) - frame.superior_at(station_x, front_y))
    tilt = np.degrees(np.arctan2(rise, back_y[0] - front_y[0]))
    lower = float(frame.inferior_at([x_mm], [y_mm])[0])
    upper = float(frame.superior_at([x_mm], [y_mm])[0])
    advance = float(np.hypot(gate[0] - x_mm, gate[1] - y_mm))
    middle = lower + value("augmentation.tip.height") * (upper - lower)
    wanted = np.degrees(np.arctan2(gate[2] - middle, advance))
    least, most = value("augmentation.descent.range_deg")
    # A broken endplate tilts forward: the needle may follow it, but need not.
    angle = np.radians(np.clip(wanted, least + min(tilt, 0.0), most + max(tilt, 0.0)))
    height = (gate[2] - advance * np.tan(angle) - lower) / (upper - lower)
    lowest, highest = value("augmentation.tip.height_range")
    return lower + float(np.clip(height, lowest, highest)) * (upper - lower)


def _sign(side: Side) -> float:
    return 1.0 if side == "left" else -1.0


def _point(array: FloatArray) -> Point:
    x, y, z = (float(c) for c in array)
    return x, y, z
