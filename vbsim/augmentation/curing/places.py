"""The places at which temperatures are told: cement, its surface, walls, endplates, canal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from vbsim.specimen.specimen import Specimen

__all__ = ["PLACES", "masks"]

BoolArray = NDArray[np.bool_]

PLACES = {
    "cement": "the cement",
    "centre": "the middle of the body",
    "interface": "bone that touches cement",
    "anterior_cortex": "the front wall",
    "posterior_wall": "the wall in front of the canal",
    "canal": "the spinal canal",
    "endplate_superior": "the upper endplate",
    "endplate_inferior": "the lower endplate",
}

_LEAST = 1e-3


def masks(specimen: Specimen, window: tuple[slice, slice, slice]) -> dict[str, BoolArray]:
    """Return the cells of each place, (n_z, n_y, n_x) of a window of the specimen's grid."""
    frame, marks = specimen.anatomy.frame, specimen.anatomy.landmarks
    x, y, z = (axis[part] for axis, part in zip(specimen.body_axes(), window[::-1], strict=True))
    at_x, at_y, at_z = np.broadcast_arrays(x, y[:, None], z[:, None, None])
    tissue = specimen.tissue
    body = (tissue.body[window] > 0.5) | (specimen.cement_fraction[window] > 0.1)
    cement = specimen.cement_fraction[window] > 0.3
    height = frame.normalised_height(at_x, at_y, at_z)
    radius = frame.normalised_radius(at_x, at_y, at_z)
    depth = (1.0 - radius) * np.hypot(at_x, at_y)
    edge = max(specimen.domain.spacing_mm)
    wall = body & (depth < edge) & (height > 0.15) & (height < 0.85)
    angle = np.degrees(np.arctan2(at_y, at_x))
    half_canal = 0.5 * marks.canal_width_mm
    canal_x, canal_y, _ = marks.canal_centre_mm
    in_canal = ((at_x - canal_x) / half_canal) ** 2 + (
        (at_y - canal_y) / (0.5 * marks.canal_depth_mm)
    ) ** 2 <= 1.0
    outside = (tissue.bone[window] < 0.1) & (height > 0.0) & (height < 1.0)
    endplate = tissue.endplate[window] > _LEAST
    if specimen.anatomy.origin == "image":
        endplate = body & (np.minimum(height, 1.0 - height) < edge / (z[-1] - z[0]) * 2.0)
    front, back = frame.sagittal_extent_mm()
    middle = 0.5 * float(
        frame.superior_at([0.0], [0.5 * (front + back)])[0]
        + frame.inferior_at([0.0], [0.5 * (front + back)])[0]
    )
    away = (at_x**2 + (at_y - 0.5 * (front + back)) ** 2 + (at_z - middle) ** 2) ** 0.5
    return {
        "cement": cement,
        "centre": away <= max(1.0, away.min() + 1e-6),
        "interface": body & ~cement & binary_dilation(cement),
        "anterior_cortex": wall & (angle > -120.0) & (angle < -60.0),
        "posterior_wall": wall & (at_y > 0.0) & (np.abs(at_x) <= half_canal),
        "canal": in_canal & outside,
        "endplate_superior": endplate & (height > 0.5),
        "endplate_inferior": endplate & (height < 0.5),
    }
