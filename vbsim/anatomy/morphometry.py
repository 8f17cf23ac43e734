"""Sizes and deformity of a body, read from its frame: volume, areas, lost height, Genant grade."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import BodyFrame
from vbsim.data import value

__all__ = [
    "HeightLoss",
    "height_loss",
    "genant_grade",
    "fracture_shape",
    "body_volume_mm3",
    "cross_section_areas_mm2",
    "endplate_areas_mm2",
]

FloatArray = NDArray[np.float64]

# Points along each ray of the polar integral of the height; its error falls with their square and
# is below 1e-5 of the volume here.
N_RADIAL = 401


class HeightLoss(NamedTuple):
    """Height lost against the intact body, percent of the intact height at the same place."""

    anterior_percent: float
    middle_percent: float
    posterior_percent: float

    @property
    def worst_percent(self) -> float:
        """Largest of the three."""
        return max(self)


def height_loss(current: BodyFrame, intact: BodyFrame) -> HeightLoss:
    """Return the height lost at the anterior, middle and posterior station, percent."""
    pairs = zip(current.heights(), intact.heights(), strict=True)
    return HeightLoss(*(100.0 * (1.0 - now / before) for now, before in pairs))


def genant_grade(current: BodyFrame, intact: BodyFrame) -> int:
    """Return Genant's grade, 0 to 3, from the worst loss of height.

    Grade 1 from 20 %, grade 2 from 25 %, grade 3 above 40 %.
    """
    return _grade(height_loss(current, intact).worst_percent)


def _grade(loss_percent: float) -> int:
    mild, moderate, severe = (float(value(f"anatomy.genant.grade_{g}_percent")) for g in (1, 2, 3))
    # Losses a user asks for as a round number are not lost to round-off in the heights.
    loss = round(loss_percent, 9)
    return 3 if loss > severe else bisect_right((mild, moderate), loss)


def fracture_shape(current: BodyFrame, intact: BodyFrame) -> str:
    """Return ``none``, ``wedge``, ``biconcave`` or ``crush``.

    Crush if the back wall has lost at least half of the worst loss, else biconcave if the middle
    is worst, else wedge; none below grade 1.
    """
    loss = height_loss(current, intact)
    if _grade(loss.worst_percent) == 0:
        return "none"
    if loss.posterior_percent >= float(value("anatomy.genant.crush_share")) * loss.worst_percent:
        return "crush"
    return "biconcave" if loss.middle_percent > loss.anterior_percent else "wedge"


def cross_section_areas_mm2(frame: BodyFrame) -> FloatArray:
    """Return the area of every section of the outline, lower to upper endplate, (n_s,), mm2."""
    areas: FloatArray = np.pi * np.mean(frame.outline_mm**2, axis=1)
    return areas


def endplate_areas_mm2(frame: BodyFrame) -> tuple[float, float]:
    """Return the areas of the upper and the lower endplate, seen along z, mm2."""
    areas = cross_section_areas_mm2(frame)
    return float(areas[-1]), float(areas[0])


def body_volume_mm3(frame: BodyFrame) -> float:
    """Return the volume between the endplate maps and inside the outline, mm3.

    At a normalised height s the section reaches to ``R(theta, s)``; with ``z = lower + s H(x, y)``
    the volume is the integral over s and theta of ``int_0^R H r dr``.
    """
    n_theta = frame.outline_mm.shape[1]
    theta = np.arange(n_theta) * (2.0 * np.pi / n_theta)
    unit = np.linspace(0.0, 1.0, N_RADIAL)
    farthest = frame.outline_mm.max(axis=0)
    radius = farthest[:, None] * unit
    x, y = radius * np.cos(theta)[:, None], radius * np.sin(theta)[:, None]
    lever = (frame.superior_at(x, y) - frame.inferior_at(x, y)) * radius
    steps = 0.5 * (lever[:, 1:] + lever[:, :-1]) * np.diff(radius, axis=1)
    inward = np.pad(np.cumsum(steps, axis=1), ((0, 0), (1, 0)))
    sectors = np.array(
        [
            np.interp(wall, along, summed)
            for wall, along, summed in zip(frame.outline_mm.T, radius, inward, strict=True)
        ]
    )
    sections = sectors.sum(axis=0) * (2.0 * np.pi / n_theta)
    return float(np.mean(0.5 * (sections[1:] + sections[:-1])))
