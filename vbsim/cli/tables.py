"""Tables on the screen: plain words, stages side by side, few digits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table

from vbsim.study import Row
from vbsim.study.forecast import Forecast
from vbsim.study.wording import SHAPE, Sheet, sheets, shown_lines

__all__ = ["plain_table", "facts", "study_tables", "forecast_table"]

_LABEL_WIDTH = (24, 48)
_UNIT_WIDTH = 11


def plain_table(title: str, *, heads: bool = True) -> Table:
    """Return an empty table without lines, as all tables of the commands look."""
    return Table(
        title=title,
        title_justify="left",
        title_style="italic",
        box=None,
        pad_edge=False,
        show_header=heads,
    )


def facts(title: str, lines: Iterable[tuple[str, str, str]]) -> Table:
    """Return a table of label, value and unit without heads."""
    table = plain_table(title, heads=False)
    table.add_column("", no_wrap=True)
    table.add_column("", justify="right")
    table.add_column("unit", style="dim", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    return table


def study_tables(rows: Sequence[Row]) -> list[Table]:
    """Return one table for the shape and one for each test, stages as columns."""
    return [_table(sheet) for sheet in sheets(rows)]


def forecast_table(found: Forecast) -> Table:
    """Return heights and filling of every stage, stages as columns."""
    values = {
        (stage.name, name): value
        for stage in found.stages
        for name, (value, _) in stage.quantities.items()
    }
    stages = tuple(stage.name for stage in found.stages)
    return _table(Sheet("Before any load", stages, shown_lines(SHAPE, stages, values)))


def _table(sheet: Sheet) -> Table:
    table = plain_table(sheet.title)
    # On a narrow terminal the words wrap, never the numbers or their heads.
    table.add_column("", min_width=_LABEL_WIDTH[0], max_width=_LABEL_WIDTH[1])
    for stage in sheet.stages:
        head = stage.replace("_", " ")
        table.add_column(head, justify="right", no_wrap=True, min_width=len(head))
    table.add_column("unit", style="dim", no_wrap=True, min_width=_UNIT_WIDTH)
    for line, texts in sheet.lines:
        table.add_row(line.label, *texts, line.unit)
    return table
