"""Trials of one filling step: everything before it is solved once, each trial is remembered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vbsim.augmentation import CementFill
from vbsim.checks import InvalidCase, InvalidInput
from vbsim.study.case import Case
from vbsim.study.faults import nearest
from vbsim.study.pipeline import Stage, build_stages, physics_warnings
from vbsim.study.results import STAGES, Row
from vbsim.study.run import compute
from vbsim.study.store import StageStore

__all__ = ["Trial", "Trials"]


@dataclass(frozen=True)
class Trial:
    """One filling and what it gives.

    Parameters
    ----------
    fill : CementFill
        The step.
    rows : tuple of Row
        Measures of the stage that it makes.
    """

    fill: CementFill
    rows: tuple[Row, ...]

    def value(self, quantity: str, test: str | None = None) -> float:
        """Return a measure; of the first test that has it if none is named."""
        found = [r for r in self.rows if r.quantity == quantity and test in (None, r.test)]
        if found:
            return found[0].value
        known = {row.quantity for row in self.rows}
        near = nearest(quantity, known)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(sorted(known))}"
        raise InvalidInput(f"{quantity!r} is not measured; {hint}")


@dataclass
class Trials:
    """A case whose last filling step is varied.

    Parameters
    ----------
    case : Case
        The case; its steps after the filling are left out.
    results : Path
        Folder whose kept stages are used.
    """

    case: Case
    results: Path = Path("results")
    n_solved: int = 0
    _done: dict[CementFill, Trial] = field(default_factory=dict)
    _earlier: tuple[Stage, ...] = ()

    @property
    def index(self) -> int:
        """Place of the filling step in the case."""
        fills = [k for k, step in enumerate(self.case.steps) if isinstance(step, CementFill)]
        if not fills:
            raise InvalidCase("hold no step of kind 'cement': nothing can be sought", "steps")
        return fills[-1]

    @property
    def fill(self) -> CementFill:
        """The filling step as the case has it."""
        step: CementFill = self.case.steps[self.index]
        return step

    @property
    def earlier(self) -> tuple[Stage, ...]:
        """The stages before the filling, solved and measured."""
        if not self._earlier:
            store = StageStore(self.results / STAGES)
            before = self.case.model_copy(update={"steps": self.case.steps[: self.index]})
            self._earlier = compute(before, store=store).stages
        return self._earlier

    def built(self, fill: CementFill) -> dict[str, float]:
        """Return what a filling tells of itself, by name, without solving it."""
        with physics_warnings(), self._named():
            stage = build_stages(self._with(fill), earlier=self.earlier)[-1]
        return {item.name: item.value for item in stage.report}

    def run(self, fill: CementFill) -> Trial:
        """Return a filling with its measures; the same one is solved once."""
        if fill not in self._done:
            with self._named():
                found = compute(self._with(fill), earlier=self.earlier)
            stage = found.stages[-1].name
            rows = tuple(row for row in found.rows if row.stage == stage)
            self._done[fill] = Trial(fill, rows)
            self.n_solved += 1
        return self._done[fill]

    def largest_volume_ml(self, fill: CementFill) -> float:
        """Return the largest volume of a filling's distribution that fits, ml."""
        with self._named():
            return fill.largest_volume_ml(self.earlier[-1].bare)

    def changed(self, **fields: Any) -> CementFill:
        """Return the filling step with other fields, checked as in a case file."""
        plain = self.fill.model_dump(by_alias=True, exclude_none=True) | fields
        if "volume_ml" in fields:
            plain.pop("filling_fraction_percent", None)
        with self._named():
            return CementFill(**plain)

    def _with(self, fill: CementFill) -> Case:
        return self.case.model_copy(update={"steps": (*self.case.steps[: self.index], fill)})

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Name the step in what it refuses."""
        try:
            yield
        except InvalidCase:
            raise
        except InvalidInput as error:
            raise InvalidCase(str(error), f"steps[{self.index}]") from error
