"""The needle: bore and length, and how near its way comes to what must not be touched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.anatomy.frame import Anatomy
from vbsim.augmentation.approach import NeedlePath
from vbsim.augmentation.injection.rheology import Rheology
from vbsim.checks import Parameters, require
from vbsim.data import names, value
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.specimen import Specimen

__all__ = ["Needle", "describe_path"]

FloatArray = NDArray[np.float64]

_SIDES = ("left", "right")

for _side in _SIDES:
    define(
        f"needle_breach_pedicle_{_side}",
        "mm",
        f"How far the {_side} needle's surface stands outside the pedicle at its narrowest place, "
        "taken as an ellipse of published (or imaged) width and height; 0 is inside.",
    )
    define(
        f"needle_margin_canal_{_side}",
        "mm",
        f"Least distance from the {_side} needle's surface to the spinal canal, as an upright "
        "elliptical tube; negative is a breach.",
    )
    define(
        f"needle_margin_wall_{_side}",
        "mm",
        f"Distance from the tip of the {_side} needle to the wall of the body along the needle's "
        "direction.",
    )
    define(
        f"needle_outside_bone_{_side}",
        "mm",
        f"Length of the {_side} needle between its first contact with imaged bone and its tip that "
        "lies outside bone.",
    )


class Needle(Parameters):
    """A straight cannula.

    Examples
    --------
    >>> Needle(gauge=13).inner_mm, Needle().gauge
    (1.8, 11)
    """

    gauge: int = Field(
        default_factory=lambda: int(value("injection.needle.gauge")),
        description="Gauge: 8, 10, 11, 12 or 13.",
    )
    length_mm: float = Field(
        default_factory=lambda: float(value("injection.needle.length_mm")),
        gt=0,
        le=400,
        description="Length of the bore, mm.",
    )
    wide_share: float = Field(
        0.0,
        ge=0.0,
        le=1.0,
        description="Share of the length, behind, whose bore is twice as wide; 0 is an even bore.",
    )

    def model_post_init(self, _context: object) -> None:
        """Refuse a gauge that is not in the table."""
        known = names("injection.gauges")
        require(str(self.gauge) in known, "gauge", self.gauge, "one of " + ", ".join(known))

    @property
    def inner_mm(self) -> float:
        """Diameter of the bore, mm."""
        return float(value(f"injection.gauges.{self.gauge}.inner_mm"))

    @property
    def outer_mm(self) -> float:
        """Outer diameter, mm."""
        return float(value(f"injection.gauges.{self.gauge}.outer_mm"))

    def pressure_mpa(
        self, rate_mm3_per_s: float, rheology: Rheology, consistency_pa_s_n: float
    ) -> float:
        """Return the pressure that the bore takes at a flow rate, MPa."""
        radius, wide = 0.5 * self.inner_mm, self.wide_share * self.length_mm
        narrow = rheology.tube_pressure_mpa(
            rate_mm3_per_s, radius, self.length_mm - wide, consistency_pa_s_n
        )
        return narrow + rheology.tube_pressure_mpa(
            rate_mm3_per_s, 2.0 * radius, wide, consistency_pa_s_n
        )


def describe_path(specimen: Specimen, path: NeedlePath, needle: Needle) -> tuple[Quantity, ...]:
    """Return margins and breaches of one needle.

    Against the pedicle's ellipse and the canal's tube; for an imaged vertebra also against its
    labelled bone.
    """
    anatomy = specimen.anatomy
    radius = 0.5 * needle.outer_mm
    side = path.side
    rows = [
        quantity(f"needle_breach_pedicle_{side}", _pedicle_breach(anatomy, path, radius)),
        quantity(f"needle_margin_canal_{side}", _canal_margin(anatomy, path, radius)),
        quantity(f"needle_margin_wall_{side}", _wall_margin(anatomy, path)),
    ]
    if bool(specimen.tissue.arch.any()):
        rows.append(quantity(f"needle_outside_bone_{side}", _outside_bone(specimen, path, radius)))
    return tuple(rows)


def _pedicle_breach(anatomy: Anatomy, path: NeedlePath, radius_mm: float) -> float:
    marks = anatomy.landmarks
    pedicle = marks.pedicle_left if path.side == "left" else marks.pedicle_right
    normal = np.array(pedicle.direction)
    isthmus, tip = np.array(pedicle.isthmus_mm), np.array(path.tip_mm)
    along = path.direction
    crossing = tip + along * float((isthmus - tip) @ normal) / float(along @ normal)
    up = np.array([0.0, 0.0, 1.0]) - normal[2] * normal
    up /= np.linalg.norm(up)
    across = np.cross(up, normal)
    angle = np.linspace(0.0, 2.0 * np.pi, 73)[:-1]
    rim = np.stack(
        [
            float((crossing - isthmus) @ across) + radius_mm * np.cos(angle),
            float((crossing - isthmus) @ up) + radius_mm * np.sin(angle),
        ],
        axis=-1,
    )
    half = 0.5 * np.array([pedicle.width_mm, pedicle.height_mm])
    return float(_beyond_ellipse(rim, half).max(initial=0.0))


def _beyond_ellipse(points: FloatArray, half: FloatArray) -> FloatArray:
    """Return how far points lie outside an ellipse along the ray from its centre; < 0 inside."""
    rho = np.maximum(np.linalg.norm(points / half, axis=-1), 1e-12)
    return np.asarray(np.linalg.norm(points, axis=-1) * (1.0 - 1.0 / rho))


def _canal_margin(anatomy: Anatomy, path: NeedlePath, radius_mm: float) -> float:
    marks = anatomy.landmarks
    t = np.linspace(0.0, 1.0, 400)[:, None]
    way = np.array(path.entry_mm) + t * np.subtract(path.tip_mm, path.entry_mm)
    theta = np.linspace(0.0, 2.0 * np.pi, 361)
    half = 0.5 * np.array([marks.canal_width_mm, marks.canal_depth_mm])
    plan = way[:, :2] - np.array(marks.canal_centre_mm)[:2]
    wall = half * np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    distance = np.linalg.norm(plan[:, None] - wall, axis=-1).min(axis=1)
    inside = np.linalg.norm(plan / half, axis=-1) < 1.0
    return float(np.where(inside, -distance, distance).min()) - radius_mm


def _wall_margin(anatomy: Anatomy, path: NeedlePath) -> float:
    frame = anatomy.frame
    t = np.linspace(0.0, 60.0, 601)
    x, y, z = (np.array(path.tip_mm) + t[:, None] * path.direction).T
    height = frame.normalised_height(x, y, z)
    inside = (frame.normalised_radius(x, y, z) < 1.0) & (height > 0.0) & (height < 1.0)
    return float(t[int(np.argmin(inside))])


def _outside_bone(specimen: Specimen, path: NeedlePath, radius_mm: float) -> float:
    """Return the length of the needle, from its first contact with bone on, outside bone, mm."""
    grid, frame = specimen.domain, specimen.anatomy.frame
    bone = specimen.tissue.bone + (0.0 if specimen.void is None else specimen.void)
    length = float(np.linalg.norm(np.subtract(path.tip_mm, path.entry_mm)))
    t = np.arange(0.0, length, 0.25)
    axis = path.direction
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    angle = np.arange(8) * (np.pi / 4.0)
    rim = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
    points = np.array(path.entry_mm) + t[:, None, None] * axis + radius_mm * rim
    local = grid.to_local(frame.to_world(points)) / np.array(grid.spacing_mm)
    index = np.floor(local).astype(int)[..., ::-1]
    within = np.all((index >= 0) & (index < np.array(grid.shape)), axis=-1)
    index = np.clip(index, 0, np.array(grid.shape) - 1)
    is_bone = within & (bone[index[..., 0], index[..., 1], index[..., 2]] >= 0.5)
    touched = is_bone.any(axis=1)
    if not bool(touched.any()):
        return length
    from_contact = slice(int(np.argmax(touched)), None)
    # The first millimetres cut the surface at a slant: only stretches wholly outside count.
    return float((~touched[from_contact]).sum() * 0.25)
