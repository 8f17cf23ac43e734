"""The ``[sweep]`` table of a file: what varies, and how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from vbsim.checks import InvalidCase, InvalidInput, Parameters
from vbsim.study.faults import nearest, refuse
from vbsim.study.sweep import design
from vbsim.study.sweep.expressions import names_in
from vbsim.study.sweep.places import column_names, split
from vbsim.study.sweep.spread import SPREADS, Spread

__all__ = ["Sweep", "Range", "Sample", "Cohort", "Repeat", "Best", "quoted"]

Text = Annotated[str, Field(min_length=1)]


class Range(Parameters):
    """Evenly spaced numbers, both ends included."""

    start: float = Field(alias="from", description="First value.")
    to: float = Field(description="Last value.")
    step: float | None = Field(None, gt=0, description="Distance of neighbours; or give number.")
    number: int | None = Field(None, ge=2, le=100_000, description="How many; or give step.")
    scale: Literal["linear", "log"] = Field("linear", description="What is even.")

    @model_validator(mode="after")
    def _fits(self) -> Range:
        if (self.step is None) == (self.number is None):
            raise ValueError("give step or number, and not both")
        if self.scale == "log" and (self.step is not None or min(self.start, self.to) <= 0):
            raise ValueError("scale = 'log' needs number, and positive ends")
        if self.step is not None:
            n = abs(self.to - self.start) / self.step
            if n > 100_000 or abs(n - round(n)) > 1e-6:
                raise ValueError(
                    f"step = {self.step:g}: must divide the way from {self.start:g} to {self.to:g}"
                )
        return self

    def values(self) -> list[Any]:
        """Return the numbers; whole ones as integers where every one is whole."""
        if self.number is not None:
            space = np.geomspace if self.scale == "log" else np.linspace
            found = [float(x) for x in space(self.start, self.to, self.number)]
        else:
            assert self.step is not None
            n = round(abs(self.to - self.start) / self.step)
            step = math.copysign(self.step, self.to - self.start)
            # Rounded, so that 0.1 + 2 x 0.1 is 0.3 as one would write it.
            found = [round(self.start + k * step, 12) for k in range(n + 1)]
        whole = all(x == int(x) for x in (*found, self.start))
        return [int(x) for x in found] if whole and self.scale == "linear" else found


class Sample(Parameters):
    """Uncertain parameters, drawn together."""

    method: design.Method = Field(
        "latin_hypercube", description="Design; sobol_indices and morris need SALib."
    )
    n: int = Field(ge=1, le=1_000_000, description="Cases; base samples of an indices design.")
    seed: int = Field(0, ge=0, description="Seed of the design.")
    over: dict[str, Any] = Field(description="Distribution by place in the case.")

    @model_validator(mode="after")
    def _read(self) -> Sample:
        if not self.spreads:
            raise ValueError("over: must name one or more places in the case")
        return self

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Distribution by place."""
        return {
            place: _spread(given, f"sweep.sample.over.{quoted(place)}")
            for place, given in self.over.items()
        }

    def draws(self) -> list[dict[str, Any]]:
        """Return the value at every place, one mapping a case."""
        unit = design.points(self.method, self.n, len(self.spreads), self.seed)
        columns = [s.values(unit[:, k]) for k, s in enumerate(self.spreads.values())]
        return [dict(zip(self.spreads, row, strict=True)) for row in zip(*columns, strict=True)]


class Repeat(Parameters):
    """The same case with several seeds of a random field."""

    place: Text = Field("bone.seed", description="Place of the seed in the case.")
    n: int = Field(ge=1, le=100_000, description="How many seeds.")
    first: int = Field(0, ge=0, description="First seed.")


class Cohort(Parameters):
    """Images as an axis: a folder with a pattern, or a table with a row for each subject."""

    images: Text | None = Field(
        None, description="Pattern of density images with one *, relative to the file."
    )
    labels: Text | None = Field(
        None, description="Label map of each; * stands for what it stands for in images."
    )
    table: Path | None = Field(
        None, description="CSV; columns named by places in the case, others tell subjects apart."
    )

    @model_validator(mode="after")
    def _one_way(self) -> Cohort:
        if (self.table is None) == (self.images is None):
            raise ValueError("give table, or images with labels")
        if (self.images is None) != (self.labels is None):
            raise ValueError("give images and labels together")
        for name in ("images", "labels"):
            pattern = getattr(self, name)
            if pattern is not None and pattern.count("*") != 1:
                raise ValueError(f"{name} = {pattern!r}: must hold one * for the subject's name")
        return self


