"""The solid inside a body frame: volume fractions of wall, endplates and core on any grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from vbsim.anatomy.frame import BodyFrame
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Walls", "body_fractions", "wall_steepness"]

FloatArray = NDArray[np.float64]

# Cells on a surface are cut into sub-cells of about the wall's thickness, at least 2 and at most 6
# along each axis: volumes then agree within 0.1 % from 0.5 to 2 mm.
SUBCELL_MM = 0.35
MIN_SUBCELLS, MAX_SUBCELLS = 2, 6
# Cells handled at once; bounds the memory of the point tables (about 30 arrays of this length).
CHUNK = 1 << 17
# Distances to a surface are first order; cells within this multiple of their half diagonal count
# as possibly cut.
SAFETY = 1.5


def body_fractions(
    frame: BodyFrame, grid: VoxelGrid, *, shell_mm: float, endplate_mm: float
) -> dict[str, FloatArray]:
    """Return the share of every cell that lies in each part of a body.

    The endplates reach across the whole section, their thickness measured along the body's z; the
    shell is the wall between them, its thickness measured along its normal; the rest is trabecular.

    Parameters
    ----------
    frame : BodyFrame
        The body.
    grid : VoxelGrid
        Any grid, aligned with the body or not; parts of the body outside it are left out.
    shell_mm, endplate_mm : float
        Thickness of the wall and of the endplates, mm; 0 for none.

    Returns
    -------
    dict of (n_z, n_y, n_x) float array
        ``trabecular``, ``shell`` and ``endplate``, each 0 to 1, their sum at most 1.
    """
    solid = _Solid(frame, wall_steepness(frame), shell_mm, endplate_mm)
    parts = np.zeros((3, *grid.shape))
    for cells in _chunks(frame, grid):
        local = (np.stack(cells[::-1], axis=-1) + 0.5) * np.array(grid.spacing_mm)
        points = frame.to_body(grid.to_world(local))
        i_z, i_y, i_x = cells
        parts[:, i_z, i_y, i_x] = _cell_parts(solid, grid, points)
    return dict(zip(("trabecular", "shell", "endplate"), parts, strict=True))


class Walls:
    """Outer wall and inner face of the shell of a body, for meshers that follow both.

    Parameters
    ----------
    frame : BodyFrame
        The body.
    shell_mm : float
        Thickness of the wall along its normal, mm; 0 for none.
    """

    def __init__(self, frame: BodyFrame, shell_mm: float) -> None:
        self.frame = frame
        self.shell_mm = shell_mm
        self._steepness = wall_steepness(frame)

    def superior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the upper endplate at (x, y), mm."""
        return self.frame.superior_at(x_mm, y_mm)

    def inferior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the lower endplate at (x, y), mm."""
        return self.frame.inferior_at(x_mm, y_mm)

    def wall_radius(self, theta_rad: ArrayLike, height: ArrayLike) -> FloatArray:
        """Return the distance of the outer wall from the z axis at a normalised height, mm."""
        return self.frame.wall_radius(theta_rad, height)

    def shell_radius(self, theta_rad: ArrayLike, height: ArrayLike) -> FloatArray:
        """Return the distance of the shell's inner face from the z axis, mm."""
        theta, s = np.broadcast_arrays(np.asarray(theta_rad), np.asarray(height))
        n_s, n_theta = self.frame.outline_mm.shape
        row = np.clip(s, 0.0, 1.0) * (n_s - 1)
        column = np.mod(theta, 2.0 * np.pi) * (n_theta / (2.0 * np.pi))
        at = np.stack([row.ravel(), column.ravel()])
        steep = map_coordinates(self._steepness, at, order=1, mode="nearest").reshape(s.shape)
        result: FloatArray = self.wall_radius(theta, s) - self.shell_mm * steep
        return result


