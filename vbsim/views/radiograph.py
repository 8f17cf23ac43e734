"""Simulated radiographs: what a clinician would see of bone and cement, from any side.

Parallel rays; the attenuation along each is summed over the voxels (Beer-Lambert, one effective
energy, no scatter, no magnification), soft tissue counting as zero. Bright is dense, as on film.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.ndimage import affine_transform

from vbsim.checks import require
from vbsim.data import value
from vbsim.measures.radiodensity import radiodensity_hu
from vbsim.mesh.voxels import VoxelGrid
from vbsim.views.stages import StageView
from vbsim.views.style import FAINT, new_figure, styled

__all__ = ["Radiograph", "VIEWS_DEG", "radiograph", "radiographs", "radiograph_figure"]

FloatArray = NDArray[np.float64]

VIEWS_DEG = {"antero-posterior": 0.0, "lateral": 90.0}
"""Named views by their angle about the body's long axis."""

_MARGIN_MM = 4.0
_SCALE_BAR_MM = 10.0
_WHITE = 99.5  # percentile of what is not air
_BONE_TO_WHITE = 2.0  # white lies at most at this multiple of the densest bone
_GAMMA = 0.7  # film and screen respond less than linearly to attenuation
_PANEL_IN = 2.05


class Radiograph(NamedTuple):
    """One projection; rows run upwards, columns to the right of the picture.

    Attributes
    ----------
    attenuation : (n_rows, n_columns) float array
        Attenuation along the ray beyond soft tissue; the intensity is ``exp(-attenuation)``.
    extent_mm : tuple of float
        Left, right, bottom and top edge in the plane of the picture, body mm.
    angle_deg : float
        0 is antero-posterior, 90 lateral from the left.
    """

    attenuation: FloatArray
    extent_mm: tuple[float, float, float, float]
    angle_deg: float


def radiograph(
    hu: FloatArray,
    grid: VoxelGrid,
    *,
    angle_deg: float,
    axes: FloatArray | None = None,
    origin_mm: FloatArray | None = None,
) -> Radiograph:
    """Return the sum of attenuation along parallel rays across the body's long axis.

    Parameters
    ----------
    hu : (n_z, n_y, n_x) float
        Radiodensity beyond soft tissue, HU.
    grid : VoxelGrid
        Where the voxels lie.
    angle_deg : float
        Turn of the rays about the body's z: 0 from front to back with the patient's left on the
        right of the picture, 90 from left to right with the front on the left of the picture.
    axes : (3, 3) float, optional
        Columns are the body's x, y, z in the world; the grid's own by default.
    origin_mm : (3,) float, optional
        Origin of the body in the world; the grid's corner by default.
    """
    require(np.shape(hu) == grid.shape, "hu", np.shape(hu), f"of shape {grid.shape}")
    axes = grid.axes if axes is None else np.asarray(axes)
    origin = grid.origin_mm if origin_mm is None else np.asarray(origin_mm)
    per_mm = float(value("radiograph.water_attenuation_per_mm")) / 1000.0
    turn = np.radians(angle_deg)
    # Picture axes in body coordinates: u to the right, w along the ray away from the source.
    u = np.array([np.cos(turn), np.sin(turn), 0.0])
    w = np.array([-np.sin(turn), np.cos(turn), 0.0])
    basis = axes @ np.stack([u, w, [0.0, 0.0, 1.0]], axis=1)
    sampled, start, step = _resampled(hu, grid, basis, origin)
    attenuation = per_mm * step[1] * sampled.sum(axis=1)
    n_v, n_u = attenuation.shape
    extent = (start[0], start[0] + n_u * step[0], start[2], start[2] + n_v * step[2])
    return Radiograph(attenuation, tuple(float(edge) for edge in extent), angle_deg)  # type: ignore[arg-type]


def radiographs(stage: StageView) -> dict[str, Radiograph]:
    """Return the named views of a stage."""
    hu, frame = radiodensity_hu(stage.specimen), stage.specimen.anatomy.frame
    grid = stage.specimen.domain
    return {
        name: radiograph(hu, grid, angle_deg=angle, axes=frame.axes, origin_mm=frame.origin_mm)
        for name, angle in VIEWS_DEG.items()
    }


def radiograph_figure(stages: Sequence[StageView]) -> Figure:
    """Return antero-posterior and lateral radiographs of the stages, one grey scale for all.

    Cement may be brighter than the scale: a window that holds it would leave the bone black.

    Parameters
    ----------
    stages : sequence of StageView
        Stages in their order, loaded or not.
    """
    require(len(stages) > 0, "stages", len(stages), "one or more")
    found = {(k, name): r for k, s in enumerate(stages) for name, r in radiographs(s).items()}
    norm = _grey_scale(found)
    windows = _windows(found)
    left, right, bottom, top = windows[next(iter(VIEWS_DEG))]
    row_in = _PANEL_IN * (top - bottom) / (right - left)
    with styled():
        figure = new_figure(_PANEL_IN * len(stages) + 0.85, 2.0 * row_in + 0.45)
        panels = figure.subplots(2, len(stages), squeeze=False)
        for row, name in enumerate(VIEWS_DEG):
            for k, stage in enumerate(stages):
                _draw(panels[row, k], found[k, name], norm, windows[name])
                if row == 0:
                    panels[row, k].set_title(stage.title, weight="bold")
            panels[row, 0].set_ylabel(name.capitalize(), color=FAINT)
        scale = mpl.cm.ScalarMappable(norm, "gray")
        bar = figure.colorbar(scale, ax=panels, shrink=0.85, aspect=30, extend="max")
        bar.outline.set_linewidth(0.5)
        bar.set_label("attenuation beyond soft tissue (1)")
        return figure


