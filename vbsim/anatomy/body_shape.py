"""The shape of a vertebral body from a dozen dimensions: outline, waist, bowls, rim and wedge."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.anatomy.frame import BodyFrame

__all__ = ["Bowl", "BodyShape"]

FloatArray = NDArray[np.float64]

# Resolution of the frame: with these the maps and the outline stand within 0.003 mm of the recipe.
MAP_SPACING_MM = 0.5
MAP_MARGIN_MM = 4.0
N_THETA = 360
N_HEIGHTS = 33
N_BOWL_ANGLES = 721
# Halvings of a bracket of about 60 mm: down to round-off.
N_HALVINGS = 50


@dataclass(frozen=True)
class Bowl:
    """Profile of an endplate: ``depth * (1 - (rho / radius)^2)^power`` inside a flat rim.

    rho is 0 at the bowl's centre and 1 at the outline, along each ray from that centre, so that
    the rim is narrower at the back, towards which the centre is shifted.

    Parameters
    ----------
    radius : float
        Radius of the bowl / radius of the endplate.
    shift : float
        Shift of the centre to the back / depth of the endplate.
    power : float
        Power of the profile.
    """

    radius: float
    shift: float
    power: float


@dataclass(frozen=True)
class BodyShape:
    """Dimensions of one body; pairs run from lower to upper endplate or from front to back.

    The section at a normalised height s (0 lower, 1 upper endplate) is the superellipse

    ``|2x / W|^n + |2y / D|^n = 1`` with ``W, D`` interpolated between the endplates and narrowed by
    the waist ``w(s) = 1 - (1 - w0) 4 s (1 - s)``. At the back (y > 0) the half depth is hollowed to
    ``D w / 2 - c D exp(-(x / (k W))^2)``; the hollow fades towards the sides, where the section
    stays closed and smooth.

    Parameters
    ----------
    width_mm, depth_mm : tuple of float
        Extent of the lower and upper endplate along x and y, mm.
    height_mm : tuple of float
        Height of the rim in front and at the back, mm; the rims lie in two planes.
    concavity_mm : tuple of float
        Depth of the lower and upper bowl, mm.
    squareness : float
        The power n.
    waist : float
        w0, narrowing at mid-height.
    indentation : tuple of float
        c at the endplates and at mid-height.
    indentation_width : float
        k.
    bowl : Bowl
        Profile of the endplates.
    """

    width_mm: tuple[float, float]
    depth_mm: tuple[float, float]
    height_mm: tuple[float, float]
    concavity_mm: tuple[float, float]
    squareness: float
    waist: float
    indentation: tuple[float, float]
    indentation_width: float
    bowl: Bowl

    def frame(self) -> BodyFrame:
        """Return the body frame; it is the world frame, and its z axis passes the centroid."""
        back = self._centroid_y()
        s = np.linspace(0.0, 1.0, N_HEIGHTS)
        x = _regular(-0.5 * max(self.width_mm), 0.5 * max(self.width_mm))
        half = 0.5 * max(self.depth_mm)
        y = _regular(-half - back, half - back)
        superior = 0.5 * self._rim_height(y + back) - self._bowl(x, y + back, upper=True)
        inferior = self._bowl(x, y + back, upper=False) - 0.5 * self._rim_height(y + back)
        outline = self._wall(back, _angles(), s[:, None])
        # cos(pi - theta) is -cos(theta) only to round-off; the mean with the mirror image is exact.
        mirror = (N_THETA // 2 - np.arange(N_THETA)) % N_THETA
        outline = 0.5 * (outline + outline[:, mirror])
        return BodyFrame(np.zeros(3), np.eye(3), x, y, superior, inferior, outline)

    def _wall(self, centre_y: float, theta_rad: ArrayLike, s: ArrayLike) -> FloatArray:
        """Return the distance of the wall from (0, centre_y) at an angle and height, mm."""
        along_x, along_y = np.cos(theta_rad), np.sin(theta_rad)
        inside = np.zeros(np.broadcast_shapes(np.shape(theta_rad), np.shape(s)))
        outside = np.full_like(inside, 2.0 * max(*self.width_mm, *self.depth_mm))
        for _ in range(N_HALVINGS):
            middle = 0.5 * (inside + outside)
            within = self._gauge(along_x * middle, centre_y + along_y * middle, s) <= 1.0
            inside = np.where(within, middle, inside)
            outside = np.where(within, outside, middle)
        return 0.5 * (inside + outside)

    def _gauge(self, x_mm: FloatArray, y_mm: FloatArray, s: ArrayLike) -> FloatArray:
        """Return the superellipse's left side: 1 on the wall, below 1 inside."""
        s = np.asarray(s)
        width = self.width_mm[0] + s * (self.width_mm[1] - self.width_mm[0])
        depth = self.depth_mm[0] + s * (self.depth_mm[1] - self.depth_mm[0])
        middle = 4.0 * s * (1.0 - s)
        narrowed = 1.0 - (1.0 - self.waist) * middle
        hollow = self.indentation[0] + (self.indentation[1] - self.indentation[0]) * middle
        dent = hollow * depth * np.exp(-((x_mm / (self.indentation_width * width)) ** 2))
        half_depth = 0.5 * depth * narrowed - np.where(y_mm > 0.0, dent, 0.0)
        across = np.abs(x_mm / (0.5 * width * narrowed)) ** self.squareness
        result: FloatArray = across + np.abs(y_mm / half_depth) ** self.squareness
        return result

    def _centroid_y(self) -> float:
        """Return the centroid of the outline's sections along y, from mid-depth, mm."""
        theta, s = _angles(), np.linspace(0.0, 1.0, N_HEIGHTS)[:, None]
        wall = self._wall(0.0, theta, s)
        return float((wall**3 * np.sin(theta)).sum() / (1.5 * (wall**2).sum()))

    def _rim_height(self, y_mm: FloatArray) -> FloatArray:
        """Return the distance between the rim planes at y from mid-depth, (n, 1), mm.

        The published heights are read at the front and back ends of the largest depth, as on a
        lateral radiograph.
        """
        front, back = self.height_mm
        depth = 0.5 * sum(self.depth_mm)
        return np.asarray(0.5 * (front + back) + (back - front) * y_mm / depth)[:, None]

    def _bowl(self, x_mm: FloatArray, y_mm: FloatArray, *, upper: bool) -> FloatArray:
        """Return the depth of an endplate below its rim plane, (n_y, n_x), mm."""
        end = int(upper)
        centre = self.bowl.shift * self.depth_mm[end]
        angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, N_BOWL_ANGLES)
        rim = self._wall(centre, angles, float(end))
        x, y = np.abs(x_mm), (y_mm - centre)[:, None]
        rho = np.hypot(x, y) / np.interp(np.arctan2(y, x), angles, rim)
        profile = np.clip(1.0 - (rho / self.bowl.radius) ** 2, 0.0, None) ** self.bowl.power
        return np.asarray(self.concavity_mm[end] * profile, dtype=np.float64)


def _angles() -> FloatArray:
    return np.linspace(0.0, 2.0 * np.pi, N_THETA, endpoint=False)


def _regular(lower: float, upper: float) -> FloatArray:
    """Return multiples of the map spacing that hold an interval with a margin."""
    first = np.floor((lower - MAP_MARGIN_MM) / MAP_SPACING_MM)
    last = np.ceil((upper + MAP_MARGIN_MM) / MAP_SPACING_MM)
    return np.arange(first, last + 1.0) * MAP_SPACING_MM
