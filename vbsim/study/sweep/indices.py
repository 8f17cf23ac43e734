"""Sensitivity indices of a sweep, by SALib: Sobol's and Morris's.

Rule for failed cases: their designs are made of blocks that are independent of each other (Sobol:
one base sample with its recombinations; Morris: one trajectory). A block in which a case failed is
left out whole, and the rest is a valid, smaller design; leaving out single cases would not be. What
is left describes the part of the ranges where the model runs. With fewer than half of the blocks
left nothing is returned.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.study.sweep import design
from vbsim.study.sweep.effects import Findings, findings
from vbsim.study.sweep.plan import SAMPLE
from vbsim.study.sweep.stored_plan import StoredPlan, read_plan

__all__ = ["Index", "Indices", "indices"]

FloatArray = NDArray[np.float64]

_LEAST_BLOCKS = 0.5


class Index(NamedTuple):
    """Indices of one parameter with the half width of their 95 % interval.

    Attributes
    ----------
    factor : str
        The parameter.
    first, first_interval : float
        Sobol: share of the variance that it explains alone. Morris: mean absolute effect, in the
        measure's unit.
    total, total_interval : float
        Sobol: share in which it takes part. Morris: standard deviation of the effect, and NaN.
    """

    factor: str
    first: float
    first_interval: float
    total: float
    total_interval: float


class Indices(NamedTuple):
    """Indices of a measure.

    Attributes
    ----------
    method : str
        ``sobol_indices`` or ``morris``.
    found : Findings
        The measure.
    parameters : tuple of Index
        In the order of the file.
    n_blocks, n_left_out : int
        Blocks used, and blocks left out for a case that failed.
    """

    method: str
    found: Findings
    parameters: tuple[Index, ...]
    n_blocks: int
    n_left_out: int


def indices(
    folder: Path, column: str | None = None, *, stage: str | None = None, test: str | None = None
) -> Indices:
    """Return the sensitivity indices of a sweep whose sample was drawn for them.

    Parameters
    ----------
    folder : Path
        Folder of the sweep.
    column, stage, test : str, optional
        The measure, as for `findings`.

    Raises
    ------
    InvalidInput
        If the sweep has another design, if something varies beside its sample, or if fewer than
        half of the blocks are whole.
    """
    plan = read_plan(folder)
    sample = plan.sample
    if sample is None or sample["method"] not in ("sobol_indices", "morris"):
        raise InvalidInput(
            f"{folder} was not drawn for indices; give sweep.sample.method = 'sobol_indices' or "
            "'morris'"
        )
    names = [str(name) for name in sample["names"]]
    if set(plan.varied) != set(names):
        others = ", ".join(sorted(set(plan.varied) - set(names)))
        raise InvalidInput(f"indices need a sweep in which nothing but the sample varies: {others}")
    found = findings(folder, column, stage=stage, test=test)
    values = _by_draw(folder, plan, found)
    method = sample["method"]
    size = design.block_size(method, len(names))
    blocks = values.reshape(-1, size)
    whole = np.isfinite(blocks).all(axis=1)
    if whole.sum() < max(2, _LEAST_BLOCKS * len(blocks)):
        raise InvalidInput(
            f"only {whole.sum()} of {len(blocks)} blocks of the design are whole; narrow the "
            "ranges to where the model runs"
        )
    kept = blocks[whole].ravel()
    if method == "morris":
        unit = design.points(method, sample["n"], len(names), sample["seed"])
        parameters = _morris(names, unit.reshape(len(blocks), size, -1)[whole], kept)
    else:
        parameters = _sobol(names, kept)
    return Indices(method, found, parameters, int(whole.sum()), int((~whole).sum()))


def _by_draw(folder: Path, plan: StoredPlan, found: Findings) -> FloatArray:
    """Return the measure of every draw in the order of the design, NaN where there is none."""
    from vbsim.study.sweep.run import read_table

    table = read_table(folder)
    chosen = (table.columns["stage"] == found.stage) & (table.columns["test"] == found.test)
    values = np.full(len(plan.cases), np.nan)
    draws = table.columns[SAMPLE][chosen].astype(int)
    values[draws] = table.columns[found.column][chosen]
    return values


def _sobol(names: list[str], values: FloatArray) -> tuple[Index, ...]:
    analyze = design.salib("analyze.sobol").analyze
    problem = design.problem(len(names), names)
    with np.errstate(all="ignore"):
        result = analyze(problem, values, calc_second_order=False, seed=0)
    rows = zip(names, result["S1"], result["S1_conf"], result["ST"], result["ST_conf"], strict=True)
    return tuple(Index(name, *(float(x) for x in row)) for name, *row in rows)


def _morris(names: list[str], unit: FloatArray, values: FloatArray) -> tuple[Index, ...]:
    analyze = design.salib("analyze.morris").analyze
    problem = design.problem(len(names), names)
    # The design's own levels, before its ends were moved into the range.
    levels = np.round(unit * (design.MORRIS_LEVELS - 1)) / (design.MORRIS_LEVELS - 1)
    result = analyze(
        problem, levels.reshape(len(values), -1), values, num_levels=design.MORRIS_LEVELS, seed=0
    )
    rows = zip(names, result["mu_star"], result["mu_star_conf"], result["sigma"], strict=True)
    return tuple(
        Index(name, float(mean), float(interval), float(sd), float("nan"))
        for name, mean, interval, sd in rows
    )
