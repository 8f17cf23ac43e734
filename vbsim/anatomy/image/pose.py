"""Axes of a vertebral body from its masks: up from the endplates, back from the arch.

The header of an image is believed only where the bone itself does not tell: for the sense of up
and, in maps without an arch, for front and back.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.anatomy.image.columns import (
    Pose,
    Surfaces,
    lattice_around,
    normal_of,
    rim_planes,
    surfaces,
)
from vbsim.anatomy.image.sampling import Sampler
from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Evidence", "Sense", "find_pose", "surface_points"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Sense = Literal["auto", "as_header", "flipped"]

# Less arch than this, as a part of the body, does not tell front from back.
_LEAST_ARCH = 0.05
# cos 60 deg: an axis further from the header's is not told up or down by it.
_LEAST_COSINE = 0.5
# A variance below this part of the next one tells the height of a body by itself.
_CLEARLY_LEAST = 0.75
_ROUNDS = 12
_SETTLED_RAD = 2e-4
# The midline is sought this far on either side of the first guess: the arch's centroid strays
# by a few degrees with unequal processes, a header by the turn of the patient on the table.
_SEARCH_DEG = 20.0


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about the directions of one vertebra.

    Parameters
    ----------
    path : Path
        File of the labels, named in messages.
    grid : VoxelGrid
        Grid of the masks.
    body, arch : (n_z, n_y, n_x) bool array
        Masks; the arch may be empty.
    neighbours : mapping
        Centroid in the world of the vertebra above (-1) and below (1), where known, mm.
    front_back, up_down : {"auto", "as_header", "flipped"}
        Whether to trust labels before header, the header, or its opposite.
    """

    path: Path
    grid: VoxelGrid
    body: Mask
    arch: Mask
    neighbours: Mapping[int, FloatArray] = field(default_factory=dict)
    front_back: Sense = "auto"
    up_down: Sense = "auto"

    @property
    def has_arch(self) -> bool:
        """Whether there is enough arch to tell front from back."""
        return bool(self.arch.sum() >= _LEAST_ARCH * self.body.sum())

    @property
    def voxel_mm(self) -> float:
        """Largest edge of a voxel, mm."""
        return max(self.grid.spacing_mm)


def find_pose(evidence: Evidence) -> Pose:
    """Return origin and axes of a body: x left, y back, z up; a proper rotation.

    The origin is the centroid of the body; z halves the angle between the normals of the endplates'
    rims, as it does in a parametric vertebra; y runs along the plane of best left-right symmetry
    through the centroid, and x completes the frame.

    Raises
    ------
    InvalidInput
        If neither labels nor header tell up from down.
    """
    origin = _centroid(evidence.body, evidence.grid)
    first = _first_axis(evidence, origin)
    up = first * _up_sense(evidence, first, origin)
    back = _back(evidence, up, origin)
    pose = _level(evidence, Pose(origin, _frame(up, back)))
    back = _back_sense(evidence, pose) * pose.axes[:, 1]
    pose = Pose(origin, _frame(pose.axes[:, 2], back))
    return _centre_midline(evidence, pose)


def surface_points(mask: Mask, grid: VoxelGrid) -> FloatArray:
    """Return the centres of a mask's outermost voxels in the world, (n, 3), mm."""
    edge = mask & ~ndimage.binary_erosion(mask)
    return _points(edge, grid)


def _points(mask: Mask, grid: VoxelGrid) -> FloatArray:
    index = np.argwhere(mask)[:, ::-1] + 0.5
    return grid.to_world(index * np.array(grid.spacing_mm))


def _centroid(mask: Mask, grid: VoxelGrid) -> FloatArray:
    return np.asarray(_points(mask, grid).mean(axis=0))


