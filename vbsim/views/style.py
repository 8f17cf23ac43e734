"""How figures look: fonts, colours, sizes; chosen once, safe for the colour-blind and in print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = [
    "CONSTITUENTS",
    "PLACES",
    "STAGES",
    "STYLES",
    "INK",
    "FAINT",
    "CAP",
    "DPI",
    "styled",
    "new_figure",
    "save",
]

DPI = 200

INK = "#222222"
FAINT = "#8a8a8a"
CAP = "#dcdcdc"

# Okabe & Ito's palette: distinct under every common colour vision deficiency.
CONSTITUENTS = {
    "cement": "#D55E00",
    "trabecular": "#56B4E9",
    "shell": "#0072B2",
    "endplate": "#009E73",
    "arch": "#CC79A7",
    "cap": CAP,
}
# One hue, dark to light from front to back: reads in grey as well.
PLACES = {"anterior": "#0b5d7a", "middle": "#4d9db5", "posterior": "#a9cfdb"}
# Lines of stages: told apart by colour and, in grey, by stroke.
STAGES = ("#4d4d4d", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#56B4E9")
STYLES: tuple[Any, ...] = (
    "solid",
    (0, (5, 2)),
    "solid",
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    "solid",
)

_SETTINGS: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 9.0,
    "axes.labelsize": 8.0,
    "xtick.labelsize": 7.5,
    "ytick.labelsize": 7.5,
    "legend.fontsize": 7.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw with the house settings, leaving the caller's own untouched."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure that needs no display and belongs to no global list."""
    figure = Figure(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG at 200 dpi."""
    with styled():
        figure.savefig(path, dpi=DPI, metadata={"Software": None})
