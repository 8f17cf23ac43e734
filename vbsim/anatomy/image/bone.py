"""What the files hold of one vertebra: density, labels and masks on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.image.labels import (
    Numbers,
    Selection,
    level_numbers,
    neighbours,
    pick,
    tidy_body,
)
from vbsim.anatomy.image.pose import Evidence, Sense
from vbsim.anatomy.image.reading import (
    Calibration,
    Volume,
    check_density,
    check_same_grid,
    read_labels,
    read_volume,
)
from vbsim.anatomy.image.split import split
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Files", "ImagedBone", "load"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Empty voxels kept around the bone when an image is cropped: interpolation needs one.
_CROP_VOXELS = 3


@dataclass(frozen=True)
class Files:
    """Which files to read, and how.

    Parameters
    ----------
    image, labels : Path
        Density image and label map.
    subregions : Path or None
        Map of the parts of vertebrae.
    numbers : Numbers
        Labels of this vertebra.
    scheme : str or None
        Label scheme, from which the neighbours are known.
    level : str
        Level of this vertebra.
    calibration : Calibration or None
        Line from the image's unit to mg/cm3.
    front_back, up_down : {"auto", "as_header", "flipped"}
        Whether to trust labels before header, the header, or its opposite.
    """

    image: Path
    labels: Path
    subregions: Path | None
    numbers: Numbers
    scheme: str | None
    level: str
    calibration: Calibration | None
    front_back: Sense
    up_down: Sense


@dataclass(frozen=True, eq=False)
class ImagedBone:
    """One vertebra on the voxels of its image.

    Parameters
    ----------
    grid : VoxelGrid
        The voxels; axes as in the file or reordered, perhaps left-handed.
    density : (n_z, n_y, n_x) float array
        Calibrated image, mg/cm3, bone or not.
    labels : (n_z, n_y, n_x) int array
        Label map as in the file.
    body, arch : (n_z, n_y, n_x) bool array
        Masks of the vertebral body and of the posterior elements.
    evidence : Evidence
        What tells the directions of the body.
    """

    grid: VoxelGrid
    density: FloatArray
    labels: NDArray[Any]
    body: Mask
    arch: Mask
    evidence: Evidence

    def kept(self, *, include_arch: bool) -> Mask:
        """Return the mask of the bone that is modelled, (n_z, n_y, n_x)."""
        return self.body | self.arch if include_arch else self.body

    def reordered(self, axes: FloatArray) -> ImagedBone:
        """Return the same voxels with x, y, z nearest to some axes; nothing is interpolated.

        Parameters
        ----------
        axes : (3, 3) float
            Columns are the directions to come near to.
        """
        order, signs = _nearest_order(axes, self.grid.axes)
        spacing = np.array(self.grid.spacing_mm)
        size = np.array(self.grid.shape[::-1]) * spacing
        # The new outer corner is the old one, moved along every reversed axis.
        start = np.zeros(3)
        start[order] = np.where(signs < 0, size[order], 0.0)
        h_x, h_y, h_z = (float(h) for h in spacing[order])
        n_x, n_y, n_z = (self.grid.shape[::-1][int(i)] for i in order)
        turned = self.grid.axes[:, order] * signs
        grid = VoxelGrid((n_z, n_y, n_x), (h_x, h_y, h_z), self.grid.to_world(start), turned)
        return replace(
            self,
            grid=grid,
            density=_reordered(self.density, order, signs),
            labels=_reordered(self.labels, order, signs),
            body=_reordered(self.body, order, signs),
            arch=_reordered(self.arch, order, signs),
        )


def load(files: Files, *, crop: bool) -> ImagedBone:
    """Read and check the files of one vertebra.

    Parameters
    ----------
    files : Files
        What to read.
    crop : bool
        Keep only the surroundings of the vertebra.

    Raises
    ------
    InvalidInput
        Naming the file and what is wrong with it.
    """
    labels, image = read_labels(files.labels), read_volume(files.image)
    check_same_grid(image, labels)
    subregions = None if files.subregions is None else read_labels(files.subregions)
    if subregions is not None:
        check_same_grid(image, subregions)
    chosen = pick(labels, subregions, files.numbers)
    around: Mapping[int, FloatArray] = {}
    if files.scheme is not None:
        around = neighbours(labels, files.level, level_numbers(files.scheme))
    lowest = float(np.nanmin(image.array))
    if crop:
        labels, image, chosen = _cropped(labels, image, chosen)
    path = labels.path if subregions is None else subregions.path
    body, arch = _body_and_arch(files, path, image.grid, chosen, around)
    body = tidy_body(body, path, image.grid.spacing_mm)
    evidence = Evidence(path, image.grid, body, arch, around, files.front_back, files.up_down)
    density = image.array.astype(np.float64)
    if files.calibration is not None:
        density = files.calibration.apply(density)
    check_density(
        files.image, density[body], lowest_in_hu=lowest if files.calibration is None else None
    )
    return ImagedBone(image.grid, density, labels.array, body, arch, evidence)


def _body_and_arch(
    files: Files,
    path: Path,
    grid: VoxelGrid,
    chosen: Selection,
    around: Mapping[int, FloatArray],
) -> tuple[Mask, Mask]:
    if chosen.body is not None:
        return chosen.body, chosen.arch
    nothing = np.zeros_like(chosen.whole)
    return split(
        Evidence(path, grid, chosen.whole, nothing, around, files.front_back, files.up_down)
    )


def _cropped(labels: Volume, image: Volume, chosen: Selection) -> tuple[Volume, Volume, Selection]:
    """Return the surroundings of the chosen voxels; an image border stays where it was."""
    index = np.argwhere(chosen.whole)
    first = np.maximum(index.min(axis=0) - _CROP_VOXELS, 0)
    last = np.minimum(index.max(axis=0) + _CROP_VOXELS + 1, chosen.whole.shape)
    window = tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
    body = None if chosen.body is None else chosen.body[window]
    masks = Selection(body, chosen.arch[window], chosen.whole[window])
    return labels.crop(window), image.crop(window), masks


def _nearest_order(
    wanted: FloatArray, axes: FloatArray
) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return which own axis, and with which sign, lies nearest to each of the wanted axes."""
    cosine = wanted.T @ axes
    orders = [np.array(order) for order in permutations(range(3))]
    best = max(orders, key=lambda order: float(np.abs(cosine[range(3), order]).sum()))
    signs = np.where(cosine[range(3), best] < 0.0, -1, 1)
    return best, signs


def _reordered(
    array: NDArray[Any], order: NDArray[np.intp], signs: NDArray[np.int64]
) -> NDArray[Any]:
    """Return an array ``[z, y, x]`` with its x, y, z swapped and reversed."""
    # Axis k of (x, y, z) is axis 2 - k of the array.
    moved = np.transpose(array, tuple(2 - int(order[2 - axis]) for axis in range(3)))
    steps = tuple(slice(None, None, int(signs[2 - axis])) for axis in range(3))
    return np.ascontiguousarray(moved[steps])
