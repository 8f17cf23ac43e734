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

__all__ = ["History", "load_displacement", "read_history"]

FloatArray = NDArray[np.float64]

# Endings of a column that may be the way of the platen or the force on it, best first.
_WAYS = ("platen_displacement_mm", "displacement_mm", "shortening_mm", "_mm")
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


def load_displacement(histories: Sequence[History]) -> Figure:
    """Return force against displacement of the histories of one test, one line a stage.

    Parameters
    ----------
    histories : sequence of History
        Histories with a column of a displacement in mm and one of a force in N.
    """
    require(len(histories) > 0, "histories", len(histories), "one or more")
    with styled():
        figure = new_figure(4.6, 3.1)
        axes = figure.subplots()
        for k, history in enumerate(histories):
            way, force = axes_of(history)
            x, y = np.abs(history.columns[way]), np.abs(history.columns[force])
            label = history.stage.replace("_", " ").capitalize()
            look = {"color": STAGES[k % len(STAGES)], "linestyle": STYLES[k % len(STYLES)]}
            axes.plot(x, y / 1e3, label=label, linewidth=1.4, **look)
            top = int(np.nanargmax(y))
            if 0 < top < len(y) - 1:
                axes.plot(x[top], y[top] / 1e3, "o", color=look["color"], markersize=4.0)
        axes.set(xlabel="displacement of the platen (mm)", ylabel="force (kN)")
        axes.set_xlim(left=0.0)
        axes.set_ylim(bottom=0.0)
        title = histories[0].test.replace("_", " ").capitalize()
        axes.set_title(title, loc="left")
        axes.legend(loc="best")
        return figure


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
