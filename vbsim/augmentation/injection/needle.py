"""The needle: bore and length, and how near its way comes to what must not be touched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import distance_transform_edt

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
        f"How far the {_side} needle's surface stands outside labelled bone between the pedicle's "
        "narrowest place and the tip, to a voxel; for images whose arch is kept (include_arch).",
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
    """Return how far a needle's surface stands outside labelled bone in front of the isthmus, mm.

    To a voxel: distance from the nearest voxel that is mostly bone.
    """
    grid, frame = specimen.domain, specimen.anatomy.frame
    marks = specimen.anatomy.landmarks
    pedicle = marks.pedicle_left if path.side == "left" else marks.pedicle_right
    bone = specimen.tissue.bone + (0.0 if specimen.void is None else specimen.void)
    spacing = np.array(grid.spacing_mm)
    distance = distance_transform_edt(bone < 0.5, sampling=tuple(spacing[::-1]))
    # From the isthmus on: behind it the way in cuts the surface at a slant.
    axis, normal = path.direction, np.array(pedicle.direction)
    tip = np.array(path.tip_mm)
    ahead = float((tip - np.array(pedicle.isthmus_mm)) @ normal) / float(axis @ normal)
    t = np.arange(-max(ahead, 0.0), 1e-9, 0.25)
    side = np.cross(axis, [0.0, 0.0, 1.0])
    side /= np.linalg.norm(side)
    other = np.cross(axis, side)
    angle = np.arange(16) * (np.pi / 8.0)
    rim = radius_mm * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
    points = tip + t[:, None, None] * axis + rim
    local = grid.to_local(frame.to_world(points)) / spacing
    index = np.clip(np.floor(local).astype(int)[..., ::-1], 0, np.array(grid.shape) - 1)
    return float(distance[index[..., 0], index[..., 1], index[..., 2]].max(initial=0.0))
