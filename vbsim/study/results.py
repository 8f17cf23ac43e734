"""What a study leaves: tidy rows, and a folder that is written aside and renamed when whole."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vbsim.checks import InvalidInput, VbsimError

__all__ = ["Row", "StudyResult", "result_folder", "load_result", "written_aside", "write_csv"]

SUMMARY = "summary.json"
NO_TEST = "none"
STAGES = ".stages"
_ASIDE = ".writing-"


class Row(NamedTuple):
    """One row of the tidy table.

    Attributes
    ----------
    stage : str
        ``intact``, ``fractured``, ``reduced``, ``augmented``; numbered when repeated.
    test : str
        Name of the load case; ``none`` where nothing is loaded.
    platen : str
        ``guided`` or ``ball_joint``; ``none`` where nothing is loaded.
    quantity : str
        Name of what was measured.
    value : float
        The number.
    unit : str
        Its unit; ``1`` if dimensionless.
    """

    stage: str
    test: str
    platen: str
    quantity: str
    value: float
    unit: str


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Parameters
    ----------
    name : str
        Name of the case.
    digest : str
        sha256 of the resolved case, its inputs and the program.
    folder : Path
        Where everything lies.
    rows : tuple of Row
        The tidy table.
    summary : dict
        Everything in ``summary.json``.
    was_loaded : bool
        True if an earlier run's folder answered.
    """

    name: str
    digest: str
    folder: Path
    rows: tuple[Row, ...]
    summary: dict[str, Any]
    was_loaded: bool = False

    def value(self, stage: str, quantity: str, test: str | None = None) -> float:
        """Return one number of the table; `test` may be left out where only one has it."""
        found = [
            row.value
            for row in self.rows
            if (row.stage, row.quantity) == (stage, quantity) and test in (None, row.test)
        ]
        if len(found) != 1:
            where = f"stage {stage!r}" + (f", test {test!r}" if test else "")
            raise KeyError(f"{len(found)} rows of {quantity!r} for {where} in {self.name!r}")
        return found[0]

    def to_json(self) -> str:
        """Return the result as the command line prints it with ``--json``."""
        measures = [
            {
                "stage": row.stage,
                "test": row.test,
                "quantity": row.quantity,
                "value": row.value,
                "unit": row.unit,
            }
            for row in self.rows
        ]
        content = {
            "name": self.name,
            "digest": self.digest,
            "folder": str(self.folder),
            "measures": measures,
        }
        return json.dumps(content, indent=1, allow_nan=False)


def slug(name: str) -> str:
    """Return a name fit for a folder.

    Examples
    --------
    >>> slug("L1 wedge, bipedicular PMMA")
    'l1-wedge-bipedicular-pmma'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "case"


def result_folder(results: Path, name: str, case_digest: str) -> Path:
    """Return where the result of a case lies, ``<results>/<name>-<12 digits of the digest>``."""
    return results / f"{slug(name)}-{case_digest[:12]}"


def load_result(folder: Path, case_digest: str) -> StudyResult | None:
    """Return the result in a folder, or None if there is none or it is another case's."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        rows = tuple(Row(**measure) for measure in summary["measures"])
        name = str(summary["name"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    if summary.get("digest") != case_digest:
        return None
    return StudyResult(name, case_digest, folder, rows, summary, was_loaded=True)


@contextmanager
def written_aside(folder: Path) -> Iterator[Path]:
    """Give a sibling folder to write into; rename it to `folder` when the block ends well.

    Whatever stops the block, an interrupt included, removes the sibling: nobody ever sees half a
    result. A folder that is already there is left as it is.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{_ASIDE}{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InvalidInput(f"cannot write results into {folder.parent}: {error.strerror}") from None
    try:
        yield aside
        aside.chmod(0o777 & ~_umask())
        # Fails if somebody else finished the same case first: theirs stays.
        with suppress(OSError):
            aside.rename(folder)
        if not folder.is_dir():
            raise VbsimError(f"cannot write {folder}")
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def file_written_aside(path: Path) -> Iterator[Path]:
    """Give a sibling file name to write; it takes the place of `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{_ASIDE}{os.getpid()}-{path.name}")
    try:
        yield aside
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def write_csv(path: Path, rows: Iterable[Row]) -> None:
    """Write the tidy table; a number keeps every digit."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Row._fields)
        for row in rows:
            writer.writerow([repr(item) if isinstance(item, float) else item for item in row])


def write_json(path: Path, content: Any) -> None:
    """Write plain data; NaN and infinity are refused."""
    text = json.dumps(content, indent=1, allow_nan=False, default=_plain)
    path.write_text(text + "\n", encoding="utf-8")


def stages_of(rows: Sequence[Row]) -> list[str]:
    """Return the stage names in the order they appear."""
    return list(dict.fromkeys(row.stage for row in rows))


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"{value!r} has no place in a JSON file")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
