"""Figures of what happens during a step: injection and curing over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.animation import PillowWriter
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from vbsim.specimen.series import Series
from vbsim.specimen.specimen import Specimen
from vbsim.views.stages import StageView
from vbsim.views.style import CONSTITUENTS, FAINT, INK, new_figure, styled

__all__ = ["step_figures", "animations", "injection_figure", "curing_figure", "animate"]

FloatArray = NDArray[np.float64]

_LEAKS = {
    "leaked_canal_ml": ("canal", "#D55E00"),
    "leaked_vein_ml": ("veins", "#0072B2"),
    "leaked_disc_ml": ("disc", "#009E73"),
    "leaked_paravertebral_ml": ("paravertebral", "#CC79A7"),
    "leaked_track_ml": ("needle track", "#E69F00"),
}
_PLACES = {
    "temperature_cement_c": ("cement, hottest", "#D55E00"),
    "temperature_interface_c": ("bone at the cement", "#E69F00"),
    "temperature_endplate_superior_c": ("upper endplate", "#009E73"),
    "temperature_endplate_inferior_c": ("lower endplate", "#56B4E9"),
    "temperature_anterior_cortex_c": ("front wall", "#0072B2"),
    "temperature_canal_c": ("canal", "#CC79A7"),
}
_DOSES = (16.0, 240.0)
_FRAMES_PER_S = 8
# Cells drawn around a box that ends where the pores do.
_FRAME_CELLS = 2


class _Cut(NamedTuple):
    """A plane of the box of a series: how to take it, its edges, where bone is."""

    take: Callable[[NDArray[np.floating]], FloatArray]
    extent_mm: tuple[float, float, float, float]
    body: FloatArray
    labels: tuple[str, str]
    title: str


def step_figures(stage: StageView) -> dict[str, Figure]:
    """Return the figures of what the stage's last step recorded, by file name."""
    drawn: Mapping[str, Callable[[StageView, Series], Figure]] = {
        "injection": injection_figure,
        "curing": curing_figure,
    }
    return {
        f"{stage.name}_{series.name}.png": drawn[series.name](stage, series)
        for series in stage.specimen.series
        if series.name in drawn
    }


def animations(stage: StageView, folder: Path) -> None:
    """Write an animation (GIF) of each series of a stage into a folder."""
    shown = {
        "injection": ("saturation", "share of pores filled", 0.0, 1.0),
        "curing": ("temperature_c", "temperature (°C)", 37.0, None),
    }
    for series in stage.specimen.series:
        if series.name in shown:
            path = folder / f"{stage.name}_{series.name}.gif"
            animate(stage, series, *shown[series.name], path=path)


def injection_figure(stage: StageView, series: Series) -> Figure:
    """Return when cement reached each place, and pressure and leaks over time."""
    with styled():
        figure = new_figure(7.0, 5.0)
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.25, 1.0])[:, 0]
        arrival = _arrival_s(series)
        panels = top.subplots(1, 2)
        for axes, cut in zip(panels, _cuts(stage.specimen, series), strict=True):
            image = _show(axes, cut, cut.take(arrival), "viridis", 0.0, float(series.times_s[-1]))
        top.colorbar(image, ax=list(panels), label="cement arrives after (s)", shrink=0.85)
        left, right = bottom.subplots(1, 2)
        time = series.columns["time_s"]
        left.plot(time, series.columns["pressure_mpa"], color=INK, label="behind the needle")
        left.plot(
            time,
            series.columns["pressure_tip_mpa"],
            color=CONSTITUENTS["cement"],
            label="at the tip",
        )
        left.set_ylabel("pressure (MPa)")
        left.set_ylim(bottom=0.0)
        for name, (label, colour) in _LEAKS.items():
            if series.columns[name][-1] > 0.0:
                right.plot(time, series.columns[name], color=colour, label=label)
        right.set_ylabel("leaked (ml)")
        right.set_ylim(bottom=0.0)
        if not right.lines:
            right.text(0.5, 0.5, "no leak", transform=right.transAxes, ha="center", color=FAINT)
            right.set_yticks([0.0])
        for axes in (left, right):
            axes.set_xlabel("time since the first cement (s)")
            if axes.lines:
                axes.legend(loc="upper left")
        return figure


def curing_figure(stage: StageView, series: Series) -> Figure:
    """Return the highest temperature at each place, and temperatures over time."""
    with styled():
        figure = new_figure(7.0, 4.8)
        top, bottom = figure.subfigures(2, 1, squeeze=False, height_ratios=[1.2, 1.0])[:, 0]
        peak, dose = series.fields["temperature_peak_c"][-1], series.fields["cem43_min"][-1]
        panels = top.subplots(1, 2)
        for axes, cut in zip(panels, _cuts(stage.specimen, series), strict=True):
            image = _show(axes, cut, cut.take(peak), "inferno", 37.0, float(peak.max()))
            axes.contour(
                np.log10(np.maximum(cut.take(dose), 1e-6)),
                levels=np.log10(_DOSES),
                colors="white",
                linewidths=0.8,
                linestyles=("dashed", "solid"),
                extent=cut.extent_mm,
                origin="lower",
            )
        top.colorbar(image, ax=list(panels), label="highest temperature (°C)", shrink=0.85)
        top.supxlabel("white: CEM43 of 16 min (dashed) and 240 min (solid)", fontsize=7.5)
        axes = bottom.subplots()
        minutes = series.columns["time_s"] / 60.0
        for name, (label, colour) in _PLACES.items():
            if name in series.columns:
                axes.plot(minutes, series.columns[name], color=colour, label=label)
        axes.axhline(47.0, color=FAINT, linewidth=0.8, linestyle="dotted")
        axes.annotate("47 °C", (minutes[-1], 47.0), ha="right", va="bottom", color=FAINT)
        axes.set_xlabel("time (min)")
        axes.set_ylabel("temperature (°C)")
        axes.legend(loc="upper right", ncols=2)
        return figure


