"""Shape of a body in its own frame: endplate maps and outline from a mask."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from vbsim.anatomy.frame import BodyFrame
from vbsim.anatomy.image.columns import (
    Pose,
    Surfaces,
    lattice_around,
    own_columns,
    rim_planes,
    surfaces,
)
from vbsim.anatomy.image.pose import surface_points
from vbsim.anatomy.image.sampling import Sampler, fill_from_nearest
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["fit_shape"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

MAP_STEP_MM = 1.0
# The maps go this far beyond the body, so that steps near the wall need no extrapolation.
MAP_MARGIN_MM = 4.0
N_HEIGHTS, N_ANGLES = 21, 120
# Columns nearer to the edge of an endplate than this part of the inscribed radius may be an
# overhanging rim; further in, even a deeply sunken endplate is one.
_EDGE = 0.3
# Width of the smoothing: 1.5 voxels flatten the staircase of a mask, 3 mm would flatten a bowl.
_SMOOTHING_VOXELS, _SMOOTHING_MM = 1.5, 3.0
_RIDGE = 0.4
# Sections are read up to this near to the endplates at most, as a part of the height.
_MOST_CLEAR = 0.15
# The slope that carries the wall on to the endplates is read over this many sections.
_END_ROWS = 3
# Weight of the data below which a local fit is an extrapolation, and the nearest value is held.
_LEAST_WEIGHT = 0.05


def fit_shape(body: Mask, grid: VoxelGrid, pose: Pose) -> BodyFrame:
    """Return the body frame of a mask whose axes are known.

    Parameters
    ----------
    body : (n_z, n_y, n_x) bool array
        One connected body.
    grid : VoxelGrid
        Its grid.
    pose : Pose
        Axes and origin.
    """
    voxel = max(grid.spacing_mm)
    # A foramen or a cyst inside the body is not its surface.
    sampler = Sampler(ndimage.binary_fill_holes(body).astype(np.float32), grid)
    edge = pose.to_body(surface_points(body, grid))
    x, y, _ = lattice_around(edge, MAP_STEP_MM, MAP_MARGIN_MM)
    _, _, z = lattice_around(edge, min(0.5 * min(grid.spacing_mm), MAP_STEP_MM), 2.0 * voxel)
    found = surfaces(sampler, pose, (x, y, z))
    lower, upper = _endplates(found, voxel)
    bare = BodyFrame(pose.origin_mm, pose.axes, x, y, upper, lower, np.ones((2, 4)))
    reach = float(np.hypot(edge[:, 0], edge[:, 1]).max()) + 2.0 * voxel
    outline = _outline(sampler, bare, reach)
    return BodyFrame(pose.origin_mm, pose.axes, x, y, upper, lower, outline)


def _endplates(found: Surfaces, voxel_mm: float) -> tuple[FloatArray, FloatArray]:
    """Return smooth maps of the lower and upper endplate, defined everywhere, (n_y, n_x), mm."""
    planes = rim_planes(found, voxel_mm)
    depth = found.depth()
    deep = depth >= _EDGE * depth.max()
    own = own_columns(found, *planes)
    maps = []
    for surface, mine in zip((found.lower_mm, found.upper_mm), own, strict=True):
        # The outermost columns see the rounded edge of the mask, not the endplate.
        shrink = max(1, round(voxel_mm / found.step_mm))
        trusted = ndimage.binary_erosion(mine | deep, np.ones((3, 3), bool), iterations=shrink)
        trusted &= found.covered
        smoothing = max(found.step_mm, voxel_mm, min(_SMOOTHING_VOXELS * voxel_mm, _SMOOTHING_MM))
        maps.append(
            _local_planes(np.where(trusted, surface, 0.0), trusted, smoothing / found.step_mm)
        )
    return maps[0], maps[1]


def _local_planes(surface: FloatArray, trusted: Mask, sigma: float) -> FloatArray:
    """Return a map smoothed by a plane fitted around every point, held constant far outside.

    A plane, unlike a mean, is not biased at the rim, where neighbours lie on one side only.

    Parameters
    ----------
    surface : (n_y, n_x) float array
        Heights, mm; finite.
    trusted : (n_y, n_x) bool array
        Where they count.
    sigma : float
        Standard deviation of the Gaussian weight, in columns.
    """
    rows, columns = np.indices(surface.shape)
    y, x = rows.astype(np.float64), columns.astype(np.float64)

    def moment(factor: ArrayLike) -> FloatArray:
        weighted = np.where(trusted, factor, 0.0)
        return np.asarray(ndimage.gaussian_filter(weighted, sigma, mode="constant"))

    one = moment(np.ones_like(surface))
    known = one > _LEAST_WEIGHT
    safe = np.where(known, one, 1.0)
    mean_x, mean_y, mean_z = (moment(f) / safe for f in (x, y, surface))
    var_x = moment(x * x) / safe - mean_x**2
    var_y = moment(y * y) / safe - mean_y**2
    cov_xy = moment(x * y) / safe - mean_x * mean_y
    cov_xz = moment(x * surface) / safe - mean_x * mean_z
    cov_yz = moment(y * surface) / safe - mean_y * mean_z
    # Draws the slope to 0 where few columns count: the steep side of a bowl is not carried on over
    # the rim.
    ridge = (_RIDGE * sigma) ** 2
    var_x, var_y = var_x + ridge, var_y + ridge
    determinant = np.maximum(var_x * var_y - cov_xy**2, 1e-9)
    slope_x = (cov_xz * var_y - cov_yz * cov_xy) / determinant
    slope_y = (cov_yz * var_x - cov_xz * cov_xy) / determinant
    fitted = mean_z + slope_x * (x - mean_x) + slope_y * (y - mean_y)
    return fill_from_nearest(np.where(known, fitted, 0.0), known)


def _outline(sampler: Sampler, frame: BodyFrame, reach_mm: float) -> FloatArray:
    """Return the distance of the outer wall by height and angle, (n_s, n_theta), mm."""
    voxel = max(sampler.grid.spacing_mm)
    height = float(np.median((frame.superior_mm - frame.inferior_mm)[frame.footprint()]))
    # From one voxel inside the endplates: a section at the surface itself is its staircase.
    clear = min(voxel / height, _MOST_CLEAR)
    level = np.linspace(clear, 1.0 - clear, N_HEIGHTS)
    wall = _wall(sampler, frame, level, reach_mm)
    # Staircase of the mask: smooth over about one voxel along the wall and along the height.
    arc = voxel / (float(np.median(wall)) * (2.0 * np.pi / N_ANGLES))
    rise = voxel / (height * (level[1] - level[0]))
    wall = ndimage.gaussian_filter(wall, (0.5 * rise, arc), mode=("nearest", "wrap"))
    return np.maximum(_to_the_ends(wall, level), voxel)


def _wall(sampler: Sampler, frame: BodyFrame, level: FloatArray, reach_mm: float) -> FloatArray:
    """Return where rays from the z axis leave the mask for good, (n_levels, n_theta), mm."""
    step = 0.5 * min(sampler.grid.spacing_mm)
    radius = np.arange(0.0, reach_mm, step)
    theta = np.arange(N_ANGLES) * (2.0 * np.pi / N_ANGLES)
    x, y = radius * np.cos(theta)[:, None], radius * np.sin(theta)[:, None]
    lower, upper = frame.inferior_at(x, y), frame.superior_at(x, y)
    z = lower + level[:, None, None] * (upper - lower)
    points = np.stack(np.broadcast_arrays(x, y, z), axis=-1)
    field = sampler.at(frame.to_world(points))
    inside = field >= 0.5
    last = field.shape[-1] - 1 - np.argmax(inside[..., ::-1], axis=-1)
    last = np.where(inside.any(axis=-1), np.minimum(last, field.shape[-1] - 2), 0)
    here = np.take_along_axis(field, last[..., None], axis=-1)[..., 0]
    there = np.take_along_axis(field, last[..., None] + 1, axis=-1)[..., 0]
    fraction = np.clip((here - 0.5) / np.maximum(here - there, 1e-9), 0.0, 1.0)
    return np.asarray(radius[last] + step * fraction)


def _to_the_ends(wall: FloatArray, level: FloatArray) -> FloatArray:
    """Return the outline at even heights from 0 to 1, carried straight on beyond the sections."""
    even = np.linspace(0.0, 1.0, N_HEIGHTS)
    place = np.clip(np.interp(even, level, np.arange(len(level))), 0, len(level) - 1)
    below = np.minimum(place.astype(int), len(level) - 2)
    part = (place - below)[:, None]
    result = (1.0 - part) * wall[below] + part * wall[below + 1]
    span = level[_END_ROWS] - level[0]
    # Only a flare is carried on: a wall that turns in at the end is the mask's rounded edge.
    flare = np.maximum(wall[[0, -1]] - wall[[_END_ROWS, -1 - _END_ROWS]], 0.0) / span
    low = np.maximum(level[0] - even, 0.0)[:, None] * flare[0]
    high = np.maximum(even - level[-1], 0.0)[:, None] * flare[1]
    return np.asarray(result + low + high)
