"""Canal and pedicles of an imaged vertebra: measured where an arch is labelled, else of its level.

What is measured must lie within a wide range about the level's published size, scaled to this
body; otherwise the scaled size is used: a torn pedicle in a label map is no narrow pedicle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim.anatomy.frame import BodyFrame, Landmarks, PedicleAxis
from vbsim.anatomy.image.sampling import Sampler
from vbsim.anatomy.vertebra import Vertebra

__all__ = ["find_landmarks"]

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Point = tuple[float, float, float]

_STEP_MM = 0.5
# Measured over expected size that is still believed.
_PLAUSIBLE = (0.5, 1.8)
# The isthmus lies in front of this part of the canal's depth; further back the laminae begin.
_PEDICLE_REACH = 0.75
# Factors on the published mean size that a parametric vertebra accepts.
_SCALES = (0.6, 1.5)
_STRIP_MM = 2.0
_RIM_MM = 4.0


def find_landmarks(level: str, frame: BodyFrame, whole: Sampler | None) -> Landmarks:
    """Return canal, pedicles and basivertebral foramen in body coordinates.

    Parameters
    ----------
    level : str
        ``T5`` ... ``L5``.
    frame : BodyFrame
        Shape of the imaged body.
    whole : Sampler or None
        Mask of body and arch in the world; None if no arch is labelled.
    """
    expected = _scaled(level, frame)
    if whole is None:
        return expected
    section = _behind(frame, expected, whole)
    sides = [
        _pedicle(section.in_front(_PEDICLE_REACH), expected.pedicle_left, 1.0),
        _pedicle(section.in_front(_PEDICLE_REACH), expected.pedicle_right, -1.0),
    ]
    depth = _canal_depth(section, expected)
    width = _canal_width(section, expected, sides)
    x, _, z = expected.canal_centre_mm
    _, back = frame.sagittal_extent_mm()
    return expected._replace(
        canal_centre_mm=(x, back + 0.5 * depth, z),
        canal_width_mm=width,
        canal_depth_mm=depth,
        pedicle_left=sides[0],
        pedicle_right=sides[1],
    )


def _scaled(level: str, frame: BodyFrame) -> Landmarks:
    """Return the landmarks of the level, scaled to this body and set behind its back wall."""
    mean = Vertebra.model_validate({"level": level})
    theirs, ours = mean.anatomy.frame, frame
    plan = _width_mm(ours) / _width_mm(theirs)
    tall = ours.heights().posterior_mm / theirs.heights().posterior_mm
    scales = {"plan_scale": _bounded(plan), "height_scale": _bounded(tall)}
    sized = Vertebra.model_validate({"level": level, **scales}).anatomy
    found, theirs = sized.landmarks, sized.frame
    hollow = float(ours.wall_radius(0.5 * np.pi, 0.5))
    middle = 0.5 * float(ours.superior_at(0.0, hollow) + ours.inferior_at(0.0, hollow))
    _, back = ours.sagittal_extent_mm()
    shift_y = back - theirs.sagittal_extent_mm()[1]
    return Landmarks(
        basivertebral_mm=(0.0, hollow, middle),
        canal_centre_mm=(0.0, back + 0.5 * found.canal_depth_mm, middle),
        canal_width_mm=found.canal_width_mm,
        canal_depth_mm=found.canal_depth_mm,
        pedicle_left=_moved(found.pedicle_left, theirs, ours, shift_y),
        pedicle_right=_moved(found.pedicle_right, theirs, ours, shift_y),
    )


def _moved(pedicle: PedicleAxis, theirs: BodyFrame, ours: BodyFrame, shift_y: float) -> PedicleAxis:
    """Return a pedicle as far behind and below this body's upper rim as it was at the other's."""
    x = pedicle.isthmus_mm[0]
    rise = float(
        ours.superior_at(x, ours.sagittal_extent_mm()[1])
        - theirs.superior_at(x, theirs.sagittal_extent_mm()[1])
    )
    shift = np.array([0.0, shift_y, rise])
    return pedicle._replace(
        entry_mm=_point(np.array(pedicle.entry_mm) + shift),
        isthmus_mm=_point(np.array(pedicle.isthmus_mm) + shift),
    )


@dataclass(frozen=True, eq=False)
class _Section:
    """Bone behind the body's back rim on a lattice aligned with it; ``solid`` is ``[z, y, x]``."""

    x_mm: FloatArray
    y_mm: FloatArray
    z_mm: FloatArray
    solid: Mask
    canal_depth_mm: float

    def in_front(self, part: float) -> _Section:
        """Return the lattice up to a part of the expected depth of the canal."""
        kept = self.y_mm <= self.y_mm[0] + part * self.canal_depth_mm
        return replace(self, y_mm=self.y_mm[kept], solid=self.solid[:, kept])