def animate(
    stage: StageView,
    series: Series,
    field: str,
    label: str,
    low: float,
    high: float | None,
    *,
    path: Path,
) -> None:
    """Write two sections of a field over time as an animated picture (GIF).

    Without a highest value the field's own is taken, and every value is shown; with one, it is a
    share, of which nothing is left white.
    """
    values = series.fields[field]
    is_share = high is not None
    top = float(values.max()) if high is None else high
    with styled():
        figure = new_figure(6.0, 2.7)
        panels = figure.subplots(1, 2)
        cuts = _cuts(stage.specimen, series)
        images = [
            _show(axes, cut, cut.take(values[0]), "inferno", low, top)
            for axes, cut in zip(panels, cuts, strict=True)
        ]
        figure.colorbar(images[0], ax=list(panels), label=label, shrink=0.85)
        title = figure.suptitle(" ")
        writer = PillowWriter(fps=_FRAMES_PER_S)
        with writer.saving(figure, str(path), dpi=90):
            for time, frame in zip(series.times_s, values, strict=True):
                for image, cut in zip(images, cuts, strict=True):
                    shown = cut.take(frame)
                    # Pores without cement stay white; a temperature is one everywhere.
                    image.set_data(
                        np.ma.masked_where(~(shown >= 1e-3), shown) if is_share else shown
                    )
                title.set_text(f"{time:.0f} s")
                writer.grab_frame()


def _arrival_s(series: Series) -> FloatArray:
    """Return when each cell was half full, s; NaN where it never was."""
    full = series.fields["saturation"] >= 0.5
    first = np.argmax(full, axis=0)
    return np.asarray(np.where(full.any(axis=0), series.times_s[first], np.nan))


def _cuts(specimen: Specimen, series: Series) -> tuple[_Cut, _Cut]:
    """Return a coronal and a transverse plane, each through the most cement."""
    grid = series.domain
    corner = np.rint(
        specimen.domain.to_local(grid.origin_mm) / np.array(specimen.domain.spacing_mm)
    ).astype(int)
    margin = _margin(corner[::-1], grid.shape, specimen.domain.shape)
    window = tuple(
        slice(int(a) - margin, int(a) + n + margin)
        for a, n in zip(corner[::-1], grid.shape, strict=True)
    )
    cement = specimen.cement_fraction[window]
    void = 0.0 if specimen.void is None else specimen.void[window]
    body = specimen.tissue.body[window] + void
    x, y, z = (axis[part] for axis, part in zip(specimen.body_axes(), window[::-1], strict=True))
    row, layer = int(cement.sum(axis=(0, 2)).argmax()), int(cement.sum(axis=(1, 2)).argmax())
    edges = [(a[0] - 0.5 * (a[1] - a[0]), a[-1] + 0.5 * (a[1] - a[0])) for a in (x, y, z)]
    coronal = _Cut(
        lambda field: _framed(field, margin)[:, row, :],
        (*edges[0], *edges[2]),
        body[:, row, :],
        ("to the left (mm)", "up (mm)"),
        f"coronal, y = {y[row]:.1f} mm",
    )
    transverse = _Cut(
        lambda field: _framed(field, margin)[layer],
        (*edges[0], *edges[1]),
        body[layer],
        ("to the left (mm)", "to the back (mm)"),
        f"transverse, z = {z[layer]:.1f} mm",
    )
    return coronal, transverse


def _margin(start: NDArray[np.int_], shape: tuple[int, ...], whole: tuple[int, ...]) -> int:
    """Return how many cells a box may be widened on every side for its outline to be seen whole."""
    room = [
        min(int(a), n_all - int(a) - n) for a, n, n_all in zip(start, shape, whole, strict=True)
    ]
    return int(np.clip(min(room), 0, _FRAME_CELLS))


def _framed(field: NDArray[np.floating], margin: int) -> FloatArray:
    """Return a field with cells without a value around it."""
    return np.pad(np.asarray(field, dtype=np.float64), margin, constant_values=np.nan)


def _show(
    axes: Axes, cut: _Cut, values: FloatArray, colours: str, low: float, high: float
) -> AxesImage:
    image = axes.imshow(
        values,
        origin="lower",
        extent=cut.extent_mm,
        cmap=colours,
        vmin=low,
        vmax=high,
        interpolation="nearest",
    )
    axes.contour(
        cut.body,
        levels=[0.5],
        colors=FAINT,
        linewidths=0.9,
        extent=cut.extent_mm,
        origin="lower",
    )
    axes.set_xlabel(cut.labels[0])
    axes.set_ylabel(cut.labels[1])
    axes.set_title(cut.title)
    return image
