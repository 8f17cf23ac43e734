"""The body frame: what every vertebra, parametric or imaged, tells about its own shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from vbsim.checks import frozen, require

__all__ = ["BodyFrame", "PedicleAxis", "Landmarks", "Anatomy", "Heights"]

FloatArray = NDArray[np.float64]

# Anterior, middle and posterior height: the distance between the endplate maps along z at these
# fractions of the mid-sagittal depth, from front to back, each a mean over a strip of this half
# width about the midline.
SAGITTAL_STATIONS = (0.05, 0.50, 0.95)
SAGITTAL_STRIP_MM = 2.0


class Heights(NamedTuple):
    """Distances between the endplates in the mid-sagittal plane, mm."""

    anterior_mm: float
    middle_mm: float
    posterior_mm: float


@dataclass(frozen=True, eq=False)
class BodyFrame:
    """Axes, endplate maps and outline of one vertebral body.

    Body coordinates: x to the left, y to the back, z to the head, mm; the origin lies inside the
    body, near its centroid.

    Parameters
    ----------
    origin_mm : (3,) float, mm
        Origin in the world.
    axes : (3, 3) float
        Columns are the body's x, y, z directions in the world.
    x_mm, y_mm : (n_x,), (n_y,) float, mm
        Regular coordinates of the endplate maps.
    superior_mm, inferior_mm : (n_y, n_x) float, mm
        Height z of the outer surface of the upper and lower endplate; finite everywhere, extended
        smoothly beyond the outline.
    outline_mm : (n_s, n_theta) float, mm
        Distance of the outer wall from the z axis at normalised heights evenly spaced from 0
        (lower endplate) to 1 (upper endplate) and at angles ``2 pi k / n_theta`` from +x to +y.
    """

    origin_mm: FloatArray
    axes: FloatArray
    x_mm: FloatArray
    y_mm: FloatArray
    superior_mm: FloatArray
    inferior_mm: FloatArray
    outline_mm: FloatArray

    def __post_init__(self) -> None:
        shape = (len(self.y_mm), len(self.x_mm))
        for name in ("superior_mm", "inferior_mm"):
            array = getattr(self, name)
            require(array.shape == shape, name, array.shape, f"of shape {shape}")
            require(bool(np.isfinite(array).all()), name, "NaN", "finite everywhere")
        for name in self.__dataclass_fields__:
            array = np.asarray(getattr(self, name), dtype=np.float64)
            object.__setattr__(self, name, frozen(array))

    # Coordinates ---------------------------------------------------------------------------------

    def to_body(self, world_mm: ArrayLike) -> FloatArray:
        """Map world to body coordinates, (..., 3), mm."""
        result: FloatArray = (np.asarray(world_mm) - self.origin_mm) @ self.axes
        return result

    def to_world(self, body_mm: ArrayLike) -> FloatArray:
        """Map body to world coordinates, (..., 3), mm."""
        result: FloatArray = self.origin_mm + np.asarray(body_mm) @ self.axes.T
        return result

    def superior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the upper endplate at (x, y), mm; bilinear, held outside the map."""
        return self._sample(self.superior_mm, x_mm, y_mm)

    def inferior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the lower endplate at (x, y), mm; bilinear, held outside the map."""
        return self._sample(self.inferior_mm, x_mm, y_mm)

    def normalised_height(self, x_mm: ArrayLike, y_mm: ArrayLike, z_mm: ArrayLike) -> FloatArray:
        """Return s, 0 on the lower and 1 on the upper endplate (outside that range beyond them)."""
        lower = self.inferior_at(x_mm, y_mm)
        upper = self.superior_at(x_mm, y_mm)
        result: FloatArray = (np.asarray(z_mm) - lower) / np.maximum(upper - lower, 1e-6)
        return result

    def wall_radius(self, theta_rad: ArrayLike, height: ArrayLike) -> FloatArray:
        """Return the distance of the wall from the z axis at an angle and a normalised height."""
        n_s, n_theta = self.outline_mm.shape
        theta = np.mod(np.asarray(theta_rad), 2.0 * np.pi) * (n_theta / (2.0 * np.pi))
        row = np.clip(np.asarray(height), 0.0, 1.0) * (n_s - 1)
        periodic = np.concatenate([self.outline_mm, self.outline_mm[:, :1]], axis=1)
        return _bilinear(periodic, row, theta)

    def normalised_radius(self, x_mm: ArrayLike, y_mm: ArrayLike, z_mm: ArrayLike) -> FloatArray:
        """Return rho, 0 on the axis and 1 on the outer wall at the point's own height."""
        x, y = np.asarray(x_mm), np.asarray(y_mm)
        height = self.normalised_height(x, y, z_mm)
        result: FloatArray = np.hypot(x, y) / self.wall_radius(np.arctan2(y, x), height)
        return result

    # Extent and morphometry ----------------------------------------------------------------------

    def bounds_mm(self) -> FloatArray:
        """Return the lower and upper corner of the body in body coordinates, (2, 3), mm."""
        theta = np.arange(self.outline_mm.shape[1]) * (2.0 * np.pi / self.outline_mm.shape[1])
        x, y = self.outline_mm * np.cos(theta), self.outline_mm * np.sin(theta)
        inside = self.footprint()
        return np.array(
            [
                [x.min(), y.min(), self.inferior_mm[inside].min()],
                [x.max(), y.max(), self.superior_mm[inside].max()],
            ]
        )

    def footprint(self) -> NDArray[np.bool_]:
        """Return the map points that lie over the body, (n_y, n_x)."""
        x, y = np.meshgrid(self.x_mm, self.y_mm)
        widest = np.maximum(self.outline_mm[0], self.outline_mm[-1])
        n_theta = len(widest)
        theta = np.mod(np.arctan2(y, x), 2.0 * np.pi) * (n_theta / (2.0 * np.pi))
        wall = np.interp(theta, np.arange(n_theta + 1), np.append(widest, widest[0]))
        return np.asarray(np.hypot(x, y) <= wall)

    def sagittal_extent_mm(self) -> tuple[float, float]:
        """Return y of the anterior and posterior end of the mid-sagittal depth, mm.

        Mean of the two endplates' outlines on the midline.
        """
        n_theta = self.outline_mm.shape[1]
        front, back = (3 * n_theta) // 4, n_theta // 4
        ends = self.outline_mm[[0, -1]]
        return float(-ends[:, front].mean()), float(ends[:, back].mean())

    def station_mm(self, fraction: float) -> tuple[FloatArray, FloatArray]:
        """Return (x, y) of the strip of points at a fraction of the mid-sagittal depth, mm."""
        front, back = self.sagittal_extent_mm()
        x = np.linspace(-SAGITTAL_STRIP_MM, SAGITTAL_STRIP_MM, 9)
        return x, np.full_like(x, front + fraction * (back - front))

    def heights(self) -> Heights:
        """Return anterior, middle and posterior height of the body, mm."""
        values = []
        for fraction in SAGITTAL_STATIONS:
            x, y = self.station_mm(fraction)
            values.append(float(np.mean(self.superior_at(x, y) - self.inferior_at(x, y))))
        return Heights(*values)

    def wedge_angle_deg(self) -> float:
        """Return the angle between the endplates in the mid-sagittal plane; + if short in front."""
        front, back = self.sagittal_extent_mm()
        first, _, last = self.heights()
        depth = (SAGITTAL_STATIONS[-1] - SAGITTAL_STATIONS[0]) * (back - front)
        return float(np.degrees(np.arctan2(last - first, depth)))

    def with_endplates(self, superior_mm: FloatArray, inferior_mm: FloatArray) -> BodyFrame:
        """Return the same frame with moved endplates."""
        return replace(self, superior_mm=superior_mm, inferior_mm=inferior_mm)

    def mid_sagittal(self, margin_mm: float) -> BodyFrame:
        """Return the same frame with maps of the mid-sagittal strip and a margin beside it only.

        Its heights are those of the whole frame, as long as nothing moves sideways by the margin.
        """
        kept = np.abs(self.x_mm) <= SAGITTAL_STRIP_MM + margin_mm
        return replace(
            self,
            x_mm=self.x_mm[kept],
            superior_mm=self.superior_mm[:, kept],
            inferior_mm=self.inferior_mm[:, kept],
        )

    def _sample(self, table: FloatArray, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        column = (np.asarray(x_mm) - self.x_mm[0]) / (self.x_mm[1] - self.x_mm[0])
        row = (np.asarray(y_mm) - self.y_mm[0]) / (self.y_mm[1] - self.y_mm[0])
        return _bilinear(table, row, column)


def _bilinear(table: FloatArray, row: FloatArray, column: FloatArray) -> FloatArray:
    """Return a table's values between its points, held outside; single points welcome."""
    row, column = np.broadcast_arrays(row, column)
    at = np.stack([row.ravel(), column.ravel()])
    values: FloatArray = map_coordinates(table, at, order=1, mode="nearest")
    return values.reshape(row.shape)


class PedicleAxis(NamedTuple):
    """Axis of one pedicle in body coordinates.

    Attributes
    ----------
    entry_mm : tuple of float
        Point behind the pedicle where a trocar enters, mm.
    isthmus_mm : tuple of float
        Narrowest point, mm.
    direction : tuple of float
        Unit vector along the pedicle into the body.
    width_mm, height_mm : float
        Outer size of the isthmus, mm.
    """

    entry_mm: tuple[float, float, float]
    isthmus_mm: tuple[float, float, float]
    direction: tuple[float, float, float]
    width_mm: float
    height_mm: float


class Landmarks(NamedTuple):
    """Points and axes around the body, in body coordinates."""

    basivertebral_mm: tuple[float, float, float]
    canal_centre_mm: tuple[float, float, float]
    canal_width_mm: float
    canal_depth_mm: float
    pedicle_left: PedicleAxis
    pedicle_right: PedicleAxis


@dataclass(frozen=True, eq=False)
class Anatomy:
    """One vertebra's level, body frame and landmarks.

    Parameters
    ----------
    level : str
        ``T5`` ... ``L5``.
    frame : BodyFrame
        Shape of the body as it is now.
    landmarks : Landmarks
        Canal, pedicles and basivertebral foramen; not moved by a fracture.
    origin : {"parametric", "image"}
        Where the shape comes from.
    """

    level: str
    frame: BodyFrame
    landmarks: Landmarks
    origin: str

    @property
    def origin_mm(self) -> FloatArray:
        """Origin of the body frame in the world, (3,), mm."""
        return self.frame.origin_mm

    @property
    def axes(self) -> FloatArray:
        """Columns are the body's axes in the world, (3, 3)."""
        return self.frame.axes

    def bounds_mm(self) -> FloatArray:
        """Lower and upper corner of the body in body coordinates, (2, 3), mm."""
        return self.frame.bounds_mm()

    def with_frame(self, frame: BodyFrame) -> Anatomy:
        """Return the same vertebra with another body shape."""
        return replace(self, frame=frame)
