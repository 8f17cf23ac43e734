"""The least volume of cement that restores what the fracture took, by bracketing."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from vbsim.checks import require
from vbsim.study.optimise.trial import Trial, Trials

__all__ = ["LeastVolume", "least_volume"]

# Where the search begins, as a share of the largest volume: most answers lie below.
_FIRST_SHARE = 0.25
_MOST_TRIALS = 24
# A step of the false position keeps off the ends of the bracket by this share of it.
_KEEP_OFF = 0.1
# A larger volume that restores so much less (%) is told as not monotone; less is rounding.
_FALL_PERCENT = 0.5


@dataclass(frozen=True)
class LeastVolume:
    """The answer for one distribution.

    Parameters
    ----------
    distribution : str
        Its kind, and side where it has one.
    volume_ml : float or None
        Least volume found that restores enough; None if none does.
    filling_fraction_percent : float or None
        The same as a share of the body as it is when filled.
    restored_percent : float
        What that volume restores, or the most that any does.
    not_enough_ml : float
        Largest volume found that does not restore enough: the answer lies between the two.
    largest_ml : float
        Largest volume of the distribution that fits.
    n_solves : int
        Solves that it took, without those before the filling.
    advice : str
        What to know of it; empty if all is well.
    trials : tuple of (float, float)
        Volume and percentage of every trial, by volume.
    """

    distribution: str
    volume_ml: float | None
    filling_fraction_percent: float | None
    restored_percent: float
    not_enough_ml: float
    largest_ml: float
    n_solves: int
    advice: str
    trials: tuple[tuple[float, float], ...]


def least_volume(
    trials: Trials,
    *,
    distribution: object | None = None,
    quantity: str = "stiffness",
    percent: float = 100.0,
    tolerance_ml: float = 0.1,
    test: str | None = None,
) -> LeastVolume:
    """Return the least volume with which a measure is so many percent of its intact value.

    The measure is taken to grow with the volume: doubled until it suffices, then bracketed by false
    position (Illinois), a bracket of `tolerance_ml` at the end. A trial that contradicts growth is
    told in `advice`.

    Parameters
    ----------
    trials : Trials
        The case.
    distribution : str or table, optional
        Where the cement goes; as in the case if left out.
    quantity : str
        A measure that has a ratio to intact: ``stiffness``, ``strength_estimate_pistoia``...
    percent : float
        How much of the intact value.
    tolerance_ml : float
        Width of the bracket at the end, ml.
    test : str, optional
        Test that measures it; the first that does if left out.

    Raises
    ------
    InvalidInput
        If the measure has no ratio to intact, or the case has no filling.
    """
    require(percent > 0.0, "percent", percent, "positive")
    require(tolerance_ml > 0.0, "tolerance_ml", tolerance_ml, "positive, in ml")
    search = _Search(trials, distribution, f"{quantity}_vs_intact", test)
    low, high = search.bracket(percent)
    if high is not None:
        low, high = search.narrowed(low, high, percent, tolerance_ml)
    return search.answer(low, high, percent)


class _Search:
    def __init__(
        self, trials: Trials, distribution: object | None, ratio: str, test: str | None
    ) -> None:
        self._trials, self._ratio, self._test = trials, ratio, test
        self._fields = {} if distribution is None else {"distribution": distribution}
        self._found: dict[float, float] = {}
        self._runs: dict[float, Trial] = {}
        self._before = trials.n_solved
        self._first = trials.changed(volume_ml=0.0, **self._fields)
        self.largest_ml = trials.largest_volume_ml(self._first)

    def restored(self, volume_ml: float) -> float:
        """Return what a volume restores, percent of intact."""
        if volume_ml not in self._found:
            fill = self._trials.changed(volume_ml=volume_ml, **self._fields)
            trial = self._trials.run(fill)
            self._runs[volume_ml] = trial
            self._found[volume_ml] = 100.0 * trial.value(self._ratio, self._test)
        return self._found[volume_ml]

    def bracket(self, percent: float) -> tuple[float, float | None]:
        """Return a volume that is too little and one that suffices, None if none does."""
        low, high = 0.0, _FIRST_SHARE * self.largest_ml
        if self.restored(0.0) >= percent:
            return 0.0, 0.0
        while self.restored(high) < percent:
            if high >= self.largest_ml:
                return high, None
            low, high = high, min(2.0 * high, self.largest_ml)
        return low, high

    def narrowed(
        self, low: float, high: float, percent: float, tolerance_ml: float
    ) -> tuple[float, float]:
        """Return the bracket no wider than the tolerance."""
        under, over = self.restored(low) - percent, self.restored(high) - percent
        moved = ""
        for _ in range(_MOST_TRIALS):
            if high - low <= tolerance_ml:
                break
            share = -under / (over - under)
            share = min(max(share, _KEEP_OFF), 1.0 - _KEEP_OFF)
            # Half a tolerance beyond the guess, so that a good guess closes the bracket.
            guess = low + share * (high - low)
            side = -0.5 if share > 0.5 else 0.5
            middle = min(max(guess + side * min(tolerance_ml, 0.2 * (high - low)), low), high)
            excess = self.restored(round(middle, 6)) - percent
            # An end that stays for a second time counts half, so that the other moves towards it.
            if excess >= 0.0:
                high, over = round(middle, 6), excess
                under = 0.5 * under if moved == "high" else under
                moved = "high"
            else:
                low, under = round(middle, 6), excess
                over = 0.5 * over if moved == "low" else over
                moved = "low"
        return low, high

    def answer(self, low: float, high: float | None, percent: float) -> LeastVolume:
        """Return what was found, with what there is to know of it."""
        trials = tuple(sorted(self._found.items()))
        advice = _not_monotone(trials)
        if high is None:
            best = max(restored for _, restored in trials)
            advice = (
                f"no volume restores {percent:g} %: {best:.1f} % is the most, up to "
                f"{self.largest_ml:.2f} ml, all that this distribution reaches"
            )
        fraction = None
        if high:
            fraction = self._runs[high].value("filling_fraction")
        elif high == 0.0:
            fraction = 0.0
            advice = f"the fracture leaves {self._found[0.0]:.1f} %: no cement is needed"
        return LeastVolume(
            distribution=_spelt(self._first.distribution),
            volume_ml=high,
            filling_fraction_percent=fraction,
            restored_percent=self._found[high] if high is not None else max(r for _, r in trials),
            not_enough_ml=low,
            largest_ml=self.largest_ml,
            n_solves=self._trials.n_solved - self._before,
            advice=advice,
            trials=trials,
        )


def _not_monotone(trials: tuple[tuple[float, float], ...]) -> str:
    for (less, first), (more, second) in pairwise(trials):
        if second < first - _FALL_PERCENT:
            return (
                f"not monotone: {less:g} ml restores {first:.1f} % and {more:g} ml "
                f"{second:.1f} %; a smaller volume may do"
            )
    return ""


def _spelt(distribution: object) -> str:
    kind = str(getattr(distribution, "kind", distribution))
    side = getattr(distribution, "side", None)
    return f"{kind}_{side}" if side else kind
