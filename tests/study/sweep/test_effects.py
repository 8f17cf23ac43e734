"""What a sweep tells, on measures made from formulas whose effects are known."""

import json

import numpy as np
import pytest
from small_sweep import plan

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.study.results import Row
from vbsim.study.sweep import sweep_folder
from vbsim.study.sweep.effects import findings, interaction, main_effects, tornado
from vbsim.study.sweep.indices import indices
from vbsim.study.sweep.ledger import Ledger
from vbsim.study.sweep.outcome import Outcome, Status
from vbsim.study.sweep.stored_plan import write_plan

QUANTITY = "stiffness"
COLUMN = "stiffness_n_per_mm"


def finished(results, sweep, formula, failed=()):
    """Return the folder of a sweep whose cases gave what a formula of their values says."""
    whole = plan(sweep)
    folder = sweep_folder(whole, results)
    folder.mkdir(parents=True)
    write_plan(folder, whole)
    ledger = Ledger(folder / "parts")
    for case in whole.cases:
        if case.number in failed:
            ledger.add(Outcome(case.digest, Status.NOT_CONVERGED, "stopped"))
            continue
        value = float(formula(**case.values))
        rows = (Row("augmented", "compression", "guided", QUANTITY, value, "N/mm"),)
        ledger.add(Outcome(case.digest, Status.DONE, rows=rows))
    ledger.close()
    return folder


GRID = {
    "grid": {
        "steps[1].distribution": ["central", "anterior"],
        "steps[1].volume_ml": [1.0, 2.0, 3.0],
        "bone.vbmd_mg_cm3": [50.0, 100.0],
    }
}


def added_up(volume_ml, distribution, vbmd_mg_cm3):
    return 10.0 * volume_ml + 5.0 * (distribution == "anterior") - 0.02 * vbmd_mg_cm3


def multiplied(volume_ml, distribution, vbmd_mg_cm3):
    return volume_ml * (1.0 + (distribution == "anterior"))


def test_main_effects_of_a_grid_are_means_over_everything_else(tmp_path):
    found = findings(finished(tmp_path, GRID, added_up), COLUMN)
    effects = {effect.factor: effect for effect in main_effects(found)}
    assert effects["volume_ml"].levels == [1.0, 2.0, 3.0]
    assert np.diff(effects["volume_ml"].means) == pytest.approx([10.0, 10.0])
    assert np.ptp(effects["distribution"].means) == pytest.approx(5.0)
    assert np.ptp(effects["vbmd_mg_cm3"].means) == pytest.approx(1.0)


def test_a_tornado_is_sorted_and_explains_all_of_an_additive_measure(tmp_path):
    bars, explained = tornado(findings(finished(tmp_path, GRID, added_up), COLUMN))
    assert [bar.factor for bar in bars] == ["volume_ml", "distribution", "vbmd_mg_cm3"]
    assert [bar.high - bar.low for bar in bars] == pytest.approx([20.0, 5.0, 1.0])
    assert (bars[2].at_low, bars[2].at_high) == ("100", "50")
    assert explained == pytest.approx(1.0)


def test_a_tornado_of_draws_finds_the_slope_and_leaves_failures_out(tmp_path):
    over = {
        "bone.vbmd_mg_cm3": {"kind": "uniform", "min": 50, "max": 150},
        "steps[1].volume_ml": {"kind": "uniform", "min": 1, "max": 5},
    }
    folder = finished(
        tmp_path,
        {"sample": {"n": 60, "over": over}},
        lambda vbmd_mg_cm3, volume_ml, sample: 3.0 * vbmd_mg_cm3 + volume_ml**2,
        failed=(3, 7),
    )
    found = findings(folder, COLUMN)
    assert found.n_missing == 2
    assert list(found.factors) == ["vbmd_mg_cm3", "volume_ml"]
    bars, explained = tornado(found)
    span = np.quantile(found.factors["vbmd_mg_cm3"], [0.1, 0.9])
    assert bars[0].high - bars[0].low == pytest.approx(3.0 * np.ptp(span))
    assert explained == pytest.approx(1.0)


def test_parallel_lines_do_not_interact_and_others_do(tmp_path):
    for formula, interacts in ((added_up, False), (multiplied, True)):
        found = findings(finished(tmp_path / formula.__name__, GRID, formula), COLUMN)
        volumes, kinds, means = interaction(found, "volume_ml", "distribution")
        assert volumes == [1.0, 2.0, 3.0]
        assert kinds == ["central", "anterior"]
        slopes = np.diff(means, axis=0)
        assert (not np.allclose(slopes[:, 0], slopes[:, 1])) == interacts


def test_draws_that_only_add_up_show_no_interaction_although_no_pair_is_balanced(tmp_path):
    over = {
        "bone.vbmd_mg_cm3": {"kind": "uniform", "min": 50, "max": 150},
        "steps[1].volume_ml": {"kind": "choice", "values": [1, 2, 3]},
        "steps[0].grade": {"kind": "choice", "values": [1, 2, 3]},
    }
    folder = finished(
        tmp_path,
        {"sample": {"n": 80, "over": over}},
        lambda vbmd_mg_cm3, volume_ml, grade, sample: 9.0 * vbmd_mg_cm3 + 5.0 * volume_ml + grade,
    )
    found = findings(folder, COLUMN)
    _, _, means = interaction(found, "volume_ml", "grade")
    assert np.diff(means, axis=0) == pytest.approx(5.0)
    assert np.diff(means, axis=1) == pytest.approx(1.0)