@dataclass(frozen=True, eq=False)
class _Solid:
    frame: BodyFrame
    steepness: FloatArray
    shell_mm: float
    endplate_mm: float

    def depths(self, points_mm: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return depth below the wall (along its normal), lower and upper endplate (along z)."""
        x, y, z = points_mm.T
        lower, upper = self.frame.inferior_at(x, y), self.frame.superior_at(x, y)
        height = np.clip((z - lower) / np.maximum(upper - lower, 1e-6), 0.0, 1.0)
        theta = np.arctan2(y, x)
        n_s, n_theta = self.frame.outline_mm.shape
        at = height * (n_s - 1), np.mod(theta, 2.0 * np.pi) * (n_theta / (2.0 * np.pi))
        steepness = map_coordinates(self.steepness, at, order=1, mode="nearest")
        wall = (self.frame.wall_radius(theta, height) - np.hypot(x, y)) / steepness
        return wall, z - lower, upper - z


def wall_steepness(frame: BodyFrame) -> FloatArray:
    """Return the gradient of ``R(theta, s) - r`` at the wall, (n_s, n_theta + 1), periodic.

    Dividing by it turns the radial gap to a leaning wall into the distance along its normal. With
    ``s = (z - l) / H`` the chain rule brings in the slopes of the endplates l and u = l + H.
    """
    radius = frame.outline_mm
    n_s, n_theta = radius.shape
    s, step = np.linspace(0.0, 1.0, n_s)[:, None], 2.0 * np.pi / n_theta
    theta = np.arange(n_theta) * step

    def plane(r: FloatArray, angle: FloatArray) -> FloatArray:
        """Return z of the surface of constant s, mm."""
        x, y = r * np.cos(angle), r * np.sin(angle)
        lower = frame.inferior_at(x, y)
        return lower + s * (frame.superior_at(x, y) - lower)

    x, y = radius * np.cos(theta), radius * np.sin(theta)
    height = np.maximum(frame.superior_at(x, y) - frame.inferior_at(x, y), 1e-6)
    reach = frame.x_mm[1] - frame.x_mm[0]
    rise_r = (plane(radius + reach, theta) - plane(radius - reach, theta)) / (2.0 * reach)
    rise_theta = (plane(radius, theta + step) - plane(radius, theta - step)) / (2.0 * step)
    across_s = np.gradient(radius, 1.0 / (n_s - 1), axis=0) / height
    across_theta = (np.roll(radius, -1, axis=1) - np.roll(radius, 1, axis=1)) / (2.0 * step)
    along_r = 1.0 + across_s * rise_r
    along_theta = (across_theta - across_s * rise_theta) / radius
    slope = np.sqrt(along_r**2 + along_theta**2 + across_s**2)
    return np.concatenate([slope, slope[:, :1]], axis=1)


def _chunks(frame: BodyFrame, grid: VoxelGrid) -> Iterator[tuple[NDArray[np.intp], ...]]:
    """Yield ``(i_z, i_y, i_x)`` of the cells in the body's box, some at a time."""
    corners = np.array(list(product(*frame.bounds_mm().T)))
    inside = grid.to_local(frame.to_world(corners)) / np.array(grid.spacing_mm)
    last_cell = np.array(grid.shape[::-1])
    first = np.clip(np.floor(inside.min(axis=0)).astype(int) - 1, 0, last_cell)
    last = np.clip(np.ceil(inside.max(axis=0)).astype(int) + 1, 0, last_cell)
    shape = tuple(int(n) for n in (last - first)[::-1])
    n_cells = int(np.prod(shape))
    for start in range(0, n_cells, CHUNK):
        flat = np.arange(start, min(start + CHUNK, n_cells))
        index = np.unravel_index(flat, shape)
        yield tuple(i + k for i, k in zip(index, first[::-1], strict=True))


def _cell_parts(solid: _Solid, grid: VoxelGrid, points_mm: FloatArray) -> FloatArray:
    """Return the fractions of the cells about some points, (3, n)."""
    spacing = np.array(grid.spacing_mm)
    reach = SAFETY * 0.5 * float(np.linalg.norm(spacing))
    wall, below, above = solid.depths(points_mm)
    plates = np.minimum(below, above)
    parts = np.zeros((3, len(points_mm)))
    whole = (wall > reach + solid.shell_mm) & (plates > reach + solid.endplate_mm)
    parts[0, whole] = 1.0
    cut = np.flatnonzero((wall > -reach) & (plates > -reach) & ~whole)
    counts = np.clip(np.ceil(spacing / SUBCELL_MM), MIN_SUBCELLS, MAX_SUBCELLS)
    # Columns are the edges of a sub-cell in the body's frame.
    edges = solid.frame.axes.T @ grid.axes * (spacing / counts)
    total = np.zeros((3, len(cut)))
    for place in product(*(np.arange(n) - 0.5 * (n - 1) for n in counts)):
        total += _subcell_parts(solid, points_mm[cut] + edges @ np.array(place), edges)
    parts[:, cut] = total / np.prod(counts)
    return parts


def _subcell_parts(solid: _Solid, points_mm: FloatArray, edges: FloatArray) -> FloatArray:
    """Return the fractions of sub-cells, (3, n).

    A sub-cell is spread over its own extent along z and across the wall; fractions rise linearly
    as it enters a layer, so that a plane layer adds up to its thickness wherever it lies.
    """
    wall, below, above = solid.depths(points_mm)
    theta = np.arctan2(points_mm[:, 1], points_mm[:, 0])
    across = np.abs(np.stack([np.cos(theta), np.sin(theta)], axis=-1) @ edges[:2]).sum(axis=-1)
    tall = float(np.abs(edges[2]).sum())
    body = np.clip(0.5 + wall / across, 0.0, 1.0)
    core = np.clip(0.5 + (wall - solid.shell_mm) / across, 0.0, 1.0)

    def between(thickness: float) -> FloatArray:
        lower = np.minimum(0.5 * tall, below - thickness)
        upper = np.minimum(0.5 * tall, above - thickness)
        return np.asarray(np.clip((lower + upper) / tall, 0.0, 1.0))

    inner = between(solid.endplate_mm)
    plates = np.maximum(between(0.0) - inner, 0.0)
    return np.stack([core * inner, (body - core) * inner, body * plates])
