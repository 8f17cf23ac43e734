import json

import pytest
from wrong_cases import GOOD, WRONG

from vbsim.cli import main


def run(path, results, capsys):
    code = main(["run", str(path), "--results", str(results)])
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("old", "new", "place", "words"), [case[1:] for case in WRONG], ids=[case[0] for case in WRONG]
)
def test_a_wrong_case_is_refused_with_its_place(tmp_path, capsys, old, new, place, words):
    assert GOOD.count(old) == 1
    path = tmp_path / "case.toml"
    path.write_text(GOOD.replace(old, new))
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert said.out == ""
    message = said.err.splitlines()[-1]
    assert message.startswith(f"error: {place}: ")
    assert words in message
    assert not list(tmp_path.glob("results/*"))


def test_every_fault_of_a_case_is_named_at_once(tmp_path, capsys):
    path = tmp_path / "case.toml"
    path.write_text(
        GOOD.replace("grade = 2", "grad = 2").replace("spacing_mm = 3.0", "spacing = 3")
    )
    _, said = run(path, tmp_path / "results", capsys)
    assert "mesh.spacing: unknown key; did you mean spacing_mm?" in said.err
    assert "steps[0].grad: unknown key; did you mean grade?" in said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("schema = \n", "line 1"),
        ("schema = 1\nname = 'a\n", "end of document"),
        ("schema = 1\nschema = 1\n", "line 2"),
        ("[vertebra]\nlevel = 'L1'\n[vertebra]\n", "line 3"),
        ("", "required, but missing"),
    ],
    ids=["no value", "open quote", "key twice", "table twice", "empty file"],
)
def test_what_is_not_toml_is_refused_with_its_line(tmp_path, capsys, text, words):
    path = tmp_path / "case.toml"
    path.write_text(text)
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert words in said.err


def test_what_is_not_json_is_refused_with_its_line(tmp_path, capsys):
    path = tmp_path / "case.json"
    path.write_text('{"schema": 1,\n "name": }')
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert "line 2" in said.err


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        ({"tests": []}, "tests", "at least 1"),
        ({"tests": {}}, "tests", "must be a valid tuple"),
        ({"steps": "wedge"}, "steps", "must be a valid tuple"),
        ({"steps": ["wedge"]}, "steps[0]", "must be"),
        ({"steps": [None]}, "steps[0]", "must be"),
        ({"vertebra": "L1"}, "vertebra", "must be"),
        ({"mesh": 1.0}, "mesh", "must be"),
        ({"name": 7}, "name", "must be a valid string"),
    ],
)
def test_a_wrong_shape_is_refused_with_its_place(tmp_path, capsys, change, place, words):
    path = tmp_path / "case.json"
    path.write_text(json.dumps({"name": "a", "vertebra": {"level": "L1"}} | change))
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert said.err.startswith(f"error: {place}: ")
    assert words in said.err


def test_a_list_is_no_case(tmp_path, capsys):
    path = tmp_path / "case.json"
    path.write_text("[]")
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert "a case is a table" in said.err


def test_a_binary_file_is_no_case(tmp_path, capsys):
    path = tmp_path / "case.toml"
    path.write_bytes(b"\x93NUMPY\xff\xfe")
    code, said = run(path, tmp_path / "results", capsys)
    assert code == 2
    assert "UTF-8" in said.err


def test_a_missing_case_names_the_nearest_file(tmp_path, capsys):
    (tmp_path / "wedge.toml").write_text(GOOD)
    code, said = run(tmp_path / "wegde.toml", tmp_path / "results", capsys)
    assert code == 2
    assert "did you mean" in said.err
    assert "wedge.toml" in said.err


def test_a_folder_is_no_case(tmp_path, capsys):
    code, said = run(tmp_path, tmp_path / "results", capsys)
    assert code == 2
    assert str(tmp_path) in said.err


@pytest.mark.parametrize("words", [["runn"], ["run"], ["run", "a.toml", "--colour"]])
def test_a_wrong_command_line_is_bad_input(words, capsys):
    assert main(words) == 2
    assert capsys.readouterr().out == ""
