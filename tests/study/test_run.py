import csv
import errno
import json
import tomllib

import numpy as np
import pytest
from small_study import small_case

from vbsim.checks import InvalidCase, NotConverged
from vbsim.fem import linear
from vbsim.study import Case, find_result, pipeline, run_case
from vbsim.study.run import compute

STAGES = ["intact", "fractured", "augmented"]


def test_the_folder_holds_what_was_promised(result):
    found = {str(path.relative_to(result.folder)) for path in result.folder.rglob("*.*")}
    assert found == {
        "case.resolved.toml",
        "summary.json",
        "measures.csv",
        "run.log",
        "provenance.json",
        *(f"fields/{stage}.vti" for stage in STAGES),
        *(f"geometry/{stage}.vtp" for stage in STAGES),
    }


def test_the_table_is_tidy_and_complete(result):
    assert list(dict.fromkeys(row.stage for row in result.rows)) == STAGES
    assert {row.test for row in result.rows} == {"none", "compression", "flexion"}
    keys = [row[:4] for row in result.rows]
    assert len(set(keys)) == len(keys)
    assert all(np.isfinite(row.value) for row in result.rows)


def test_every_loaded_row_names_its_platen(result):
    platens = {(row.test, row.platen) for row in result.rows}
    assert platens == {("none", "none"), ("compression", "guided"), ("flexion", "ball_joint")}


def test_ratios_are_quotients_of_two_rows(result):
    by_stage = {stage: result.value(stage, "stiffness") for stage in STAGES}
    ratio = result.value("augmented", "stiffness_vs_fractured")
    assert ratio == by_stage["augmented"] / by_stage["fractured"]
    assert result.value("augmented", "stiffness_vs_intact") == (
        by_stage["augmented"] / by_stage["intact"]
    )
    with pytest.raises(KeyError):
        result.value("intact", "stiffness_vs_intact")


def test_the_cement_of_the_case_is_in_the_table(result):
    # Volume asked = volume placed within 0.1 %.
    assert result.value("augmented", "cement_volume_placed") == pytest.approx(4.0, rel=1e-3)


