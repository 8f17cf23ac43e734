"""Figures of a sweep: effects, interactions, tornado, response over two parameters, indices."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vbsim.checks import InvalidInput
from vbsim.study.sweep.effects import Findings, interaction, main_effects, tornado
from vbsim.study.sweep.indices import Indices
from vbsim.views.style import INK, new_figure, styled

__all__ = [
    "effects_figure",
    "interactions_figure",
    "tornado_figure",
    "response_figure",
    "indices_figure",
    "sweep_figures",
]

_BLUE, _RED = "#0072B2", "#D55E00"
# Okabe & Ito's palette, then dashes: distinct for the colour-blind.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#222222", "#8a8a8a")
_MARKS = "osD^vP*X"
_MOST_LINES = len(_COLOURS)
_MOST_PAIRS = 6


def sweep_figures(found: Sequence[Findings]) -> dict[str, Figure]:
    """Return every figure that a sweep has enough cases for, by file name.

    Parameters
    ----------
    found : sequence of Findings
        Measures of one stage; the first is what effects are shown of.
    """
    first = found[0]
    figures: dict[str, Figure] = {}
    if not first.factors:
        return figures
    figures["main_effects.png"] = effects_figure(first)
    if len(first.factors) > 1:
        figures["interactions.png"] = interactions_figure(first)
    # There may be too few cases for so many parameters.
    with suppress(InvalidInput):
        figures["tornado.png"] = tornado_figure(first)
    if _axes_of(first) is not None:
        figures["response.png"] = response_figure(found)
    return figures


def effects_figure(found: Findings) -> Figure:
    """Return the mean of a measure over the values of each parameter, and its whole range."""
    effects = main_effects(found)
    with styled():
        n = len(effects)
        columns = min(n, 4)
        rows = -(-n // columns)
        figure = new_figure(min(10.0, 1.0 + 2.2 * columns), 0.5 + 2.3 * rows)
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, effect in zip(panels, effects, strict=False):
            x = _positions(effect.levels)
            axes.fill_between(x, effect.lowest, effect.highest, color=_BLUE, alpha=0.12, lw=0)
            axes.plot(x, effect.means, "o-", color=_BLUE, ms=4, lw=1.2)
            _name_levels(axes, effect.levels)
            drawn = ", by fifths" if found.is_drawn(effect.factor) else ""
            axes.set_xlabel(_words(effect.factor) + drawn)
        for axes in panels[n:]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel(_words(found.column))
        _head(figure, "Main effects: mean, and range over all else", found)
        return figure


def interactions_figure(found: Findings) -> Figure:
    """Return the mean measure over one parameter for each value of another, for pairs of them.

    Parallel lines mean that two parameters do not interact. The pairs shown are those whose lines
    are least parallel.
    """
    pairs = sorted(combinations(found.factors, 2), key=lambda pair: -_departure(found, *pair))[
        :_MOST_PAIRS
    ]
    with styled():
        columns = min(len(pairs), 3)
        rows = -(-len(pairs) // columns)
        figure = new_figure(min(10.0, 1.0 + 3.0 * columns), 0.5 + 2.7 * rows)
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, pair in zip(panels, pairs, strict=False):
            across, lines = sorted(pair, key=lambda name: -_n_levels(found, name))
            x_levels, line_levels, means = interaction(found, across, lines)
            _lines(axes, x_levels, line_levels, means)
            _name_levels(axes, x_levels)
            axes.set_xlabel(_words(across))
            _legend(axes, lines)
        for axes in panels[len(pairs) :]:
            axes.set_visible(False)
        for axes in panels[::columns]:
            axes.set_ylabel(_words(found.column))
        _head(figure, "Interactions: parallel lines do not interact", found)
        return figure


def tornado_figure(found: Findings) -> Figure:
    """Return how far each parameter moves a measure, the strongest at the top."""
    bars, explained = tornado(found)
    middle = float(found.values.mean())
    with styled():
        figure = new_figure(6.2, 1.3 + 0.34 * len(bars))
        axes = figure.subplots()
        for row, bar in enumerate(bars):
            axes.barh(row, bar.low - middle, left=middle, height=0.62, color=_BLUE)
            axes.barh(row, bar.high - middle, left=middle, height=0.62, color=_RED)
            for value, name in ((bar.low, bar.at_low), (bar.high, bar.at_high)):
                left = value < max(bar.low, bar.high) or value == min(bar.low, bar.high)
                axes.annotate(
                    name,
                    (value, row),
                    xytext=(-3 if left else 3, 0),
                    textcoords="offset points",
                    ha="right" if left else "left",
                    va="center",
                    fontsize=6.5,
                )
        axes.axvline(middle, color=INK, lw=0.8)
        axes.set_yticks(range(len(bars)), [_words(bar.factor) for bar in bars])
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(
            f"{_words(found.column)}\n10 to 90 % of drawn values, least to most of listed ones\n"
            f"effects added up explain {100 * explained:.0f} % of the variance"
        )
        axes.set_title(_title("What matters", found), loc="left")
        return figure


def response_figure(found: Sequence[Findings]) -> Figure:
    """Return each measure over a number and a second parameter: lines, or a surface of draws."""
    axes_of = _axes_of(found[0])
    if axes_of is None:
        raise InvalidInput("a response needs two parameters, one of them a number")
    x_name, other = axes_of
    with styled():
        n = len(found)
        figure = new_figure(min(11.0, 0.8 + 3.3 * n), 3.1)
        panels = figure.subplots(1, n, squeeze=False)[0]
        for axes, each in zip(panels, found, strict=True):
            if each.is_drawn(x_name) and each.is_drawn(other):
                _surface(figure, axes, each, x_name, other)
            else:
                _lines(axes, *interaction(each, x_name, other))
                axes.set_ylabel(_words(each.column))
            axes.set_xlabel(_words(x_name))
        if not (found[0].is_drawn(x_name) and found[0].is_drawn(other)):
            _legend(panels[-1], other)
        _head(figure, "Response, mean over all else", found[0])
        return figure


def indices_figure(found: Indices) -> Figure:
    """Return the sensitivity indices with their 95 % intervals."""
    names = (
        ("alone", "with interactions")
        if found.method == "sobol_indices"
        else ("mean absolute effect", "its standard deviation")
    )
    with styled():
        figure = new_figure(5.6, 1.2 + 0.42 * len(found.parameters))
        axes = figure.subplots()
        y = np.arange(len(found.parameters))
        for shift, colour, name, values, interval in (
            (-0.19, _BLUE, names[0], "first", "first_interval"),
            (0.19, _RED, names[1], "total", "total_interval"),
        ):
            length = [getattr(p, values) for p in found.parameters]
            error = [getattr(p, interval) for p in found.parameters]
            axes.barh(y + shift, length, 0.36, color=colour, label=name)
            axes.errorbar(length, y + shift, xerr=error, fmt="none", ecolor=INK, lw=0.8, capsize=2)
        axes.set_yticks(y, [_words(p.factor) for p in found.parameters])
        axes.invert_yaxis()
        axes.legend()
        kind = "Sobol index, share of variance" if found.method == "sobol_indices" else "Morris"
        axes.set_xlabel(f"{kind}; {found.n_blocks} blocks, {found.n_left_out} left out")
        axes.set_title(_title("Sensitivity", found.found), loc="left")
        return figure


def _legend(axes: Axes, factor: str) -> None:
    box = axes.legend(title=_words(factor), title_fontsize=7, frameon=True, framealpha=0.75)
    box.get_frame().set_linewidth(0.0)


# Parts --------------------------------------------------------------------------------------------


def _lines(axes: Axes, x_levels: list[Any], line_levels: list[Any], means: Any) -> None:
    x = _positions(x_levels)
    for k, level in enumerate(line_levels[:_MOST_LINES]):
        there = np.isfinite(means[:, k])
        axes.plot(
            x[there], means[there, k], f"{_MARKS[k]}-", color=_COLOURS[k], ms=3.5, lw=1.2,
            label=_label(level),
        )  # fmt: skip


def _surface(figure: Figure, axes: Axes, found: Findings, x_name: str, y_name: str) -> None:
    """Draw a full quadratic fitted to draws, with the draws on it."""
    x, y = found.factors[x_name].astype(float), found.factors[y_name].astype(float)

    def quadratic(a: Any, b: Any) -> Any:
        u, v = (a - x.mean()) / x.std(), (b - y.mean()) / y.std()
        return np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=-1)

    solution, *_ = np.linalg.lstsq(quadratic(x, y), found.values, rcond=None)
    (left, right), (low, high) = (np.quantile(v, [0.02, 0.98]).tolist() for v in (x, y))
    grid = np.meshgrid(np.linspace(left, right, 60), np.linspace(low, high, 60))
    filled = axes.contourf(*grid, quadratic(*grid) @ solution, levels=12, cmap="viridis")
    axes.plot(x, y, ".", color="white", ms=2.0, alpha=0.7)
    figure.colorbar(filled, ax=axes, label=_words(found.column))
    axes.set_ylabel(_words(y_name))


def _axes_of(found: Findings) -> tuple[str, str] | None:
    """Return a number to go across and a second parameter: volume and distribution if varied."""
    numbers = [name for name, v in found.factors.items() if v.dtype.kind in "if"]
    numbers = [name for name in numbers if len(found.levels(name)) > 2 and name != "seed"]
    if not numbers or len(found.factors) < 2:
        return None
    x_name = max(numbers, key=lambda name: ("volume" in name, _n_levels(found, name)))
    others = [name for name in found.factors if name != x_name]
    words = [name for name in others if found.factors[name].dtype.kind not in "if"]
    others = sorted(others, key=lambda name: ("distribution" not in name, name not in words))
    return x_name, others[0]


def _departure(found: Findings, first: str, second: str) -> float:
    """Return how far the lines of two parameters are from parallel, as a standard deviation."""
    _, _, means = interaction(found, first, second)
    if not np.isfinite(means).all():
        means = means[:, np.isfinite(means).all(axis=0)]
    if means.size == 0:
        return 0.0
    added = means.mean(axis=0)[None, :] + means.mean(axis=1)[:, None] - means.mean()
    return float(np.std(means - added))


def _n_levels(found: Findings, name: str) -> int:
    return 5 if found.is_drawn(name) else len(found.levels(name))


def _positions(levels: list[Any]) -> Any:
    if all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        return np.array(levels, dtype=float)
    return np.arange(len(levels), dtype=float)


def _name_levels(axes: Axes, levels: list[Any]) -> None:
    """Name words on the axis; numbers name themselves."""
    if all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels):
        if len(levels) <= 4:
            axes.set_xticks(_positions(levels), [f"{level:.4g}" for level in levels])
        return
    names = [_label(level).replace("_", "\n") for level in levels]
    axes.set_xticks(range(len(levels)), names, fontsize=6.5)
    axes.set_xlim(-0.4, len(levels) - 0.6)


def _label(level: Any) -> str:
    return f"{level:.4g}" if isinstance(level, float) else str(level)


_UNITS = (
    ("_n_per_mm", "N/mm"), ("_n_mm_per_deg", "N mm/deg"), ("_mg_cm3", "mg/cm3"), ("_n_mm", "N mm"),
    ("_percent", "%"), ("_mpa", "MPa"), ("_mm2", "mm2"), ("_deg", "deg"), ("_mm", "mm"),
    ("_ml", "ml"), ("_n", "N"),
)  # fmt: skip


def _words(column: str) -> str:
    """Return a column as a reader says it.

    Examples
    --------
    >>> _words("stiffness_n_per_mm"), _words("stiffness_vs_intact"), _words("volume_ml")
    ('stiffness (N/mm)', 'stiffness / intact', 'volume (ml)')
    """
    for ending, unit in _UNITS:
        if column.endswith(ending):
            return f"{column.removesuffix(ending).replace('_', ' ')} ({unit})"
    return column.replace("_vs_", " / ").replace("_", " ")


def _head(figure: Figure, words: str, found: Findings) -> None:
    figure.suptitle(_title(words, found), x=0.01, ha="left", fontsize=9)


def _title(words: str, found: Findings) -> str:
    left_out = f", {found.n_missing} failed or not finished" if found.n_missing else ""
    return f"{words} ({found.stage}, {found.test}; {len(found.values)} cases{left_out})"
