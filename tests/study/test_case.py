import json
import tomllib

import pytest
from small_study import small_case

from vbsim.checks import InvalidCase, InvalidInput
from vbsim.study import Case, load_case, read_case
from vbsim.study.toml import to_toml

# The case of the design, as an API user and as a file write it.
FILE = """\
schema = 1
name = "one"
[vertebra]
level = "T12"
[mesh]
kind = "voxels"
spacing_mm = 2.0
[[steps]]
kind = "cement"
cement = "pmma"
volume_ml = 5.0
distribution = "bipedicular"
"""


def test_a_case_file_is_constructor_calls(tmp_path):
    from vbsim import CementFill, Vertebra
    from vbsim.study import Voxels

    (tmp_path / "case.toml").write_text(FILE)
    built = Case(
        name="one",
        vertebra=Vertebra(level="T12"),
        mesh=Voxels(spacing_mm=2.0),
        steps=[CementFill(volume_ml=5.0)],
    )
    assert load_case(tmp_path / "case.toml") == built


def test_a_resolved_case_reads_back_as_itself(case):
    text = to_toml(case.resolved())
    again = read_case(tomllib.loads(text))
    assert again == case
    assert again.digest == case.digest


def test_a_json_file_means_the_same_as_a_toml_file(tmp_path):
    (tmp_path / "case.toml").write_text(FILE)
    (tmp_path / "case.json").write_text(json.dumps(tomllib.loads(FILE)))
    assert load_case(tmp_path / "case.json") == load_case(tmp_path / "case.toml")


def test_what_is_left_out_and_the_written_default_are_the_same_case():
    assert small_case().digest == small_case(standing_load_n=None, potting={"kind": "pmma"}).digest


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"vertebra": {"level": "L2"}},
        {"mesh": {"spacing_mm": 3.0}},
        {"bone": {"vbmd_mg_cm3": 80.0}},
        {"bone": {"seed": 1}},
        {"potting": {"thickness_mm": 8.0}},
        {"steps": []},
        {"tests": [{"kind": "compression", "platen": "ball_joint"}]},
        {"standing_load_n": 500.0},
        {"solver": {"tolerance": 1e-7}},
    ],
)
def test_every_parameter_changes_the_digest(changes):
    assert small_case(**changes).digest != small_case().digest


def test_the_number_of_threads_does_not_change_the_digest():
    one, two = (small_case(solver={"threads": n}).digest for n in (1, 2))
    assert one == two


def test_a_stage_has_the_same_digest_in_every_case_that_shares_it():
    short = small_case(
        steps=[{"kind": "wedge", "grade": 2}], name="other", tests=[{"kind": "flexion"}]
    )
    long = small_case()
    assert [short.stage_digest(k) for k in (0, 1)] == [long.stage_digest(k) for k in (0, 1)]
    assert long.stage_digest(1) != long.stage_digest(2)


def test_a_stage_of_another_vertebra_has_another_digest():
    assert small_case().stage_digest(0) != small_case(vertebra={"level": "L2"}).stage_digest(0)


def test_a_wrong_call_of_the_api_is_refused_with_the_parameter():
    with pytest.raises(InvalidInput, match="spacing_mm"):
        small_case(mesh={"spacing_mm": -1.0})


def test_relative_paths_start_at_the_case_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "cases"
    folder.mkdir()
    text = 'image = "ct/d.nii"\nlabels = "/abs/l.nii"\nscheme = "verse"\nlevel = "L1"\n'
    text = f'name = "a"\n[vertebra]\n{text}'
    (folder / "case.toml").write_text(text)
    vertebra = load_case("cases/case.toml").vertebra
    assert vertebra.image == folder / "ct" / "d.nii"
    assert str(vertebra.labels) == "/abs/l.nii"


def test_a_missing_image_is_refused_with_its_place_before_any_work():
    vertebra = {"level": "L1", "scheme": "verse", "image": "no.nii", "labels": "no.nii"}
    data = {"name": "a", "vertebra": vertebra}
    with pytest.raises(InvalidCase, match=r"no\.nii.*No such file") as caught:
        _ = read_case(data).digest
    assert caught.value.path == "vertebra.image"


def test_the_json_schema_names_every_table_and_kind():
    schema = Case.model_json_schema(by_alias=True)
    assert {"schema", "vertebra", "mesh", "bone", "potting", "steps", "tests"} <= set(
        schema["properties"]
    )
    text = json.dumps(schema)
    for kind in ("wedge", "biconcave", "crush", "reduction", "cement", "flexion", "voxels"):
        assert f'"const": "{kind}"' in text


def test_every_parameter_of_a_case_says_what_it_means():
    unexplained = []
    for name, model in Case.model_json_schema(by_alias=True)["$defs"].items():
        for key, entry in model.get("properties", {}).items():
            if key != "kind" and not entry.get("description"):
                unexplained.append(f"{name}.{key}")
    assert unexplained == []


@pytest.mark.parametrize("late", ["collapse", "balloon", "settling"])
def test_mechanics_that_begins_on_cement_is_refused_up_front(late):
    steps = [{"kind": "wedge", "grade": 2}, {"kind": "injection", "volume_ml": 3.0}]
    steps.append({"kind": late})
    with pytest.raises(InvalidCase, match="before the first cement") as caught:
        read_case({"name": "late", "vertebra": {"level": "L1"}, "steps": steps})
    assert caught.value.path == "steps[2].kind"


def test_mechanics_may_follow_cement_in_a_collapsed_body():
    steps = [
        {"kind": "collapse"},
        {"kind": "injection", "volume_ml": 3.0},
        {"kind": "curing"},
        {"kind": "settling"},
    ]
    case = read_case({"name": "chain", "vertebra": {"level": "L1"}, "steps": steps})
    assert [step.kind for step in case.steps] == [step["kind"] for step in steps]
