"""Sections of density, cement and stress: one column per stage, one colour scale for all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import AbstractPathEffect, withStroke
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.views.sections import (
    PLANES,
    Outline,
    Plane,
    Section,
    cement,
    compression,
    density,
    energy,
    outline,
    section,
    von_mises,
)
from vbsim.views.stages import StageView
from vbsim.views.style import CAP, FAINT, INK, new_figure, styled

__all__ = [
    "sections_density",
    "sections_cement",
    "sections_stress",
    "sections_compression",
    "sections_energy",
]

FloatArray = NDArray[np.float64]
Values = dict[tuple[int, Plane], FloatArray]

# Layout in inches; a page's text is 7 wide.
_PAGE, _LEFT, _RIGHT, _TOP, _BOTTOM, _GAP, _ROW_GAP = 7.0, 0.30, 0.78, 0.42, 0.34, 0.14, 0.14
_WIDEST_PANEL, _NARROWEST_PANEL = 2.4, 1.5
_MARGIN_MM = 3.5
_SCALE_BAR_MM = 10.0
_STRESS_RANGE = 60.0  # a cleft's shadow carries next to nothing and must not stretch the scale
_BONE = "#ece6da"
_DASHED, _DOTTED = (0, (4, 2.5)), (0, (1, 1.6))
_ENDS = {"sagittal": ("A", "P"), "coronal": ("R", "L")}


class _Scale(NamedTuple):
    """How values become colours."""

    label: str
    norm: Normalize
    colours: Colormap
    line: str
    extend: str = "neither"


def sections_density(stages: Sequence[StageView]) -> Figure:
    """Return mid-sagittal and mid-coronal sections of bone density by stage."""
    values = _values(stages, lambda stage, plane: density(stage.specimen, plane))
    # Compacted bone and cortex saturate, or the rest of the bone would be one colour.
    top = min(1.15 * _percentile(values, 97.0), 3.5 * _percentile(values, 50.0))
    scale = _Scale(
        "bone mineral density (mg/cm³)",
        Normalize(0.0, _round_up(top)),
        mpl.colormaps["viridis"],
        "#ff9d4d",
        "max",
    )
    return _figure(stages, values, scale)


def sections_cement(stages: Sequence[StageView]) -> Figure:
    """Return mid-sagittal and mid-coronal sections of the pores' filling by stage."""
    values = _values(stages, lambda stage, plane: cement(stage.specimen, plane))
    # From the colour of bone to deep purple: the light two thirds of a uniform map.
    colours = ListedColormap(mpl.colormaps["magma_r"](np.linspace(0.0, 0.7, 256)))
    scale = _Scale("share of the pores filled with cement", Normalize(0.0, 1.0), colours, INK)
    faint = {key: np.where(found > 0.01, found, np.nan) for key, found in values.items()}
    return _figure(stages, faint, scale)


def sections_stress(stages: Sequence[StageView], *, load_n: float) -> Figure:
    """Return mid-sagittal and mid-coronal sections of von Mises stress by stage at one load.

    Parameters
    ----------
    stages : sequence of StageView
        Stages with a response to compression.
    load_n : float
        Axial force to which every response is scaled, N.
    """
    label, line = f"von Mises stress (MPa) at {load_n:.0f} N", "#7fe3ff"
    return _loaded_figure(stages, von_mises, load_n, label, mpl.colormaps["magma"], line)


def sections_compression(stages: Sequence[StageView], *, load_n: float) -> Figure:
    """Return sections of the largest compressive principal stress by stage at one load.

    Parameters
    ----------
    stages, load_n
        As for `sections_stress`.
    """
    label = f"largest compressive stress (MPa) at {load_n:.0f} N"
    return _loaded_figure(stages, compression, load_n, label, mpl.colormaps["magma"], "#7fe3ff")


