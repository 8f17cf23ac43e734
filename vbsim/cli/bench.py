"""``vbsim bench``: how fast the solver is on this machine, on bodies made up to any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from vbsim.cli.commands import app

if TYPE_CHECKING:
    from rich.table import Table

    from vbsim.study.benchmark import Record

__all__ = ["voxels"]

bench = typer.Typer(help="Measure the solver on this machine.", no_args_is_help=True)
app.add_typer(bench, name="bench")


@bench.callback()
def _top() -> None:
    """Measure the solver on this machine."""


@bench.command()
def voxels(
    dof: Annotated[float, typer.Option(metavar="N", help="Degrees of freedom, such as 1e6.")] = 1e6,
    structure: Annotated[
        str, typer.Option(metavar="body|trabecular|block", help="What is solved.")
    ] = "body",
    threads: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Threads; default: all cores.")
    ] = None,
    tolerance: Annotated[
        float, typer.Option(min=1e-13, max=1e-2, help="Residual / load at which to stop.")
    ] = 1e-8,
    max_iterations: Annotated[int, typer.Option(min=1, help="Bound on the iterations.")] = 2000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
) -> None:
    """Compress a generated voxel body between clamped ends and say what that took.

    Times and memory are of set-up and solve: making the body and compiling are not in them.
    """
    import json
    from functools import partial

    from vbsim.cli import screen
    from vbsim.fem import Settings
    from vbsim.study import benchmark
    from vbsim.study.compiling import compilation_told

    benchmark.check(structure, dof)
    with screen.progress(quiet=as_json), compilation_told():
        record = benchmark.measure(
            structure,
            partial(benchmark.generate, structure, dof),
            test=benchmark.clamped_compression(),
            settings=Settings(tolerance, max_iterations, threads),
        )
    if as_json:
        typer.echo(json.dumps(record.to_dict(), indent=1))
    else:
        screen.out().print(_table(record))


def _table(record: Record) -> Table:
    from vbsim.cli.tables import facts

    title = f"{record.structure}, {record.threads} thread(s), {record.machine}"
    lines = (
        ("Degrees of freedom", f"{record.dof:,}", ""),
        ("Voxels with material", f"{record.n_cells:,}", ""),
        ("Reaction", f"{record.reaction_n:,.6g}", "N"),
        ("Iterations", f"{record.iterations}", ""),
        ("Relative residual", f"{record.relative_residual:.1e}", ""),
        ("Processor time", f"{record.cpu_s:.2f}", "s"),
        ("  of it before the first iteration", f"{record.setup_cpu_s:.2f}", "s"),
        ("Time", f"{record.wall_s:.2f}", "s"),
        ("Degrees of freedom per second of processor time", f"{record.dof_per_s:,.0f}", "1/s"),
        ("Peak memory of the process", f"{record.peak_bytes / 1e6:,.0f}", "MB"),
        ("Memory per degree of freedom", f"{record.bytes_per_dof:.0f}", "bytes"),
        ("Processors that others kept busy meanwhile", f"{record.load:.1f}", ""),
    )
    return facts(title, lines)