def _first_axis(evidence: Evidence, origin: FloatArray) -> FloatArray:
    """Return a first guess of the body's height, up or down.

    Bodies are wider than tall, though slender ones are hardly deeper than tall. So the height is
    the direction of least extent square to the arch; without an arch it is the least of all, and
    where that is not clear, what is nearest to the header's z.
    """
    spread = np.cov(_points(evidence.body, evidence.grid).T)
    if evidence.has_arch:
        back = _centroid(evidence.arch, evidence.grid) - origin
        back /= np.linalg.norm(back)
        across = np.eye(3) - np.outer(back, back)
        # The first of the eigenvalues is that of `back` itself, made 0 by the projection.
        _, vectors = np.linalg.eigh(across @ spread @ across)
        return np.asarray(vectors[:, 1])
    values, vectors = np.linalg.eigh(spread)
    if values[0] < _CLEARLY_LEAST * values[1]:
        return np.asarray(vectors[:, 0])
    header = vectors[:, :2] @ vectors[2, :2]
    length = float(np.linalg.norm(header))
    return np.asarray(header / length if length > _LEAST_COSINE else vectors[:, 0])


def _up_sense(evidence: Evidence, axis: FloatArray, origin: FloatArray) -> float:
    """Return 1 if an axis points up, -1 if down."""
    header = float(axis[2])
    if evidence.up_down != "auto":
        return float(np.sign(header) or 1.0) * (1.0 if evidence.up_down == "as_header" else -1.0)
    towards_head = sum(
        (-step * (place - origin) for step, place in evidence.neighbours.items()), np.zeros(3)
    )
    along = float(towards_head @ axis)
    if evidence.neighbours and abs(along) > _LEAST_COSINE * np.linalg.norm(towards_head):
        if along * header < 0.0 and abs(header) > _LEAST_COSINE:
            warnings.warn(
                f"{evidence.path}: the neighbouring vertebrae contradict the header's up and down; "
                "they are followed (up_down = 'as_header' follows the header)",
                PhysicsWarning,
                stacklevel=2,
            )
        return float(np.sign(along))
    if abs(header) >= _LEAST_COSINE:
        return float(np.sign(header))
    return _up_from_arch(evidence, axis, origin)


def _up_from_arch(evidence: Evidence, axis: FloatArray, origin: FloatArray) -> float:
    """Return the sense of up from the slope of the arch.

    Pedicles leave the body's upper half and the spinous process points down.
    """
    if not evidence.has_arch:
        raise InvalidInput(
            f"{evidence.path}: the body stands across the header's up and down and no arch or "
            "neighbour tells them apart: must be decided by up_down = 'as_header' or 'flipped'"
        )
    points = _points(evidence.arch, evidence.grid) - origin
    height = points @ axis
    behind = np.linalg.norm(points - height[:, None] * axis, axis=1)
    near = height[behind <= np.percentile(behind, 20)].mean()
    far = height[behind >= np.percentile(behind, 80)].mean()
    warnings.warn(
        f"{evidence.path}: the header's up runs across the body; up and down are taken from the "
        "slope of the arch (up_down overrides)",
        PhysicsWarning,
        stacklevel=2,
    )
    return float(np.sign(near - far) or 1.0)


def _back(evidence: Evidence, up: FloatArray, origin: FloatArray) -> FloatArray:
    """Return the first guess of the line from front to back; its sense is settled later."""
    if evidence.has_arch:
        guess = _centroid(evidence.arch, evidence.grid) - origin
    else:
        guess = np.array([0.0, 1.0, 0.0])
    guess = guess - (guess @ up) * up
    if np.linalg.norm(guess) < 1e-3:
        raise InvalidInput(
            f"{evidence.path}: the header's front and back run along the body's height: must be "
            "told by labels of the arch"
        )
    return np.asarray(guess)


def _back_sense(evidence: Evidence, pose: Pose) -> float:
    """Return 1 if the guessed y points back, -1 if the other way; warn where labels lose."""
    header = float(pose.axes[1, 1])
    if evidence.front_back == "as_header":
        return float(np.sign(header) or 1.0)
    if evidence.front_back == "flipped":
        return -float(np.sign(header) or 1.0)
    if not evidence.has_arch:
        warnings.warn(
            f"{evidence.path}: no arch in the labels, so the header decides front and back; say "
            "front_back = 'as_header' if it is right, 'flipped' if not",
            PhysicsWarning,
            stacklevel=2,
        )
        return 1.0
    if header < -_LEAST_COSINE:
        warnings.warn(
            f"{evidence.path}: by the header the arch lies in front of the body; the labels are "
            "followed, as if the image were turned by 180 degrees about its height. If it is "
            "mirrored instead, left and right are exchanged",
            PhysicsWarning,
            stacklevel=2,
        )
    return 1.0