def _behind(frame: BodyFrame, expected: Landmarks, whole: Sampler) -> _Section:
    lower, upper = frame.bounds_mm()
    half = 0.5 * expected.canal_width_mm + 2.0 * expected.pedicle_left.width_mm
    _, back = frame.sagittal_extent_mm()
    x = np.arange(-np.ceil(half / _STEP_MM), np.ceil(half / _STEP_MM) + 1.0) * _STEP_MM
    y = np.arange(back, back + 2.0 * expected.canal_depth_mm, _STEP_MM)
    # Pedicles leave the upper half; the laminae's upper edge is not far below.
    z = np.arange(0.5 * lower[2], upper[2] + 5.0, _STEP_MM)
    points = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    solid = whole.at(frame.to_world(points)) >= 0.5
    return _Section(x, y, z, solid, expected.canal_depth_mm)


def _pedicle(section: _Section, expected: PedicleAxis, side: float) -> PedicleAxis:
    """Return one pedicle: where the bone between body and lamina has its smallest section.

    Place and size are measured; the direction is the level's, because the bone flares into the
    body and its centre line bends there.
    """
    half = section.solid & (side * section.x_mm > 0.0)
    parts = [_largest(half[:, index]) for index in range(len(section.y_mm))]
    area = np.array([part.sum() for part in parts], dtype=np.float64)
    smooth = ndimage.gaussian_filter1d(area, 1.0 / _STEP_MM, mode="nearest")
    narrowest = int(smooth.argmin())
    if not 0 < narrowest < len(parts) - 1 or not parts[narrowest].any():
        return expected
    wide, tall = _extent_mm(parts[narrowest])
    # The section is across y; the pedicle runs aslant.
    wide *= float(np.hypot(expected.direction[1], expected.direction[2]))
    if not _believable(wide, expected.width_mm) or not _believable(tall, expected.height_mm):
        return expected
    x, z = _centre(section, parts[narrowest])
    isthmus = np.array([x, section.y_mm[narrowest], z])
    entry = isthmus + np.subtract(expected.entry_mm, expected.isthmus_mm)
    return expected._replace(
        entry_mm=_point(entry), isthmus_mm=_point(isthmus), width_mm=wide, height_mm=tall
    )


def _largest(part: Mask) -> Mask:
    """Return the largest connected patch of a section, (n_z, n_x)."""
    patches, count = ndimage.label(part)
    if count == 0:
        return part
    return np.asarray(patches == np.bincount(patches.ravel())[1:].argmax() + 1)


def _centre(section: _Section, part: Mask) -> tuple[float, float]:
    z, x = np.nonzero(part)
    return float(section.x_mm[x].mean()), float(section.z_mm[z].mean())


def _extent_mm(part: Mask) -> tuple[float, float]:
    """Return width and height of a section: medians of its middle rows, longest column, mm."""
    rows = part.sum(axis=1)
    rows = rows[rows > 0]
    middle = rows[len(rows) // 4 : len(rows) - len(rows) // 4]
    return float(np.median(middle)) * _STEP_MM, float(part.sum(axis=0).max()) * _STEP_MM


def _canal_depth(section: _Section, expected: Landmarks) -> float:
    """Return the distance from the back rim to the lamina on the midline, mm."""
    strip = section.solid[:, :, np.abs(section.x_mm) <= _STRIP_MM].any(axis=2)
    # A rim that stands out behind the mean of the two is body, not lamina.
    beyond = section.y_mm > section.y_mm[0] + _RIM_MM
    strip = strip & beyond
    seen = strip[strip.any(axis=1)]
    if len(seen) == 0:
        return expected.canal_depth_mm
    # The lamina leans: its upper part, nearest to the body, bounds the canal.
    gap = float(np.percentile(np.argmax(seen, axis=1), 20)) * _STEP_MM
    return gap if _believable(gap, expected.canal_depth_mm) else expected.canal_depth_mm


def _canal_width(section: _Section, expected: Landmarks, sides: list[PedicleAxis]) -> float:
    """Return the distance between the inner walls of the two pedicles, mm."""
    centres = abs(sides[0].isthmus_mm[0] - sides[1].isthmus_mm[0])
    width = centres - 0.5 * (sides[0].width_mm + sides[1].width_mm)
    return width if _believable(width, expected.canal_width_mm) else expected.canal_width_mm


def _believable(found: float, expected: float) -> bool:
    return _PLAUSIBLE[0] * expected <= found <= _PLAUSIBLE[1] * expected


def _width_mm(frame: BodyFrame) -> float:
    lower, upper = frame.bounds_mm()
    return float(upper[0] - lower[0])


def _bounded(scale: float) -> float:
    return float(np.clip(scale, *_SCALES))


def _point(array: FloatArray) -> Point:
    x, y, z = (float(part) for part in array)
    return x, y, z
