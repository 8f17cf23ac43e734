"""How far the upper endplate sinks towards the lower, as a smooth field over the body's plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

from vbsim import data
from vbsim.anatomy.frame import SAGITTAL_STATIONS, BodyFrame, Heights
from vbsim.checks import InvalidInput

__all__ = ["Pattern", "pattern", "LossField", "losses_for"]

FloatArray = NDArray[np.float64]

# A target is met when the heights of the result agree within this; a hundredth of a usual voxel,
# far below the half voxel that is promised.
HEIGHT_TOLERANCE_MM = 0.01

# Beyond the outer wall the loss fades to nothing between these multiples of the wall's distance
# from the axis: the whole body sinks alike, the arch behind it bends down to meet it.
FADE = (1.1, 1.6)


class Pattern(NamedTuple):
    """How a shape shares the loss of height.

    Attributes
    ----------
    shares : tuple of 3 float
        Relative loss at the anterior, middle and posterior station / the worst of them.
    rim : float
        Loss at the lateral rim / loss on the midline.
    apex : tuple of float or None
        Fraction of the mid-sagittal depth at which most is lost, and the loss there / the loss
        at the middle station; None where the stations say it all.
    """

    shares: tuple[float, float, float]
    rim: float
    apex: tuple[float, float] | None


def pattern(kind: str) -> Pattern:
    """Return the published pattern of a shape, ``wedge``, ``biconcave`` or ``crush``.

    Examples
    --------
    >>> pattern("wedge").shares
    (1.0, 0.6, 0.075)
    """
    keys = data.names(f"fracture.{kind}")
    read = {key: float(data.value(f"fracture.{kind}.{key}")) for key in keys}
    shares = (read["anterior"], read["middle"], read["posterior"])
    apex = (read["apex_fraction"], read["apex_excess"]) if "apex_fraction" in read else None
    return Pattern(shares, read["rim"], apex)


@dataclass(frozen=True, eq=False)
class LossField:
    """Descent of the upper endplate, mm, at any (x, y) of the body frame.

    Along the mid-sagittal depth it is a monotone cubic through the stations (no overshoot),
    extended by its end slopes; it falls smoothly to the lateral rim and fades out beyond the wall.

    Parameters
    ----------
    frame : BodyFrame
        The body before the fracture.
    pattern : Pattern
        Apex and lateral rim.
    midline_mm : (3,) float
        Loss at the three sagittal stations on the midline, mm, zero or more.
    """

    frame: BodyFrame
    pattern: Pattern
    midline_mm: FloatArray

    def __call__(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the loss at (x, y), mm, of their broadcast shape."""
        x, y = np.broadcast_arrays(np.asarray(x_mm, dtype=float), np.asarray(y_mm, dtype=float))
        front, back = self.frame.sagittal_extent_mm()
        along = self._along((y - front) / (back - front))
        loss: FloatArray = along * self._across(x) * _fade(self.frame, x, y)
        return loss

    def worst_mm(self) -> float:
        """Return the greatest loss over the body's plan, mm."""
        x, y = np.meshgrid(self.frame.x_mm, self.frame.y_mm)
        return float(self(x, y)[self.frame.footprint()].max())

    def moved(self) -> BodyFrame:
        """Return the body frame with its upper endplate sunk by the loss."""
        x, y = np.meshgrid(self.frame.x_mm, self.frame.y_mm)
        return self.frame.with_endplates(
            self.frame.superior_mm - self(x, y), self.frame.inferior_mm
        )

    def _along(self, fraction: FloatArray) -> FloatArray:
        places, values = list(SAGITTAL_STATIONS), list(self.midline_mm)
        if self.pattern.apex is not None:
            place, excess = self.pattern.apex
            places.insert(2, place)
            values.insert(2, excess * values[1])
        curve = PchipInterpolator(places, values)
        inside = np.clip(fraction, places[0], places[-1])
        # One tenth of the depth beyond the stations covers the rim; farther out nothing is read.
        beyond = np.clip(fraction - inside, -0.1, 0.1)
        return np.maximum(curve(inside) + beyond * curve(inside, nu=1), 0.0)

    def _across(self, x_mm: FloatArray) -> FloatArray:
        n_theta = self.frame.outline_mm.shape[1]
        half_width = self.frame.outline_mm[[0, -1]][:, [0, n_theta // 2]].mean()
        outwards = np.minimum(np.abs(x_mm) / half_width, 1.0)
        return 1.0 - (1.0 - self.pattern.rim) * _smooth(outwards)


def losses_for(frame: BodyFrame, shape: Pattern, targets: Heights) -> LossField:
    """Return the loss field after which the frame's heights are the targets.

    The heights are means over a strip of interpolated maps, so the midline losses are corrected
    until the heights, measured as they will be read, agree.

    Parameters
    ----------
    frame : BodyFrame
        The body before the fracture.
    shape : Pattern
        Apex and lateral rim of the shape.
    targets : Heights
        Heights asked for, mm, none above the present one.
    """
    wanted = np.array(targets)
    field = LossField(frame, shape, np.maximum(np.array(frame.heights()) - wanted, 0.0))
    error = np.inf
    for _ in range(30):
        missing = np.array(field.moved().heights()) - wanted
        previous, error = error, float(np.abs(missing).max())
        if error < 1e-9 or error >= previous:
            break
        field = replace(field, midline_mm=np.maximum(field.midline_mm + missing, 0.0))
    if error > HEIGHT_TOLERANCE_MM:
        raise InvalidInput(
            f"heights {_text(wanted)} mm cannot be met by a smooth loss field (off by "
            f"{error:.2f} mm): ask for heights that change less abruptly from front to back"
        )
    return field


def _fade(frame: BodyFrame, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
    theta = np.arctan2(y_mm, x_mm)
    wall = np.maximum(frame.wall_radius(theta, 0.0), frame.wall_radius(theta, 1.0))
    first, last = FADE
    outside = (np.hypot(x_mm, y_mm) / wall - first) / (last - first)
    return 1.0 - _smooth(np.clip(outside, 0.0, 1.0))


def _smooth(share: FloatArray) -> FloatArray:
    result: FloatArray = share * share * (3.0 - 2.0 * share)
    return result


def _text(values: FloatArray) -> str:
    return ", ".join(f"{value:.2f}" for value in values)