def sections_energy(stages: Sequence[StageView], *, load_n: float) -> Figure:
    """Return sections of the strain energy density by stage at one load.

    Parameters
    ----------
    stages, load_n
        As for `sections_stress`.
    """
    label = f"strain energy density (kJ/m³) at {load_n:.0f} N"
    return _loaded_figure(stages, energy, load_n, label, mpl.colormaps["cividis"], "#ff9d4d")


def _loaded_figure(
    stages: Sequence[StageView],
    of: Callable[..., FloatArray],
    load_n: float,
    label: str,
    colours: Colormap,
    line: str,
) -> Figure:
    """Draw a field of the loaded stages on one logarithmic scale."""

    def at_load(stage: StageView, plane: Plane) -> FloatArray:
        response = stage.response
        require(response is not None, f"stage {stage.name}", None, "solved before it is drawn")
        assert response is not None
        return of(stage.specimen, response, plane, scale=load_n / response.force_n)

    values = _values(stages, at_load)
    high = _percentile(values, 99.0)
    low, high = _round_ends(max(_percentile(values, 3.0), high / _STRESS_RANGE), high)
    # A traction has no logarithm: it counts as less than the least.
    values = {key: np.where(found <= 0.0, 0.5 * low, found) for key, found in values.items()}
    norm = LogNorm(low, max(high, 2.0 * low))
    return _figure(stages, values, _Scale(label, norm, colours, line, "both"))


def _values(stages: Sequence[StageView], of: Callable[[StageView, Plane], FloatArray]) -> Values:
    require(len(stages) > 0, "stages", len(stages), "one or more")
    return {(k, plane): of(stage, plane) for k, stage in enumerate(stages) for plane in PLANES}


def _percentile(values: Values, level: float) -> float:
    together = np.concatenate([found[np.isfinite(found)] for found in values.values()])
    together = together[together > 0]
    return float(np.percentile(together, level)) if together.size else 1.0


def _round_up(number: float) -> float:
    """Return the next number of one or two leading digits that a colour bar likes."""
    step = 10.0 ** np.floor(np.log10(number)) / 2.0
    return float(np.ceil(number / step) * step)


def _round_ends(low: float, high: float) -> tuple[float, float]:
    """Widen a positive range to numbers of the series 1, 2, 5, 10, ..."""
    first, last = np.floor(np.log10(low)), np.ceil(np.log10(high))
    decades = 10.0 ** np.arange(first, last + 1)
    series = np.outer(decades, (1.0, 2.0, 5.0)).ravel()
    # A hair's breadth keeps a number of the series where it is.
    below, above = series[series <= low * (1 + 1e-9)], series[series >= high * (1 - 1e-9)]
    return float(below[-1]), float(above[0])


def _figure(stages: Sequence[StageView], values: Values, scale: _Scale) -> Figure:
    """Lay the panels out at one length scale and draw them with one colour bar."""
    with styled():
        layout = _Layout(stages)
        figure = new_figure(layout.width, layout.height)
        figure.set_layout_engine("none")
        before = {plane: outline(stages[0].specimen.anatomy.frame, plane) for plane in PLANES}
        for (k, plane), found in values.items():
            axes = figure.add_axes(layout.panel(k, plane))
            cut = section(stages[k].specimen, plane)
            _draw(axes, cut, found, scale)
            _lines(axes, cut, scale.line, before[plane] if k else None)
            axes.set(xlim=layout.window(plane)[:2], ylim=layout.window(plane)[2:])
            _letters(axes, plane)
        for k, stage in enumerate(stages):
            _heading(figure, layout, k, stage)
        _row_names(figure, layout)
        _key(figure, layout, scale, stages)
        _colour_bar(figure, layout, scale)
        return figure


