"""The commands of sweeps: ``vbsim sweep`` and ``vbsim table``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbsim.cli.commands import AsJson, Quiet, Results, app

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from typing import Any

    from vbsim.study.sweep import Plan, Planned

__all__ = ["sweep", "table", "plot"]

EXIT_SOME_FAILED = 1

SweepPath = Annotated[
    Path, typer.Argument(metavar="FILE", help="A case with a [sweep] table, TOML or JSON.")
]
SweepFolder = Annotated[
    Path, typer.Argument(metavar="DIR", help="Folder of a sweep, finished or not.")
]


@app.command()
def sweep(
    file: SweepPath,
    results: Results = Path("results"),
    processes: Annotated[
        int | None,
        typer.Option(
            "-j",
            "--processes",
            min=0,
            help="Worker processes; as many as fit if left out, 0: none but this one.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://host:8786; here if left out."),
    ] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--retry",
            help="Go on with what is left (default); or try failed cases again as well.",
        ),
    ] = True,
    limit: Annotated[
        int | None, typer.Option(metavar="K", min=1, help="Run at most K cases this time.")
    ] = None,
    part: Annotated[
        str, typer.Option(metavar="K/N", help="Run the K-th of N parts only, for array jobs.")
    ] = "1/1",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what it will take and solve nothing.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
    figures: Annotated[bool, typer.Option(help="Draw the figures at the end.")] = True,
) -> None:
    """Run a sweep: many cases, on many processes, into one table.

    Running it again goes on where it stopped; a case that fails is a row with its reason.
    """
    if processes != 0 and scheduler is None and not dry_run and not any(results.glob("*/parts")):
        # It gets ready while this process imports and plans; an earlier sweep may be complete.
        from vbsim.workers import prepare_workers

        prepare_workers()
    from vbsim.cli import sweep_screen
    from vbsim.study.sweep import load_plan, pending, run_sweep, sweep_folder
    from vbsim.study.sweep.forecast import forecast_sweep

    with sweep_screen.planning(quiet=quiet or as_json) as tell:
        plan = load_plan(file, tell=tell)
    which = _part(part)
    if dry_run:
        folder = sweep_folder(plan, results)
        left = pending(plan, folder, part=which, limit=limit, retry=not resume)
        found = forecast_sweep(plan, folder, left, n_workers=processes or None)
        typer.echo(found.to_json() if as_json else sweep_screen.forecast_text(plan, found))
        return
    with sweep_screen.watching(plan, quiet=quiet) as watch:
        result = run_sweep(
            plan,
            results,
            _engine(plan, processes, scheduler, quiet=quiet),
            part=which,
            limit=limit,
            retry=not resume,
            watch=watch,
        )
    if as_json:
        typer.echo(result.to_json())
    else:
        sweep_screen.show(result)
        sweep_screen.show_risks(result.folder)
    if figures and result.statuses.get("done", 0) > 1:
        from vbsim.cli import sweep_plots

        sweep_plots.draw_at_the_end(result.folder, quiet=quiet or as_json)
    if result.n_failed:
        raise typer.Exit(EXIT_SOME_FAILED)


@app.command()
def table(
    folder: SweepFolder,
    where: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help='Rows to keep: "volume_ml > 4 and case < 9".'),
    ] = None,
    columns: Annotated[
        str | None, typer.Option(metavar="A,B,..", help="Columns to show, in this order.")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, every digit.")] = False,
    as_json: AsJson = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Write .parquet, .csv or .json."),
    ] = None,
) -> None:
    """Show the table of a sweep, also while it runs: a row for each case, stage and test."""
    from vbsim.cli import sweep_screen
    from vbsim.study.sweep import read_table

    found = read_table(folder)
    if where is not None:
        found = found.where(where)
    if columns is not None:
        found = found.only([name.strip() for name in columns.split(",") if name.strip()])
    if output is not None:
        found.write(output)
        typer.echo(f"wrote {output}: {found.n_rows} rows, {len(found.columns)} columns")
    elif as_json:
        typer.echo(sweep_screen.to_json(found))
    elif as_csv:
        typer.echo(found.to_csv(), nl=False)
    else:
        sweep_screen.show_table(found)


@app.command()
def plot(
    folder: SweepFolder,
    column: Annotated[
        str | None,
        typer.Option("--measure", metavar="COLUMN", help="Measure, as the table names it."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="Stage; the last one if left out.")] = None,
    test: Annotated[str | None, typer.Option(help="Test; the first one if left out.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="DIR", help="Where to draw.")
    ] = None,
) -> None:
    """Draw what a sweep tells: effects, interactions, tornado, response, sensitivity indices."""
    from vbsim.cli import sweep_plots

    target = output or folder / "figures"
    names = sweep_plots.draw(folder, target, column=column, stage=stage, test=test)
    sweep_plots.show_tornado(folder, column=column, stage=stage, test=test)
    typer.echo(f"drew {', '.join(names)} into {target}")


def _part(text: str) -> tuple[int, int]:
    from vbsim.checks import InvalidInput

    try:
        k, n = (int(word) for word in text.split("/"))
    except ValueError:
        raise InvalidInput(f"--part {text!r}: must be written K/N, such as 3/20") from None
    if not 1 <= k <= n:
        raise InvalidInput(f"--part {text}: must be 1/{n} to {n}/{n}")
    return k, n


def _engine(
    plan: Plan, processes: int | None, scheduler: str | None, *, quiet: bool
) -> Callable[[Sequence[Planned]], AbstractContextManager[Any]]:
    """Return what starts the engine once it is known that there is something to do."""
    from contextlib import contextmanager, nullcontext

    from vbsim.cli import sweep_screen
    from vbsim.study.sweep import InProcess, OnDask, connected, local_cluster
    from vbsim.study.sweep.forecast import local_size

    if processes == 0 and scheduler is None:
        return lambda left: nullcontext(InProcess())

    @contextmanager
    def started(left: Sequence[Planned]) -> Any:
        if scheduler is not None:
            with connected(scheduler) as client:
                sweep_screen.tell_cluster(client, quiet=quiet)
                yield OnDask(client)
            return
        n_workers, memory_bytes = local_size(plan, left, processes)
        with local_cluster(n_workers, memory_bytes=memory_bytes) as client:
            sweep_screen.tell_cluster(client, quiet=quiet)
            yield OnDask(client)

    return started
