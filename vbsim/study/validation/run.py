"""Compute every comparison asked for and say whether it agrees."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from vbsim.checks import VbsimError
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.rows import COMPARISONS, Found
from vbsim.study.validation.table import Entry, Row, chosen

__all__ = ["Verdict", "to_json", "to_markdown", "validate"]

log = logging.getLogger("vbsim.study")

Progress = Callable[[str, float], None]


class Verdict(NamedTuple):
    """One row with what was computed for it.

    Attributes
    ----------
    row : Row
        The published side.
    computed : float
        The computed side, in the row's unit; NaN if it could not be computed.
    detail : str
        What else belongs to the computed value, in a few words.
    """

    row: Row
    computed: float
    detail: str = ""

    @property
    def in_band(self) -> bool:
        """Whether the computed value lies in the band."""
        return self.row.is_in_band(self.computed)

    @property
    def cause(self) -> str:
        """Likely cause of a miss; empty for a row in its band."""
        return "" if self.in_band else self.row.note or "not examined"

    def as_table(self) -> dict[str, Any]:
        """Return the row as plain values for JSON; open limits and missing values are None."""
        row = self.row
        return {
            "id": row.id,
            "quantity": row.quantity,
            "unit": row.unit,
            "computed": _finite(self.computed),
            "published": row.published,
            "band": [_finite(limit) for limit in row.band],
            "in_band": self.in_band,
            "calibrated": row.calibrated,
            "source": row.source,
        }


def validate(
    *only: str, spacing_mm: float = 1.0, progress: Progress | None = None
) -> tuple[Verdict, ...]:
    """Compute comparisons and return a verdict for each of their rows.

    A comparison that ends in an error is a row without a value, with the error as its detail; the
    others are computed all the same.

    Parameters
    ----------
    only : str
        Ids such as ``S1``; all comparisons if none is given.
    spacing_mm : float
        Edge of the voxels, mm; the published bands are for 1 mm.
    progress : callable, optional
        Told what is being done and the share of the work that is done.

    Raises
    ------
    InvalidInput
        If there is no comparison of a name.
    """
    asked = chosen(only)
    bench = Bench(spacing_mm=spacing_mm)
    verdicts: list[Verdict] = []
    for index, entry in enumerate(asked):
        log.info("%s %s", entry.id, entry.title)
        if progress is not None:
            progress(f"{entry.id} {entry.title}", index / len(asked))
        found = _computed(bench, entry)
        verdicts += [Verdict(row, *found[key]) for key, row in entry.rows.items()]
    return tuple(verdicts)


def _computed(bench: Bench, entry: Entry) -> dict[str, Found]:
    try:
        return dict(COMPARISONS[entry.id](bench, entry))
    except VbsimError as error:
        log.warning("%s: %s", entry.id, error)
        return {key: Found(float("nan"), str(error)) for key in entry.rows}


def to_json(verdicts: Sequence[Verdict]) -> str:
    """Return the table as JSON: ``{"rows": [...]}``."""
    rows = [verdict.as_table() for verdict in verdicts]
    return json.dumps({"rows": rows}, indent=1, ensure_ascii=False, allow_nan=False)


def to_markdown(verdicts: Sequence[Verdict], *, spacing_mm: float) -> str:
    """Return the table, then every miss with its likely cause, as Markdown."""
    good = sum(verdict.in_band for verdict in verdicts)
    lines = [
        f"{good} of {len(verdicts)} in band, voxels of {spacing_mm:g} mm "
        "(conditions name the rows that use coarser ones).",
        "",
        "| id | quantity | computed | published | band | unit | in band | |",
        "|---|---|---:|---:|---:|---|---|---|",
    ]
    for verdict in verdicts:
        row = verdict.row
        low, high = (f"{limit:g}" if math.isfinite(limit) else "" for limit in row.band)
        words = [verdict.detail, "calibrated" if row.calibrated else ""]
        cells = (
            row.id,
            row.quantity,
            f"{verdict.computed:.3g}" if math.isfinite(verdict.computed) else "none",
            row.published_text,
            f"{low} to {high}".strip() if low and high else f"from {low}" if low else f"to {high}",
            row.unit,
            "yes" if verdict.in_band else "**no**",
            "; ".join(word for word in words if word),
        )
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    lines += ["", "Misses and their likely cause:", ""]
    told: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if not verdict.in_band:
            told.setdefault((verdict.row.id, verdict.cause), []).append(verdict.row.quantity)
    lines += [f"- {name}, {', '.join(what)}: {cause}." for (name, cause), what in told.items()]
    return "\n".join(lines) + "\n"


def _finite(number: float) -> float | None:
    """Return a number that JSON can hold: None for an open limit or a value not reached."""
    return number if math.isfinite(number) else None