def test_what_was_not_measured_is_named(tmp_path):
    folder = finished(tmp_path, GRID, added_up)
    with pytest.raises(InvalidInput, match="did you mean stiffness_n_per_mm"):
        findings(folder, "stiffness_n_mm")
    with pytest.raises(InvalidInput, match="'reduced'"):
        findings(folder, COLUMN, stage="reduced")
    with pytest.raises(InvalidInput, match="'flexion'"):
        findings(folder, COLUMN, test="flexion")


def test_too_few_cases_for_a_tornado_are_told(tmp_path):
    folder = finished(tmp_path, GRID, added_up, failed=range(5, 13))
    with pytest.raises(InvalidInput, match="needs 6 cases, and 4 are there"):
        tornado(findings(folder, COLUMN))


# Ishigami's function on its usual range is the standard test of indices: first-order 0.314, 0.442,
# 0, total 0.558, 0.442, 0.244 (a = 7, b = 0.1).
ISHIGAMI = {"first": [0.314, 0.442, 0.0], "total": [0.558, 0.442, 0.244]}


def ishigami(vbmd_mg_cm3, volume_ml, heterogeneity_sd, sample):
    x = np.pi * (
        2.0 * np.array([(vbmd_mg_cm3 - 10.0) / 390.0, volume_ml / 50.0, heterogeneity_sd / 0.6]) - 1
    )
    return np.sin(x[0]) + 7.0 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def over_everything():
    # The unit interval in three places, as nearly as the case's own limits allow.
    return {
        "bone.vbmd_mg_cm3": {"kind": "uniform", "min": 10.0, "max": 400.0},
        "steps[1].volume_ml": {"kind": "uniform", "min": 0.0, "max": 50.0},
        "bone.heterogeneity_sd": {"kind": "uniform", "min": 0.0, "max": 0.6},
    }


def test_sobol_indices_are_those_of_ishigami_also_when_cases_fail(tmp_path):
    pytest.importorskip("SALib", reason="needs SALib: pip install 'vbsim[sensitivity]'")
    sample = {"method": "sobol_indices", "n": 256, "seed": 5, "over": over_everything()}
    failed = indices(finished(tmp_path, {"sample": sample}, ishigami, failed=(1, 2, 33)), COLUMN)
    # Cases 1 and 2 lie in one block of five. With 254 base samples SALib's own intervals are up to
    # 0.15 wide.
    assert (failed.n_blocks, failed.n_left_out) == (254, 2)
    for kind, wanted in ISHIGAMI.items():
        assert [getattr(p, kind) for p in failed.parameters] == pytest.approx(wanted, abs=0.15)


def test_morris_ranks_a_linear_measure_by_slope_times_range(tmp_path):
    pytest.importorskip("SALib", reason="needs SALib: pip install 'vbsim[sensitivity]'")
    sample = {"method": "morris", "n": 8, "seed": 1, "over": over_everything()}

    def linear(vbmd_mg_cm3, volume_ml, heterogeneity_sd, sample):
        return vbmd_mg_cm3 + 2.0 * volume_ml

    folder = finished(tmp_path, {"sample": sample}, linear, failed=(1,))
    found = indices(folder, COLUMN)
    assert (found.n_blocks, found.n_left_out) == (7, 1)
    # An effect is slope times range; the ends stand in by 1 %, of the whole range or not at all.
    assert [p.first for p in found.parameters] == pytest.approx([390.0, 100.0, 0.0], rel=0.03)
    assert found.parameters[0].total == pytest.approx(0.0, abs=0.03 * 390.0)


def test_indices_refuse_other_designs_and_too_many_failures(tmp_path):
    pytest.importorskip("SALib", reason="needs SALib: pip install 'vbsim[sensitivity]'")
    with pytest.raises(InvalidInput, match="not drawn for indices"):
        indices(finished(tmp_path / "a", GRID, added_up), COLUMN)
    sample = {"method": "sobol_indices", "n": 4, "over": over_everything()}
    folder = finished(tmp_path / "b", {"sample": sample}, ishigami, failed=(1, 6, 11))
    with pytest.raises(InvalidInput, match="only 1 of 4 blocks"):
        indices(folder, COLUMN)


def test_figures_are_drawn_for_grids_draws_and_indices(tmp_path, capsys):
    pytest.importorskip("SALib", reason="needs SALib: pip install 'vbsim[sensitivity]'")
    over = over_everything()
    for name, sweep, formula, extra in (
        ("grid", GRID, multiplied, set()),
        (
            "indices",
            {"sample": {"method": "sobol_indices", "n": 8, "over": over}},
            ishigami,
            {"indices.png"},
        ),
    ):
        folder = finished(tmp_path / name, sweep, formula)
        assert main(["plot", str(folder)]) == 0
        usual = {"main_effects.png", "interactions.png", "tornado.png", "response.png"}
        assert {path.name for path in (folder / "figures").iterdir()} == usual | extra
        assert "additive effects explain" in capsys.readouterr().out


def test_a_plan_tells_what_varies_and_what_only_tells_cases_apart(tmp_path):
    sample = {"n": 20, "over": over_everything()}
    folder = finished(tmp_path, {"sample": sample}, ishigami)
    content = json.loads((folder / "plan.json").read_text())
    assert content["varied"] == ["vbmd_mg_cm3", "volume_ml", "heterogeneity_sd"]
    assert content["sample"]["method"] == "latin_hypercube"
