"""Tables on the screen: plain words, stages side by side, few digits."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from vbsim.study import Row
from vbsim.study.forecast import Forecast
from vbsim.study.wording import SHAPE, Sheet, sheets, shown_lines

__all__ = ["study_tables", "forecast_table"]


_LABEL_WIDTH = (24, 48)
_UNIT_WIDTH = 11


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
    table = Table(
        title=sheet.title, title_justify="left", box=None, pad_edge=False, title_style="italic"
    )
    # On a narrow terminal the words wrap, never the numbers or their heads.
    table.add_column("", min_width=_LABEL_WIDTH[0], max_width=_LABEL_WIDTH[1])
    for stage in sheet.stages:
        head = stage.replace("_", " ")
        table.add_column(head, justify="right", no_wrap=True, min_width=len(head))
    table.add_column("unit", style="dim", no_wrap=True, min_width=_UNIT_WIDTH)
    for line, texts in sheet.lines:
        table.add_row(line.label, *texts, line.unit)
    return table
