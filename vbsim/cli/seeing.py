"""``vbsim report``, ``view`` and ``serve``: results to be looked at."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vbsim.cli.commands import app

if TYPE_CHECKING:
    from vbsim.study.stored import StoredStudy

__all__ = ["report", "write_report"]

REPORT = "report.html"

ResultPath = Annotated[Path, typer.Argument(metavar="RESULT", help="Folder of a result.")]


@app.command()
def report(
    result: ResultPath,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Default: report.html in the folder."),
    ] = None,
) -> None:
    """Write one self-contained HTML page: question, answer, tables, figures, 3-D view, methods."""
    from vbsim.study.stored import open_study

    path = write_report(open_study(result), output)
    typer.echo(f"wrote {path}")


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
