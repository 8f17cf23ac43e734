"""A mask seen along a body's own axes: columns, endplate surfaces, planes through the rims."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from vbsim.anatomy.image.sampling import Sampler

__all__ = ["Pose", "Surfaces", "lattice_around", "rim_planes", "surfaces"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

# The rim lies between these distances from the edge of the footprint, in units of its largest
# inscribed radius: outside the rounded edge, inside of which the bowl of an endplate begins.
_RIM = (0.10, 0.30)
# The inner part that gives the first guess of an endplate.
_CORE = 0.40
# A column whose top lies lower than this part of the half height between the planes belongs to
# the other endplate's overhanging rim.
_OVERHANG = 0.5
_TRIM_ROUNDS = 6
# Staircase of a mask: residuals below this are never outliers, in voxels.
_TRIM_FLOOR_VOXELS = 0.3


class Pose(NamedTuple):
    """A body's origin and axes in the world.

    Attributes
    ----------
    origin_mm : (3,) float array
        Origin, mm.
    axes : (3, 3) float array
        Columns are x, y and z in the world.
    """

    origin_mm: FloatArray
    axes: FloatArray

    def to_world(self, body_mm: ArrayLike) -> FloatArray:
        """Map body to world coordinates, (..., 3), mm."""
        result: FloatArray = self.origin_mm + np.asarray(body_mm) @ self.axes.T
        return result

    def to_body(self, world_mm: ArrayLike) -> FloatArray:
        """Map world to body coordinates, (..., 3), mm."""
        result: FloatArray = (np.asarray(world_mm) - self.origin_mm) @ self.axes
        return result


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Top and bottom of a mask over a regular map.

    Parameters
    ----------
    x_mm, y_mm : (n_x,), (n_y,) float
        Body coordinates of the map, mm.
    lower_mm, upper_mm : (n_y, n_x) float
        Lowest and highest crossing of the mask's surface; NaN over no bone, mm.
    thickness_mm : (n_y, n_x) float
        Bone in the column, mm.
    """

    x_mm: FloatArray
    y_mm: FloatArray
    lower_mm: FloatArray
    upper_mm: FloatArray
    thickness_mm: FloatArray

    @property
    def step_mm(self) -> float:
        """Distance of neighbouring columns, mm."""
        return float(self.x_mm[1] - self.x_mm[0])

    @property
    def covered(self) -> Mask:
        """Columns that hold bone, (n_y, n_x)."""
        return np.asarray(np.isfinite(self.upper_mm))

    def depth(self) -> FloatArray:
        """Return the distance of each column from the edge of the footprint, 0 outside, mm."""
        inside = np.pad(self.covered, 1)
        result: FloatArray = ndimage.distance_transform_edt(inside)[1:-1, 1:-1] * self.step_mm
        return result


