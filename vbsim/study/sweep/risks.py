"""How often something happened over the cases of a sweep, with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vbsim.measures import share_with_interval
from vbsim.study.sweep.run import read_table
from vbsim.study.sweep.stored_plan import read_plan
from vbsim.study.sweep.table import Table

__all__ = ["Risk", "risks"]

# A measure that is 1 or 0 says so in its definition.
_YES_OR_NO = "1 if "
# Numbers with more values than this are drawn: their cases are counted together.
_MOST_LEVELS = 12


class Risk(NamedTuple):
    """A share of cases.

    Attributes
    ----------
    column, stage : str
        The measure that is 1 where it happened.
    values : dict
        What these cases have in common: values of the parameters that were listed.
    n_with, n_all : int
        Cases in which it happened, and all that were measured.
    """

    column: str
    stage: str
    values: dict[str, Any]
    n_with: int
    n_all: int

    @property
    def share(self) -> tuple[float, float, float]:
        """The share and its interval of 95 % (Wilson)."""
        return share_with_interval(self.n_with, self.n_all)


def risks(folder: Path) -> list[Risk]:
    """Return how often each yes-or-no measure of a sweep was yes, for all it compares.

    Seeds and drawn parameters are what repeats a case; the others tell groups apart.
    """
    table = read_table(folder)
    columns = [c for c, told in table.told.items() if told["definition"].startswith(_YES_OR_NO)]
    if not columns:
        return []
    groups = [name for name in read_plan(folder).varied if _is_listed(table, name)]
    found = []
    for column in columns:
        rows = table.rows(np.isfinite(table.columns[column]))
        # What a step tells stands in the rows of every test: those of one are enough.
        tests = rows.columns["test"]
        rows = rows.rows(tests == tests[0]) if rows.n_rows else rows
        keys = list(zip(*(rows.columns[name].tolist() for name in ["stage", *groups]), strict=True))
        happened = rows.columns[column] > 0.5
        for key in dict.fromkeys(keys):
            own = np.array([k == key for k in keys])
            values = dict(zip(groups, key[1:], strict=True))
            n_with = int(np.count_nonzero(happened & own))
            found.append(Risk(column, key[0], values, n_with, int(own.sum())))
    return found


def _is_listed(table: Table, name: str) -> bool:
    if name not in table.columns or name.rpartition(".")[2].endswith("seed"):
        return False
    values = table.columns[name]
    n_levels = len(set(values.tolist()))
    return n_levels > 1 and (values.dtype.kind not in "if" or n_levels <= _MOST_LEVELS)
