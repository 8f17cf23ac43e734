"""From a label map to the masks of one vertebra: body, arch, and where its neighbours lie."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.anatomy.image.reading import Volume
from vbsim.checks import InvalidInput, PhysicsWarning, require
from vbsim.data import names, value

__all__ = ["Numbers", "Selection", "level_numbers", "neighbours", "pick", "refuse_cut", "tidy_body"]

Mask = NDArray[np.bool_]

_ALL_NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


class Numbers(NamedTuple):
    """Which labels are meant.

    Attributes
    ----------
    whole : tuple of int
        Labels of the whole vertebra in the map of vertebrae; empty if body and arch have labels
        of their own in one map.
    body, arch : tuple of int
        Labels of the body and the arch, in the subregion map if there is one; both empty if only
        `whole` is known.
    """

    whole: tuple[int, ...]
    body: tuple[int, ...]
    arch: tuple[int, ...]


class Selection(NamedTuple):
    """Masks of one vertebra on the image grid.

    Attributes
    ----------
    body : (n_z, n_y, n_x) bool array or None
        The vertebral body; None if the labels do not tell it from the arch.
    arch : (n_z, n_y, n_x) bool array
        The posterior elements; all False if not labelled.
    whole : (n_z, n_y, n_x) bool array
        Body and arch.
    """

    body: Mask | None
    arch: Mask
    whole: Mask


def level_numbers(scheme: str) -> dict[str, int]:
    """Return the number of every vertebra in a label scheme, from head to foot."""
    known = names("images.schemes")
    require(scheme in known, "scheme", scheme, "one of " + ", ".join(known))
    table: dict[str, int] = value(f"images.schemes.{scheme}")
    return table


def pick(labels: Volume, subregions: Volume | None, numbers: Numbers) -> Selection:
    """Return the masks of one vertebra.

    Raises
    ------
    InvalidInput
        If a label is absent; the message lists those present.
    """
    part = labels if subregions is None else subregions
    if not numbers.whole:
        body = _present(labels.path, labels.array, numbers.body, "body")
        arch = np.isin(labels.array, numbers.arch)
        return Selection(body, arch, body | arch)
    whole = _present(labels.path, labels.array, numbers.whole, "vertebra")
    if not numbers.body:
        return Selection(None, np.zeros_like(whole), whole)
    inside = np.where(whole, part.array, 0)
    body = _present(part.path, inside, numbers.body, "body")
    # Whatever else the vertebra holds lies behind the body.
    return Selection(body, np.isin(inside, numbers.arch), whole)


def tidy_body(body: Mask, path: Path, spacing_mm: Sequence[float]) -> Mask:
    """Return the largest connected part of a body; small islands are dropped with a warning.

    Raises
    ------
    InvalidInput
        If nothing is left, a second part is too large to be a speck, the body touches the border
        of the image, or its volume cannot be that of a vertebral body in mm.
    """
    parts, count = ndimage.label(body, structure=_ALL_NEIGHBOURS)
    if count == 0:
        raise InvalidInput(f"{path}: no voxel of the vertebral body: must be a labelled body")
    sizes = np.bincount(parts.ravel())[1:]
    largest = int(sizes.argmax())
    rest = np.delete(sizes, largest)
    allowed = value("images.limits.island_fraction")
    if rest.size and rest.max() >= allowed * sizes[largest]:
        raise InvalidInput(
            f"{path}: {1 + int((rest >= allowed * sizes[largest]).sum())} separate parts of the "
            f"vertebral body, of {sizes[largest]} and {rest.max()} voxels: must be one; loose "
            f"parts below {100 * allowed:g} % would be dropped"
        )
    if rest.size:
        warnings.warn(
            f"{path}: {rest.size} islands of the vertebral body dropped, {rest.sum()} voxels "
            f"({100 * rest.sum() / sizes[largest]:.2g} % of the body)",
            PhysicsWarning,
            stacklevel=2,
        )
    kept = np.asarray(parts == largest + 1)
    refuse_cut(kept, path)
    _refuse_volume(kept, path, spacing_mm)
    return kept


def neighbours(
    labels: Volume, level: str, numbers: dict[str, int]
) -> dict[int, NDArray[np.float64]]:
    """Return the centroid in the world of each adjacent vertebra in the map, (3,), mm.

    Keys count from this vertebra towards the feet: -1 is the one above, 1 the one below.
    """
    order = list(numbers)
    here = order.index(level)
    found = {}
    for step in (-1, 1):
        if not 0 <= here + step < len(order):
            continue
        index = np.argwhere(labels.array == numbers[order[here + step]])
        if len(index):
            local = (index.mean(axis=0)[::-1] + 0.5) * np.array(labels.grid.spacing_mm)
            found[step] = labels.grid.to_world(local)
    return found


def _present(path: Path, array: NDArray[np.integer], wanted: Sequence[int], role: str) -> Mask:
    mask: Mask = np.isin(array, wanted)
    if not mask.any():
        there = np.unique(array)
        listed = ", ".join(str(label) for label in there[there != 0][:40]) or "none"
        asked = ", ".join(str(label) for label in wanted)
        raise InvalidInput(
            f"{path}: label {asked} of the {role} is absent: must be one of those present: {listed}"
        )
    return mask


def refuse_cut(bone: Mask, path: Path, *, name: str = "vertebral body") -> None:
    """Refuse bone that touches the border of its image."""
    for axis, letter in enumerate("zyx"):
        for index, side in ((0, "first"), (-1, "last")):
            touching = int(np.take(bone, index, axis=axis).sum())
            if touching:
                raise InvalidInput(
                    f"{path}: the {name} touches the border of the image ({touching} "
                    f"voxels in the {side} {letter} slice): must be whole, with at least one empty "
                    "voxel around it"
                )


def _refuse_volume(body: Mask, path: Path, spacing_mm: Sequence[float]) -> None:
    volume_cm3 = float(body.sum()) * float(np.prod(spacing_mm)) / 1000.0
    least, most = value("images.limits.body_volume_cm3")
    if not least <= volume_cm3 <= most:
        raise InvalidInput(
            f"{path}: a vertebral body of {volume_cm3:.3g} cm3: must be {least:g} to {most:g} cm3; "
            "are the voxel sizes in mm and the labels right?"
        )