def lattice_around(
    points_mm: FloatArray, step_mm: float, margin_mm: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return regular x, y, z around points, each a multiple of the step, mm.

    Parameters
    ----------
    points_mm : (n, 3) float
        Points in body coordinates.
    step_mm, margin_mm : float
        Distance of the coordinates and how far they go beyond the points.
    """
    lower = np.floor((points_mm.min(axis=0) - margin_mm) / step_mm)
    upper = np.ceil((points_mm.max(axis=0) + margin_mm) / step_mm)
    x, y, z = (np.arange(a, b + 1) * step_mm for a, b in zip(lower, upper, strict=True))
    return x, y, z


def surfaces(
    sampler: Sampler, pose: Pose, lattice: tuple[FloatArray, FloatArray, FloatArray]
) -> Surfaces:
    """Return where a mask begins and ends in every column along z.

    The surface is the crossing of one half of the trilinear mask, so a face of a voxel is found
    where it is, not at the next centre.
    """
    x, y, z = lattice
    points = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    field = sampler.at(pose.to_world(points))
    inside = field >= 0.5
    any_bone = inside.any(axis=0)
    first = np.argmax(inside, axis=0)
    last = len(z) - 1 - np.argmax(inside[::-1], axis=0)
    step = z[1] - z[0]
    lower = np.where(any_bone, z[first] - step * _beyond(field, first, -1), np.nan)
    upper = np.where(any_bone, z[last] + step * _beyond(field, last, 1), np.nan)
    return Surfaces(x, y, lower, upper, field.sum(axis=0) * step)


def _beyond(field: FloatArray, index: NDArray[np.intp], side: int) -> FloatArray:
    """Return how far past a sample, in steps, the field falls to one half."""
    n_z = len(field)
    here = np.take_along_axis(field, index[None], axis=0)[0]
    neighbour = np.clip(index + side, 0, n_z - 1)
    there = np.take_along_axis(field, neighbour[None], axis=0)[0]
    fall = np.maximum(here - there, 1e-9)
    return np.asarray(np.clip((here - 0.5) / fall, 0.0, 1.0))


def rim_planes(found: Surfaces, voxel_mm: float) -> tuple[FloatArray, FloatArray]:
    """Return planes ``z = a + b x + c y`` through the rims of the lower and upper endplate.

    The bowl is left out, so that its place does not tilt the plane; columns that miss the plane
    (osteophytes, stumps of pedicles) are trimmed.
    """
    depth = found.depth()
    radius = float(depth.max())
    core = depth >= _CORE * radius
    planes = [
        _plane(found, surface, core, voxel_mm) for surface in (found.lower_mm, found.upper_mm)
    ]
    ring = (depth >= max(_RIM[0] * radius, voxel_mm)) & (
        depth <= max(_RIM[1] * radius, 3 * voxel_mm)
    )
    for _ in range(2):
        lower, upper = own_columns(found, planes[0], planes[1])
        planes = [
            _plane(found, found.lower_mm, ring & lower, voxel_mm),
            _plane(found, found.upper_mm, ring & upper, voxel_mm),
        ]
    return planes[0], planes[1]


def own_columns(found: Surfaces, lower: FloatArray, upper: FloatArray) -> tuple[Mask, Mask]:
    """Return the columns whose bottom and top belong to the lower and the upper endplate.

    Where only one endplate's rim overhangs, the other end of the column is the rim's own back.
    """
    floor, top = height_of(found, lower), height_of(found, upper)
    middle, half = 0.5 * (floor + top), 0.5 * (top - floor)
    with np.errstate(invalid="ignore"):
        is_lower = found.covered & (middle - found.lower_mm >= _OVERHANG * half)
        is_upper = found.covered & (found.upper_mm - middle >= _OVERHANG * half)
    return is_lower, is_upper


def height_of(found: Surfaces, plane: FloatArray) -> FloatArray:
    """Return the height of a plane over the map, (n_y, n_x), mm."""
    return np.asarray(plane[0] + plane[1] * found.x_mm + plane[2] * found.y_mm[:, None])


def normal_of(plane: FloatArray) -> FloatArray:
    """Return the unit normal of a plane, upwards, (3,)."""
    normal = np.array([-plane[1], -plane[2], 1.0])
    return np.asarray(normal / np.linalg.norm(normal))


def _plane(found: Surfaces, surface: FloatArray, where: Mask, voxel_mm: float) -> FloatArray:
    y, x = np.nonzero(where & found.covered)
    if len(x) < 3:
        y, x = np.nonzero(found.covered)
    table = np.stack([np.ones(len(x)), found.x_mm[x], found.y_mm[y]], axis=1)
    height = surface[y, x]
    kept = np.ones(len(x), dtype=bool)
    plane: FloatArray = np.zeros(3)
    for _ in range(_TRIM_ROUNDS):
        plane = np.asarray(np.linalg.lstsq(table[kept], height[kept], rcond=None)[0], np.float64)
        residual = np.abs(height - table @ plane)
        # 2.5 standard deviations, from the median of the absolute residuals (factor 1.4826).
        bound = max(2.5 * 1.4826 * float(np.median(residual[kept])), _TRIM_FLOOR_VOXELS * voxel_mm)
        kept = residual <= bound
        if kept.sum() < 3:
            break
    return plane
