"""A sweep in this process: shared work, resuming, failures as rows, one table."""

import csv
import errno
import json
import os

import numpy as np
import pytest
from small_sweep import Here, content, plan, run

from vbsim.checks import NotConverged, VbsimError
from vbsim.cli import main
from vbsim.study import read_case, run_case
from vbsim.study.sweep import ledger as ledgers
from vbsim.study.sweep import read_table, run_sweep, sweep_folder, worker
from vbsim.study.sweep.ledger import Ledger
from vbsim.study.sweep.outcome import Outcome, Status
from vbsim.study.toml import to_toml

FEW = {"grid": {"steps[1].volume_ml": [2.0, 4.0, 6.0]}}


def test_a_stage_that_cases_share_is_solved_once(tmp_path, solves):
    result = run(plan({"grid": {"bone.vbmd_mg_cm3": [60, 90], **FEW["grid"]}}), tmp_path)
    assert result.statuses == {"done": 6}
    assert sorted(solves) == ["augmented"] * 6 + ["fractured"] * 2 + ["intact"] * 2


def test_the_numbers_are_those_of_the_case_run_alone(tmp_path):
    table = run(plan(FEW), tmp_path / "sweep").table()
    alone = content(FEW)
    del alone["sweep"]
    result = run_case(read_case(alone), tmp_path / "alone")
    own = table.where("volume_ml == 4 and stage == 'augmented'")
    assert own.n_rows == 1
    for row in result.rows:
        if row.stage == "augmented":
            found = [c for c in own.columns if c.startswith(row.quantity)]
            assert row.value in [own.columns[name][0] for name in found]


def test_running_again_does_nothing_and_gives_the_same_table(undisturbed, wanted):
    again = Here()
    result = run_sweep(plan(), undisturbed.folder.parent, again)
    assert again.asked == []
    assert result.n_reused == 24
    assert (result.folder / "table.csv").read_text() == wanted


def test_a_sweep_that_grew_takes_over_what_is_finished(tmp_path, solves):
    run(plan(FEW), tmp_path)
    solves.clear()
    more = plan({"grid": {"steps[1].volume_ml": [2.0, 3.0, 4.0, 6.0]}})
    result = run(more, tmp_path)
    # The shared stages come from those kept on disk.
    assert solves == ["augmented"]
    assert result.statuses == {"done": 4}


def test_a_limit_and_parts_do_their_share_and_no_more(tmp_path, undisturbed, wanted):
    whole = plan()
    first = run(whole, tmp_path, limit=5)
    assert first.statuses == {"done": 5, "pending": 19}
    for k in (2, 3, 1):
        asked = Here()
        run_sweep(whole, tmp_path, asked, part=(k, 3))
        assert len(asked.asked) == (8 if k > 1 else 3)
    assert (first.folder / "table.csv").read_text() == wanted


def test_a_case_that_does_not_fit_is_a_row_with_its_reason(tmp_path):
    result = run(plan({"grid": {"steps[1].volume_ml": [2.0, 45.0]}}), tmp_path)
    assert result.statuses == {"done": 1, "refused": 1}
    assert result.n_failed == 1
    failed = result.table().where("status == 'refused'")
    assert failed.n_rows == 1
    assert "steps[1].volume_ml: = 45.0: must be at most" in failed.columns["advice"][0]
    assert np.isnan(failed.columns["stiffness_n_per_mm"][0])


def test_every_failure_is_a_row_and_those_that_may_pass_are_tried_again(tmp_path, monkeypatch):
    whole = plan({"grid": {"steps[1].volume_ml": [1.0, 2.0, 3.0, 4.0]}})
    volume = {case.digest: case.values["volume_ml"] for case in whole.cases}
    original = worker._solved

    def failing(job, start):
        if volume[job.digest] == 2.0:
            raise NotConverged("augmented: the solver stopped")
        if volume[job.digest] == 3.0:
            raise ZeroDivisionError("unforeseen")
        return original(job, start)

    monkeypatch.setattr(worker, "_solved", failing)
    result = run(whole, tmp_path)
    assert result.statuses == {"done": 2, "not_converged": 1, "error": 1}
    with (result.folder / "cases.csv").open(newline="") as stream:
        rows = {row["volume_ml"]: row for row in csv.DictReader(stream)}
    assert rows["3.0"]["advice"] == "ZeroDivisionError: unforeseen"
    assert "in failing" in rows["3.0"]["log"]
    monkeypatch.setattr(worker, "_solved", original)
    again = Here()
    result = run_sweep(whole, tmp_path, again)
    assert again.asked == [3]
    assert result.statuses == {"done": 3, "not_converged": 1}
    result = run(whole, tmp_path, retry=True)
    assert result.statuses == {"done": 4}