def _frame(up: FloatArray, back: FloatArray) -> FloatArray:
    """Return axes from two directions: z along the first, y as near as possible to the second."""
    z = up / np.linalg.norm(up)
    y = back - (back @ z) * z
    y = y / np.linalg.norm(y)
    return np.stack([np.cross(y, z), y, z], axis=1)


def _level(evidence: Evidence, pose: Pose) -> Pose:
    """Turn the axes until z halves the angle between the rims of the two endplates."""
    sampler = Sampler(evidence.body.astype(np.float32), evidence.grid)
    edge = surface_points(evidence.body, evidence.grid)
    for _ in range(_ROUNDS):
        step = min(1.0, evidence.voxel_mm)
        lattice = lattice_around(pose.to_body(edge), step, 1.5 * evidence.voxel_mm)
        found = surfaces(sampler, pose, lattice)
        lower, upper = (normal_of(plane) for plane in rim_planes(found, evidence.voxel_mm))
        normal = pose.axes @ ((lower + upper) / np.linalg.norm(lower + upper))
        turn = float(np.arccos(np.clip(normal @ pose.axes[:, 2], -1.0, 1.0)))
        pose = Pose(pose.origin_mm, _frame(normal, pose.axes[:, 1]))
        if turn < _SETTLED_RAD:
            break
    return pose


def _centre_midline(evidence: Evidence, pose: Pose) -> Pose:
    """Turn the frame about z until left and right agree best."""
    whole = (evidence.body | evidence.arch) if evidence.has_arch else evidence.body
    sampler = Sampler(whole.astype(np.float32), evidence.grid)
    edge = pose.to_body(surface_points(whole, evidence.grid))
    lattice = lattice_around(edge, min(1.0, evidence.voxel_mm), 1.0)
    angle = _symmetry_angle_rad(surfaces(sampler, pose, lattice))
    back = np.cos(angle) * pose.axes[:, 1] - np.sin(angle) * pose.axes[:, 0]
    return Pose(pose.origin_mm, _frame(pose.axes[:, 2], back))


def _symmetry_angle_rad(found: Surfaces) -> float:
    """Return the turn from y towards -x of the mirror line through the origin, rad."""
    angles = np.radians(np.arange(-_SEARCH_DEG, _SEARCH_DEG + 0.5, 1.0))
    score = np.array([_mirror_error(found, float(angle)) for angle in angles])
    best = int(np.clip(score.argmin(), 1, len(angles) - 2))
    before, here, after = score[best - 1 : best + 2]
    curvature = before - 2.0 * here + after
    shift = 0.5 * (before - after) / curvature if curvature > 0.0 else 0.0
    return float(angles[best] + np.clip(shift, -1.0, 1.0) * (angles[1] - angles[0]))


def _mirror_error(found: Surfaces, angle_rad: float) -> float:
    """Return the squared difference of a thickness map and its mirror image, relative."""
    normal = np.array([np.cos(angle_rad), np.sin(angle_rad)])
    x, y = np.meshgrid(found.x_mm, found.y_mm)
    away = x * normal[0] + y * normal[1]
    mirrored = (x - 2.0 * away * normal[0], y - 2.0 * away * normal[1])
    at = [
        (mirrored[1] - found.y_mm[0]) / found.step_mm,
        (mirrored[0] - found.x_mm[0]) / found.step_mm,
    ]
    other = ndimage.map_coordinates(found.thickness_mm, at, order=1, mode="constant")
    difference = found.thickness_mm - other
    return float((difference**2).sum() / (found.thickness_mm**2).sum())
