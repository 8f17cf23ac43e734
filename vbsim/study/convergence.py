"""Stiffness against the size of cells: Richardson's value, observed order and error bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from vbsim.checks import InvalidInput, require
from vbsim.study.case import Case, Hexa, Tetra, Voxels
from vbsim.study.pipeline import Progress, build_stages, silent, solve_stages

__all__ = ["Series", "Solved", "converge", "extrapolate"]


_MESHES: dict[str, Callable[[float], Voxels | Hexa | Tetra]] = {
    "voxels": lambda size: Voxels(spacing_mm=size),
    "hexa": lambda size: Hexa(size_mm=size),
    "tetra": lambda size: Tetra(size_mm=size),
}


class Solved(NamedTuple):
    """One mesh: size of its cells, degrees of freedom, stiffness."""

    size_mm: float
    n_dof: int
    stiffness_n_per_mm: float


class Series(NamedTuple):
    """One stage on meshes of falling size.

    Attributes
    ----------
    kind : str
        ``voxels``, ``hexa`` or ``tetra``.
    stage : str
        Name of the stage.
    solved : tuple of Solved
        From coarse to fine.
    limit_n_per_mm : float
        Stiffness extrapolated to size 0; NaN where the values do not settle.
    order : float
        Observed order of convergence; NaN where the values do not settle.
    error_percent : float
        Error bar of the finest value: 1.25 times its distance from the limit, or, where the
        values do not settle, 3 times their last change, percent of the finest value.
    """

    kind: str
    stage: str
    solved: tuple[Solved, ...]
    limit_n_per_mm: float
    order: float
    error_percent: float


def converge(
    case: Case,
    sizes_mm: Sequence[float],
    *,
    kinds: Sequence[str] = ("voxels", "hexa"),
    progress: Progress = silent,
) -> list[Series]:
    """Solve every stage of a case on voxels and on fitted meshes of several sizes.

    Parameters
    ----------
    case : Case
        The case; its own mesh is replaced.
    sizes_mm : sequence of float
        Three sizes or more, falling, each the same fraction of the one before.
    kinds : sequence of str
        Any of ``voxels``, ``hexa`` and ``tetra``.
    progress : callable, optional
        Told what is being done.
    """
    require(len(sizes_mm) >= 3, "sizes", list(sizes_mm), "three or more")
    ratios = [a / b for a, b in pairwise(sizes_mm)]
    require(
        min(ratios) > 1.05 and max(ratios) < 1.02 * min(ratios),
        "sizes",
        list(sizes_mm),
        "falling by one and the same factor, such as 2 1.4142 1 or 2 1 0.5",
    )
    compression = [test for test in case.tests if test.kind == "compression"][:1]
    if not compression:
        raise InvalidInput("convergence: the case has no compression test")
    found: dict[tuple[str, str], list[Solved]] = {}
    total = len(kinds) * len(sizes_mm)
    for place, (kind, size) in enumerate((k, s) for k in kinds for s in sizes_mm):
        progress(f"{kind} {size:g} mm", place / total)
        mesh = _MESHES[kind](size)
        one = case.model_copy(update={"mesh": mesh, "tests": tuple(compression)})
        for stage in solve_stages(one, build_stages(one)):
            response = next(iter(stage.responses.values()))
            stiffness = response.force_n / float(response.motion[0])
            solved = Solved(size, response.report.n_dof, stiffness)
            found.setdefault((kind, stage.name), []).append(solved)
    progress("done", 1.0)
    return [
        Series(kind, stage, tuple(values), *extrapolate(values))
        for (kind, stage), values in found.items()
    ]


def extrapolate(solved: Sequence[Solved]) -> tuple[float, float, float]:
    """Return limit, observed order and error bar (percent) of the three finest values.

    Richardson's extrapolation with the safety factor of the grid convergence index (Roache 1994,
    doi 10.1115/1.2910291): 1.25 where three meshes show an order, 3 where they do not.

    Examples
    --------
    >>> values = [Solved(h, 0, 10.0 + h**2) for h in (2.0, 1.0, 0.5)]
    >>> [round(x, 6) for x in extrapolate(values)]
    [10.0, 2.0, 3.04878]
    """
    first, second, third = (s.stiffness_n_per_mm for s in solved[-3:])
    ratio = solved[-2].size_mm / solved[-1].size_mm
    before, after = second - first, third - second
    if before * after > 0.0 and abs(after) < abs(before):
        order = math.log(before / after) / math.log(ratio)
        limit = third + after / (ratio**order - 1.0)
        return limit, order, 125.0 * abs(limit - third) / abs(third)
    return math.nan, math.nan, 300.0 * abs(after) / abs(third)
