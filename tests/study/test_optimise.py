"""Least volumes and best tips on a coarse vertebra; the answers are checked by solving them."""

import json

import pytest
from small_study import small_case

from vbsim.checks import InvalidCase, InvalidInput
from vbsim.cli import main
from vbsim.study.optimise import Trials, best_tip, least_volume
from vbsim.study.toml import to_toml

TOLERANCE_ML = 0.2


def one_fill(**fill):
    given = {"kind": "cement", "volume_ml": 4.0, "distribution": "central"} | fill
    return small_case(steps=[{"kind": "wedge", "grade": 2}, given], tests=[{"kind": "compression"}])


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    return Trials(one_fill(), tmp_path_factory.mktemp("optimise"))


def restored(trials, volume_ml):
    fill = trials.changed(volume_ml=volume_ml)
    return 100.0 * trials.run(fill).value("stiffness_vs_intact")


def test_the_least_volume_is_bracketed_to_the_tolerance_in_few_solves(trials):
    found = least_volume(trials, percent=100.0, tolerance_ml=TOLERANCE_ML)
    assert found.volume_ml - found.not_enough_ml <= TOLERANCE_ML
    assert restored(trials, found.volume_ml) >= 100.0
    assert restored(trials, found.not_enough_ml) < 100.0
    assert found.restored_percent == restored(trials, found.volume_ml)
    # Bisection of 15 ml to 0.2 ml alone would take seven, besides the two ends.
    assert found.n_solves <= 8
    assert found.advice == ""


def test_more_is_needed_to_restore_more(trials):
    volumes = [
        least_volume(trials, percent=p, tolerance_ml=TOLERANCE_ML).volume_ml for p in (80, 120)
    ]
    assert volumes[0] < volumes[1]


def test_a_fracture_that_leaves_enough_needs_no_cement(trials):
    found = least_volume(trials, percent=20.0)
    assert (found.volume_ml, found.n_solves) == (0.0, found.n_solves)
    assert "no cement is needed" in found.advice


def test_a_goal_out_of_reach_is_told_with_the_most_that_is(trials):
    found = least_volume(trials, percent=100_000.0)
    assert found.volume_ml is None
    assert "no volume restores 100000 %" in found.advice
    assert found.restored_percent == max(percent for _, percent in found.trials)


def test_the_same_filling_is_solved_once(trials):
    least_volume(trials, percent=100.0, tolerance_ml=TOLERANCE_ML)
    before = trials.n_solved
    again = least_volume(trials, percent=100.0, tolerance_ml=TOLERANCE_ML)
    assert trials.n_solved == before
    assert again.n_solves == 0


def test_what_cannot_be_sought_is_refused(tmp_path):
    dry = Trials(small_case(steps=[{"kind": "wedge", "grade": 2}]), tmp_path)
    with pytest.raises(InvalidCase, match="kind 'cement'"):
        least_volume(dry)
    with pytest.raises(InvalidInput, match="did you mean stiffness_vs_intact"):
        least_volume(Trials(one_fill(), tmp_path), quantity="stifness")
    with pytest.raises(InvalidCase, match="no needle"):
        best_tip(Trials(one_fill(), tmp_path), margin_mm=1.0)


@pytest.mark.parametrize("kind", ["unipedicular", "bipedicular"])
def test_the_best_tip_keeps_the_margin_and_is_no_worse_than_one_that_does(tmp_path, kind):
    trials = Trials(one_fill(distribution={"kind": kind}, volume_ml=3.0), tmp_path)
    margins = ("posterior_wall", "canal")
    found = best_tip(trials, margin_mm=3.0, margins=margins, n_solves=8)
    assert found.margin_mm >= 3.0
    assert found.n_solves <= 8
    assert found.n_kept < found.n_tips
    assert found.value == max(value for _, value in found.trials)
    side = {"tip": found.tip_mm}
    if kind == "bipedicular":
        x, y, z = found.tip_mm
        side = {"tip_left": found.tip_mm, "tip_right": (-x, y, z)}
    fill = trials.changed(distribution={"kind": kind, **side})
    told = trials.built(fill)
    assert min(told[f"leak_margin_{name}"] for name in margins) == found.margin_mm
    with pytest.raises(InvalidInput, match="mm is the most at this volume"):
        best_tip(trials, margin_mm=40.0, margins=margins)


def test_the_command_line_answers(tmp_path, capsys):
    file = tmp_path / "case.toml"
    file.write_text(to_toml(one_fill(distribution="unipedicular_left").resolved()))
    words = ["optimise", str(file), "--results", str(tmp_path), "--quiet"]
    volume = [*words, "--distribution", "central", "--tolerance-ml", "1", "--restore", "90"]
    assert main(volume) == 0
    assert "central" in capsys.readouterr().out
    assert main([*volume, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["restored_percent"] >= 90.0
    assert main([*words, "--tip", "--solves", "4", "--margin-mm", "1"]) == 0
    assert "Best tip" in capsys.readouterr().out
    assert main([*words, "--of", "nothing"]) == 2
