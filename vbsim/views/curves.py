"""Load histories of any test as curves: force against displacement, one line a stage."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require
from vbsim.views.style import STAGES, STYLES, new_figure, styled

__all__ = ["History", "history_figure", "load_displacement", "over_time", "read_history"]

FloatArray = NDArray[np.float64]

# Endings of a column that may be the way of the platen or the force on it, best first.
_WAYS = ("axial_mm", "platen_displacement_mm", "displacement_mm", "shortening_mm", "_mm")
# Less than this share of the largest force below zero is round-off, and no traction.
_SLIGHT = 1e-3
_MOST_PANELS, _PANELS_A_ROW = 9, 3
_FORCES = ("platen_force_n", "force_n", "reaction_n", "_n")


class History(NamedTuple):
    """One load history.

    Attributes
    ----------
    stage, test : str
        What was loaded and how, from the file's name.
    columns : mapping of str to (n_steps,) float array
        Every numeric column; its name ends in its unit.
    """

    stage: str
    test: str
    columns: Mapping[str, FloatArray]


def read_history(path: Path) -> History:
    """Return a load history, ``<stage>-<test>.csv``, one row a step; text columns are left out.

    Raises
    ------
    InvalidInput
        If the file has no row or no column of numbers.
    """
    stage, _, test = path.stem.partition("-")
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path}: not a table ({error})") from None
    columns = {}
    for name in rows[0] if rows else ():
        try:
            columns[name] = np.array([float(row[name] or "nan") for row in rows])
        except (ValueError, TypeError):
            continue
    if not columns:
        raise InvalidInput(f"{path}: holds no column of numbers")
    return History(stage, test, columns)


def history_figure(histories: Sequence[History]) -> Figure:
    """Return the figure of the histories of one test: load against displacement, or all over time.

    Parameters
    ----------
    histories : sequence of History
        Histories of one test.
    """
    require(len(histories) > 0, "histories", len(histories), "one or more")
    if all(is_loading(history) for history in histories):
        return load_displacement(histories)
    return over_time(histories)


def is_loading(history: History) -> bool:
    """Tell whether a history has a displacement and a force."""
    try:
        axes_of(history)
    except InvalidInput:
        return False
    return True


def over_time(histories: Sequence[History]) -> Figure:
    """Return every column of histories against their first, one panel a column.

    Columns that never change are left out.
    """
    first = next(iter(histories[0].columns))
    names = [name for name in histories[0].columns if name != first]
    names = [n for n in names if any(np.ptp(_finite(h, n)) > 0.0 for h in histories)]
    if not names:
        raise InvalidInput(f"history {histories[0].stage}-{histories[0].test}: nothing changes")
    names = names[:_MOST_PANELS]
    with styled():
        rows = -(-len(names) // _PANELS_A_ROW)
        figure = new_figure(7.0, 1.9 * rows + 0.2)
        panels = figure.subplots(rows, min(len(names), _PANELS_A_ROW), squeeze=False, sharex=True)
        for axes in panels.flat[len(names) :]:
            axes.set_axis_off()
        for axes, name in zip(panels.flat, names, strict=False):
            for k, history in enumerate(histories):
                if name in history.columns and first in history.columns:
                    look = {"color": STAGES[k % len(STAGES)], "linestyle": STYLES[k % len(STYLES)]}
                    x, y = history.columns[first], history.columns[name]
                    axes.plot(x, y, linewidth=1.3, label=history.stage.replace("_", " "), **look)
            axes.set_title(name.replace("_", " "), loc="left", fontsize=8)
            axes.set_xlabel(first.replace("_", " "))
        if len(histories) > 1:
            panels.flat[0].legend(loc="best")
        return figure


def _finite(history: History, name: str) -> FloatArray:
    values = history.columns.get(name, np.zeros(0))
    values = values[np.isfinite(values)]
    return values if values.size else np.zeros(1)


def load_displacement(histories: Sequence[History]) -> Figure:
    """Return force against displacement of the histories of one test, one line a stage.

    Both are positive in the direction of the largest force: traction after a collapse is negative.

    Parameters
    ----------
    histories : sequence of History
        Histories with a column of a displacement in mm and one of a force in N.
    """
    require(len(histories) > 0, "histories", len(histories), "one or more")
    ways, forces = (
        _upright([history.columns[axes_of(history)[k]] for history in histories]) for k in (0, 1)
    )
    with styled():
        figure = new_figure(4.6, 3.1)
        axes = figure.subplots()
        for k, history in enumerate(histories):
            x, y = ways[k], forces[k]
            label = history.stage.replace("_", " ").capitalize()
            look = {"color": STAGES[k % len(STAGES)], "linestyle": STYLES[k % len(STYLES)]}
            axes.plot(x, y / 1e3, label=label, linewidth=1.4, **look)
            top = int(np.nanargmax(y))
            if 0 < top < len(y) - 1:
                axes.plot(x[top], y[top] / 1e3, "o", color=look["color"], markersize=4.0)
        axes.set(xlabel="displacement of the platen (mm)", ylabel="force (kN)")
        axes.set_xlim(left=min(0.0, *(np.nanmin(way) for way in ways)))
        if min(np.nanmin(force) for force in forces) < -_SLIGHT * axes.get_ylim()[1] * 1e3:
            axes.set_ylabel("force (kN), traction negative")
            axes.axhline(0.0, color="0.6", linewidth=0.8, zorder=0)
        else:
            axes.set_ylim(bottom=0.0)
        title = histories[0].test.replace("_", " ").capitalize()
        axes.set_title(title, loc="left")
        axes.legend(loc="best")
        return figure


def _upright(columns: Sequence[FloatArray]) -> list[FloatArray]:
    """Return columns with the sign that makes the largest of all their values positive."""
    largest = max((values[np.nanargmax(np.abs(values))] for values in columns), key=abs)
    return [values if largest >= 0.0 else -values for values in columns]


def axes_of(history: History) -> tuple[str, str]:
    """Return the names of the displacement and of the force column of a history."""
    found = []
    for endings in (_WAYS, _FORCES):
        fits = [n for ending in endings for n in history.columns if n.endswith(ending)]
        if not fits:
            known = ", ".join(history.columns)
            raise InvalidInput(
                f"history {history.stage}-{history.test}: no column {endings} in {known}"
            )
        found.append(fits[0])
    return found[0], found[1]
