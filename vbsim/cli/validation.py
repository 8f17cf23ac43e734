"""The validation table on the screen: computed beside published, misses with their likely cause."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from vbsim.cli.tables import plain_table
from vbsim.study.validation import Verdict

__all__ = ["show"]


def show(verdicts: Sequence[Verdict], console: Console, *, spacing_mm: float) -> None:
    """Print the table, then the likely cause of every miss."""
    console.print(_table(verdicts, f"Computed against published, voxels of {spacing_mm:g} mm"))
    misses = [verdict for verdict in verdicts if not verdict.in_band]
    console.print(f"\n{_counted(verdicts)}")
    for verdict in misses:
        row = verdict.row
        console.print(f"\nMISS {row.id}, {row.quantity}: {verdict.cause}", soft_wrap=True)


def _counted(verdicts: Sequence[Verdict]) -> str:
    """Return how many rows agree; those that a number was taken from are counted by themselves."""
    told = f"{sum(verdict.in_band for verdict in verdicts)} of {len(verdicts)} in band"
    calibrated = [verdict.in_band for verdict in verdicts if verdict.row.calibrated]
    predicted = [verdict.in_band for verdict in verdicts if not verdict.row.calibrated]
    if not calibrated:
        return told
    return (
        f"{told}: {sum(predicted)} of {len(predicted)} predictions, "
        f"{sum(calibrated)} of {len(calibrated)} calibrated rows"
    )


def _table(verdicts: Sequence[Verdict], title: str) -> Table:
    table = plain_table(title)
    table.add_column("id", no_wrap=True)
    table.add_column("quantity")
    for name in ("computed", "published", "band"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit", style="dim", no_wrap=True)
    table.add_column("in band", no_wrap=True)
    table.add_column("", style="dim")
    for verdict in verdicts:
        row = verdict.row
        words = (verdict.detail, "calibrated, no prediction" if row.calibrated else "")
        table.add_row(
            row.id,
            row.quantity,
            f"{verdict.computed:.3g}",
            row.published_text,
            _band(row.band),
            row.unit,
            "yes" if verdict.in_band else "NO",
            "; ".join(word for word in words if word),
        )
    return table


def _band(band: tuple[float, float]) -> str:
    low, high = band
    if low == -float("inf"):
        return f"up to {high:.3g}"
    if high == float("inf"):
        return f"from {low:.3g}"
    return f"{low:.3g} to {high:.3g}"
