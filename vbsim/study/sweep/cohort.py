"""A cohort: the subjects of a folder of images or of a table, as values of places in a case."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

from vbsim.checks import InvalidCase
from vbsim.study.sweep.axes import Cohort

__all__ = ["subjects", "SUBJECT"]

SUBJECT = "subject"
"""Column that tells subjects apart where a folder gives them."""

IMAGE, LABELS = "vertebra.image", "vertebra.labels"

# What a heading must look like to be a place in a case; all others are told in the table only.
_PLACE = re.compile(r"[a-z_][a-z0-9_]*(\[\d+\])*(\.[a-z_][a-z0-9_]*(\[\d+\])*)+")


def subjects(cohort: Cohort, folder: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return for every subject its values by place and its values by column.

    Parameters
    ----------
    cohort : Cohort
        Where the subjects are.
    folder : Path
        Where relative paths start.

    Raises
    ------
    InvalidCase
        If there are none, if a label map is missing or a table cannot be read.
    """
    if cohort.table is not None:
        return _tabled(folder / cohort.table)
    assert cohort.images is not None
    assert cohort.labels is not None
    before, _, after = cohort.images.partition("*")
    found = []
    for image in sorted(folder.glob(cohort.images)):
        name = str(image.relative_to(folder) if not before.startswith("/") else image)
        subject = name[len(before) : len(name) - len(after)]
        labels = folder / cohort.labels.replace("*", subject)
        if not labels.is_file():
            raise InvalidCase(f"{image} has no label map {labels}", "sweep.cohort.labels")
        values = {IMAGE: str(image), LABELS: str(labels)}
        found.append((values, {SUBJECT: subject}))
    if not found:
        raise InvalidCase(f"= {cohort.images!r}: no file in {folder} fits", "sweep.cohort.images")
    return found


def _tabled(path: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    where = "sweep.cohort.table"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidCase(f"{path}: {reason}", where) from None
    if not rows:
        raise InvalidCase(f"{path}: holds no rows", where)
    found = []
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise InvalidCase(f"{path}, line {number}: needs {len(rows[0])} columns", where)
        given = {key.strip(): text.strip() for key, text in row.items()}
        places = {key: _read(text) for key, text in given.items() if _PLACE.fullmatch(key) and text}
        told = {key: _read(text) for key, text in given.items() if not _PLACE.fullmatch(key)}
        for place in (IMAGE, LABELS):
            if place in places:
                places[place] = str(path.parent / str(places[place]))
        found.append((places, told))
    if not found[0][0]:
        raise InvalidCase(
            f"{path}: no heading is a place in a case, such as vertebra.image or vertebra.level",
            where,
        )
    return found


def _read(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
