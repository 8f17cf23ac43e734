"""Three-dimensional views as figures: PyVista draws the bodies, matplotlib words and scales."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from vbsim.views.catalogue import look_of
from vbsim.views.scenes.drawing import scene
from vbsim.views.scenes.panes import (
    Colours,
    Difference,
    Pane,
    Style,
    colours_of,
    shared_range,
    ticks_of,
)
from vbsim.views.style import DPI, INK, new_figure, styled

__all__ = ["cutaway"]

_PANEL_IN, _PAGE_IN = 2.6, 10.5
_SHARP = 2  # pixels drawn for every pixel of the figure, against jagged edges


def cutaway(panes: Sequence[Pane], style: Style | None = None) -> Figure:
    """Return a figure of stages side by side, cut open, with one scale, drawn without a window.

    Parameters
    ----------
    panes : sequence of Pane
        What is shown, from left to right.
    style : Style, optional
        How.
    """
    style = style or Style()
    panes = [pane.at(style.time_s) for pane in panes]
    n = len(panes)
    side = min(_PANEL_IN, _PAGE_IN / max(n, 1))
    pixels = int(side * DPI * _SHARP)
    plotter = scene(panes, style, size=(n * pixels, pixels), has_words=False)
    drawn = np.asarray(plotter.screenshot(return_img=True))
    plotter.close()
    look = look_of(style.field)
    values = [pane.values(look) for pane in panes]
    limits = shared_range(look, panes, values)
    with styled():
        figure = new_figure(n * side + 0.1, side + 0.85)
        panels = figure.subplots(1, n, squeeze=False)[0]
        scales: dict[Colours, list[Axes]] = {}
        for k, (axes, pane, found) in enumerate(zip(panels, panes, values, strict=True)):
            axes.imshow(drawn[:, k * pixels : (k + 1) * pixels], interpolation="antialiased")
            axes.set_axis_off()
            axes.set_title(pane.title, weight="bold", color=INK)
            scale = colours_of(look, limits, pane, found)
            scales.setdefault(scale, []).append(axes)
        if style.cut is None:
            return figure
        for scale, shown in scales.items():
            norm = (LogNorm if scale.is_log else Normalize)(scale.low, scale.high)
            bar = figure.colorbar(
                ScalarMappable(norm, mpl.colormaps[scale.colours]),
                ax=shown,
                orientation="horizontal",
                shrink=0.9 if len(shown) == 1 else 0.55,
                aspect=32,
                pad=0.02,
                extend="both" if scale.is_log or isinstance(panes[-1], Difference) else "max",
            )
            bar.ax.xaxis.set_major_locator(FixedLocator(ticks_of(scale)))
            bar.ax.xaxis.set_minor_locator(NullLocator())
            bar.ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            bar.outline.set_linewidth(0.5)
            bar.set_label(scale.label)
        return figure
