"""``vbsim report``, ``view``, ``serve`` and ``convert``: results to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbsim.cli.commands import app

if TYPE_CHECKING:
    from vbsim.study.stored import StoredStudy
    from vbsim.views.scenes import Pane, Style

__all__ = ["convert", "report", "serve", "view", "write_report"]

REPORT = "report.html"

ResultPath = Annotated[
    Path, typer.Argument(metavar="RESULT", help="Folder of a result or of a sweep.")
]


@app.command()
def report(
    result: ResultPath,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: report.html in the folder."),
    ] = None,
) -> None:
    """Write one self-contained HTML page: question, answer, tables, figures, 3-D view, methods.

    Of the folder of a sweep: every case in a table and on a chart to choose, effects, failures.
    """
    from vbsim.study.stored import open_study
    from vbsim.views.report import is_sweep, sweep_report

    if is_sweep(result):
        path = new_file(output) if output else result / REPORT
        write_page(path, sweep_report(result))
    else:
        path = write_report(open_study(result), output)
    typer.echo(f"wrote {path}")


@app.command()
def view(
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT [RESULT]", help="Folders of one or two results.")
    ],
    field: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="von_mises, compression, energy, displacement, density, modulus, cement, "
            "integrity; inelastic, damage after a strength test; temperature, pressure in time.",
        ),
    ] = "von_mises",
    stage: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Stage to show; repeatable.")
    ] = None,
    cut: Annotated[
        str,
        typer.Option(
            "--slice",
            metavar="PLANE[@MM]",
            help="sagittal, coronal, axial or none; MM from the middle, to the left, back, head.",
        ),
    ] = "sagittal",
    camera: Annotated[
        str,
        typer.Option(
            metavar="VIEW", help="oblique, anterior, posterior, 'left lateral', superior."
        ),
    ] = "oblique",
    deform: Annotated[float, typer.Option(min=0.0, help="Factor on the displacements.")] = 0.0,
    time: Annotated[
        float | None,
        typer.Option(metavar="S", help="Moment of an injection or curing, s; default: the end."),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Add the difference: the last shown less the first.")
    ] = False,
    screenshot: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Write a picture; no window.")
    ] = None,
    movie: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write a turn, .gif .webp .apng, .mp4 with ffmpeg; no window."
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="HTML", help="Write a page to turn and cut; no window.")
    ] = None,
) -> None:
    """Look at the stages of a result side by side, or at two results; keys are told in the window.

    With two results, the last stage of each is shown (or --stage of both) and, on equal grids,
    the difference.
    """
    from vbsim.checks import InvalidInput
    from vbsim.study.stored import open_study

    if len(results) > 2:
        raise InvalidInput(f"{len(results)} results: view shows one or two")
    studies = [open_study(folder) for folder in results]
    files = [new_file(path) for path in (screenshot, movie, html) if path is not None]
    if html is not None:
        write_page(html, _page(studies, stage or ()))
    if screenshot is not None or movie is not None or not files:
        panes = _panes(studies, stage or (), is_compared=compare)
        style = replace(_style(field, cut, camera, deform), time_s=time)
        _show(panes, style, screenshot, movie)
    for path in files:
        typer.echo(f"wrote {path}")


@app.command()
def serve(
    results: Annotated[
        Path, typer.Argument(metavar="RESULTS", help="Folder that holds results.")
    ] = Path("results"),
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on the loopback address; 0: any free one.")
    ] = 0,
) -> None:
    """Look at many results in a browser: filter by parameters, set two side by side.

    Only this machine can connect, and only with the token in the printed address. Ctrl-C ends it.
    """
    from vbsim.views.browser.server import Server

    with Server(results, port) as server:
        typer.echo(f"open {server.url}")
        typer.echo("Ctrl-C ends it", err=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@app.command()
def convert(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a result.")],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write into.")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="stl|nifti|vtu|vtkhdf",
            help="Surfaces, or fields as they are named.",
        ),
    ] = "stl",
    stage: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Stage to write; repeatable.")
    ] = None,
) -> None:
    """Write surfaces (STL) or fields (NIfTI on the image's own grid, VTU, VTKHDF) of every stage.

    VTU: the voxels that hold material, as hexahedra; VTKHDF: the whole grid.
    """
    from vbsim.study.stored import open_study
    from vbsim.views import conversion

    for path in conversion.convert(open_study(result), folder, to, stage or ()):
        typer.echo(f"wrote {path}")


def _panes(
    studies: Sequence[StoredStudy], stages: Sequence[str], *, is_compared: bool
) -> list[Pane]:
    from vbsim.checks import InvalidInput
    from vbsim.views.scenes import difference, panes_of

    if len(studies) == 1:
        panes = panes_of(studies[0], stages)
    else:
        panes = [
            pane
            for study in studies
            for pane in panes_of(study, stages or study.stages[-1:], label=f"{study.name}: ")
        ]
    if is_compared and len(panes) < 2:
        raise InvalidInput("--compare: needs two stages or two results")
    if is_compared or len(studies) == 2:
        try:
            panes.append(difference(panes[0], panes[-1]))
        except InvalidInput as error:
            if is_compared:
                raise
            typer.echo(f"no difference is shown: {error}", err=True)
    return panes


def _style(field: str, cut: str, camera: str, deform: float) -> Style:
    from vbsim.checks import InvalidInput
    from vbsim.views.catalogue import look_of
    from vbsim.views.scenes import CAMERAS, Cut, Style

    look_of(field)
    if camera not in CAMERAS:
        raise InvalidInput(f"camera = {camera!r}: must be one of {', '.join(CAMERAS)}")
    plane = None if cut == "none" else Cut.parse(cut)
    return Style(field=field, cut=plane, camera=camera, magnify=deform)


def _show(panes: Sequence[Pane], style: Style, screenshot: Path | None, movie: Path | None) -> None:
    from vbsim.checks import InvalidInput
    from vbsim.views import scenes
    from vbsim.views.style import save

    if screenshot is not None:
        if screenshot.suffix.lower() != ".png":
            raise InvalidInput(f"screenshot = {str(screenshot)!r}: must be a .png file")
        save(scenes.cutaway(panes, style), screenshot)
    if movie is not None:
        scenes.movie(movie, panes, style)
    if screenshot is None and movie is None:
        if not scenes.can_show():
            raise InvalidInput(
                "no display to open a window on; --screenshot, --movie and --html need none"
            )
        scenes.Window(panes, style).show()


def _page(studies: Sequence[StoredStudy], stages: Sequence[str]) -> str:
    from vbsim.views.browser import scene_bytes, view_page

    shown = [list(stages) if stages else list(study.stages) for study in studies]
    blocks = [scene_bytes(study, names) for study, names in zip(studies, shown, strict=True)]
    if len(studies) == 1:
        panes = [(0, k) for k in range(len(shown[0]))][-3:]
    else:
        panes = [(k, len(names) - 1) for k, names in enumerate(shown)]
    return view_page(blocks, " and ".join(study.name for study in studies), panes)


def write_report(study: StoredStudy, output: Path | None = None) -> Path:
    """Write the report of a study; only the one in its own folder is ever replaced."""
    from vbsim.views.report import case_report

    path = new_file(output) if output else study.folder / REPORT
    write_page(path, case_report(study))
    return path


def new_file(path: Path) -> Path:
    """Return the path of a file to be written; refuses one that exists."""
    from vbsim.checks import InvalidInput

    if path.exists():
        raise InvalidInput(f"{path} exists and is left as it is; name another file")
    return path


def write_page(path: Path, page: str) -> None:
    """Write a page aside and rename it when whole."""
    from vbsim.checks import InvalidInput
    from vbsim.study.results import file_written_aside

    try:
        with file_written_aside(path) as aside:
            aside.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from None
