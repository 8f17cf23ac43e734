"""Charts: stiffness and heights by stage, and who carries the load along the height."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke

from vbsim.checks import require
from vbsim.measures.sharing import COMPARTMENTS, LoadProfile, load_profile, mid_height_mm
from vbsim.views.stages import StageView
from vbsim.views.style import CONSTITUENTS, FAINT, PLACES, new_figure, styled

__all__ = ["stage_bars", "load_sharing"]

_BAR = "#3b6f8f"


def stage_bars(stages: Sequence[StageView]) -> Figure:
    """Return bars of stiffness and of the three heights by stage, with their values.

    Parameters
    ----------
    stages : sequence of StageView
        Stages whose measures hold ``height_anterior/middle/posterior`` and, where they were
        loaded, ``stiffness``.
    """
    require(len(stages) > 0, "stages", len(stages), "one or more")
    with styled():
        n = len(stages)
        figure = new_figure(min(11.0, max(5.0, 1.6 + 1.8 * n)), 2.9)
        left, right = figure.subplots(1, 2, width_ratios=[1.0, 1.7])
        _stiffness_bars(left, stages)
        _height_bars(right, stages)
        for axes in (left, right):
            axes.set_xticks(range(n), [_wrapped(stage.title) for stage in stages])
            axes.tick_params(axis="x", length=0)
            axes.set_xlim(-0.6, n - 0.4)
        return figure


def load_sharing(stages: Sequence[StageView]) -> Figure:
    """Return the share of the axial force by constituent along the height, one panel per stage.

    Parameters
    ----------
    stages : sequence of StageView
        Stages with a response to compression.
    """
    require(len(stages) > 0, "stages", len(stages), "one or more")
    with styled():
        n = len(stages)
        figure = new_figure(max(3.5, min(11.0, 0.6 + 2.1 * n)), 3.0)
        panels = figure.subplots(1, n, sharex=True, sharey=True, squeeze=False)[0]
        named: dict[str, Artist] = {}
        for axes, stage in zip(panels, stages, strict=True):
            require(stage.response is not None, f"stage {stage.name}", None, "solved first")
            assert stage.response is not None
            profile = load_profile(stage.specimen, stage.response)
            named |= _stacked(axes, profile, stage)
        panels[0].set_ylabel("height z (mm)")
        panels[n // 2].set_xlabel("share of the axial force (%)")
        order = [name for name in (*COMPARTMENTS, "cap") if name in named]
        # Measured density holds the cortex too: without a shell of its own, it is all bone.
        labels = [
            "bone" if name == "trabecular" and "shell" not in named else name for name in order
        ]
        figure.legend(
            [named[name] for name in order],
            labels,
            loc="outside lower center",
            ncols=len(order),
            handlelength=1.0,
            handleheight=1.0,
        )
        return figure


def _stiffness_bars(axes: Axes, stages: Sequence[StageView]) -> None:
    found = [stage.values().get("stiffness", np.nan) / 1e3 for stage in stages]
    top = np.nanmax(found) if np.isfinite(found).any() else 1.0
    bars = axes.bar(range(len(stages)), np.nan_to_num(found), width=0.62, color=_BAR)
    for k, (bar, value) in enumerate(zip(bars, found, strict=True)):
        middle = bar.get_x() + 0.5 * bar.get_width()
        if not np.isfinite(value):
            axes.text(middle, 0.02 * top, "not\nloaded", ha="center", va="bottom", color=FAINT)
            continue
        axes.text(middle, value + 0.02 * top, f"{value:.1f}", ha="center", va="bottom")
        if k and np.isfinite(found[0]) and value > 0.12 * top:
            share = f"{100.0 * value / found[0]:.0f} %"
            axes.text(middle, 0.03 * top, share, ha="center", va="bottom", color="white")
    axes.set_ylim(0.0, 1.15 * top)
    compared = f", % of {stages[0].name}" if len(stages) > 1 else ""
    axes.set_ylabel(f"stiffness (kN/mm{compared})")
    axes.set_title(f"Stiffness{_platen(stages)}", loc="left")


def _platen(stages: Sequence[StageView]) -> str:
    """Name the platens, as every stiffness depends on them."""
    platens = {stage.response.platen for stage in stages if stage.response is not None}
    named = ", ".join(sorted(platens)).replace("_", " ")
    return f", {named} platen" if named else ""


def _height_bars(axes: Axes, stages: Sequence[StageView]) -> None:
    width = 0.26
    n = len(stages)
    measured = [stage.values() for stage in stages]
    top = max(row.get(f"height_{place}", 0.0) for row in measured for place in PLACES) or 1.0
    for j, (place, colour) in enumerate(PLACES.items()):
        heights = [row.get(f"height_{place}", 0.0) for row in measured]
        x = np.arange(n) + (j - 1) * (width + 0.02)
        axes.bar(x, heights, width=width, color=colour, label=place)
        for at, height in zip(x, heights, strict=True):
            axes.text(
                at, height + 0.015 * top, f"{height:.1f}", ha="center", va="bottom", fontsize=6.5
            )
    axes.set_ylim(0.0, 1.22 * top)
    axes.set_ylabel("height (mm)")
    axes.set_title("Height, unloaded", loc="left")
    axes.legend(loc="upper right", ncols=3, handlelength=0.9, handleheight=0.9, columnspacing=1.0)


def _stacked(axes: Axes, profile: LoadProfile, stage: StageView) -> dict[str, Artist]:
    """Stack the constituents' shares along the height; return the patches by name."""
    assert stage.response is not None
    frame = stage.specimen.anatomy.frame
    low, high = (float(z) for z in frame.bounds_mm()[:, 2])
    inside = (profile.height_mm >= low - 2.0) & (profile.height_mm <= high + 2.0)
    z = profile.height_mm[inside]
    force = dict(zip(profile.names, profile.force_n[:, inside], strict=True))
    edge = np.zeros_like(z)
    patches: dict[str, Artist] = {}
    for name in (*COMPARTMENTS, "cap"):
        share = 100.0 * force.get(name, np.zeros_like(z)) / stage.response.force_n
        if not (np.abs(share) > 0.05).any():
            continue
        patches[name] = axes.fill_betweenx(
            z, edge, edge + share, color=CONSTITUENTS[name], linewidth=0, step="mid"
        )
        edge = edge + share
    middle = mid_height_mm(stage.specimen)
    halo: list[AbstractPathEffect] = [withStroke(linewidth=1.6, foreground="white", alpha=0.8)]
    axes.axhline(middle, color="white", linewidth=1.0, linestyle=(0, (4, 2.5)))
    label = axes.text(2.0, middle, "mid-height", ha="left", va="bottom", fontsize=6.5)
    label.set_path_effects(halo)
    axes.set(xlim=(0.0, 100.0), ylim=(z[0], z[-1]))
    axes.set_title(stage.title, weight="bold")
    return patches


def _wrapped(title: str) -> str:
    return title.replace(" ", "\n")
