"""Values of an image anywhere in the world, and its averages over the cells of another grid."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Sampler", "average", "fill_from_nearest", "masked_average", "overlap"]

FloatArray = NDArray[np.float64]
# More sub-points than this along one edge of a cell change no digit that matters.
_MOST_SUBPOINTS = 16


@dataclass(frozen=True, eq=False)
class Sampler:
    """Trilinear values of a cell array at points in the world; 0 outside.

    Parameters
    ----------
    array : (n_z, n_y, n_x) float array
        Values at the cell centres.
    grid : VoxelGrid
        Where the cells lie.
    """

    array: NDArray[Any]
    grid: VoxelGrid

    def at(self, world_mm: ArrayLike) -> FloatArray:
        """Return the values at (..., 3) points of the world, mm."""
        index = self.grid.to_local(world_mm) / np.array(self.grid.spacing_mm) - 0.5
        result: FloatArray = map_coordinates(
            self.array,
            np.moveaxis(index[..., ::-1], -1, 0),
            order=1,
            mode="constant",
            cval=0.0,
            output=np.float64,
        )
        return result


def average(array: NDArray[Any], source: VoxelGrid, target: VoxelGrid) -> FloatArray:
    """Return an array's mean over each cell of another grid, (n_z, n_y, n_x) of the target.

    Cells coarser than the source average over sub-points as dense as the source's voxels; finer
    ones interpolate. The source is 0 outside.
    """
    result = np.zeros(target.shape)
    window = overlap(source, target)
    if window is None:
        return result
    sampler = Sampler(np.asarray(array, dtype=np.float64), source)
    x, y, z = (c[part] for c, part in zip(target.centres_local(), window[::-1], strict=True))
    local = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    total = np.zeros(local.shape[:-1])
    offsets = list(_subpoints(source, target))
    for offset in offsets:
        total += sampler.at(target.to_world(local + offset))
    result[window] = total / len(offsets)
    return result


def masked_average(
    density: FloatArray, fraction: NDArray[Any], source: VoxelGrid, target: VoxelGrid
) -> FloatArray:
    """Return the mean of a density over the masked part of each target cell.

    The mean of density times mask over the mean of the mask: what lies outside the mask never
    leaks in. Cells that hold no mask take the nearest value.

    Parameters
    ----------
    density : (n_z, n_y, n_x) float array
        Density on the source grid; may be anything where the mask is 0.
    fraction : (n_z, n_y, n_x) array
        The mask, 0 to 1.
    source, target : VoxelGrid
        Grids.
    """
    weight = average(fraction, source, target)
    mineral = average(np.where(fraction > 0, density, 0.0) * fraction, source, target)
    inside = weight > 1e-9
    result = np.divide(mineral, weight, out=np.zeros(target.shape), where=inside)
    return fill_from_nearest(result, inside)


def fill_from_nearest(array: FloatArray, known: NDArray[np.bool_]) -> FloatArray:
    """Return an array whose unknown cells hold the value of the nearest known one."""
    if not known.any():
        return array
    nearest = distance_transform_edt(~known, return_distances=False, return_indices=True)
    result: FloatArray = array[tuple(nearest)]
    return result


def overlap(source: VoxelGrid, target: VoxelGrid) -> tuple[slice, slice, slice] | None:
    """Return the window ``[z, y, x]`` of target cells that can touch the source, or None."""
    size = np.array(source.shape[::-1]) * np.array(source.spacing_mm)
    corners = np.array(
        list(product(*[(-h, n + h) for n, h in zip(size, source.spacing_mm, strict=True)]))
    )
    local = target.to_local(source.to_world(corners)) / np.array(target.spacing_mm)
    counts = np.array(target.shape[::-1])
    first = np.clip(np.floor(local.min(axis=0)), 0, counts).astype(int)
    last = np.clip(np.ceil(local.max(axis=0)), 0, counts).astype(int)
    if np.any(last <= first):
        return None
    x, y, z = (slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    return z, y, x


def _subpoints(source: VoxelGrid, target: VoxelGrid) -> Iterator[FloatArray]:
    """Yield offsets from a target cell's centre, in target axes, mm."""
    # Size of a source voxel as seen along each axis of the target.
    across = 1.0 / np.linalg.norm(
        source.axes.T @ target.axes / np.array(source.spacing_mm)[:, None], axis=0
    )
    edge = np.array(target.spacing_mm)
    counts = np.clip(np.ceil(edge / across - 1e-6), 1, _MOST_SUBPOINTS).astype(int)
    along = [(np.arange(n) + 0.5) / n * h - 0.5 * h for n, h in zip(counts, edge, strict=True)]
    for x, y, z in product(*along):
        yield np.array([x, y, z])
