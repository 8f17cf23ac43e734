"""What a sweep tells: the effect of each parameter on a measure, pairs of them, a tornado.

Failed cases have no measure and are left out; every result carries how many. Sensitivity indices,
whose designs do not bear a missing case, have a rule of their own (`vbsim.study.sweep.indices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.study.faults import nearest
from vbsim.study.results import NO_TEST
from vbsim.study.sweep.run import read_table
from vbsim.study.sweep.stored_plan import read_plan
from vbsim.study.sweep.table import Table

__all__ = ["Findings", "Effect", "Bar", "findings", "main_effects", "tornado", "measures_of"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]

# A number with so few values is a level of a grid; with more it is a draw.
_MOST_LEVELS = 12
# A bar spans what the parameter does between these shares of its own values.
_LOW, _HIGH = 0.1, 0.9
# A mean of fewer draws says nothing.
_LEAST_DRAWS = 3


@dataclass(frozen=True)
class Findings:
    """One measure of one stage over the cases of a sweep.

    Parameters
    ----------
    column : str
        Column of the measure, with its unit.
    stage, test : str
        Where it was measured.
    factors : dict of str to array
        Values of every parameter that varies, one a case.
    values : (n_cases,) float
        The measure.
    n_missing : int
        Cases that are not finished or failed.
    """

    column: str
    stage: str
    test: str
    factors: dict[str, Array]
    values: FloatArray
    n_missing: int

    def is_drawn(self, factor: str) -> bool:
        """Say whether a parameter takes so many values that it must be drawn, not listed."""
        values = self.factors[factor]
        return values.dtype.kind in "if" and len(np.unique(values)) > _MOST_LEVELS

    def levels(self, factor: str) -> list[Any]:
        """Return the values of a listed parameter: numbers sorted, words as they come."""
        values = self.factors[factor]
        if values.dtype.kind in "ifb":
            return [value.item() for value in np.unique(values)]
        return list(dict.fromkeys(values.tolist()))


class Effect(NamedTuple):
    """What a parameter does by itself.

    Attributes
    ----------
    factor : str
        The parameter.
    levels : list
        Its values, or the middle of each fifth of a drawn one.
    means, lowest, highest : (n_levels,) float
        Of the measure, over everything else that varies.
    """

    factor: str
    levels: list[Any]
    means: FloatArray
    lowest: FloatArray
    highest: FloatArray


class Bar(NamedTuple):
    """One bar of a tornado.

    Attributes
    ----------
    factor : str
        The parameter.
    low, high : float
        Measure at the parameter's two ends, everything else in the middle.
    at_low, at_high : str
        The ends: the values at 10 and 90 % of a drawn parameter; of a listed one, those with the
        least and the largest effect.
    """

    factor: str
    low: float
    high: float
    at_low: str
    at_high: str


def measures_of(table: Table, stage: str) -> list[str]:
    """Return the columns that were measured at a stage."""
    rows = table.where(f"stage == {stage!r}")
    return [name for name in table.told if np.isfinite(rows.columns[name]).any()]


def findings(
    folder: Path, column: str | None = None, *, stage: str | None = None, test: str | None = None
) -> Findings:
    """Return a measure over the cases of a sweep.

    Parameters
    ----------
    folder : Path
        Folder of a sweep.
    column : str, optional
        Column of the measure; ``stiffness_vs_intact`` or else ``stiffness_n_per_mm`` if left out.
    stage, test : str, optional
        The last stage and the first test that has the measure if left out.

    Raises
    ------
    InvalidInput
        If nothing of the sort was measured, with what there is.
    """
    table = read_table(folder)
    stage = stage or _last_stage(table)
    known = measures_of(table, stage) if stage in table.columns["stage"] else []
    column = column or next((c for c in _USUAL if c in known), None)
    if column not in known:
        near = nearest(str(column), known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(known) or 'none'}"
        raise InvalidInput(f"{column!r} was not measured at stage {stage!r}; {hint}")
    rows = table.where(f"stage == {stage!r}")
    rows = rows.rows(np.isfinite(rows.columns[column]))
    tests = list(dict.fromkeys(rows.columns["test"].tolist()))
    test = test or next(iter(tests), NO_TEST)
    if test not in tests:
        raise InvalidInput(f"test {test!r} did not measure {column}; {', '.join(tests)} did")
    rows = rows.where(f"test == {test!r}")
    varied = [name for name in read_plan(folder).varied if name in rows.columns]
    factors = {name: rows.columns[name] for name in varied}
    factors = {name: v for name, v in factors.items() if len(set(v.tolist())) > 1}
    n_missing = len(set(table.columns["case"].tolist())) - rows.n_rows
    return Findings(column, stage, test, factors, rows.columns[column], n_missing)


_USUAL = ("stiffness_vs_intact", "stiffness_n_per_mm", "bending_stiffness_n_mm_per_deg")


def main_effects(found: Findings) -> list[Effect]:
    """Return what each parameter does on the average over everything else."""
    return [_effect(found, factor) for factor in found.factors]


def _effect(found: Findings, factor: str) -> Effect:
    group, levels = _groups(found, factor)
    parts = [found.values[group == k] for k in range(len(levels))]
    alone = _without_others(found, (factor,))
    return Effect(
        factor,
        levels,
        np.array([alone[group == k].mean() for k in range(len(levels))]),
        np.array([part.min() for part in parts]),
        np.array([part.max() for part in parts]),
    )


def interaction(found: Findings, first: str, second: str) -> tuple[list[Any], list[Any], Array]:
    """Return the levels of two parameters and the mean measure at each pair.

    What other parameters add is taken off, so that a design which is not balanced shows no
    interaction where there is none. NaN where there are too few cases: fewer than three draws.
    """
    a, of_first = _groups(found, first)
    b, of_second = _groups(found, second)
    total, count = (np.zeros((len(of_first), len(of_second))) for _ in range(2))
    np.add.at(total, (a, b), _without_others(found, (first, second)))
    np.add.at(count, (a, b), 1.0)
    least = _LEAST_DRAWS if any(found.is_drawn(factor) for factor in found.factors) else 1
    return of_first, of_second, total / np.where(count >= least, count, np.nan)


def _groups(found: Findings, factor: str) -> tuple[Array, list[Any]]:
    """Return the group of each case and what each group is called: levels, or fifths of draws."""
    values = found.factors[factor]
    if found.is_drawn(factor):
        edges = np.quantile(values, [0.2, 0.4, 0.6, 0.8])
        group = np.searchsorted(edges, values, side="right")
        return group, [float(np.median(values[group == k])) for k in range(5)]
    levels = found.levels(factor)
    return np.array([levels.index(value) for value in values.tolist()]), levels


def tornado(found: Findings) -> tuple[list[Bar], float]:
    """Return how far each parameter moves the measure, the strongest first, and the fit's R2.

    From a model in which effects add up: a parabola of each drawn parameter, a constant for each
    value of a listed one, by least squares. R2 tells how much of the spread it explains.

    Raises
    ------
    InvalidInput
        If there are fewer cases than twice the unknowns of the model.
    """
    model = _added_up(found)
    if model is None:
        n_columns = 1 + sum(_block(found, factor)[0].shape[1] for factor in found.factors)
        raise InvalidInput(
            f"a tornado of {len(found.factors)} parameters needs {2 * n_columns} cases, "
            f"and {len(found.values)} are there"
        )
    residual = found.values - found.values.mean()
    spread = float(residual @ residual)
    for block, _, weights in model.values():
        residual = residual - (block - block.mean(axis=0)) @ weights
    explained = 1.0 - float(residual @ residual) / spread if spread > 0.0 else 1.0
    bars = []
    for factor, (block, ends, weights) in model.items():
        middle = found.values.mean() - float(block.mean(axis=0) @ weights)
        effects = sorted(
            ((middle + float(row @ weights), name) for name, row in ends), key=lambda e: e[0]
        )
        if found.is_drawn(factor):
            (low, at_low), (high, at_high) = ((middle + float(r @ weights), n) for n, r in ends)
        else:
            (low, at_low), (high, at_high) = effects[0], effects[-1]
        bars.append(Bar(factor, low, high, at_low, at_high))
    return sorted(bars, key=lambda bar: -abs(bar.high - bar.low)), explained


Part = tuple[FloatArray, list[tuple[str, FloatArray]], FloatArray]


def _added_up(found: Findings) -> dict[str, Part] | None:
    """Return columns, ends and weights of each parameter in the additive model.

    None with fewer cases than twice the unknowns.
    """
    blocks = {factor: _block(found, factor) for factor in found.factors}
    columns = np.hstack([np.ones((len(found.values), 1)), *(b for b, _ in blocks.values())])
    if len(found.values) < 2 * columns.shape[1]:
        return None
    solution = np.asarray(np.linalg.lstsq(columns, found.values, rcond=None)[0], dtype=np.float64)
    model: dict[str, Part] = {}
    at = 1
    for factor, (block, ends) in blocks.items():
        model[factor] = (block, ends, solution[at : at + block.shape[1]])
        at += block.shape[1]
    return model


def _without_others(found: Findings, kept: tuple[str, ...]) -> FloatArray:
    """Return the measure less what all but some parameters add to its mean."""
    values = found.values
    for factor, (block, _, weights) in (_added_up(found) or {}).items():
        if factor not in kept:
            values = values - (block - block.mean(axis=0)) @ weights
    return values


def _block(found: Findings, factor: str) -> tuple[FloatArray, list[tuple[str, FloatArray]]]:
    """Return the columns of a parameter in the additive model, and its ends by name."""
    values = found.factors[factor]
    if found.is_drawn(factor):
        centre, scale = values.mean(), values.std()

        def parabola(x: Any) -> FloatArray:
            z = (np.atleast_1d(x) - centre) / scale
            return np.stack([z, z * z], axis=1)

        low, high = np.quantile(values, [_LOW, _HIGH])
        return parabola(values), [(f"{x:.4g}", parabola(x)[0]) for x in (low, high)]
    group, levels = _groups(found, factor)
    rows = np.eye(len(levels))[:, 1:]
    named = [(_named(level), row) for level, row in zip(levels, rows, strict=True)]
    return rows[group], named


def _named(level: Any) -> str:
    return f"{level:.4g}" if isinstance(level, float) else str(level)


def _last_stage(table: Table) -> str:
    stages: Sequence[str] = [stage for stage in table.columns["stage"].tolist() if stage]
    if not stages:
        raise InvalidInput("no case of this sweep is finished")
    return stages[-1]