def test_a_worker_with_another_program_is_told_apart(monkeypatch):
    case = plan(FEW).cases[0]
    job = worker.Job("0" * 64, case.data, case.stages, "nowhere")
    outcome = worker.solve_case(job)
    assert outcome.status is Status.ERROR
    assert "another version" in outcome.advice


def test_fields_are_kept_on_request_only(tmp_path):
    run(plan(FEW), tmp_path)
    assert list(tmp_path.glob("*/fields")) == []
    asked = plan({**FEW, "fields": True}, name="with fields")
    result = run(asked, tmp_path)
    assert result.statuses == {"done": 3}
    kept = list(tmp_path.glob("with-fields-*/fields/augmented.vti"))
    assert len(kept) == 3


def test_any_measure_of_any_test_has_its_column(tmp_path):
    tests = [
        {"kind": "compression"},
        {"kind": "flexion"},
        {"kind": "compression", "name": "on a ball", "platen": "ball_joint"},
    ]
    table = run(plan({"grid": {"steps[0].grade": [1, 2]}}, tests=tests), tmp_path).table()
    assert table.n_rows == 2 * 3 * 3
    bent = table.where("test == 'flexion'")
    assert np.isfinite(bent.columns["bending_stiffness_n_mm_per_deg"]).all()
    assert np.isnan(bent.columns["stiffness_n_per_mm"]).all()
    # What the shape alone tells stands beside every test.
    assert np.isfinite(table.columns["height_anterior_mm"]).all()
    assert set(table.columns["platen"]) == {"guided", "ball_joint"}


