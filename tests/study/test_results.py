import errno
import json
import os
import time
from pathlib import Path

import pytest

from vbsim.checks import VbsimError
from vbsim.study.results import (
    Row,
    StudyResult,
    file_written_aside,
    load_result,
    result_folder,
    write_csv,
    write_json,
    written_aside,
)

ROWS = (
    Row("intact", "none", "none", "height_anterior", 25.0, "mm"),
    Row("intact", "compression", "guided", "stiffness", 1 / 3, "N/mm"),
    Row("fractured", "compression", "guided", "stiffness", 0.1, "N/mm"),
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def save(folder, digest="d" * 64):
    with written_aside(folder) as aside:
        content = {"name": "n", "digest": digest, "measures": [r._asdict() for r in ROWS]}
        write_json(aside / "summary.json", content)


def test_a_result_is_written_aside_and_renamed(tmp_path):
    folder = tmp_path / "results" / "case-1"
    with written_aside(folder) as aside:
        (aside / "half").write_text("x")
        assert not folder.exists()
        assert aside.parent == folder.parent
    assert names(folder) == ["half"]
    assert names(folder.parent) == ["case-1"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, RuntimeError])
def test_whatever_stops_the_writing_leaves_nothing(tmp_path, stop):
    folder = tmp_path / "case-1"

    def write():
        with written_aside(folder) as aside:
            (aside / "summary.json").write_text("{}")
            raise stop

    with pytest.raises(stop):
        write()
    assert names(tmp_path) == []


def test_a_finished_result_is_never_overwritten(tmp_path):
    folder = tmp_path / "case-1"
    with written_aside(folder) as aside:
        (aside / "first").write_text("")
        with written_aside(folder) as other:
            (other / "second").write_text("")
    assert names(folder) == ["second"]
    assert names(tmp_path) == ["case-1"]


def test_a_damaged_folder_is_moved_away_and_nothing_is_lost(tmp_path):
    folder = tmp_path / "case-1"

    def is_whole(place):
        return (place / "summary.json").is_file()

    for content in ("first", "second"):
        folder.mkdir(exist_ok=True)
        (folder / "summary.json").unlink(missing_ok=True)
        (folder / content).write_text(content)
        with written_aside(folder, is_whole=is_whole) as aside:
            (aside / "summary.json").write_text("{}")
    assert names(tmp_path) == ["case-1", "case-1.damaged-1", "case-1.damaged-2"]
    assert names(folder) == ["summary.json"]
    assert names(tmp_path / "case-1.damaged-1") == ["first"]
    assert names(tmp_path / "case-1.damaged-2") == ["second"]


def test_a_file_in_the_place_of_a_folder_is_moved_away(tmp_path):
    (tmp_path / "figures").write_text("not a folder")
    with written_aside(tmp_path / "figures") as aside:
        (aside / "a.png").write_bytes(b"")
    assert names(tmp_path / "figures") == ["a.png"]
    assert (tmp_path / "figures.damaged-1").read_text() == "not a folder"


def test_a_folder_that_cannot_be_renamed_is_named(tmp_path, monkeypatch):
    def refused(self, target):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(VbsimError, match=r"cannot write .*case-1: Permission denied"):  # noqa: SIM117
        with written_aside(tmp_path / "case-1"):
            pass
    assert names(tmp_path) == []


def test_leftovers_of_killed_runs_are_swept_after_a_day(tmp_path):
    day_s = 24 * 3600
    for name, hours in (("old", 25), ("young", 1), ("alive", 25)):
        aside = tmp_path / f".writing-{name}"
        aside.mkdir()
        log = aside / "run.log"
        log.write_text("")
        # A run that takes days still writes its log.
        then = time.time() - hours * day_s / 24
        os.utime(log, None if name == "alive" else (then, then))
        os.utime(aside, (then, then))
    save(tmp_path / "case-1")
    assert names(tmp_path) == [".writing-alive", ".writing-young", "case-1"]


def test_what_is_written_aside_has_ordinary_rights(tmp_path):
    (tmp_path / "plain").write_text("")
    (tmp_path / "folder").mkdir()
    with file_written_aside(tmp_path / "stage.npz") as aside:
        aside.write_text("")
    save(tmp_path / "case-1")

    def rights(name):
        return (tmp_path / name).stat().st_mode & 0o777

    assert rights("stage.npz") == rights("plain")
    assert rights("case-1") == rights("folder")


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_file_leaves_the_old_one(tmp_path, stop):
    path = tmp_path / "stage.npz"
    path.write_text("old")

    def write():
        with file_written_aside(path) as aside:
            aside.write_text("new, but only ha")
            raise stop

    with pytest.raises(stop):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["stage.npz"]


def test_a_loaded_result_equals_the_written_one(tmp_path):
    save(tmp_path / "case-1")
    result = load_result(tmp_path / "case-1", "d" * 64)
    assert result.rows == ROWS
    assert result.was_loaded


@pytest.mark.parametrize("damage", ["missing", "truncated", "of another case", "not a table"])
def test_what_is_not_this_result_is_not_loaded(tmp_path, damage):
    folder = tmp_path / "case-1"
    save(folder, digest="e" * 64 if damage == "of another case" else "d" * 64)
    summary = folder / "summary.json"
    if damage == "missing":
        summary.unlink()
    if damage == "truncated":
        summary.write_text(summary.read_text()[:40])
    if damage == "not a table":
        summary.write_text("[]")
    assert load_result(folder, "d" * 64) is None


def test_the_folder_is_named_by_case_and_digest(tmp_path):
    folder = result_folder(tmp_path, "T8: biconcave / 3 ml", "0123456789abcdef")
    assert folder == tmp_path / "t8-biconcave-3-ml-0123456789ab"


def test_the_csv_keeps_every_digit(tmp_path):
    write_csv(tmp_path / "measures.csv", ROWS)
    lines = (tmp_path / "measures.csv").read_text().splitlines()
    assert lines[0] == "stage,test,platen,quantity,value,unit"
    assert lines[2] == "intact,compression,guided,stiffness,0.3333333333333333,N/mm"


def test_the_json_has_exactly_the_agreed_keys(tmp_path):
    content = json.loads(StudyResult("n", "d", tmp_path, ROWS, {}).to_json())
    assert list(content) == ["name", "digest", "folder", "measures"]
    assert all(
        list(item) == ["stage", "test", "quantity", "value", "unit"] for item in content["measures"]
    )


def test_a_number_is_looked_up_by_stage_and_quantity(tmp_path):
    result = StudyResult("n", "d", tmp_path, ROWS, {})
    assert result.value("fractured", "stiffness") == 0.1
    with pytest.raises(KeyError, match="0 rows of 'strength'"):
        result.value("intact", "strength")