class _Layout:
    """Panels at one length scale: rows are planes, columns stages; sizes in inches."""

    def __init__(self, stages: Sequence[StageView]) -> None:
        frames = [stage.specimen.anatomy.frame for stage in stages]
        bounds = np.array([frame.bounds_mm() for frame in frames])
        lower, upper = bounds[:, 0].min(axis=0) - _MARGIN_MM, bounds[:, 1].max(axis=0) + _MARGIN_MM
        self._windows = {
            "sagittal": (lower[1], upper[1], lower[2], upper[2]),
            "coronal": (lower[0], upper[0], lower[2], upper[2]),
        }
        n = len(stages)
        free = (_PAGE - _LEFT - _RIGHT - (n - 1) * _GAP) / n
        self.column: float = min(max(free, _NARROWEST_PANEL), _WIDEST_PANEL)
        widest = max(right - left for left, right, _, _ in self._windows.values())
        self._inch_per_mm: float = self.column / float(widest)
        self.row: float = self._inch_per_mm * float(upper[2] - lower[2])
        self.width = _LEFT + n * self.column + (n - 1) * _GAP + _RIGHT
        self.height = _TOP + len(PLANES) * self.row + (len(PLANES) - 1) * _ROW_GAP + _BOTTOM

    def window(self, plane: Plane) -> tuple[float, float, float, float]:
        """Return left, right, bottom and top of the drawn region, body mm."""
        return self._windows[plane]

    def panel(self, k: int, plane: Plane) -> tuple[float, float, float, float]:
        """Return the place of one panel in parts of the figure, centred in its column."""
        left, right, _, _ = self._windows[plane]
        width = self._inch_per_mm * (right - left)
        x = self.column_centre(k) - 0.5 * width
        y = self._row_bottom(plane)
        return x / self.width, y / self.height, width / self.width, self.row / self.height

    def column_centre(self, k: int) -> float:
        """Return the middle of a column, inches from the left."""
        return _LEFT + k * (self.column + _GAP) + 0.5 * self.column

    def millimetres(self, length_mm: float) -> float:
        """Return a length in the panels as a part of the figure's width."""
        return self._inch_per_mm * length_mm / self.width

    def row_label(self, plane: Plane) -> tuple[float, float]:
        """Return the place of a row's name in parts of the figure."""
        y = self._row_bottom(plane) + 0.5 * self.row
        return 0.5 * _LEFT / self.width, y / self.height

    def colour_bar(self) -> tuple[float, float, float, float]:
        """Return the place of the colour bar in parts of the figure."""
        total = len(PLANES) * self.row + (len(PLANES) - 1) * _ROW_GAP
        x = self.width - _RIGHT + 0.16
        bottom = _BOTTOM + 0.12 * total
        return x / self.width, bottom / self.height, 0.11 / self.width, 0.76 * total / self.height

    def _row_bottom(self, plane: Plane) -> float:
        below = len(PLANES) - 1 - PLANES.index(plane)
        return _BOTTOM + below * (self.row + _ROW_GAP)


def _draw(axes: Axes, cut: Section, values: FloatArray, scale: _Scale) -> None:
    """Draw caps, bone and values as voxels."""
    axes.set_axis_off()
    place: dict[str, Any] = {
        "extent": cut.extent_mm,
        "origin": "lower",
        "interpolation": "nearest",
        "aspect": "auto",
    }
    for fraction, least, colour in ((cut.cap, 0.05, CAP), (cut.body, 0.2, _BONE)):
        mask = np.where(fraction >= least, 1.0, np.nan)
        axes.imshow(mask, cmap=ListedColormap([colour]), **place)
    axes.imshow(values, cmap=scale.colours, norm=scale.norm, **place)


