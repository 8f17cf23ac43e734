"""A case with a strength test: rows, curve, fields, and nothing solved twice."""

from __future__ import annotations

import csv

import pytest

from vbsim.study import run_case
from vbsim.study.case import read_case

CASE = {
    "name": "strength",
    "vertebra": {"level": "T12"},
    "mesh": {"spacing_mm": 3.0, "margin_mm": 18.0},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [{"kind": "crush", "grade": 1}],
    "tests": [{"kind": "compression"}, {"kind": "strength"}],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    return run_case(read_case(CASE), results)


def test_every_stage_has_a_strength_and_is_compared(study):
    intact, broken = (study.value(stage, "strength") for stage in ("intact", "fractured"))
    assert 1000.0 < broken < intact < 8000.0
    assert study.value("fractured", "strength_definition") in (1, 2)
    assert study.value("fractured", "strength_vs_intact") == pytest.approx(broken / intact)


def test_the_curve_lies_in_the_folder_with_units(study):
    path = study.folder / "histories" / "intact-strength.csv"
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {"apparent_strain", "axial_mm", "force_n", "residual", "n_yielding"} <= set(rows[0])
    assert max(float(row["force_n"]) for row in rows) == study.value("intact", "strength")
    fields = (study.folder / "fields" / "intact.vti").read_bytes()
    assert b"strength_inelastic_strain" in fields


def test_a_kept_strength_is_not_solved_again(study, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("solved again")

    monkeypatch.setattr("vbsim.study.failures.load_to_failure", refuse)
    more = read_case({**CASE, "name": "the same stages"})
    again = run_case(more, study.folder.parent)
    assert again.value("fractured", "strength") == study.value("fractured", "strength")


def test_wrong_values_are_refused_with_their_place():
    from vbsim.checks import InvalidInput

    for key, value in (("until_strain", 0.5), ("drop", 0.0), ("platen", "soft")):
        with pytest.raises(InvalidInput, match=rf"tests\[0\]\.{key}"):
            read_case({**CASE, "tests": [{"kind": "strength", key: value}]})
