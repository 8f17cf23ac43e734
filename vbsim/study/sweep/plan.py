"""The plan of a sweep: every case with its place in the table, all checked before any work."""

from __future__ import annotations

import itertools
import json
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field, ValidationError

from vbsim.checks import InvalidCase, InvalidInput, Parameters
from vbsim.study.case import Case, read_case
from vbsim.study.faults import refuse
from vbsim.study.identity import digest, program_sha256
from vbsim.study.sweep.axes import Sweep, quoted
from vbsim.study.sweep.cohort import subjects
from vbsim.study.sweep.expressions import evaluate
from vbsim.study.sweep.places import with_value
from vbsim.study.toml import inline

__all__ = ["Plan", "Planned", "load_plan", "make_plan", "stage_keys", "SAMPLE"]

SAMPLE = "sample"
"""Column with the number of a draw, where there are draws and something else varies too."""

Tell = Callable[[int, int], None]


class Planned(NamedTuple):
    """One case of a sweep.

    Attributes
    ----------
    number : int
        Place in the table, from 1.
    values : dict
        What varies, by column.
    data : dict
        The case as plain data; what cases have in common is shared.
    digest : str
        sha256 of the case.
    stages : tuple of str
        What decides each of its stages; equal for stages that cases share.
    """

    number: int
    values: dict[str, Any]
    data: dict[str, Any]
    digest: str
    stages: tuple[str, ...]

    def case(self) -> Case:
        """Return the case itself."""
        return read_case(self.data)


@dataclass(frozen=True)
class Plan:
    """Every case of a sweep.

    Parameters
    ----------
    name : str
        Name of the sweep.
    sweep : Sweep
        What varies.
    columns : dict
        Column name by place in the case.
    cases : tuple of Planned
        The cases, in the order of the table.
    data : dict
        The file as it was read.
    n_left_out : int
        Combinations that the condition left out.
    """

    name: str
    sweep: Sweep
    columns: dict[str, str]
    cases: tuple[Planned, ...]
    data: dict[str, Any] = field(repr=False, default_factory=dict)
    n_left_out: int = 0

    @cached_property
    def digest(self) -> str:
        """sha256 of all cases in their order, with what is told of them."""
        return digest([(case.digest, _plain(case.values)) for case in self.cases])

    def distinct(self) -> list[Planned]:
        """Return the cases that differ, in an order in which those that share stages are near."""
        first = {case.digest: case for case in reversed(self.cases)}
        order: dict[str, int] = {}
        for case in self.cases:
            for key in case.stages:
                order.setdefault(key, len(order))
        return sorted(first.values(), key=lambda case: [order[key] for key in case.stages])

    def n_stages(self) -> int:
        """Return the stages of all cases as if each were run alone."""
        return sum(len(case.stages) for case in self.cases)

    def n_distinct_stages(self) -> int:
        """Return the stages that are left to solve when every one is solved once."""
        return len({key for case in self.cases for key in case.stages})

    def shared(self) -> set[str]:
        """Return what decides each stage that more than one case needs."""
        counted = Counter(key for case in self.distinct() for key in case.stages)
        return {key for key, n in counted.items() if n > 1}


def load_plan(path: str | Path, *, tell: Tell | None = None) -> Plan:
    """Return the plan of a sweep file, TOML or JSON.

    Parameters
    ----------
    path : path
        A case with a ``[sweep]`` table; relative paths start at its folder.
    tell : callable, optional
        Told how many cases of how many are checked.

    Raises
    ------
    InvalidCase
        For the first case that a case file could not hold, with its place and values.
    """
    path = Path(path)
    data = read_plain(path)
    try:
        return make_plan(data, folder=path.parent, tell=tell)
    except InvalidInput as error:
        raise InvalidCase(f"{path}: {error}") from None


def make_plan(
    data: Mapping[str, Any], *, folder: Path | None = None, tell: Tell | None = None
) -> Plan:
    """Return the plan of a sweep given as plain data, as `load_plan`."""
    base = {key: value for key, value in data.items() if key != "sweep"}
    if "sweep" not in data:
        raise InvalidCase("required, but missing: a sweep is a case with a [sweep] table", "sweep")
    sweep = _read_sweep(data["sweep"])
    folder = (folder or Path.cwd()).resolve()
    cohort = subjects(sweep.cohort, folder) if sweep.cohort else []
    columns = sweep.columns([place for values, _ in cohort[:1] for place in values])
    combined = list(_combinations(sweep, columns, cohort))
    kept = [item for item in combined if _is_wanted(sweep, item[1])]
    if not kept:
        raise InvalidCase(f"= {sweep.where!r}: leaves no case", "sweep.where")
    cases = []
    for number, (places, values) in enumerate(kept, start=1):
        if tell is not None:
            tell(number, len(kept))
        cases.append(_planned(number, base, places, values, folder))
    name = str(base.get("name", "sweep"))
    return Plan(name, sweep, columns, tuple(cases), dict(data), len(combined) - len(kept))


