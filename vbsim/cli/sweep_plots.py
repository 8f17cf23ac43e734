"""Figures and the tornado table of a sweep, drawn from its folder."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from vbsim.checks import InvalidInput, VbsimError
from vbsim.cli.screen import out
from vbsim.cli.tables import plain_table
from vbsim.study.sweep import read_table
from vbsim.study.sweep.effects import findings, measures_of, tornado
from vbsim.study.sweep.indices import indices
from vbsim.study.sweep.stored_plan import read_plan
from vbsim.views import save
from vbsim.views.sweep_figures import indices_figure, sweep_figures

__all__ = ["draw", "draw_at_the_end", "show_tornado"]

# Drawn beside the first measure, as far as they were measured and vary.
_BESIDE = (
    "strength_vs_intact",
    "strength_n",
    "strength_estimate_pistoia_vs_intact",
    "height_restored_anterior_loaded_percent",
    "height_anterior_loaded_mm",
)


def draw(
    folder: Path,
    target: Path,
    *,
    column: str | None = None,
    stage: str | None = None,
    test: str | None = None,
) -> list[str]:
    """Draw every figure of a sweep into a folder and return their names."""
    first = findings(folder, column, stage=stage, test=test)
    measured = measures_of(read_table(folder), first.stage)
    found = [first]
    for name in _BESIDE:
        if name not in measured or name == first.column or len(found) == 3:
            continue
        beside = findings(folder, name, stage=first.stage)
        if len(beside.values) == len(first.values) and np.ptp(beside.values) > 0.0:
            found.append(beside)
    figures = sweep_figures(found)
    sample = read_plan(folder).sample
    if sample and sample["method"] in ("sobol_indices", "morris"):
        figures["indices.png"] = indices_figure(indices(folder, column, stage=stage, test=test))
    target.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        save(figure, target / name)
    return list(figures)


def draw_at_the_end(folder: Path, *, quiet: bool) -> None:
    """Draw the usual figures; a sweep of which they cannot be drawn is no failure."""
    try:
        names = draw(folder, folder / "figures")
    except (VbsimError, OSError) as error:
        print(f"no figures: {error}", file=sys.stderr)
        return
    if names and not quiet:
        out().print(f"  figures/: {' '.join(names)}", soft_wrap=True)


def show_tornado(
    folder: Path, *, column: str | None = None, stage: str | None = None, test: str | None = None
) -> None:
    """Print how far each parameter moves a measure."""
    found = findings(folder, column, stage=stage, test=test)
    try:
        bars, explained = tornado(found)
    except InvalidInput as error:
        print(f"no tornado: {error}", file=sys.stderr)
        return
    title = (
        f"{found.column}, {found.stage}, {found.test}: {len(found.values)} cases, "
        f"{found.n_missing} missing; additive effects explain {100 * explained:.0f} %"
    )
    grid = plain_table(title)
    for name in ("parameter", "from", "to"):
        grid.add_column(name)
    for name in ("low", "high", "difference"):
        grid.add_column(name, justify="right")
    for bar in bars:
        numbers = (f"{x:.4g}" for x in (bar.low, bar.high, bar.high - bar.low))
        grid.add_row(bar.factor, bar.at_low, bar.at_high, *numbers)
    out().print(grid)
