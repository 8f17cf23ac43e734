"""The best place of a needle's tip with the cement kept away from where it leaks.

The margin is geometric and costs no solve: of many tips spread over the body, only those that keep
it are loaded, a few of them; the best is then moved in ever smaller steps (compass search).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from vbsim.augmentation import CementFill
from vbsim.checks import InvalidCase, InvalidInput, require
from vbsim.study.optimise.trial import Trials

__all__ = ["BestTip", "best_tip", "MARGINS"]

MARGINS = ("posterior_wall", "canal", "cortex", "basivertebral")
"""Distances that the measures of a filling tell, ``leak_margin_<name>``."""

Point = tuple[float, float, float]

_SPREAD = 64
_STEPS_MM = (4.0, 2.0, 1.0)
_LOADED_SHARE = 0.4


@dataclass(frozen=True)
class BestTip:
    """The best tip that was found.

    Parameters
    ----------
    tip_mm : tuple of float
        Tip in body coordinates, mm; the other needle of a bipedicular filling is its mirror image.
    value, value_default : float
        The measure there, and with the tip of the case.
    margin_mm, margin_default_mm : float
        Least of the margins asked for, there and with the tip of the case, mm.
    n_tips, n_kept : int
        Tips looked at, and those that keep the margin.
    n_solves : int
        Tips that were loaded.
    trials : tuple of (Point, float)
        Every tip that was loaded, with its measure.
    """

    tip_mm: Point
    value: float
    value_default: float
    margin_mm: float
    margin_default_mm: float
    n_tips: int
    n_kept: int
    n_solves: int
    trials: tuple[tuple[Point, float], ...]


def best_tip(
    trials: Trials,
    *,
    margin_mm: float,
    margins: tuple[str, ...] = MARGINS,
    quantity: str = "stiffness_vs_intact",
    n_solves: int = 24,
    test: str | None = None,
) -> BestTip:
    """Return the tip with the largest measure among those that keep a margin to where cement leaks.

    Parameters
    ----------
    trials : Trials
        A case whose filling is ``unipedicular`` or ``bipedicular``.
    margin_mm : float
        Least distance from the cement to each of `margins`, mm.
    margins : tuple of str
        Of `MARGINS`.
    quantity : str
        What shall be large.
    n_solves : int
        Most tips to load.
    test : str, optional
        Test that measures it; the first that does if left out.

    Raises
    ------
    InvalidInput
        If the filling has no needle, or no tip keeps the margin; it names the largest that one can.
    """
    require(margin_mm >= 0.0, "margin_mm", margin_mm, "0 or more, in mm")
    require(n_solves >= 4, "n_solves", n_solves, "4 or more")
    for name in margins:
        require(name in MARGINS, "margins", name, f"one of {', '.join(MARGINS)}")
    search = _Search(trials, margins, quantity, test)
    default = search.default()
    candidates = search.spread()
    kept = {tip: m for tip in candidates if (m := search.margin(tip)) >= margin_mm}
    if not kept:
        largest = max(map(search.margin, candidates))
        raise InvalidInput(
            f"margin_mm = {margin_mm:g}: none of {len(candidates)} tips keeps it; {largest:.2f} mm "
            "is the most at this volume"
        )
    n_first = max(2, round(_LOADED_SHARE * n_solves))
    for tip in _far_apart(list(kept), n_first):
        search.value(tip)
    search.walk(margin_mm, n_solves)
    tip = search.best()
    return BestTip(
        tip_mm=tip,
        value=search.value(tip),
        value_default=default[0],
        margin_mm=search.margin(tip),
        margin_default_mm=default[1],
        n_tips=len(search.margins_of),
        n_kept=sum(m >= margin_mm for m in search.margins_of.values()),
        n_solves=len(search.values),
        trials=tuple(search.values.items()),
    )


class _Search:
    def __init__(
        self, trials: Trials, margins: tuple[str, ...], quantity: str, test: str | None
    ) -> None:
        self._trials, self._margins = trials, margins
        self._quantity, self._test = quantity, test
        self.margins_of: dict[Point, float] = {}
        self.values: dict[Point, float] = {}
        self._filled = _tips_of(trials)

    def default(self) -> tuple[float, float]:
        """Return measure and margin with the tip of the case."""
        fill = self._trials.fill
        value = self._trials.run(fill).value(self._quantity, self._test)
        return value, self._least(fill)

    def spread(self) -> list[Point]:
        """Return tips spread over the half of the body in which the needle may end."""
        from scipy.stats import qmc

        frame = self._trials.earlier[-1].bare.anatomy.frame
        lower, upper = frame.bounds_mm()
        unit = qmc.Halton(3, scramble=False).random(_SPREAD + 1)[1:]
        low, high = np.array(lower), np.array(upper)
        if _is_mirrored(self._trials.fill):
            low[0] = 0.5 * (lower[0] + upper[0])
        tips = low + unit * (high - low)
        height = frame.normalised_height(*tips.T)
        radius = frame.normalised_radius(*tips.T)
        inside = (height > 0.1) & (height < 0.9) & (radius < 0.9)
        return [_point(tip) for tip in tips[inside]]

    def margin(self, tip: Point) -> float:
        """Return the least margin of a tip, mm; minus infinity where it cannot be."""
        if tip not in self.margins_of:
            try:
                self.margins_of[tip] = self._least(self._filled(tip))
            except InvalidInput:
                self.margins_of[tip] = -np.inf
        return self.margins_of[tip]

    def value(self, tip: Point) -> float:
        """Return the measure of a tip."""
        if tip not in self.values:
            trial = self._trials.run(self._filled(tip))
            self.values[tip] = trial.value(self._quantity, self._test)
        return self.values[tip]

    def best(self) -> Point:
        """Return the best tip that was loaded."""
        return max(self.values, key=lambda tip: self.values[tip])

    def walk(self, margin_mm: float, n_solves: int) -> None:
        """Move from the best tip while that helps, in steps that get smaller."""
        for step in _STEPS_MM:
            moved = True
            while moved:
                start = self.best()
                for tip in _around(start, step):
                    if len(self.values) >= n_solves:
                        return
                    if tip not in self.values and self.margin(tip) >= margin_mm:
                        self.value(tip)
                        if self.best() != start:
                            break
                moved = self.best() != start

    def _least(self, fill: CementFill) -> float:
        told = self._trials.built(fill)
        return min(told[f"leak_margin_{name}"] for name in self._margins)


def _tips_of(trials: Trials) -> Callable[[Point], CementFill]:
    """Return what makes the filling with a tip."""
    kind = trials.fill.distribution.kind
    plain: dict[str, Any] = trials.fill.distribution.model_dump(by_alias=True, exclude_none=True)
    if kind == "unipedicular":
        return lambda tip: trials.changed(distribution=plain | {"tip": tip})
    if kind == "bipedicular":
        return lambda tip: trials.changed(
            distribution=plain | {"tip_left": tip, "tip_right": (-tip[0], tip[1], tip[2])}
        )
    raise InvalidCase(
        f"= {kind!r}: no needle places it; 'unipedicular' or 'bipedicular' has tips to seek",
        f"steps[{trials.index}].distribution",
    )


def _is_mirrored(fill: CementFill) -> bool:
    return bool(fill.distribution.kind == "bipedicular")


def _around(tip: Point, step: float) -> list[Point]:
    """Return the neighbours of a tip along each axis."""
    moves = np.vstack([np.eye(3), -np.eye(3)]) * step
    return [_point(np.add(tip, move)) for move in moves]


def _far_apart(tips: list[Point], n: int) -> list[Point]:
    """Return `n` tips, each as far as can be from those before it."""
    places = np.array(tips)
    start = int(np.argmin(np.linalg.norm(places - places.mean(axis=0), axis=1)))
    chosen = [start]
    distance = np.linalg.norm(places - places[start], axis=1)
    while len(chosen) < min(n, len(tips)):
        chosen.append(int(np.argmax(distance)))
        distance = np.minimum(distance, np.linalg.norm(places - places[chosen[-1]], axis=1))
    return [tips[k] for k in chosen]


def _point(tip: Any) -> Point:
    x, y, z = (round(float(c), 3) for c in tip)
    return x, y, z
