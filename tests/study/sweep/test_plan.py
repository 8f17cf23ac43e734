import csv
import tomllib

import numpy as np
import pytest
from small_sweep import content, plan

from vbsim.checks import InvalidCase
from vbsim.study.phantoms import phantom_case
from vbsim.study.sweep import load_plan, make_plan
from vbsim.study.toml import to_toml


def columns(planned):
    return [case.values for case in planned.cases]


def test_a_grid_holds_every_combination_and_the_last_axis_turns_fastest():
    found = plan({"grid": {"steps[0].grade": [1, 2], "steps[1].volume_ml": [2, 4, 6]}})
    assert columns(found) == [{"grade": g, "volume_ml": v} for g in (1, 2) for v in (2, 4, 6)]
    assert [case.number for case in found.cases] == [1, 2, 3, 4, 5, 6]
    assert found.cases[-1].case().steps[1].volume_ml == 6


def test_zipped_axes_move_together_and_combine_with_the_grid():
    found = plan(
        {
            "grid": {"bone.vbmd_mg_cm3": [60, 90]},
            "zip": [{"vertebra.level": ["T12", "L3"], "steps[1].volume_ml": [3, 5]}],
        }
    )
    assert [tuple(values.values()) for values in columns(found)] == [
        (60, "T12", 3),
        (60, "L3", 5),
        (90, "T12", 3),
        (90, "L3", 5),
    ]


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"from": 0.1, "to": 0.3, "step": 0.1}, [0.1, 0.2, 0.3]),
        ({"from": 6, "to": 2, "step": 2}, [6, 4, 2]),
        ({"from": 0, "to": 1, "number": 3}, [0.0, 0.5, 1.0]),
        ({"from": 0.4, "to": 40, "number": 3, "scale": "log"}, [0.4, 4.0, 40.0]),
    ],
)
def test_ranges_hold_both_ends(given, wanted):
    found = plan({"grid": {"steps[1].volume_ml": given}})
    assert [case.values["volume_ml"] for case in found.cases] == pytest.approx(wanted, rel=1e-12)


def test_seeds_of_a_random_field_are_repeated():
    found = plan({"repeat": {"n": 3, "first": 7}})
    assert [case.values["seed"] for case in found.cases] == [7, 8, 9]
    assert len({case.digest for case in found.cases}) == 3


def test_a_condition_leaves_cases_out_and_says_how_many():
    found = plan(
        {
            "grid": {"steps[0].grade": [1, 2, 3], "steps[1].volume_ml": [2, 8]},
            "where": "volume_ml < 3 * grade",
        }
    )
    assert columns(found) == [
        {"grade": 1, "volume_ml": 2},
        {"grade": 2, "volume_ml": 2},
        {"grade": 3, "volume_ml": 2},
        {"grade": 3, "volume_ml": 8},
    ]
    assert found.n_left_out == 2


def test_draws_are_the_same_for_the_same_seed_and_at_every_point_of_the_grid():
    over = {"bone.vbmd_mg_cm3": {"kind": "normal", "mean": 80, "sd": 10, "min": 50}}
    sample = {"n": 4, "seed": 3, "over": over}
    found = plan({"grid": {"steps[0].grade": [1, 2]}, "sample": sample})
    drawn = [case.values["vbmd_mg_cm3"] for case in found.cases]
    assert drawn[:4] == drawn[4:]
    again = plan({"grid": {"steps[0].grade": [1, 2]}, "sample": sample})
    assert again.digest == found.digest
    other = plan({"grid": {"steps[0].grade": [1, 2]}, "sample": {**sample, "seed": 4}})
    assert {case.digest for case in other.cases}.isdisjoint(case.digest for case in found.cases)


def test_places_that_end_alike_get_columns_that_tell_them_apart():
    steps = [{"kind": "crush", "grade": 1}, *content()["steps"]]
    found = plan({"grid": {"steps[0].grade": [1, 2], "steps[1].grade": [1, 2]}}, steps=steps)
    assert list(found.cases[0].values) == ["steps_0_grade", "steps_1_grade"]
    named = plan(
        {"grid": {"steps[1].volume_ml": [1]}, "names": {"steps[1].volume_ml": "cement_ml"}}
    )
    assert list(named.cases[0].values) == ["cement_ml"]


def test_a_case_alone_has_the_digest_it_has_in_the_sweep():
    found = plan({"grid": {"steps[1].volume_ml": [2, 4]}})
    alone = content()
    del alone["sweep"]
    from vbsim.study import read_case

    assert found.cases[1].digest == read_case(alone).digest


def test_stages_are_shared_until_the_first_difference():
    found = plan({"grid": {"steps[0].grade": [1, 2], "steps[1].volume_ml": [2, 4]}})
    a, b, c, d = (case.stages for case in found.cases)
    assert a[:2] == b[:2]
    assert a[2] != b[2]
    assert a[0] == c[0]
    assert a[1] != c[1]
    assert c[:2] == d[:2]
    assert found.n_stages() == 12
    # One intact, two fractured, four augmented.
    assert found.n_distinct_stages() == 7


def test_other_tests_share_no_stage_as_their_measures_differ():
    one = plan({"grid": {"steps[1].volume_ml": [2]}})
    two = plan({"grid": {"steps[1].volume_ml": [2]}}, tests=[{"kind": "flexion"}])
    assert set(one.cases[0].stages).isdisjoint(two.cases[0].stages)


