"""What a filling looks like: volume, gaps to the endplates, leak margins, balance, evenness."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial import cKDTree

from vbsim.anatomy.frame import BodyFrame, Landmarks
from vbsim.data import value
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.specimen import Specimen

__all__ = ["describe", "surface_points"]

FloatArray = NDArray[np.float64]

define("cement_volume", "ml", "Volume of all cement in the specimen.")
define("cement_volume_placed", "ml", "Volume of the cement placed by this step.")
define(
    "filling_fraction",
    "%",
    "Volume of all cement / volume of the body as it is at this stage, no posterior elements.",
)
define(
    "filling_fraction_intact",
    "%",
    "Volume of all cement / volume of the intact body, no posterior elements.",
)
define(
    "cement_gap_superior",
    "mm",
    "Least thickness of bone without cement between cement and upper endplate, over the columns of "
    "cells that hold cement; 0 is contact.",
)
define(
    "cement_gap_inferior",
    "mm",
    "Least thickness of bone without cement between cement and lower endplate, over the columns of "
    "cells that hold cement; 0 is contact.",
)
define(
    "cement_contact_superior",
    "%",
    "Share of the upper endplate's area with cement within 0.5 mm of it.",
)
define(
    "cement_contact_inferior",
    "%",
    "Share of the lower endplate's area with cement within 0.5 mm of it.",
)
define(
    "leak_margin_posterior_wall",
    "mm",
    "Least distance from the cement's surface to the wall of the body in front of the canal. A "
    "geometric margin, not a prediction of leakage.",
)
define(
    "leak_margin_canal",
    "mm",
    "Least distance from the cement's surface to the spinal canal, as an upright elliptical tube. "
    "A geometric margin, not a prediction of leakage.",
)
define(
    "leak_margin_cortex",
    "mm",
    "Least distance from the cement's surface to the outer wall of the body. A geometric margin, "
    "not a prediction of leakage.",
)
define(
    "leak_margin_basivertebral",
    "mm",
    "Least distance from the cement's surface to the centre of the basivertebral foramen. A "
    "geometric margin, not a prediction of leakage.",
)
define("cement_left_share", "1", "Cement left of the midline / all cement; 0.5 is balanced.")
define(
    "cement_evenness",
    "1",
    "1 - standard deviation / (mean x sqrt 7) of the share of pore space that is filled in the "
    "eight sectors of the body (left or right, front or back, above or below its middle): 1 where "
    "all are filled alike, 0 where all cement lies in one.",
)
define("cement_front_share", "1", "Cement in front of the body's middle / all cement.")
for _region, _words in (
    ("left", "left of the midline"),
    ("right", "right of the midline"),
    ("front", "in front of the body's middle"),
    ("back", "behind the body's middle"),
    ("upper", "above the body's middle"),
    ("lower", "below the body's middle"),
):
    define(
        f"cement_fill_{_region}",
        "%",
        f"Cement {_words} / pore space there before any cement, drawn, injected or imaged alike.",
    )
define(
    "cement_circularity",
    "1",
    "4 pi x area / perimeter^2 of the filled bone, mean of the coronal, the sagittal and the "
    "transverse section through its centroid: 1 for one disc, 0.5 for two.",
)
define("cement_surface_area", "mm2", "Area of the surface of the filled bone.")

# Points that stand for the outer wall: about 0.35 mm apart around it and 0.4 mm along it.
_N_ANGLES, _N_HEIGHTS = 360, 61

# Width of the smoothing of a section before its perimeter is taken, cells.
_SMOOTHING = 0.8


class Placed(NamedTuple):
    """All cement of a specimen, as the descriptions need it.

    Attributes
    ----------
    specimen : Specimen
        Whose cement.
    pore : (n_z, n_y, n_x) float array
        Pore space before any cement / voxel volume.
    filled : (n_z, n_y, n_x) float array
        Bone and cleft filled with cement / voxel volume.
    unfilled : (n_z, n_y, n_x) float array
        Bone and cleft without cement / voxel volume.
    """

    specimen: Specimen
    pore: FloatArray
    filled: FloatArray
    unfilled: FloatArray


def placed(specimen: Specimen) -> Placed:
    """Return the cement of a specimen."""
    cement = specimen.cement_fraction
    pore = specimen.pore_fraction + cement
    share = np.divide(cement, pore, out=np.zeros_like(pore), where=pore > 0.0)
    bone = specimen.tissue.trabecular
    if specimen.void is not None:
        bone = bone + specimen.void
    return Placed(specimen, pore, share * bone, (1.0 - share) * bone)


def describe(specimen: Specimen, *, placed_ml: float) -> tuple[Quantity, ...]:
    """Return what all cement of a specimen looks like.

    Parameters
    ----------
    specimen : Specimen
        On a grid aligned with its body.
    placed_ml : float
        Volume placed by the last step, ml.
    """
    total_ml = specimen.cement_volume_ml
    volumes = [
        quantity("cement_volume", total_ml),
        quantity("cement_volume_placed", placed_ml),
        quantity("filling_fraction", 100.0 * total_ml / specimen.volume_ml()),
    ]
    if specimen.volume_intact_ml is not None:
        percent = 100.0 * total_ml / specimen.volume_intact_ml
        volumes.append(quantity("filling_fraction_intact", percent))
    if total_ml == 0.0:
        return tuple(volumes)
    cement = placed(specimen)
    return (
        *volumes,
        *_endplate_gaps(cement),
        *_leak_margins(cement),
        *_spread(cement),
        quantity("cement_circularity", circularity(cement.filled, specimen.domain.spacing_mm)),
        quantity("cement_surface_area", surface_area_mm2(cement)),
    )


def surface_points(cement: Placed) -> FloatArray:
    """Return points on the surface of the filled bone, in body coordinates, (n, 3), mm.

    One point wherever a line through neighbouring cell centres crosses the threshold.
    """
    filled = cement.filled
    threshold = value("augmentation.report.threshold") * min(1.0, float(filled.max()))
    spacing = np.array(cement.specimen.domain.spacing_mm)
    first = np.array([axis[0] for axis in cement.specimen.body_axes()])
    found = []
    for axis in range(3):
        n = filled.shape[axis]
        near = np.take(filled, range(n - 1), axis=axis)
        far = np.take(filled, range(1, n), axis=axis)
        crossing = np.nonzero((near >= threshold) != (far >= threshold))
        index = np.stack(crossing, axis=-1).astype(np.float64)
        index[:, axis] += (threshold - near[crossing]) / (far[crossing] - near[crossing])
        # Array axes run z, y, x; points are (x, y, z).
        found.append(first + index[:, ::-1] * spacing)
    return np.concatenate(found)


def surface_area_mm2(cement: Placed) -> float:
    """Return the area of the surface of the filled bone: total variation of its fraction, mm2."""
    filled = np.pad(cement.filled, 1)
    gradient = np.gradient(filled, *cement.specimen.domain.spacing_mm[::-1])
    slope = np.sqrt(sum(part**2 for part in gradient))
    return float(slope.sum()) * cement.specimen.domain.cell_volume_mm3


def circularity(filled: FloatArray, spacing_mm: tuple[float, float, float]) -> float:
    """Return 4 pi area / perimeter^2 of the sections through the centroid of a fraction, mean.

    The perimeter is the total variation of the section, smoothed by less than a cell so that steps
    of the grid do not count.

    Parameters
    ----------
    filled : (n_z, n_y, n_x) float array
        Fraction of every cell, 0 to 1.
    spacing_mm : tuple of float
        Cell size (x, y, z).
    """
    edges = spacing_mm[::-1]
    ratios = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        weight = filled.sum(axis=others)
        middle = int(np.rint(float(weight @ np.arange(len(weight))) / float(weight.sum())))
        section = np.pad(np.take(filled, middle, axis=axis), 3)
        first, second = (edges[k] for k in others)
        slopes = np.gradient(gaussian_filter(section, _SMOOTHING), first, second)
        perimeter = float(np.hypot(*slopes).sum()) * first * second
        area = float(section.sum()) * first * second
        if perimeter > 0.0:
            ratios.append(min(4.0 * np.pi * area / perimeter**2, 1.0))
    return float(np.mean(ratios)) if ratios else 0.0


def _endplate_gaps(cement: Placed) -> tuple[Quantity, ...]:
    """Return least gaps and shares of contact at both endplates."""
    filled, whole = cement.filled, cement.filled + cement.unfilled
    # A column that the wall cuts holds less bone per height: its fullest cell counts as full.
    fullest = whole.max(axis=0)
    step = cement.specimen.domain.spacing_mm[2] / np.where(fullest > 0.0, fullest, 1.0)
    threshold = value("augmentation.report.threshold")
    full = filled >= threshold * min(1.0, float(filled.max()))
    holds = full.any(axis=0)
    near = value("augmentation.report.contact_mm")
    # An imaged body has no endplate of its own: its outermost layer counts as such.
    is_imaged = cement.specimen.anatomy.origin == "image"
    endplate_mm = value("augmentation.image.cortex_mm") if is_imaged else 0.0
    rows = []
    for name, order in (("superior", slice(None, None, -1)), ("inferior", slice(None))):
        # From the endplate towards the cement: bone met before the first cell that is mostly full.
        met = np.cumsum(cement.unfilled[order], axis=0) * step
        first = np.argmax(full[order], axis=0)
        gap = np.maximum(np.take_along_axis(met, first[None], axis=0)[0] - endplate_mm, 0.0)
        rows.append(quantity(f"cement_gap_{name}", float(gap[holds].min())))
        contact = float((holds & (gap <= near)).sum()) / float((fullest >= threshold).sum())
        rows.append(quantity(f"cement_contact_{name}", 100.0 * contact))
    return tuple(rows)


def _leak_margins(cement: Placed) -> tuple[Quantity, ...]:
    """Return least distances from the cement to the places where it leaks."""
    points = surface_points(cement)
    anatomy = cement.specimen.anatomy
    landmarks = anatomy.landmarks
    wall = _wall_points(anatomy.frame)
    faces_canal = (wall[:, 1] > 0.0) & (np.abs(wall[:, 0]) <= 0.5 * landmarks.canal_width_mm)
    foramen = np.linalg.norm(points - np.array(landmarks.basivertebral_mm), axis=-1)
    return (
        quantity("leak_margin_posterior_wall", _nearest(points, wall[faces_canal])),
        quantity("leak_margin_canal", _to_canal(points, landmarks)),
        quantity("leak_margin_cortex", _nearest(points, wall)),
        quantity("leak_margin_basivertebral", float(foramen.min())),
    )


def _nearest(points: FloatArray, targets: FloatArray) -> float:
    """Return the least distance between two sets of points, mm."""
    tree = cKDTree(targets)
    # A few points bound the answer, and the bound makes the search for all of them short.
    sample, _ = tree.query(points[:: max(1, len(points) // 64)])
    bound = float(np.min(sample))
    distance, _ = tree.query(points, distance_upper_bound=bound)
    return min(bound, float(np.min(distance)))


def _wall_points(frame: BodyFrame) -> FloatArray:
    """Return points on the outer wall of the body, in body coordinates, (n, 3), mm."""
    theta, height = np.meshgrid(
        np.linspace(0.0, 2.0 * np.pi, _N_ANGLES, endpoint=False),
        np.linspace(0.0, 1.0, _N_HEIGHTS),
    )
    radius = frame.wall_radius(theta, height)
    x, y = radius * np.cos(theta), radius * np.sin(theta)
    lower = frame.inferior_at(x, y)
    z = lower + height * (frame.superior_at(x, y) - lower)
    return np.stack([x.ravel(), y.ravel(), z.ravel()], axis=-1)


def _to_canal(points: FloatArray, landmarks: Landmarks) -> float:
    """Return the least distance to the canal in the transverse plane; 0 inside it, mm."""
    theta = np.linspace(0.0, 2.0 * np.pi, _N_ANGLES, endpoint=False)
    half = 0.5 * np.array([landmarks.canal_width_mm, landmarks.canal_depth_mm])
    local = points[:, :2] - np.array(landmarks.canal_centre_mm)[:2]
    if bool((np.sum((local / half) ** 2, axis=-1) < 1.0).any()):
        return 0.0
    return _nearest(local, half * np.stack([np.cos(theta), np.sin(theta)], axis=-1))


# Sectors of each half of the body: 4 if left, 2 if behind, 1 if above the middle.
_HALVES = {
    "left": [4, 5, 6, 7],
    "right": [0, 1, 2, 3],
    "front": [0, 1, 4, 5],
    "back": [2, 3, 6, 7],
    "upper": [1, 3, 5, 7],
    "lower": [0, 2, 4, 6],
}


def _fills(held: NDArray[Any], room: NDArray[Any]) -> tuple[Quantity, ...]:
    """Return the share of pore space that is filled in each half of the body."""
    return tuple(
        quantity(f"cement_fill_{name}", 100.0 * float(held[own].sum() / max(room[own].sum(), 1e-9)))
        for name, own in _HALVES.items()
    )


def _spread(cement: Placed) -> tuple[Quantity, ...]:
    """Return left share and evenness over the eight sectors of the body."""
    specimen = cement.specimen
    frame = specimen.anatomy.frame
    x, y, z = specimen.body_axes()
    front, back = frame.sagittal_extent_mm()
    volume = specimen.cement_fraction
    plan_x, plan_y = x[None, :], y[:, None]
    middle = 0.5 * (frame.superior_at(plan_x, plan_y) + frame.inferior_at(plan_x, plan_y))
    is_left = np.broadcast_to(plan_x > 0.0, volume.shape)
    is_back = plan_y > 0.5 * (front + back)
    is_above = z[:, None, None] > middle
    sector = (is_left * 4 + is_back * 2 + is_above).ravel().astype(np.intp)
    held = np.bincount(sector, weights=volume.ravel(), minlength=8)
    room = np.bincount(sector, weights=cement.pore.ravel(), minlength=8)
    share = held / np.where(room > 0.0, room, 1.0)
    evenness = 1.0 - float(share.std() / (share.mean() * np.sqrt(7.0)))
    in_front = float(held[[0, 1, 4, 5]].sum() / held.sum())
    return (
        *_fills(held, room),
        quantity("cement_left_share", float(held[4:].sum() / held.sum())),
        quantity("cement_front_share", in_front),
        quantity("cement_evenness", evenness),
    )