def _lines(axes: Axes, cut: Section, colour: str, before: Outline | None) -> None:
    """Draw endplates, walls, the cement's outlines and, dashed, the first stage's endplates."""
    for wall in cut.outline.walls:
        axes.plot(*wall.T, color=INK, linewidth=0.5)
    for endplate in (cut.outline.superior, cut.outline.inferior):
        axes.plot(*endplate.T, color=INK, linewidth=1.1, solid_capstyle="round")
    if before is not None:
        axes.plot(*before.superior.T, color=INK, linewidth=0.6, linestyle=_DASHED)
    halo: list[AbstractPathEffect] = [
        withStroke(linewidth=2.0, foreground=_halo(colour), alpha=0.7)
    ]
    for filled, width, style in ((cut.cement_projected, 0.8, _DOTTED), (cut.cement, 1.2, "solid")):
        if filled.max() > 0.5:
            lines = axes.contour(
                cut.across_mm,
                cut.height_mm,
                filled,
                levels=[0.5],
                colors=[colour],
                linewidths=width,
                linestyles=[style],
            )
            if style == "solid":
                lines.set_path_effects(halo)


def _halo(colour: str) -> str:
    return "white" if colour == INK else INK


def _letters(axes: Axes, plane: Plane) -> None:
    """Name the four directions inside the edges of a panel."""
    near, far = _ENDS[plane]
    for x, y, letter in ((0.03, 0.5, near), (0.97, 0.5, far), (0.5, 0.955, "S"), (0.5, 0.045, "I")):
        axes.text(
            x,
            y,
            letter,
            transform=axes.transAxes,
            color="#6a6a6a",
            fontsize=6.5,
            ha="center",
            va="center",
        )


def _row_names(figure: Figure, layout: _Layout) -> None:
    for plane in PLANES:
        figure.text(
            *layout.row_label(plane),
            f"Mid-{plane}",
            rotation=90,
            ha="center",
            va="center",
            color=FAINT,
        )


def _key(figure: Figure, layout: _Layout, scale: _Scale, stages: Sequence[StageView]) -> None:
    """Draw the length scale and say what the lines mean, below the panels."""
    y = 0.42 * _BOTTOM / layout.height
    left = _LEFT / layout.width
    right = left + layout.millimetres(_SCALE_BAR_MM)
    bar = Line2D([left, right], [y, y], color=INK, linewidth=1.6, solid_capstyle="butt")
    figure.add_artist(bar)
    figure.text(
        right + 0.05 / layout.width, y, f"{_SCALE_BAR_MM:.0f} mm", va="center", fontsize=6.5
    )
    lines: list[tuple[str, str, Any, float]] = [("endplate", INK, "solid", 1.1)]
    if len(stages) > 1:
        lines.append((f"{stages[0].name} endplate", INK, _DASHED, 0.6))
    if any(stage.specimen.cements for stage in stages):
        lines.append(("cement", scale.line, "solid", 1.2))
        lines.append(("cement, projected", scale.line, _DOTTED, 0.9))
    figure.legend(
        [Line2D([], [], color=c, linestyle=style, linewidth=w) for _, c, style, w in lines],
        [name for name, *_ in lines],
        loc="center right",
        bbox_to_anchor=(1.0 - (_RIGHT - 0.05) / layout.width, y),
        ncols=len(lines),
        fontsize=6.5,
        handlelength=2.0,
        columnspacing=1.2,
        borderpad=0.0,
        borderaxespad=0.0,
    )


def _heading(figure: Figure, layout: _Layout, k: int, stage: StageView) -> None:
    x = layout.column_centre(k) / layout.width
    y = 1.0 - 0.10 / layout.height
    figure.text(x, y, stage.title, ha="center", va="center", fontsize=9.0, weight="bold")
    if stage.filling:
        y -= 0.14 / layout.height
        figure.text(x, y, stage.filling, ha="center", va="center", fontsize=7.0, color=FAINT)


def _colour_bar(figure: Figure, layout: _Layout, scale: _Scale) -> None:
    axes = figure.add_axes(layout.colour_bar())
    bar = figure.colorbar(ScalarMappable(scale.norm, scale.colours), cax=axes, extend=scale.extend)
    bar.outline.set_linewidth(0.5)
    bar.set_label(scale.label)
    if isinstance(scale.norm, LogNorm):
        bar.ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        bar.ax.yaxis.set_minor_locator(NullLocator())
