"""Heights and wedge angle of the body, unloaded and under a standing load; Genant grade."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim import data
from vbsim.anatomy import morphometry
from vbsim.anatomy.frame import SAGITTAL_STATIONS, BodyFrame
from vbsim.checks import InvalidInput, require
from vbsim.fem.response import Response
from vbsim.measures.fitted import AnyFields, fields_of
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = ["heights", "heights_loaded", "genant_grade", "standing_load_n", "PLACES"]

FloatArray = NDArray[np.float64]

PLACES = ("anterior", "middle", "posterior")

for _place, _fraction in zip(PLACES, SAGITTAL_STATIONS, strict=True):
    _where = f"at {_fraction:.0%} of the mid-sagittal depth from the front, mean over |x| <= 2 mm"
    define(f"height_{_place}", "mm", f"Distance between the endplates {_where}; unloaded.")
    define(
        f"height_{_place}_loaded",
        "mm",
        f"Distance between the endplates {_where}; the same points displaced under the standing "
        "load of the level (linear).",
    )
    define(
        f"shortening_{_place}",
        "mm",
        f"Unloaded minus loaded height {_where}: elastic shortening under the standing load.",
    )
define(
    "wedge_angle",
    "deg",
    "Angle between the endplates in the mid-sagittal plane from anterior and posterior height; "
    "positive if short in front; unloaded.",
)
define(
    "wedge_angle_loaded",
    "deg",
    "Wedge angle from the anterior and posterior height under the standing load.",
)
define(
    "genant_grade",
    "1",
    "Grade of the worst loss of anterior, middle or posterior height against the same body intact: "
    "0 below 20 %, 1 from 20 %, 2 from 25 %, 3 above 40 %.",
)
define("standing_load", "N", "Axial force of relaxed standing at this level, body mass 70 kg.")


def heights(specimen: AnySpecimen) -> tuple[Quantity, ...]:
    """Return anterior, middle and posterior height and the wedge angle, unloaded."""
    frame = specimen.anatomy.frame
    found = [quantity(f"height_{p}", v) for p, v in zip(PLACES, frame.heights(), strict=True)]
    return (*found, quantity("wedge_angle", frame.wedge_angle_deg()))


def heights_loaded(
    specimen: AnySpecimen,
    response: Response,
    *,
    standing_load_n: float,
    fields: AnyFields | None = None,
) -> tuple[Quantity, ...]:
    """Return the heights and the wedge angle under a standing load.

    Parameters
    ----------
    specimen, response : AnySpecimen, Response
        A potted specimen and its linear response to compression.
    standing_load_n : float
        Axial force to which the response is scaled, N.
    fields : AnyFields or None
        Shared fields of this pair.
    """
    require(standing_load_n >= 0, "standing_load_n", standing_load_n, "zero or more, in N")
    fields = fields or fields_of(specimen, response)
    frame = specimen.anatomy.frame
    scale = standing_load_n / response.force_n
    shorter = [scale * _shortening(frame, fields, fraction) for fraction in SAGITTAL_STATIONS]
    loaded = [free - lost for free, lost in zip(frame.heights(), shorter, strict=True)]
    front, back = frame.sagittal_extent_mm()
    depth = (SAGITTAL_STATIONS[-1] - SAGITTAL_STATIONS[0]) * (back - front)
    angle = np.degrees(np.arctan2(loaded[-1] - loaded[0], depth))
    return (
        *(quantity(f"height_{p}_loaded", v) for p, v in zip(PLACES, loaded, strict=True)),
        quantity("wedge_angle_loaded", angle),
        *(quantity(f"shortening_{p}", v) for p, v in zip(PLACES, shorter, strict=True)),
    )


def genant_grade(frame: BodyFrame, intact: BodyFrame) -> Quantity:
    """Return the Genant grade of a body by its worst loss of height against the intact body."""
    return quantity("genant_grade", morphometry.genant_grade(frame, intact))


def standing_load_n(level: str) -> float:
    """Return the axial force of relaxed standing at a level, N.

    Examples
    --------
    >>> standing_load_n("L1")
    460.0
    """
    levels = data.names("measures.standing_load_n")
    require(level in levels, "level", level, f"one of {', '.join(levels)}")
    return float(data.value(f"measures.standing_load_n.{level}"))


def _shortening(frame: BodyFrame, fields: AnyFields, fraction: float) -> float:
    """Return how much closer the endplates come at one station, mm."""
    x, y = frame.station_mm(fraction)
    upper = fields.displacement_at(x, y, frame.superior_at(x, y))
    lower = fields.displacement_at(x, y, frame.inferior_at(x, y))
    closer = (lower - upper)[:, 2]
    if not np.isfinite(closer).any():
        raise InvalidInput(
            f"height at {fraction:.0%} of the depth: no material at the endplates; "
            "does the body frame fit the tissue?"
        )
    return float(np.nanmean(closer))
