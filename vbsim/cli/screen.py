"""What the terminal shows: the table a clinician reads on stdout, progress and log on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from vbsim.study import Case, Row, Stage, StudyResult
    from vbsim.study.forecast import Forecast
    from vbsim.study.pipeline import Progress

__all__ = ["progress", "draw", "report", "show", "show_forecast", "show_citations", "out"]

# Wide enough for five stages where the output is no terminal and has no width of its own.
_PLAIN_WIDTH = 120


def out() -> Console:
    """Return the console for results."""
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, markup=False, emoji=False)


# Progress and log ---------------------------------------------------------------------------------


@contextmanager
def progress(*, quiet: bool) -> Iterator[Progress]:
    """Give something to report progress to: a bar on a terminal, log lines, or nothing at all."""
    log = logging.getLogger("vbsim")
    handler = logging.NullHandler() if quiet else _LogLines()
    before = log.level, log.propagate
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        if quiet or not sys.stderr.isatty():
            yield _ignore
        else:
            with _bar() as advance:
                yield advance
    finally:
        log.removeHandler(handler)
        log.level, log.propagate = before


class _LogLines(logging.Handler):
    """Writes log lines to stderr, warnings marked as such."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        print(f"{mark}{record.getMessage()}", file=sys.stderr)


def _ignore(doing: str, done: float) -> None:
    """Take a report of progress and show nothing."""


@contextmanager
def _bar() -> Iterator[Progress]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("building", total=1.0)

        def advance(doing: str, done: float) -> None:
            bar.update(task, description=doing, completed=done)

        yield advance


# Pictures -----------------------------------------------------------------------------------------


def draw(case: Case, stages: Sequence[Stage], rows: Sequence[Row], folder: Path) -> None:
    """Write every figure of a study into a folder."""
    from vbsim.quantities import Quantity
    from vbsim.study.pipeline import as_voxels, test_names
    from vbsim.study.results import NO_TEST
    from vbsim.views import StageView, animations, case_figures, save

    kinds = zip(test_names(case), case.tests, strict=True)
    test = next((name for name, load in kinds if load.kind == "compression"), None)
    views = []
    for stage in stages:
        measured = tuple(
            Quantity(row.quantity, row.value, row.unit)
            for row in rows
            if row.stage == stage.name and row.test in (NO_TEST, test)
        )
        potted, responses = as_voxels(case, stage)
        response = responses.get(test) if test else None
        views.append(StageView(stage.name, potted, response, measured))
    for name, figure in case_figures(views, load_n=case.standing_load_n).items():
        save(figure, folder / name)
    for view in views:
        animations(view, folder)


def report(result: StudyResult) -> None:
    """Write the report of a result that has none yet."""
    from vbsim.cli.seeing import REPORT, write_report
    from vbsim.study.stored import open_study

    if not (result.folder / REPORT).exists():
        write_report(open_study(result.folder))


# Tables -------------------------------------------------------------------------------------------


def show(result: StudyResult) -> None:
    """Print the table of a result and where it lies."""
    from vbsim.cli.tables import study_tables

    console = out()
    console.print(f"\n{result.name}", style="bold")
    for table in study_tables(result.rows):
        console.print()
        console.print(table)
    if result.was_loaded:
        for warning in result.summary.get("warnings", ()):
            print(f"warning: {warning}", file=sys.stderr)
    console.print(f"\nEverything: {result.folder}{'  (from an earlier run)' * result.was_loaded}")
    page = "report.html  " * (result.folder / "report.html").is_file()
    console.print(
        f"  {page}measures.csv  fields/*.vti  geometry/*.vtp  figures/*.png  provenance.json"
    )


def show_forecast(case: Case, found: Forecast) -> None:
    """Print the resolved case and what it will do."""
    from vbsim.cli.tables import forecast_table
    from vbsim.study.toml import to_toml

    console = out()
    console.print(to_toml(case.resolved()), soft_wrap=True)
    n_z, n_y, n_x = found.shape
    console.print(
        f"Grid    {n_x} x {n_y} x {n_z} cells (x, y, z) of {found.spacing_mm:g} mm; "
        f"{found.n_cells:,} with material\n"
        f"Solver  {found.n_dof:,} degrees of freedom, {found.n_solves} solves of three motions, "
        f"{found.solver_mb:,.0f} MB for each, about {found.memory_mb:,.0f} MB in all\n"
        f"Digest  {found.digest[:12]}\n"
    )
    console.print(forecast_table(found))
    for stage in found.stages:
        console.print(f"{stage.name}: {stage.history}", soft_wrap=True)
        if stage.largest_volume_ml is not None:
            console.print(f"  largest volume that fits: {stage.largest_volume_ml:.1f} ml")
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)


def show_citations(name: str, found: Sequence[dict[str, Any]]) -> None:
    """Print constants grouped by their source."""
    console = out()
    console.print(f"Constants and methods of {name}, by source\n", style="bold")
    by_source: dict[str, list[dict[str, Any]]] = {}
    for item in found:
        by_source.setdefault(item["source"], []).append(item)
    for source, items in by_source.items():
        console.print(source, soft_wrap=True)
        for item in items:
            unit = "" if item["unit"] == "1" else f" {item['unit']}"
            status = f"[{item['status']}: {item['meaning_of_status']}]"
            console.print(
                f"    {item['constant']} = {item['value']}{unit}  {status}", soft_wrap=True
            )
        console.print()