def _grey_scale(found: Mapping[tuple[int, str], Radiograph]) -> PowerNorm:
    """Return a scale that shows the first stage's bone and saturates in dense cement."""

    def high(rows: Sequence[Radiograph]) -> float:
        seen = np.concatenate([r.attenuation[r.attenuation > 1e-3].ravel() for r in rows])
        return float(np.percentile(seen, _WHITE)) if seen.size else 1e-3

    bone = high([r for (k, _), r in found.items() if k == 0])
    return PowerNorm(_GAMMA, 0.0, min(high(list(found.values())), _BONE_TO_WHITE * bone))


def _windows(
    found: Mapping[tuple[int, str], Radiograph],
) -> dict[str, tuple[float, float, float, float]]:
    """Return left, right, bottom and top of each view: all stages, one size for both views."""
    boxes = {}
    for name in VIEWS_DEG:
        ends = [_box(r) for (_, view), r in found.items() if view == name]
        boxes[name] = np.array([np.min(ends, axis=0)[[0, 2]], np.max(ends, axis=0)[[1, 3]]])
    size = np.max([box[1] - box[0] for box in boxes.values()], axis=0) + 2.0 * _MARGIN_MM
    windows = {}
    for name, box in boxes.items():
        low, high = box.mean(axis=0) - 0.5 * size, box.mean(axis=0) + 0.5 * size
        windows[name] = (float(low[0]), float(high[0]), float(low[1]), float(high[1]))
    return windows


def _box(found: Radiograph) -> tuple[float, float, float, float]:
    """Return the edges of what is not air, mm."""
    left, right, bottom, top = found.extent_mm
    seen = found.attenuation > 0.02 * found.attenuation.max()
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return found.extent_mm
    n_rows, n_columns = seen.shape
    across, up = (right - left) / n_columns, (top - bottom) / n_rows
    ends = left + across * columns[0], left + across * (columns[-1] + 1)
    return *ends, bottom + up * rows[0], bottom + up * (rows[-1] + 1)


def _resampled(
    hu: FloatArray, grid: VoxelGrid, basis: FloatArray, origin: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return values along the picture's axes, ``[v, w, u]``, with the first corner and the step.

    Where those axes run along the grid's, the voxels themselves are summed; elsewhere values are
    interpolated linearly at steps of the voxel.
    """
    along = basis.T @ grid.axes  # picture coordinates of the grid's directions
    spacing = np.asarray(grid.spacing_mm)
    corner = (grid.origin_mm - origin) @ basis
    if np.allclose(np.abs(along).max(axis=1), 1.0, atol=1e-9):
        order = np.abs(along).argmax(axis=1)  # grid axis of u, w, v
        flip = along[np.arange(3), order] < 0
        step = spacing[order]
        length = np.asarray(grid.shape[::-1])[order] * step
        start = np.where(flip, corner - length, corner)
        turned = np.transpose(hu, [2 - order[2], 2 - order[1], 2 - order[0]])
        return (
            turned[tuple(slice(None, None, -1) if f else slice(None) for f in flip[::-1])],
            start,
            step,
        )
    step = np.full(3, spacing.min())
    ends = np.array(
        np.meshgrid(*[[0.0, n * h] for n, h in zip(grid.shape[::-1], spacing, strict=True)])
    )
    reach = corner + ends.reshape(3, -1).T @ along.T
    start, stop = reach.min(axis=0), reach.max(axis=0)
    count = np.ceil((stop - start) / step).astype(int)
    # From an index (v, w, u) of the picture to an index (z, y, x) of the grid.
    matrix = (along.T * step / spacing[:, None])[::-1, ::-1]
    first = ((start + 0.5 * step - corner) @ along) / spacing - 0.5
    picture = affine_transform(
        hu,
        matrix,
        offset=first[::-1],
        output_shape=tuple(count[[2, 1, 0]]),
        order=1,
        mode="grid-constant",  # material at the very faces counts in full
    )
    return picture, start, step


def _draw(
    axes: Axes,
    found: Radiograph,
    norm: PowerNorm,
    window: tuple[float, float, float, float],
) -> None:
    """Draw one radiograph with the sides' letters and a bar of 10 mm."""
    axes.set(xticks=[], yticks=[], facecolor="black")
    axes.spines[:].set_visible(False)
    axes.imshow(
        found.attenuation,
        extent=found.extent_mm,
        origin="lower",
        cmap="gray",
        norm=norm,
        interpolation="bilinear",
    )
    turned = found.angle_deg % 180.0
    ends = ("R", "L") if turned < 45.0 or turned > 135.0 else ("A", "P")
    for x, letter in zip((0.03, 0.97), ends, strict=True):
        axes.text(
            x,
            0.5,
            letter,
            transform=axes.transAxes,
            color="white",
            fontsize=6.5,
            ha="center",
        )
    left, right, bottom, top = window
    axes.set(xlim=(left, right), ylim=(bottom, top))
    y, x = bottom + 0.4 * _MARGIN_MM, left + 0.6 * _MARGIN_MM
    axes.add_line(Line2D([x, x + _SCALE_BAR_MM], [y, y], color="white", linewidth=1.4))
    label = f"{_SCALE_BAR_MM:.0f} mm"
    axes.text(x + _SCALE_BAR_MM + 0.8, y, label, color="white", fontsize=6.0, va="center")
