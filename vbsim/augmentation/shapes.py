"""Cement bodies given by a formula: each orders the cells of the body from first to last filled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.anatomy.frame import Anatomy, BodyFrame
from vbsim.augmentation.approach import (
    Approach,
    ApproachChoice,
    NeedlePath,
    Point,
    Side,
    Sides,
    TipLeft,
    TipRight,
    check_inside,
)
from vbsim.checks import Parameters
from vbsim.data import value

if TYPE_CHECKING:
    from vbsim.specimen.specimen import Specimen

__all__ = [
    "Distribution",
    "Shape",
    "Bipedicular",
    "Unipedicular",
    "Central",
    "Anterior",
    "Posterolateral",
    "Column",
    "BodyPoints",
    "body_points",
]

FloatArray = NDArray[np.float64]


class Distribution(Protocol):
    """A rule that says which part of the body is filled before which."""

    @property
    def kind(self) -> str:
        """Name in case files."""

    @property
    def endplate_gap_mm(self) -> float:
        """Bone under each endplate that stays free of cement, mm."""

    @property
    def wall_gap_mm(self) -> float:
        """Bone inside the outer wall that stays free of cement, mm."""

    @property
    def own_level(self) -> float | None:
        """Level that encloses the shape's own volume; None if it has no size of its own."""

    def needles(self, anatomy: Anatomy) -> tuple[NeedlePath, ...]:
        """Return the needles that deliver it; none if it is not placed by a needle."""

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return a continuous order of filling, (n_z, n_y, n_x): small first, ``inf`` never.

        Defined in body coordinates, so that every spacing places the same cement.
        """


class Shape(Parameters):
    """What all distributions have in common: fields only."""

    own_level: ClassVar[float | None] = None

    endplate_gap_mm: float = Field(
        0.0, ge=0.0, le=15.0, description="Bone under each endplate kept free of cement, mm."
    )
    wall_gap_mm: float = Field(
        0.0, ge=0.0, le=15.0, description="Bone inside the outer wall kept free of cement, mm."
    )

    def needles(self, anatomy: Anatomy) -> tuple[NeedlePath, ...]:
        """Return no needle: the shape is placed by itself."""
        return ()


Withdrawal = Annotated[
    float | None,
    Field(
        ge=0.0,
        le=30.0,
        description="Length over which the needle is drawn back while cement is delivered, mm; "
        "default: a share of the body's depth.",
    ),
]
"""How far a needle is drawn back while cement is delivered, mm."""


class BodyPoints(NamedTuple):
    """Body coordinates of the cell centres, each broadcasting to (n_z, n_y, n_x), mm."""

    x: FloatArray
    y: FloatArray
    z: FloatArray


def body_points(specimen: Specimen) -> BodyPoints:
    """Return the cell centres of a specimen in body coordinates."""
    x, y, z = specimen.body_axes()
    return BodyPoints(x[None, None, :], y[None, :, None], z[:, None, None])


class Bipedicular(Shape):
    """Two equal bodies of cement, one about the end of each needle's way.

    Each is a capsule: cement is delivered while the needle is drawn back from its tip.

    Examples
    --------
    >>> Bipedicular(endplate_gap_mm=2.0).kind
    'bipedicular'
    """

    kind: Literal["bipedicular"] = "bipedicular"
    approach: ApproachChoice = Field(
        default_factory=Approach, description="Way of the needles into the body."
    )
    tip_left: TipLeft = None
    tip_right: TipRight = None
    withdrawal_mm: Withdrawal = None

    def needles(self, anatomy: Anatomy) -> tuple[NeedlePath, ...]:
        """Return the left and the right needle."""
        return self.approach.paths(anatomy, "both", left=self.tip_left, right=self.tip_right)

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the distance from the nearer needle's last way, (n_z, n_y, n_x), mm."""
        at = body_points(specimen)
        length = withdrawal(specimen.anatomy.frame, self.withdrawal_mm)
        left, right = (capsule(at, needle, length) for needle in self.needles(specimen.anatomy))
        return np.minimum(left, right)


class Unipedicular(Shape):
    """One body of cement about the end of one needle's way, which aims at the midline."""

    kind: Literal["unipedicular"] = "unipedicular"
    side: Side = Field("left", description="Side of the pedicle.")
    approach: ApproachChoice = Field(
        default_factory=Approach, description="Way of the needle into the body."
    )
    tip: Point | None = Field(None, description="Tip of the needle in the body frame, mm.")
    withdrawal_mm: Withdrawal = None

    def needles(self, anatomy: Anatomy) -> tuple[NeedlePath, ...]:
        """Return the one needle."""
        return (self.approach.path(anatomy, self.side, alone=True, tip=self.tip),)

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the distance from the needle's last way, (n_z, n_y, n_x), mm."""
        (needle,) = self.needles(specimen.anatomy)
        length = withdrawal(specimen.anatomy.frame, self.withdrawal_mm)
        return capsule(body_points(specimen), needle, length)