def read_plain(path: Path) -> dict[str, Any]:
    """Return what a TOML or JSON file holds."""
    try:
        text = path.read_text(encoding="utf-8")
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as error:
        raise InvalidCase(f"{path}: {error.strerror}") from None
    except ValueError as error:
        kind = "JSON" if path.suffix.lower() == ".json" else "TOML"
        raise InvalidCase(f"{path}: not {kind}: {error}") from None
    if not isinstance(data, dict):
        raise InvalidCase(f"{path}: a sweep is a table of keys, not a {type(data).__name__}")
    return data


def stage_keys(case: Case) -> tuple[str, ...]:
    """Return what decides each stage of a case and all its measures, one key a stage."""
    shared = (case.vertebra, case.mesh, case.bone, case.potting, case.solver)
    keys = [digest(shared, case.tests, case.standing_load_n, program_sha256())]
    for step in case.steps:
        keys.append(digest(keys[-1], step))
    return tuple(keys)


class _File(Parameters):
    """The part of a sweep file that a case file has not."""

    sweep: Sweep = Field(description="What varies.")


def _read_sweep(given: Any) -> Sweep:
    data = {"sweep": given}
    try:
        return _File.model_validate(data).sweep
    except ValidationError as error:
        raise refuse(error, data, _File) from None


Combination = tuple[dict[str, Any], dict[str, Any]]


def _combinations(
    sweep: Sweep, columns: Mapping[str, str], cohort: list[Combination]
) -> Iterator[Combination]:
    """Yield values by place and values by column of every case, the last axis fastest."""
    draws = sweep.sample.draws() if sweep.sample else [{}]
    axes = sweep.axes()
    for subject, told in cohort or [({}, {})]:
        for row in itertools.product(*axes):
            fixed = dict(subject)
            for values in row:
                fixed |= values
            for number, draw in enumerate(draws):
                places = fixed | draw
                shown = {columns[place]: _label(value) for place, value in places.items()}
                numbered = {SAMPLE: number} if sweep.sample else {}
                yield places, {**told, **shown, **numbered}


def _is_wanted(sweep: Sweep, values: Mapping[str, Any]) -> bool:
    if sweep.where is None:
        return True
    try:
        return bool(np.all(evaluate(sweep.where, values)))
    except InvalidInput as error:
        raise InvalidCase(str(error), "sweep.where") from None


def _planned(
    number: int,
    base: dict[str, Any],
    places: Mapping[str, Any],
    values: dict[str, Any],
    folder: Path,
) -> Planned:
    data: Any = base
    for place, value in places.items():
        try:
            data = with_value(data, place, value)
        except InvalidInput as error:
            raise InvalidCase(str(error), quoted(place)) from None
    try:
        case = read_case(data, folder=folder)
        # Absolute paths, so that it means the same wherever it is run.
        rooted = _rooted(data, case)
        return Planned(number, values, rooted, case.digest, stage_keys(case))
    except InvalidInput as error:
        varied = ", ".join(f"{place} = {inline(value)}" for place, value in places.items())
        raise InvalidCase(f"{error}\nin case {number} of the sweep: {varied}") from None


def _rooted(data: dict[str, Any], case: Case) -> dict[str, Any]:
    """Return the data of a case with the files it reads named in full."""
    from vbsim.study.identity import input_files

    for place, path in input_files(case):
        data = with_value(data, place, str(path))
    return data


def _label(value: Any) -> int | float | str | bool:
    """Return a value as a table shows it: a table by its kind if that is all it holds."""
    if isinstance(value, Mapping):
        name = value.get("kind", value.get("name"))
        return str(name) if len(value) == 1 and name is not None else inline(value)
    if isinstance(value, list | tuple):
        return inline(list(value))
    if isinstance(value, int | float | str):
        return value
    raise InvalidInput(f"{value!r} has no place in a sweep")


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict(values)
