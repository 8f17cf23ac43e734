"""What a sweep shows: a live line on a terminal, plain lines elsewhere, a summary at the end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table as Grid

from vbsim.cli.screen import out
from vbsim.study.sweep import Outcome, Plan, State, SweepResult, Table
from vbsim.study.sweep.forecast import SweepForecast
from vbsim.study.sweep.risks import risks

__all__ = ["planning", "watching", "forecast_text", "show", "show_table", "tell_cluster", "to_json"]

# Between two plain lines, where the output is no terminal.
_LINE_EVERY_S = 10.0
_ROWS_SHOWN = 40
_SHOWN = ("case", "status", "stage", "test", "stiffness_n_per_mm", "stiffness_vs_intact")


@contextmanager
def planning(*, quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    """Give something to tell how many cases of a plan are checked; silent for short plans."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("checking cases", total=None)

        def tell(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield tell


@contextmanager
def watching(
    plan: Plan, *, quiet: bool
) -> Iterator[Callable[[State, Outcome | None], None] | None]:
    """Give something to tell of every finished case."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _live(plan) as watch:
            yield watch
    else:
        yield _Lines(plan)


class _Lines:
    """A line at the start and at the end, one every few seconds, one for each failure."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._last = time.monotonic()

    def __call__(self, state: State, outcome: Outcome | None) -> None:
        """Print a line if it is time."""
        if outcome is not None and outcome.advice:
            print(f"failed ({outcome.status.value}): {outcome.advice}", file=sys.stderr)
        now = time.monotonic()
        is_end = state.n_finished == state.n_wanted
        if outcome is None or is_end or now - self._last >= _LINE_EVERY_S:
            self._last = now
            print(_told(self._plan, state), file=sys.stderr, flush=True)


@contextmanager
def _live(plan: Plan) -> Iterator[Callable[[State, Outcome | None], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (BarColumn(bar_width=30), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting")

        def watch(state: State, outcome: Outcome | None) -> None:
            if outcome is not None and outcome.advice:
                bar.console.print(
                    f"failed ({outcome.status.value}): {outcome.advice}", markup=False
                )
            bar.update(
                task,
                total=state.n_wanted,
                completed=state.n_finished,
                description=_told(plan, state),
            )

        yield watch


def _told(plan: Plan, state: State) -> str:
    """Return how far a sweep is, in one line."""
    words = [f"{state.n_before + state.n_finished}/{state.n_cases} cases"]
    if state.n_before and not state.n_finished:
        words.append(f"{state.n_before} from earlier runs")
    if state.n_finished:
        words.append(f"{state.per_minute:.0f} a minute")
    if state.seconds_left:
        words.append(f"{duration(state.seconds_left)} left")
    words.append(f"{state.n_failed} failed")
    if state.best is not None:
        words.append(f"best {plan.sweep.best.quantity} {state.best:.4g} (case {state.best_case})")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """Return a time as one says it.

    Examples
    --------
    >>> duration(42.3), duration(90), duration(7300)
    ('42 s', '1 min 30 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def tell_cluster(client: Any, *, quiet: bool) -> None:
    """Print how many processes work and where Dask's own dashboard is."""
    if quiet:
        return
    from importlib.util import find_spec

    n = len(client.nthreads())
    link = client.dashboard_link if find_spec("bokeh") else "(pip install bokeh)"
    print(f"{n} worker process{'es' * (n != 1)}; Dask dashboard {link}", file=sys.stderr)


def forecast_text(plan: Plan, found: SweepForecast) -> str:
    """Return what a sweep will take, as lines."""
    share = 1.0 - found.n_solves / found.n_stages if found.n_stages else 0.0
    lines = [
        f"{found.name}, digest {found.digest[:12]}",
        f"Varies   {', '.join(_varied(plan)) or 'nothing'}",
        f"Cases    {found.n_cases:,}, {found.n_distinct:,} distinct, {found.n_left:,} left to do"
        + (f"; {found.n_left_out:,} left out by the condition" if found.n_left_out else ""),
        f"Solves   {found.n_solves:,} stages instead of {found.n_stages:,} "
        f"({100 * share:.0f} % shared), up to {found.n_dof:,} degrees of freedom",
        f"Memory   {found.memory_mb:,.0f} MB a process, {found.n_workers} processes",
    ]
    if found.seconds is None:
        lines.append("Time     not known: a test is not linear and no case is finished yet")
    else:
        lines.append(f"Time     about {duration(found.seconds)}, from {found.seconds_from}")
    lines.append(f"Folder   {found.folder}")
    return "\n".join(lines)


def _varied(plan: Plan) -> list[str]:
    names = list(dict.fromkeys(name for case in plan.cases for name in case.values))
    counts = {name: len({case.values.get(name) for case in plan.cases}) for name in names}
    return [f"{name} ({n})" for name, n in counts.items()]


def show(result: SweepResult) -> None:
    """Print how the cases ended and where the table lies."""
    console = out()
    ended = ", ".join(f"{n} {status}" for status, n in sorted(result.statuses.items()))
    reused = f"; {result.n_reused} from earlier runs" if result.n_reused else ""
    console.print(f"{ended}{reused}; {duration(result.seconds)}")
    console.print(f"Everything: {result.folder}", soft_wrap=True)
    console.print("  table.parquet  table.csv  cases.csv  provenance.json  sweep.log")
    if result.n_failed:
        console.print("  what failed and why: cases.csv, and --retry tries again")


def show_risks(folder: Path) -> None:
    """Print how often each yes-or-no measure was yes, with its interval of 95 %."""
    found = risks(folder)
    if not found:
        return
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in ("measure", "stage", *found[0].values):
        grid.add_column(name)
    for name in ("cases", "share", "95 %"):
        grid.add_column(name, justify="right")
    for risk in found:
        share, low, high = (f"{100.0 * part:.0f}" for part in risk.share)
        cells = (risk.column, risk.stage, *map(str, risk.values.values()))
        grid.add_row(*cells, f"{risk.n_with} of {risk.n_all}", f"{share} %", f"{low} to {high} %")
    out().print(grid)


def show_table(table: Table) -> None:
    """Print the first rows; parameters and the usual measures if there are too many columns."""
    names = [name for name in table.columns if _is_shown(table, name)]
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for name in names:
        is_number = table.columns[name].dtype.kind in "if"
        grid.add_column(name, justify="right" if is_number else "left", overflow="fold")
    for row in range(min(table.n_rows, _ROWS_SHOWN)):
        grid.add_row(*(_cell(table.columns[name][row]) for name in names))
    console = out()
    console.print(grid)
    more = table.n_rows - _ROWS_SHOWN
    hidden = len(table.columns) - len(names)
    if more > 0 or hidden > 0:
        console.print(
            f"\n{max(0, more):,} more rows, {hidden} more columns; --columns picks, --csv prints "
            "everything, --output writes a file",
            soft_wrap=True,
        )


def _is_shown(table: Table, name: str) -> bool:
    if len(table.columns) <= 12:
        return True
    before = list(table.columns).index("status") if "status" in table.columns else 0
    return name in _SHOWN or list(table.columns).index(name) < before


def _cell(value: Any) -> str:
    if isinstance(value, float | np.floating):
        return "" if np.isnan(value) else f"{value:.5g}"
    return str(value)


def to_json(table: Table) -> str:
    """Return the table as a list of rows."""
    return json.dumps(table.to_arrow().to_pylist())
