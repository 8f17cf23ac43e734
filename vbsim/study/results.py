"""What a study leaves: tidy rows, and a folder that is written aside and renamed when whole."""

from __future__ import annotations

import csv
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from vbsim.checks import InvalidInput, VbsimError

__all__ = ["Row", "StudyResult", "result_folder", "load_result", "written_aside", "write_csv"]

SUMMARY = "summary.json"
NO_TEST = "none"
STAGES = ".stages"
ASIDE = ".writing-"
"""How the name of everything that is not whole yet begins."""

_LEFT_OVER_S = 24 * 3600.0
_MASK = threading.Lock()

log = logging.getLogger("vbsim.study")


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
def written_aside(
    folder: Path, *, is_whole: Callable[[Path], bool] = Path.is_dir
) -> Iterator[Path]:
    """Give a sibling folder to write into; rename it to `folder` when the block ends well.

    Whatever stops the block, an interrupt included, removes the sibling: nobody ever sees half a
    result. A whole folder that is already there is left as it is; a damaged one is moved to
    ``<folder>.damaged-<n>``, so that nothing is lost.

    Parameters
    ----------
    folder : Path
        Where the content shall lie.
    is_whole : callable, optional
        Says of what lies at `folder` already whether it can be used; by default any folder can.

    Raises
    ------
    VbsimError
        If nothing can be written there; it names the folder.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep(folder.parent)
        aside = Path(tempfile.mkdtemp(prefix=f"{ASIDE}{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise InvalidInput(f"cannot write results into {folder.parent}: {error.strerror}") from None
    try:
        yield aside
        _open_to_others(aside, 0o777)
        _put(aside, folder, is_whole)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def file_written_aside(path: Path) -> Iterator[Path]:
    """Give a sibling file to write; it takes the place of `path` when the block ends well.

    The sibling's name is its own: other threads and hosts may write the same `path` meanwhile.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=ASIDE, suffix=f"-{path.name}", dir=path.parent)
    os.close(handle)
    aside = Path(name)
    try:
        yield aside
        _open_to_others(aside, 0o666)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written in a folder: siblings untouched for a day."""
    for aside in folder.glob(f"{ASIDE}*"):
        # Another run may finish or sweep it at the same time.
        with suppress(OSError):
            newest = max(part.stat().st_mtime for part in (aside, *aside.rglob("*")))
            if time.time() - newest < _LEFT_OVER_S:
                continue
            if aside.is_dir():
                shutil.rmtree(aside, ignore_errors=True)
            else:
                aside.unlink()


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


def _put(aside: Path, folder: Path, is_whole: Callable[[Path], bool]) -> None:
    """Rename `aside` to `folder`; whole content there stays, damaged content is moved away."""
    try:
        try:
            aside.rename(folder)
        except OSError:
            if is_whole(folder):
                return  # Somebody else finished the same case first: theirs stays.
            if not os.path.lexists(folder):
                raise
            log.warning("%s is damaged; moved to %s", folder, _move_away(folder).name)
            aside.rename(folder)
    except OSError as error:
        raise VbsimError(f"cannot write {folder}: {error.strerror}") from None


def _move_away(folder: Path) -> Path:
    numbered = (folder.with_name(f"{folder.name}.damaged-{n}") for n in count(1))
    return folder.rename(next(path for path in numbered if not os.path.lexists(path)))


def _open_to_others(path: Path, mode: int) -> None:
    """Give a temporary file or folder, made for its owner alone, the rights of an ordinary one."""
    # The mask belongs to the whole process and can only be read by setting it.
    with _MASK:
        mask = os.umask(0)
        os.umask(mask)
    path.chmod(mode & ~mask)