def test_the_table_is_the_same_in_every_format(undisturbed):
    pq = pytest.importorskip("pyarrow.parquet")
    kept = pq.read_table(undisturbed.folder / "table.parquet")
    with (undisturbed.folder / "table.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == kept.num_rows == 24 * 3
    assert list(rows[0]) == kept.column_names
    stiffness = kept["stiffness_n_per_mm"].to_pylist()
    assert [float(row["stiffness_n_per_mm"]) for row in rows] == stiffness
    about = kept.schema.field("stiffness_n_per_mm").metadata
    assert about[b"unit"] == b"N/mm"
    assert len(about[b"definition"]) > 10


def test_every_measured_column_ends_in_its_unit(undisturbed):
    table = read_table(undisturbed.folder)
    endings = {"mm": "_mm", "N": "_n", "N/mm": "_n_per_mm", "%": "_percent", "MPa": "_mpa"}
    checked = 0
    for name, about in table.told.items():
        if about["unit"] in endings:
            assert name.endswith(endings[about["unit"]]), name
            checked += 1
    assert checked > 20


def test_columns_and_rows_are_chosen_at_the_command_line(undisturbed, capsys, tmp_path):
    folder = str(undisturbed.folder)
    words = ["table", folder, "--where", "stage == 'augmented' and volume_ml > 8", "--csv"]
    assert main([*words, "--columns", "volume_ml,vbmd_mg_cm3"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "volume_ml,vbmd_mg_cm3",
        "8.25,60.0",
        "9.0,60.0",
        "8.25,90.0",
        "9.0,90.0",
    ]
    assert main(["table", folder, "--columns", "volum_ml"]) == 2
    assert "did you mean volume_ml?" in capsys.readouterr().err
    assert main(["table", folder, "-o", str(tmp_path / "t.json")]) == 0
    assert len(json.loads((tmp_path / "t.json").read_text())) == 24 * 3
    assert main(["table", str(tmp_path)]) == 2
    assert "holds no sweep" in capsys.readouterr().err
    assert main(["table", folder]) == 0


def test_the_command_line_runs_and_forecasts_a_sweep(tmp_path, capsys):
    file = tmp_path / "sweep.toml"
    file.write_text(to_toml(content({"grid": {"steps[1].volume_ml": [2.0, 45.0]}})))
    words = ["sweep", str(file), "--results", str(tmp_path / "r"), "-j", "0", "--no-figures"]
    assert main([*words, "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert "4 stages instead of 6" in told
    assert not (tmp_path / "r").exists()
    # One case does not fit: the table is written all the same.
    assert main(words) == 1
    printed = capsys.readouterr()
    assert "1 done, 1 refused" in printed.out
    assert "failed (refused)" in printed.err
    assert main([*words, "--json", "--quiet"]) == 1
    assert json.loads(capsys.readouterr().out)["reused"] == 2
    assert main([*words, "--part", "3/2"]) == 2
    assert main(["sweep", str(tmp_path / "none.toml")]) == 2


# The disk fills up ------------------------------------------------------------------------------


def full_disk(monkeypatch, at_case):
    """Let the disk fill up in the middle of the line of a case."""
    written = []
    original = os.write

    def write(handle, data):
        written.append(len(data))
        if len(written) == at_case:
            return original(handle, data[: len(data) // 2])
        if len(written) == at_case + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(handle, data)

    monkeypatch.setattr(ledgers.os, "write", write)


@pytest.mark.parametrize("at_case", [1, 17])
def test_a_full_disk_stops_the_sweep_and_loses_nothing(tmp_path, monkeypatch, wanted, at_case):
    whole = plan()
    with monkeypatch.context() as filled:
        full_disk(filled, at_case)
        with pytest.raises(VbsimError, match="No space left on device; what is finished is kept"):
            run(whole, tmp_path)
    folder = sweep_folder(whole, tmp_path)
    assert len(Ledger(folder / "parts").statuses()) == at_case - 1
    result = run(whole, tmp_path)
    assert result.n_reused == at_case - 1
    assert (folder / "table.csv").read_text() == wanted


def test_a_line_that_a_killed_process_left_half_written_counts_as_absent(tmp_path):
    done = Outcome("a" * 64, Status.DONE)
    ledger = Ledger(tmp_path)
    ledger.add(done)
    (journal,) = tmp_path.glob("*.jsonl")
    with journal.open("a") as stream:
        stream.write(Outcome("b" * 64, Status.DONE).to_line()[:40])
    assert Ledger(tmp_path).statuses() == {"a" * 64: "done"}
    assert Ledger(tmp_path).table().num_rows == 1


def test_a_journal_is_rolled_up_into_parts_and_reads_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(ledgers, "PART_CASES", 4)
    ledger = Ledger(tmp_path)
    digests = [f"{k:064d}" for k in range(10)]
    for digest in digests:
        ledger.add(Outcome(digest, Status.DONE, seconds=0.5))
    assert len(list(tmp_path.glob("*.parquet"))) == 2
    assert len(list(tmp_path.glob("*.jsonl"))) == 1
    assert list(Ledger(tmp_path).statuses()) == digests
    ledger.close()
    assert len(list(tmp_path.glob("*.jsonl"))) == 0
    assert Ledger(tmp_path).table()["digest"].to_pylist() == digests


def test_a_case_that_two_processes_did_counts_once_and_done_outranks_failed(tmp_path):
    first, second = Ledger(tmp_path), Ledger(tmp_path)
    first.add(Outcome("a" * 64, Status.DONE))
    second.add(Outcome("a" * 64, Status.LOST))
    second.add(Outcome("b" * 64, Status.LOST))
    first.add(Outcome("b" * 64, Status.DONE))
    second.close()
    assert Ledger(tmp_path).statuses() == {"a" * 64: "done", "b" * 64: "done"}
    assert Ledger(tmp_path).table()["status"].to_pylist() == ["done", "done"]
