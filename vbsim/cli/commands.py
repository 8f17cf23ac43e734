"""The commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["app"]

app = typer.Typer(
    name="vbsim",
    help="Finite-element biomechanics of cement-augmented vertebrae.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CasePath = Annotated[Path, typer.Argument(metavar="CASE", help="Case file, TOML or JSON.")]
Results = Annotated[
    Path, typer.Option("--results", metavar="DIR", help="Folder that holds every result.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no log.")]


def _version(wanted: bool) -> None:
    if wanted:
        import vbsim

        typer.echo(f"vbsim {vbsim.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finite-element biomechanics of cement-augmented vertebrae."""


@app.command()
def run(
    case: CasePath,
    results: Results = Path("results"),
    as_json: AsJson = False,
    quiet: Quiet = False,
    figures: Annotated[bool, typer.Option(help="Draw the figures and write the report.")] = True,
) -> None:
    """Run a case: every stage, every test, one table and one folder with a report.

    The same case is never run twice: its folder is named by its content and loaded at once.
    """
    from vbsim.cli import screen
    from vbsim.study import load_case, run_case

    loaded = load_case(case)
    with screen.progress(quiet=quiet) as progress:
        draw = screen.draw if figures else None
        result = run_case(loaded, results, draw=draw, progress=progress)
        if figures:
            progress("reporting", 1.0)
            screen.report(result)
    if as_json:
        typer.echo(result.to_json())
    else:
        screen.show(result)


@app.command()
def inspect(case: CasePath, as_json: AsJson = False) -> None:
    """Show what a case will do: resolved values, mesh, memory, heights and volumes.

    Nothing is solved.
    """
    from vbsim.cli import screen
    from vbsim.study import forecast, load_case

    loaded = load_case(case)
    with screen.progress(quiet=as_json):
        found = forecast.forecast(loaded)
    if as_json:
        typer.echo(found.to_json())
    else:
        screen.show_forecast(loaded, found)


@app.command()
def init(
    path: Annotated[Path, typer.Argument(metavar="CASE", help="File to write.")] = Path(
        "case.toml"
    ),
) -> None:
    """Write a commented case to start from, with every parameter and its default."""
    from vbsim.checks import InvalidInput
    from vbsim.study import template

    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(template.template())
    except FileExistsError:
        raise InvalidInput(f"{path} exists and is left as it is; name another file") from None
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
    typer.echo(f"wrote {path}; next: vbsim run {path}")


@app.command()
def schema() -> None:
    """Print the JSON Schema of a case file."""
    import json

    from vbsim.study import Case

    typer.echo(json.dumps(Case.model_json_schema(by_alias=True), indent=1))


@app.command()
def cite(case: CasePath, results: Results = Path("results"), as_json: AsJson = False) -> None:
    """Print the source of every constant and method that a case uses."""
    import json

    from vbsim.cli import screen
    from vbsim.study import citing, load_case

    loaded = load_case(case)
    with screen.progress(quiet=True):
        found = citing.cite(loaded, results)
    if as_json:
        typer.echo(json.dumps(found, indent=1))
    else:
        screen.show_citations(loaded.name, found)


@app.command()
def phantom(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    level: Annotated[str, typer.Option(help="Level of the spine, T5 to L5.")] = "L1",
    vbmd_mg_cm3: Annotated[float, typer.Option(help="Mean trabecular density, mg/cm3.")] = 100.0,
    spacing_mm: Annotated[float, typer.Option(help="Edge of the voxels, mm.")] = 1.0,
    orientation: Annotated[
        str, typer.Option(help="Where the image's axes point, three letters such as LPS or RAI.")
    ] = "LPS",
    tilt_deg: Annotated[
        tuple[float, float, float], typer.Option(help="Turn about x, y and z, deg.")
    ] = (0.0, 0.0, 0.0),
    noise_sd_mg_cm3: Annotated[float, typer.Option(help="White noise, mg/cm3.")] = 0.0,
    blur_mm: Annotated[float, typer.Option(help="Width of the scanner's blur, mm.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of density field and noise.")] = 0,
) -> None:
    """Write a CT-like density image, its labels and a case that reads them."""
    from vbsim.anatomy import Phantom, Vertebra
    from vbsim.materials import Bone
    from vbsim.study import phantoms

    scan = Phantom(
        spacing_mm=spacing_mm,
        orientation=orientation,
        tilt_deg=tilt_deg,
        noise_sd_mg_cm3=noise_sd_mg_cm3,
        blur_mm=blur_mm,
        seed=seed,
    )
    bone = Bone(vbmd_mg_cm3=vbmd_mg_cm3, seed=seed)
    case = phantoms.phantom_case(Vertebra(level=level), bone, scan, folder)
    typer.echo(f"wrote {case.parent}; next: vbsim run {case}")


@app.command()
def validate(
    more: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Rows to compute; default: all.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="A row to compute; repeatable.")
    ] = None,
    spacing_mm: Annotated[
        float, typer.Option(min=0.25, max=4.0, help="Edge of the voxels, mm; bands are for 1 mm.")
    ] = 1.0,
    as_json: AsJson = False,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown, misses with causes.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Compare with published results: computed, published, band, verdict; misses are shown."""
    from vbsim.cli import screen, validation
    from vbsim.study.validation import to_json, to_markdown
    from vbsim.study.validation import validate as compute

    with screen.progress(quiet=quiet) as progress:
        verdicts = compute(*(only or ()), *(more or ()), spacing_mm=spacing_mm, progress=progress)
    if as_json:
        typer.echo(to_json(verdicts))
    elif markdown:
        typer.echo(to_markdown(verdicts, spacing_mm=spacing_mm), nl=False)
    else:
        validation.show(verdicts, screen.out(), spacing_mm=spacing_mm)
