"""Stiffness of the potted specimen and of the body between its endplates."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import BodyFrame
from vbsim.fem.response import Response
from vbsim.measures.fitted import AnyFields, fields_of
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = [
    "stiffness",
    "stiffness_endplate",
    "bending_stiffness",
    "platen_tilt",
    "endplate_footprints",
]

FloatArray = NDArray[np.float64]

define(
    "stiffness",
    "N/mm",
    "Compressive force of the upper platen over its axial displacement at the pivot; the caps "
    "count. The platen (guided or ball joint) is named beside every value.",
)
define(
    "stiffness_endplate",
    "N/mm",
    "Compressive force over the shortening between the endplates: mean axial displacement of the "
    "lower endplate's footprint minus that of the upper; the caps do not count.",
)
define(
    "bending_stiffness",
    "N mm/deg",
    "Moment of the upper platen over its tilt, in the plane of the test; the caps count.",
)
define(
    "platen_tilt",
    "deg",
    "Angle by which the upper platen turns under the standing load (0 if guided).",
)


def stiffness(specimen: AnySpecimen, response: Response) -> Quantity:
    """Return the axial stiffness of a compression test, caps included."""
    return quantity("stiffness", response.force_n / response.motion[0])


def stiffness_endplate(
    specimen: AnySpecimen, response: Response, *, fields: AnyFields | None = None
) -> Quantity:
    """Return the axial stiffness between the endplates, caps excluded."""
    fields = fields or fields_of(specimen, response)
    frame = specimen.anatomy.frame
    x, y = np.meshgrid(frame.x_mm, frame.y_mm)
    upper, lower = endplate_footprints(frame)
    sinks = fields.displacement_at(x[upper], y[upper], frame.superior_mm[upper])[..., 2]
    rises = fields.displacement_at(x[lower], y[lower], frame.inferior_mm[lower])[..., 2]
    shortening = float(np.nanmean(rises) - np.nanmean(sinks))
    return quantity("stiffness_endplate", response.force_n / shortening)


def bending_stiffness(specimen: AnySpecimen, response: Response) -> Quantity:
    """Return moment over the tilt that it alone causes, of a flexion or lateral bending test."""
    axis = int(np.argmax(np.abs(response.moment_n_mm)))
    tilt_deg_per_n_mm = np.degrees(response.compliance[1 + axis, 1 + axis])
    return quantity("bending_stiffness", 1.0 / tilt_deg_per_n_mm)


def platen_tilt(specimen: AnySpecimen, response: Response, *, standing_load_n: float) -> Quantity:
    """Return the tilt of the platen under a standing load, scaled linearly to it."""
    tilt_rad = float(np.hypot(*response.motion[1:])) * standing_load_n / response.force_n
    return quantity("platen_tilt", np.degrees(tilt_rad))


def endplate_footprints(frame: BodyFrame) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the map points over the upper and over the lower endplate, each (n_y, n_x)."""
    x, y = np.meshgrid(frame.x_mm, frame.y_mm)
    theta, radius = np.arctan2(y, x), np.hypot(x, y)
    return radius <= frame.wall_radius(theta, 1.0), radius <= frame.wall_radius(theta, 0.0)