class Central(Shape):
    """A compact ellipsoid in the middle of the body, with the body's own proportions."""

    kind: Literal["central"] = "central"
    centre: Point | None = Field(None, description="Centre in the body frame, mm; default: middle.")

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the mean radius of the ellipsoid through each voxel, (n_z, n_y, n_x), mm."""
        frame = specimen.anatomy.frame
        centre = self.centre
        if centre is not None:
            check_inside(frame, centre, "centre")
        return ellipsoid(
            body_points(specimen), centre or _place(frame, depth=0.5), _proportions(frame)
        )


class Anterior(Shape):
    """An ellipsoid in the front of the body, as wide and high in proportion but thinner."""

    kind: Literal["anterior"] = "anterior"

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the mean radius of the ellipsoid through each voxel, (n_z, n_y, n_x), mm."""
        frame = specimen.anatomy.frame
        width, depth, height = _proportions(frame)
        depth *= value("augmentation.anterior.relative_depth")
        centre = _place(frame, depth=value("augmentation.anterior.depth"))
        return ellipsoid(body_points(specimen), centre, (width, depth, height))


class Posterolateral(Shape):
    """A ball in the back of the body on the left, on the right, or on both sides."""

    kind: Literal["posterolateral"] = "posterolateral"
    side: Sides = Field("both", description="Which side is filled.")

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the distance from the nearer centre, (n_z, n_y, n_x), mm."""
        frame = specimen.anatomy.frame
        at = body_points(specimen)
        place = value("augmentation.posterolateral.depth")
        lateral = value("augmentation.posterolateral.lateral")
        signs = {"both": (1.0, -1.0), "left": (1.0,), "right": (-1.0,)}[self.side]
        centres = [_place(frame, depth=place, lateral=sign * lateral) for sign in signs]
        balls = [ellipsoid(at, centre, (1.0, 1.0, 1.0)) for centre in centres]
        return np.minimum(balls[0], balls[-1])


class Column(Shape):
    """An upright elliptical column from endplate to endplate, with the body's width to depth."""

    kind: Literal["column"] = "column"
    centre: tuple[float, float] | None = Field(
        None, description="Axis (x, y) in the body frame, mm; default: middle."
    )

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the mean radius of the ellipse through each voxel, (n_z, n_y, n_x), mm."""
        frame = specimen.anatomy.frame
        at = body_points(specimen)
        x, y, z = _place(frame, depth=0.5)
        if self.centre is not None:
            x, y = self.centre
            check_inside(frame, (x, y, z), "centre")
        width, depth, _ = _proportions(frame)
        mean = np.sqrt(width * depth)
        radius = mean * np.hypot((at.x - x) / width, (at.y - y) / depth)
        return np.broadcast_to(radius, specimen.domain.shape)


def withdrawal(frame: BodyFrame, given_mm: float | None = None) -> float:
    """Return the length over which a needle is drawn back: as given, or by the body's depth, mm."""
    if given_mm is not None:
        return given_mm
    front, back = frame.sagittal_extent_mm()
    return float(value("augmentation.tip.withdrawal")) * (back - front)


def capsule(at: BodyPoints, needle: NeedlePath, withdrawal_mm: float) -> FloatArray:
    """Return the distance of each point from the last stretch of a needle, (n_z, n_y, n_x), mm."""
    along = -needle.direction
    dx, dy, dz = (axis - c for axis, c in zip(at, needle.tip_mm, strict=True))
    way = dx * along[0] + dy * along[1] + dz * along[2]
    beyond = way - np.clip(way, 0.0, withdrawal_mm)
    across = np.maximum(dx**2 + dy**2 + dz**2 - way**2, 0.0)
    result: FloatArray = np.sqrt(across + beyond**2)
    return result


def ellipsoid(at: BodyPoints, centre: Point, axes: tuple[float, float, float]) -> FloatArray:
    """Return the mean radius of the concentric ellipsoid through each point, mm.

    Parameters
    ----------
    at : BodyPoints
        Where.
    centre : tuple of float
        Centre in body coordinates, mm.
    axes : tuple of float
        Proportions of the semi-axes along x, y, z; only their ratios matter.
    """
    mean = float(np.cbrt(np.prod(axes)))
    parts = [(axis - c) * (mean / a) for axis, c, a in zip(at, centre, axes, strict=True)]
    result: FloatArray = np.sqrt(parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2)
    return result


def _proportions(frame: BodyFrame) -> tuple[float, float, float]:
    """Return width and mid-sagittal depth at mid-height, and middle height of the body, mm."""
    (right, left), (front, back) = _waist(frame)
    return left - right, back - front, frame.heights().middle_mm


def _place(frame: BodyFrame, *, depth: float, lateral: float = 0.0) -> Point:
    """Return the point at mid-height over a place of the depth and half-width found there, mm."""
    (right, left), (front, back) = _waist(frame)
    x = 0.5 * (right + left) + lateral * 0.5 * (left - right)
    y = front + depth * (back - front)
    z = 0.5 * (frame.superior_at([x], [y]) + frame.inferior_at([x], [y]))
    return x, y, float(z[0])


def _waist(frame: BodyFrame) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return x of the right and left, and y of the front and back wall at mid-height, mm.

    The back is the canal-side wall on the midline, indented as it is: no shape is placed behind it.
    """
    angles = np.radians([0.0, 90.0, 180.0, 270.0])
    left, back, right, front = (float(r) for r in frame.wall_radius(angles, np.full(4, 0.5)))
    return (-right, left), (-front, back)