def test_the_csv_holds_the_rows(result):
    with (result.folder / "measures.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    assert [tuple(row.values())[:4] for row in read] == [row[:4] for row in result.rows]
    assert [float(row["value"]) for row in read] == [row.value for row in result.rows]


def test_the_resolved_case_in_the_folder_is_the_case(result, case):
    data = tomllib.loads((result.folder / "case.resolved.toml").read_text())
    assert Case(**data).digest == case.digest


def test_every_quantity_is_defined_in_the_summary(result):
    summary = json.loads((result.folder / "summary.json").read_text())
    assert {row.quantity for row in result.rows} == set(summary["definitions"])
    assert all(error < 1e-6 for s in summary["stages"] for error in s["equilibrium_error"].values())


def test_provenance_says_where_everything_comes_from(result, case):
    origin = json.loads((result.folder / "provenance.json").read_text())
    assert origin["digest"] == case.digest
    assert origin["program"]["name"] == "vbsim"
    assert origin["packages"]["numpy"] == np.__version__
    assert origin["seeds"]["bone.seed"] == case.bone.seed
    assert list(origin["solves"]) == STAGES
    assert all(s["relative_residual"] <= origin["tolerance"] for (s,) in origin["solves"].values())
    used = {item["constant"]: item for item in origin["constants"]}
    assert any(path.startswith("anatomy.levels.L1.") for path in used)
    assert all(item["source"] and item["status"] for item in used.values())


def test_the_log_tells_the_story(result):
    log = (result.folder / "run.log").read_text()
    assert "fractured: wedge" in log
    assert "degrees of freedom" in log


def test_the_same_case_is_loaded_at_once(result, case, results, solves):
    again = run_case(case, results)
    assert again.was_loaded
    assert not result.was_loaded
    assert again.rows == result.rows
    assert solves == []
    assert find_result(case, results).folder == result.folder


def test_stages_that_an_earlier_case_solved_are_not_solved_again(result, results, solves):
    other = small_case(
        name="more cement",
        steps=[
            {"kind": "wedge", "grade": 2},
            {"kind": "cement", "volume_ml": 5.0, "distribution": "central"},
        ],
    )
    changed = run_case(other, results)
    assert solves == ["augmented"]
    assert [stage["solved_by_an_earlier_run"] for stage in changed.summary["stages"]] == [
        True,
        True,
        False,
    ]
    # Kept stages give the very same digits.
    shared = [row for row in result.rows if row.stage == "fractured"]
    assert [row for row in changed.rows if row.stage == "fractured"] == shared


def test_a_damaged_kept_stage_is_solved_again(case, result, tmp_path, solves):
    short = small_case(steps=[], tests=[{"kind": "compression"}])
    (tmp_path / ".stages").mkdir()
    (tmp_path / ".stages" / f"{short.stage_digest(0, 'held')[:32]}.npz").write_bytes(b"PK\x03\x04")
    again = run_case(short, tmp_path)
    assert solves == ["intact"]
    assert again.value("intact", "stiffness") == result.value("intact", "stiffness")


@pytest.mark.parametrize("damage", ["truncated", "deleted"])
def test_a_damaged_result_is_moved_away_and_computed_again(tmp_path, damage):
    short = small_case(steps=[], tests=[{"kind": "compression"}])
    first = run_case(short, tmp_path)
    summary = first.folder / "summary.json"
    if damage == "deleted":
        summary.unlink()
    else:
        summary.write_text(summary.read_text()[:100])
    again = run_case(short, tmp_path)
    assert again.rows == first.rows
    assert not again.was_loaded
    assert run_case(short, tmp_path).was_loaded
    moved = tmp_path / f"{first.folder.name}.damaged-1"
    assert (moved / "measures.csv").read_text() == (again.folder / "measures.csv").read_text()


def test_a_full_disk_in_the_store_does_not_end_a_run(tmp_path, monkeypatch):
    short = small_case(steps=[], tests=[{"kind": "compression"}])

    def full(stream, **arrays):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    result = run_case(short, tmp_path)
    assert result.value("intact", "stiffness") > 0.0
    assert "could not be kept" in (result.folder / "run.log").read_text()


def test_pictures_take_the_place_of_a_file_of_that_name(tmp_path):
    short = small_case(steps=[], tests=[{"kind": "compression"}])
    first = run_case(short, tmp_path)
    (first.folder / "figures").write_text("in the way")

    def draw(case, stages, rows, folder):
        (folder / "a.png").write_bytes(b"")

    run_case(short, tmp_path, draw=draw)
    assert (first.folder / "figures" / "a.png").is_file()
    assert (first.folder / "figures.damaged-1").read_text() == "in the way"


@pytest.mark.parametrize("moment", ["building", "solving", "writing", "drawing"])
@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_run_leaves_no_half_result(tmp_path, monkeypatch, moment, stop):
    short = small_case(steps=[], tests=[{"kind": "compression"}])

    def stopped(*args, **kwargs):
        raise stop

    where = {
        "building": "build_stages",
        "solving": "solve_stages",
        "writing": "write_vti",
    }
    from vbsim.study import run

    if moment in where:
        monkeypatch.setattr(run, where[moment], stopped)
    with pytest.raises(stop):
        run_case(short, tmp_path, draw=stopped)
    assert [path.name for path in tmp_path.iterdir() if path.name != ".stages"] == []
    assert find_result(short, tmp_path) is None


def test_an_interrupt_while_a_stage_is_kept_leaves_no_half_stage(tmp_path, monkeypatch):
    short = small_case(steps=[], tests=[{"kind": "compression"}])

    def half(stream, **arrays):
        stream.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", half)
    with pytest.raises(KeyboardInterrupt):
        run_case(short, tmp_path)
    assert list((tmp_path / ".stages").iterdir()) == []


def test_a_stage_that_does_not_converge_is_named_and_leaves_nothing(tmp_path, monkeypatch):
    short = small_case(steps=[], tests=[{"kind": "compression"}])
    monkeypatch.setattr(linear.Settings, "__new__", _two_iterations(linear.Settings))
    with pytest.raises(NotConverged, match="intact: the solver stopped"):
        run_case(short, tmp_path)
    assert list(tmp_path.iterdir()) == []


def _two_iterations(settings):
    original = settings.__new__

    def limited(cls, tolerance, threads=None):
        return original(cls, tolerance=tolerance, max_iterations=2, threads=threads)

    return limited


def test_a_refused_step_is_named_before_anything_is_solved(tmp_path, solves):
    too_much = small_case(steps=[{"kind": "cement", "volume_ml": 49.0}])
    with pytest.raises(InvalidCase, match=r"steps\[0\]\.volume_ml"):
        run_case(too_much, tmp_path)
    assert solves == []
    assert list(tmp_path.iterdir()) == []


def test_a_case_that_was_looked_at_before_gives_the_same_provenance(tmp_path, result, case):
    again = small_case()
    pipeline.build_stages(again)
    folder = run_case(again, tmp_path).folder
    first, second = (
        json.loads((place / "provenance.json").read_text())["constants"]
        for place in (result.folder, folder)
    )
    assert first == second


def test_repeated_tests_and_stages_are_numbered(results):
    twice = small_case(
        steps=[{"kind": "crush", "grade": 1}, {"kind": "wedge", "grade": 1}],
        tests=[{"kind": "compression"}, {"kind": "compression", "platen": "ball_joint"}],
    )
    assert pipeline.test_names(twice) == ("compression", "compression_2")
    stages = pipeline.build_stages(twice)
    assert [stage.name for stage in stages] == ["intact", "fractured", "fractured_2"]


def test_pictures_left_out_at_first_are_added_without_solving(result, case, results, solves):
    def draw(case, stages, rows, folder):
        assert [stage.name for stage in stages] == STAGES
        assert rows == result.rows
        (folder / "a.png").write_bytes(b"")

    again = run_case(case, results, draw=draw)
    assert solves == []
    assert [path.name for path in (again.folder / "figures").iterdir()] == ["a.png"]


def test_pictures_are_drawn_into_the_folder(results):
    short = small_case(name="drawn", steps=[], tests=[{"kind": "compression"}])
    seen = []

    def draw(case, stages, rows, folder):
        seen.append((case.name, [stage.name for stage in stages], len(rows) > 0))
        (folder / "a.png").write_bytes(b"")

    result = run_case(short, results, draw=draw)
    assert seen == [("drawn", ["intact"], True)]
    assert (result.folder / "figures" / "a.png").is_file()


def test_stages_of_a_case_that_starts_alike_give_the_same_digits(result, solves):
    start = small_case(steps=small_case().steps[:1])
    earlier = compute(start).stages
    again = compute(small_case(), earlier=earlier)
    assert solves == ["intact", "fractured", "augmented"]
    assert again.rows == result.rows
    assert [stage.was_kept for stage in again.stages] == [True, True, False]