class Best(Parameters):
    """What the progress line calls best."""

    quantity: Text = Field("stiffness_vs_intact", description="Name in the table of measures.")
    stage: str | None = Field(None, description="Stage; the last one of a case if left out.")
    goal: Literal["max", "min"] = Field("max", description="Which is best.")


class Sweep(Parameters):
    """What varies in a case.

    Every value of every axis is combined with every other; places that are zipped move together;
    the same draws of a sample are used at every point of the grid.
    """

    grid: dict[str, Any] = Field(
        default_factory=dict, description="List or range by place: every combination."
    )
    zip: tuple[dict[str, Any], ...] = Field(
        (), description="Tables of lists of one length; those of a table move together."
    )
    sample: Sample | None = Field(None, description="Uncertain parameters.")
    repeat: Repeat | None = Field(None, description="Seeds of a random field.")
    cohort: Cohort | None = Field(None, description="Images.")
    where: Text | None = Field(None, description="Condition on columns; other cases are left out.")
    names: dict[str, Text] = Field(default_factory=dict, description="Column name by place.")
    best: Best = Field(default_factory=Best, description="What the progress line calls best.")
    fields: bool = Field(False, description="Keep the result folder of every case.")

    @model_validator(mode="after")
    def _read(self) -> Sweep:
        if not (self.grid or self.zip or self.sample or self.repeat or self.cohort):
            raise InvalidCase("nothing varies; give grid, zip, sample, repeat or cohort", "sweep")
        self.axes()
        seen: set[str] = set()
        for place in self.places():
            try:
                split(place)
            except InvalidInput as error:
                raise InvalidCase(str(error), "sweep") from None
            if place in seen:
                raise InvalidCase(f"{place} varies twice", "sweep")
            seen.add(place)
        for place in self.names:
            if place not in seen and self.cohort is None:
                raise InvalidCase("does not vary", f"sweep.names.{quoted(place)}")
        if self.where is not None:
            names_in(self.where)
        return self

    def axes(self) -> list[list[dict[str, Any]]]:
        """Return grid and zipped axes, each a list of values by place; the first turns slowest."""
        found = [
            [{place: value} for value in _values(given, f"sweep.grid.{quoted(place)}")]
            for place, given in self.grid.items()
        ]
        for index, table in enumerate(self.zip):
            found.append(_together(table, f"sweep.zip[{index}]"))
        if self.repeat is not None:
            seeds = range(self.repeat.first, self.repeat.first + self.repeat.n)
            found.append([{self.repeat.place: seed} for seed in seeds])
        return found

    def places(self) -> list[str]:
        """Return every place that varies, without those of a cohort."""
        found = [place for axis in self.axes() for place in axis[0]]
        return [*found, *(self.sample.over if self.sample else ())]

    def columns(self, more: Sequence[str] = ()) -> dict[str, str]:
        """Return the column name of every place that varies; `more` are those of a cohort."""
        places = [*more, *self.places()]
        return column_names(places, self.names)


def quoted(place: str) -> str:
    """Return a place as it is written as a key of a TOML table."""
    return f'"{place}"'


def _values(given: Any, where: str) -> list[Any]:
    if isinstance(given, Mapping):
        found: Range = _checked(Range, given, where)
        return found.values()
    if not isinstance(given, list | tuple):
        raise InvalidCase("must be a list, or a table with from, to and step or number", where)
    if not given:
        raise InvalidCase("= []: must hold one or more values", where)
    return list(given)


def _together(table: Mapping[str, Any], where: str) -> list[dict[str, Any]]:
    columns = {place: _values(given, f"{where}.{quoted(place)}") for place, given in table.items()}
    lengths = {place: len(values) for place, values in columns.items()}
    if len(set(lengths.values())) != 1:
        told = ", ".join(f"{place} has {n}" for place, n in lengths.items()) or "it is empty"
        raise InvalidCase(f"lists must have one length; {told}", where)
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _spread(given: Any, where: str) -> Spread:
    kinds = {model.model_fields["kind"].default: model for model in SPREADS}
    kind = given.get("kind") if isinstance(given, Mapping) else None
    if kind not in kinds:
        near = nearest(str(kind), kinds) if kind else None
        hint = f"; did you mean {near}?" if near else ""
        raise InvalidCase(f"must be a table whose kind is one of {', '.join(kinds)}{hint}", where)
    spread: Spread = _checked(kinds[kind], given, where)
    return spread


def _checked(model: Any, given: Mapping[str, Any], where: str) -> Any:
    """Return a model read from a table, faults named with the table's place."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        fault = refuse(error, given, model)
        message = str(fault).removeprefix(f"{fault.path}: ")
        inside = "" if fault.path == "case" else f".{fault.path}"
        raise InvalidCase(message, f"{where}{inside}") from None
