"""A sweep's report: what varied, what came out, every case in a table and on a chart to choose."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vbsim.checks import VbsimError
from vbsim.study.sweep import load_plan, read_table
from vbsim.study.sweep.effects import Findings, findings, main_effects, measures_of
from vbsim.study.sweep.run import PROVENANCE, read_cases
from vbsim.study.sweep.stored_plan import FILE, read_plan
from vbsim.study.sweep.table import Table
from vbsim.views.report.build import origin, picture, render
from vbsim.views.report.sentences import Citations, limits_of, methods

__all__ = ["is_sweep", "sweep_report"]

CAPTIONS = {
    "main_effects.png": "Mean over everything else by value of a parameter; bands: whole range.",
    "interactions.png": "Does the effect of one parameter depend on another? Parallel lines: no.",
    "tornado.png": "How far each parameter moves the measure, everything else in the middle.",
    "response.png": "The response over two parameters.",
    "indices.png": "Share of the variance that each parameter explains.",
}
_MOST_CASES = 5000
_DONE = "done"


@dataclass(frozen=True)
class _First:
    """The first case of a sweep, as sentences about a study want it."""

    case: Mapping[str, Any]
    provenance: Mapping[str, Any]
    summary: Mapping[str, Any]
    rows: tuple[Any, ...] = ()


def is_sweep(folder: Path) -> bool:
    """Tell whether a folder holds a sweep."""
    return (folder / "plan.json").is_file()


def sweep_report(folder: Path) -> str:
    """Return the report of a sweep, finished or not, as one page without any outside reference.

    Parameters
    ----------
    folder : Path
        Folder of a sweep.
    """
    plan, table, cases = read_plan(folder), read_table(folder), read_cases(folder)
    first = _first(folder, plan.name)
    citations = Citations(first.provenance.get("constants", ()))
    try:
        found = findings(folder)
    except VbsimError:
        found = None
    status = cases.columns["status"].tolist()
    failed = [
        (_told(cases, k, plan.columns), status[k], cases.columns["advice"][k])
        for k in range(cases.n_rows)
        if status[k] not in (_DONE, "pending")
    ]
    return render(
        "sweep.html",
        title=plan.name,
        question=_question(plan.varied or plan.columns, plan.cases),
        answer=_answer(found) if found is not None and len(found.values) else "",
        n_cases=len(plan.cases),
        counts={word: status.count(word) for word in dict.fromkeys(status)},
        failed=failed,
        chart=_chart(table, plan.columns, found),
        pictures=[
            picture((folder / "figures" / name).read_bytes(), caption)
            for name, caption in CAPTIONS.items()
            if (folder / "figures" / name).is_file()
        ],
        methods=methods(first, citations),
        sources=citations.sources,
        limits=limits_of(first),
        provenance=origin(first.provenance, f"{folder.name}, digest {plan.digest}"),
        varied=list(plan.varied or plan.columns),
    )


def _first(folder: Path, name: str) -> _First:
    """Return what the first case of the plan says, as far as its files are still there."""
    try:
        kept = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        kept = {}
    try:
        case = load_plan(folder / FILE).cases[0].case().resolved()
    except (VbsimError, OSError):
        case = {}
    return _First(case, kept, {"name": name, "stages": [{"name": "intact", "history": []}]})


def _question(varied: Sequence[str], cases: Sequence[tuple[int, str, Mapping[str, Any]]]) -> str:
    axes = []
    for column in varied:
        values = list(dict.fromkeys(values[column] for _, _, values in cases if column in values))
        numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
        words = column.replace("_", " ")
        if len(values) > 6 and len(numbers) == len(values):
            axes.append(f"{words} ({min(numbers):.3g} to {max(numbers):.3g})")
        else:
            shown = ", ".join(_short(v) for v in values[:6])
            axes.append(f"{words} ({shown}{', …' if len(values) > 6 else ''})")
    return f"What do {'; '.join(axes)} do, in {len(cases)} cases?"


def _answer(found: Findings) -> str:
    """Return range and strongest effect of the first measure, in numbers."""
    label = _words(found.column)
    low, high = int(np.argmin(found.values)), int(np.argmax(found.values))

    def at(k: int) -> str:
        return ", ".join(f"{n.replace('_', ' ')} {_short(v[k])}" for n, v in found.factors.items())

    said = (
        f"{found.stage.capitalize()} {label} runs from {found.values[low]:.3g} ({at(low)}) "
        f"to {found.values[high]:.3g} ({at(high)})."
    )
    effects = [e for e in main_effects(found) if len(e.means) > 1]
    if effects:
        strong = max(effects, key=lambda e: float(np.ptp(e.means)))
        k, m = int(np.argmin(strong.means)), int(np.argmax(strong.means))
        said += (
            f" {strong.factor.replace('_', ' ').capitalize()} has the strongest effect: from "
            f"{_short(strong.levels[k])} to {_short(strong.levels[m])} the mean goes from "
            f"{strong.means[k]:.3g} to {strong.means[m]:.3g}."
        )
    return said


def _chart(table: Table, parameters: Sequence[str], found: Findings | None) -> str:
    """Return the cases of the last stage as JSON for the page: columns, kinds, rows."""
    if found is None:
        return "null"
    chosen = (table.columns["stage"] == found.stage) & (table.columns["test"] == found.test)
    rows = table.rows(np.flatnonzero(chosen)[:_MOST_CASES])
    measured = [name for name in measures_of(table, found.stage) if name in rows.columns]
    measured = [name for name in measured if np.isfinite(rows.columns[name]).any()]
    own = [name for name in parameters if name in rows.columns]
    columns = ["case", *own, *measured]
    told = {
        "columns": columns,
        "parameters": own,
        "measured": measured,
        "shown": found.column,
        "definitions": {n: rows.told.get(n, {}).get("definition", "") for n in measured},
        "rows": [[_plain(rows.columns[name][k]) for name in columns] for k in range(rows.n_rows)],
    }
    # Within a script element, and whatever a name holds.
    return json.dumps(told, allow_nan=False).replace("<", "\\u003c")


def _told(cases: Table, k: int, columns: Sequence[str]) -> str:
    there = [name for name in columns if name in cases.columns]
    return ", ".join(f"{n.replace('_', ' ')} {_short(cases.columns[n][k])}" for n in there)


def _words(column: str) -> str:
    for ending, unit in (("_n_per_mm", "N/mm"), ("_percent", "%"), ("_mm", "mm"), ("_n", "N")):
        if column.endswith(ending):
            return f"{column.removesuffix(ending).replace('_', ' ')} ({unit})"
    return column.replace("_", " ")


def _short(value: Any) -> str:
    value = _plain(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("_", " ")


def _plain(value: Any) -> Any:
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