def test_a_folder_of_images_is_an_axis(tmp_path):
    write_phantoms(tmp_path)
    cohort = {"images": "scan-*/density.nrrd", "labels": "scan-*/labels.nrrd"}
    (tmp_path / "cohort.toml").write_text(
        to_toml(
            {
                **content({"cohort": cohort, "grid": {"steps[1].volume_ml": [2, 4]}}),
                "vertebra": {"level": "L1", "body_labels": [20], "arch_labels": [21]},
            }
        )
    )
    found = load_plan(tmp_path / "cohort.toml")
    seen = [(case.values["subject"], case.values["volume_ml"]) for case in found.cases]
    assert seen == [("a", 2), ("a", 4), ("b", 2), ("b", 4)]
    assert str(found.cases[0].case().vertebra.image) == str(tmp_path / "scan-a" / "density.nrrd")


def test_a_table_of_subjects_is_an_axis(tmp_path):
    with (tmp_path / "cohort.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "vertebra.level", "bone.vbmd_mg_cm3"])
        writer.writerows([["p1", "T12", 71.5], ["p2", "L2", 55]])
    found = make_plan(content({"cohort": {"table": "cohort.csv"}}), folder=tmp_path)
    assert columns(found) == [
        {"id": "p1", "level": "T12", "vbmd_mg_cm3": 71.5},
        {"id": "p2", "level": "L2", "vbmd_mg_cm3": 55},
    ]


def write_phantoms(folder):
    from vbsim.anatomy import Phantom, Vertebra
    from vbsim.materials import Bone

    for name, vbmd in (("a", 90.0), ("b", 120.0)):
        scan = Phantom(spacing_mm=2.0)
        case = phantom_case(
            Vertebra(level="L1"), Bone(vbmd_mg_cm3=vbmd), scan, folder / f"scan-{name}"
        )
        vertebra = tomllib.loads(case.read_text())["vertebra"]
        for key in ("image", "labels"):
            (case.parent / vertebra[key]).rename(
                case.parent / ("density.nrrd" if key == "image" else "labels.nrrd")
            )


@pytest.mark.parametrize(
    ("sweep", "place", "message"),
    [
        ({}, "sweep", "nothing varies"),
        ({"grid": {"steps[1].volume_ml": []}}, "steps[1].volume_ml", "one or more values"),
        ({"grid": {"steps[1].volume_ml": 3}}, "steps[1].volume_ml", "must be a list"),
        ({"grid": {"steps[1].volum_ml": [1]}}, "steps[1].volum_ml", "did you mean volume_ml"),
        ({"grid": {"steps[4].volume_ml": [1]}}, "steps[4].volume_ml", "past the end"),
        ({"grid": {"steps[1].volume_ml": [-1]}}, "steps[1].volume_ml", "greater than or equal"),
        ({"grid": {"steps[1]..x": [1]}}, "sweep", "no place in a case"),
        ({"grid": {"steps[1].distribution.side": ["left"]}}, "distribution", "no table"),
        (
            {"grid": {"steps[1].volume_ml": {"from": 1, "to": 2, "step": 0.3}}},
            "steps[1].volume_ml",
            "must divide",
        ),
        ({"grid": {"steps[1].volume_ml": {"from": 1, "to": 2}}}, "volume_ml", "step or number"),
        ({"zip": [{"bone.seed": [1, 2], "steps[0].grade": [1]}]}, "zip[0]", "one length"),
        ({"gird": {}}, "sweep.gird", "did you mean grid"),
        ({"grid": {"bone.seed": [1]}, "repeat": {"n": 2}}, "sweep", "varies twice"),
        ({"grid": {"bone.seed": [1]}, "where": "sed > 1"}, "sweep.where", "did you mean seed"),
        ({"grid": {"bone.seed": [1]}, "where": "seed > 1"}, "sweep.where", "leaves no case"),
        ({"grid": {"bone.seed": [1]}, "where": "open('x')"}, "sweep", "no place in a condition"),
        ({"sample": {"n": 2, "over": {}}}, "sweep.sample", "one or more places"),
        (
            {"sample": {"n": 2, "over": {"bone.vbmd_mg_cm3": {"kind": "norml"}}}},
            "bone.vbmd_mg_cm3",
            "did you mean normal",
        ),
        (
            {"sample": {"n": 2, "over": {"bone.vbmd_mg_cm3": {"kind": "normal", "mean": 1}}}},
            'over."bone.vbmd_mg_cm3".sd',
            "required",
        ),
        ({"cohort": {"images": "a*b*.nii", "labels": "*"}}, "cohort", "one *"),
        ({"cohort": {"images": "none-*.nii", "labels": "*"}}, "cohort.images", "no file"),
        ({"cohort": {"table": "none.csv"}}, "cohort.table", "No such file"),
    ],
)
def test_what_is_wrong_is_named_before_any_work(sweep, place, message, tmp_path):
    data = {**content(), "sweep": sweep}
    with pytest.raises(InvalidCase) as caught:
        make_plan(data, folder=tmp_path)
    assert place in str(caught.value)
    assert message in str(caught.value)


def test_the_values_of_a_case_that_is_refused_are_named():
    with pytest.raises(InvalidCase, match=r"in case 2 of the sweep: steps\[0\].grade = 9"):
        plan({"grid": {"steps[0].grade": [1, 9]}})


def test_cases_that_come_out_equal_are_run_once():
    found = plan({"grid": {"solver.threads": [1, 2], "steps[1].volume_ml": [2, 4]}})
    assert len(found.cases) == 4
    assert len(found.distinct()) == 2


def test_neighbours_share_stages_in_the_order_of_work():
    found = plan({"grid": {"steps[1].volume_ml": [2, 4], "steps[0].grade": [1, 2]}})
    grades = [case.values["grade"] for case in found.distinct()]
    assert np.count_nonzero(np.diff(grades)) == 1
