"""Endplate profiles: the shape of the body in the mid-sagittal plane, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vbsim.anatomy.frame import SAGITTAL_STATIONS, BodyFrame
from vbsim.checks import require
from vbsim.views.sections import outline
from vbsim.views.stages import StageView
from vbsim.views.style import FAINT, PLACES, STAGES, STYLES, new_figure, styled

__all__ = ["endplate_profiles"]

FloatArray = NDArray[np.float64]


def endplate_profiles(stages: Sequence[StageView]) -> Figure:
    """Return the mid-sagittal outline of the body by stage, and height along the depth.

    Parameters
    ----------
    stages : sequence of StageView
        Stages in their order, loaded or not; a stage of the same shape as the one before is left
        out, since its lines would cover that one's.
    """
    require(len(stages) > 0, "stages", len(stages), "one or more")
    kept = [s for k, s in enumerate(stages) if k == 0 or not _same(stages[k - 1], s)]
    with styled():
        figure = new_figure(7.0, 2.7)
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1.0])
        for k, stage in enumerate(kept):
            look: dict[str, Any] = {
                "color": STAGES[k % len(STAGES)],
                "linestyle": STYLES[k % len(STYLES)],
                "linewidth": 1.4,
            }
            frame = stage.specimen.anatomy.frame
            lines = outline(frame, "sagittal")
            for line in (lines.superior, lines.inferior):
                left.plot(*line.T, **look)
            for line in lines.walls:
                left.plot(*line.T, **{**look, "linewidth": 0.7})
            right.plot(*_height_along(frame), label=_title(stages, stage), **look)
        _stations(right)
        left.set(aspect="equal", xlabel="depth y (mm), front to back", ylabel="height z (mm)")
        left.set_title("Mid-sagittal outline", loc="left")
        right.set(xlabel="depth, front to back (%)", ylabel="height (mm)", xlim=(0, 100))
        right.set_ylim(bottom=0.0)
        right.set_title("Height, unloaded", loc="left")
        right.legend(loc="center", bbox_to_anchor=(0.5, 0.36))
        return figure


def _height_along(frame: BodyFrame) -> tuple[FloatArray, FloatArray]:
    at = np.linspace(0.0, 1.0, 101)
    heights = []
    for fraction in at:
        x, y = frame.station_mm(float(fraction))
        heights.append(float(np.mean(frame.superior_at(x, y) - frame.inferior_at(x, y))))
    return 100.0 * at, np.array(heights)


def _stations(axes: Axes) -> None:
    """Mark where anterior, middle and posterior height are measured."""
    for fraction, name in zip(SAGITTAL_STATIONS, PLACES, strict=True):
        axes.axvline(100.0 * fraction, color=FAINT, linewidth=0.6, linestyle=(0, (1, 2)))
        axes.annotate(
            name,
            (100.0 * fraction, 0.03),
            xycoords=("data", "axes fraction"),
            rotation=90,
            ha="left" if fraction < 0.5 else "right",
            va="bottom",
            fontsize=6.5,
            color=FAINT,
        )


def _same(before: StageView, after: StageView) -> bool:
    one, two = before.specimen.anatomy.frame, after.specimen.anatomy.frame
    return one.superior_mm.shape == two.superior_mm.shape and bool(
        np.array_equal(one.superior_mm, two.superior_mm)
        and np.array_equal(one.inferior_mm, two.inferior_mm)
    )


def _title(stages: Sequence[StageView], stage: StageView) -> str:
    """Name a stage together with the later ones of the same shape."""
    at = next(k for k, s in enumerate(stages) if s is stage)
    names = [stage.title]
    for earlier, later in zip(stages[at:], stages[at + 1 :], strict=False):
        if not _same(earlier, later):
            break
        names.append(later.name.replace("_", " "))
    return ", ".join(names)
