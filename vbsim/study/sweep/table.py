"""One table of a sweep: a row for each case, stage and test; every column ends in its unit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.quantities import DEFINITIONS
from vbsim.study.faults import nearest
from vbsim.study.results import NO_TEST, file_written_aside
from vbsim.study.sweep.expressions import evaluate

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Table", "column_name", "assemble"]

Array = NDArray[Any]

_UNITS = {"1": "", "%": "_percent", "deg": "_deg"}


def column_name(quantity: str, unit: str) -> str:
    """Return the column of a quantity: its name and its unit, as in every name of the program.

    Examples
    --------
    >>> column_name("stiffness", "N/mm"), column_name("cement_left_share", "1")
    ('stiffness_n_per_mm', 'cement_left_share')
    """
    if unit in _UNITS:
        ending = _UNITS[unit]
    else:
        ending = "_" + unit.lower().replace("/", "_per_").replace(" ", "_")
        ending = ending.replace("mg_per_cm3", "mg_cm3")
    return quantity if quantity.endswith(ending) else f"{quantity}{ending}"


@dataclass(frozen=True)
class Table:
    """Columns of one length, by name, in order.

    Parameters
    ----------
    columns : dict of str to array
        Numbers with NaN, or strings with ``""``, where there is nothing.
    told : dict of str to dict
        Unit and definition of measured columns.
    """

    columns: dict[str, Array]
    told: dict[str, dict[str, str]]

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return len(next(iter(self.columns.values()), ()))

    def where(self, condition: str) -> Table:
        """Return the rows for which a condition on columns holds."""
        found = np.broadcast_to(np.asarray(evaluate(condition, self.columns)), self.n_rows)
        return self.rows(found.astype(bool))

    def rows(self, chosen: Array) -> Table:
        """Return some rows, by mask or index."""
        return Table({name: values[chosen] for name, values in self.columns.items()}, self.told)

    def only(self, names: Sequence[str]) -> Table:
        """Return some columns, in the order given.

        Raises
        ------
        InvalidInput
            If there is no such column.
        """
        for name in names:
            if name not in self.columns:
                near = nearest(name, self.columns)
                hint = f"did you mean {near}?" if near else f"there are {', '.join(self.columns)}"
                raise InvalidInput(f"{name!r} is no column; {hint}")
        return Table({name: self.columns[name] for name in names}, self.told)

    def to_arrow(self) -> pa.Table:
        """Return the table with unit and definition in the metadata of each column."""
        import pyarrow as pa

        arrays, fields = [], []
        for name, values in self.columns.items():
            array = pa.array(values.tolist(), from_pandas=True)
            if pa.types.is_null(array.type):
                array = array.cast(pa.float64())
            about = self.told.get(name)
            arrays.append(array)
            fields.append(pa.field(name, array.type, metadata=about))
        return pa.Table.from_arrays(arrays, schema=pa.schema(fields))

    def to_csv(self) -> str:
        """Return the table as CSV; a number keeps every digit, nothing is an empty cell."""
        stream = io.StringIO()
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(self.columns)
        columns = [values.tolist() for values in self.columns.values()]
        writer.writerows([_cell(item) for item in row] for row in zip(*columns, strict=True))
        return stream.getvalue()

    def write(self, path: Path) -> None:
        """Write the table as its name asks for: ``.parquet``, ``.csv`` or ``.json``."""
        import pyarrow.parquet as pq

        with file_written_aside(path) as aside:
            if path.suffix == ".parquet":
                pq.write_table(self.to_arrow(), aside, compression="zstd")
            elif path.suffix == ".csv":
                aside.write_text(self.to_csv(), encoding="utf-8")
            elif path.suffix == ".json":
                aside.write_text(json.dumps(self.to_arrow().to_pylist()) + "\n", encoding="utf-8")
            else:
                raise InvalidInput(f"{path}: must end in .parquet, .csv or .json")


def assemble(
    cases: Sequence[tuple[int, str, Mapping[str, Any]]],
    finished: pa.Table,
    *,
    provenance: Mapping[str, str] | None = None,
) -> Table:
    """Return the table of a sweep.

    A case has one row for each stage and test; what its shape alone tells is repeated in each. A
    case that failed, or is not finished (``pending``), has one row.

    Parameters
    ----------
    cases : sequence of (number, digest, values by column)
        The plan.
    finished : Table of arrow
        One row for each finished case, as `Ledger.table` gives it.
    provenance : mapping, optional
        Columns that are the same in every row.
    """
    at = {digest: row for row, digest in enumerate(finished["digest"].to_pylist())}
    source = np.array([at.get(digest, -1) for _, digest, _ in cases], dtype=np.int64)
    measured = _Measured(finished)
    case_of_row, row_of_measured = _expanded(source, measured)
    columns = _of_cases(cases, source, finished)
    whole = {name: values[case_of_row] for name, values in columns.items()}
    about: dict[str, dict[str, str]] = {}
    tail = {name: whole.pop(name) for name in ("digest", "advice", "warnings", *_SOLVER)}
    for name, values in measured.labels().items():
        whole[name] = _taken(values, row_of_measured, "")
    for key, values in measured.values().items():
        name = column_name(*key)
        whole[name] = _taken(values, row_of_measured, np.nan)
        about[name] = {"unit": key[1]}
        if key[0] in DEFINITIONS:
            about[name]["definition"] = DEFINITIONS[key[0]].text
    for name, text in (provenance or {}).items():
        tail[name] = np.full(len(case_of_row), text, dtype=object)
    return Table(whole | tail, about)


_SOLVER = ("n_dof", "iterations", "relative_residual")


class _Measured:
    """The measures of every finished case, spread into rows of case, stage and test."""

    def __init__(self, finished: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        nested = finished["rows"].combine_chunks()
        if isinstance(nested, pa.ChunkedArray):
            nested = nested.chunk(0) if nested.num_chunks else pa.array([], nested.type)
        flat = pc.list_flatten(nested)
        self._case = pc.list_parent_indices(nested).to_numpy(zero_copy_only=False).astype(np.int64)
        codes, self._names = {}, {}
        for name in ("stage", "test", "platen", "quantity", "unit"):
            coded = flat.field(name).dictionary_encode()
            codes[name] = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
            self._names[name] = np.array(coded.dictionary.to_pylist(), dtype=object)
        self._codes = codes
        self._value = flat.field("value").to_numpy(zero_copy_only=False)
        self._place()

    def _place(self) -> None:
        """Give every measure its row: its test's, or each of its stage's if it has no test."""
        n_stages, n_tests = len(self._names["stage"]) + 1, len(self._names["test"]) + 1
        stage = self._case * n_stages + self._codes["stage"]
        none = np.flatnonzero(self._names["test"] == NO_TEST)
        is_bare = np.isin(self._codes["test"], none)
        tested = stage * n_tests + self._codes["test"]
        untested = is_bare & ~np.isin(stage, stage[~is_bare])
        keys, first = np.unique(tested[~is_bare | untested], return_index=True)
        order = np.argsort(first, kind="stable")
        self._keys, self._n_tests, self._n_stages = keys[order], n_tests, n_stages
        rank = np.empty(len(keys), dtype=np.int64)
        rank[order] = np.arange(len(keys))
        where = np.searchsorted(keys, tested)
        where = np.minimum(where, max(len(keys) - 1, 0))
        self._row = rank[where] if len(keys) else where
        self._bare, self._stage = is_bare & ~untested, stage
        self.case = self._keys // n_tests // n_stages

    def labels(self) -> dict[str, Array]:
        """Return stage, test and platen of every row."""
        found = {
            "stage": self._names["stage"][self._keys // self._n_tests % self._n_stages],
            "test": self._names["test"][self._keys % self._n_tests],
        }
        platen = np.full(len(self._keys), "", dtype=object)
        own = ~self._bare
        platen[self._row[own]] = self._names["platen"][self._codes["platen"][own]]
        return {**found, "platen": platen}

    def values(self) -> dict[tuple[str, str], Array]:
        """Return the number in every row, NaN where it was not measured, by quantity and unit."""
        n_units = len(self._names["unit"]) + 1
        pair = self._codes["quantity"] * n_units + self._codes["unit"]
        kinds, first, kind = np.unique(pair, return_index=True, return_inverse=True)
        stages, stage = np.unique(self._stage, return_inverse=True)
        stage_of_row = np.searchsorted(stages, self._keys // self._n_tests)
        found = {}
        for k in np.argsort(first, kind="stable"):
            chosen = kind == k
            column = np.full(len(self._keys), np.nan)
            bare, own = chosen & self._bare, chosen & ~self._bare
            if bare.any():
                by_stage = np.full(len(stages), np.nan)
                by_stage[stage[bare]] = self._value[bare]
                column = by_stage[stage_of_row]
            column[self._row[own]] = self._value[own]
            name = self._names["quantity"][kinds[k] // n_units]
            found[str(name), str(self._names["unit"][kinds[k] % n_units])] = column
        return found


def _expanded(source: Array, measured: _Measured) -> tuple[Array, Array]:
    """Return case and measured row of every row of the table; -1 where nothing was measured."""
    n_finished = int(source.max(initial=-1)) + 1
    order = np.argsort(measured.case, kind="stable")
    edges = np.searchsorted(measured.case[order], np.arange(n_finished + 1))
    case_of_row: list[int] = []
    row_of_measured: list[int] = []
    for case, row in enumerate(source.tolist()):
        rows = order[edges[row] : edges[row + 1]].tolist() if row >= 0 else []
        case_of_row += [case] * max(1, len(rows))
        row_of_measured += rows or [-1]
    return np.array(case_of_row, dtype=np.int64), np.array(row_of_measured, dtype=np.int64)


def _of_cases(
    cases: Sequence[tuple[int, str, Mapping[str, Any]]], source: Array, finished: pa.Table
) -> dict[str, Array]:
    """Return the columns that a case has once."""
    found: dict[str, Array] = {"case": np.array([number for number, _, _ in cases])}
    for name in dict.fromkeys(key for _, _, values in cases for key in values):
        found[name] = _column([values.get(name) for _, _, values in cases])
    status = np.array([*finished["status"].to_pylist(), "pending"], dtype=object)
    found["status"] = status[source]
    found["digest"] = np.array([digest for _, digest, _ in cases], dtype=object)
    advice = np.array([*finished["advice"].to_pylist(), ""], dtype=object)
    warned = ["; ".join(texts or ()) for texts in finished["warnings"].to_pylist()]
    found["advice"], found["warnings"] = (
        advice[source],
        np.array([*warned, ""], dtype=object)[source],
    )
    solver = finished["solver"].to_pylist()
    for name in _SOLVER:
        numbers = [(row or {}).get(name) for row in solver]
        column = np.array([*(np.nan if n is None else n for n in numbers), np.nan], dtype=float)
        found[name] = column[source]
    return found


def _column(values: list[Any]) -> Array:
    """Return values as numbers if all are, else as strings."""
    if all(isinstance(v, bool) for v in values):
        return np.array(values)
    if all(isinstance(v, int) and not isinstance(v, bool) for v in values):
        return np.array(values)
    if all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values):
        return np.array([np.nan if v is None else float(v) for v in values])
    return np.array(["" if v is None else str(v) for v in values], dtype=object)


def _taken(values: Array, rows: Array, nothing: Any) -> Array:
    padded = np.append(values, np.array([nothing], dtype=values.dtype))
    return padded[rows]


def _cell(item: Any) -> Any:
    if isinstance(item, float):
        return "" if item != item else repr(item)
    return item
