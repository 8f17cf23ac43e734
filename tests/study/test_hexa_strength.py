"""A strength test on hexahedra: the same rows, curve and fields as on voxels."""

from __future__ import annotations

import csv

import pytest

from vbsim.measures.failure import FAILURE_REGIONS
from vbsim.mesh.io.vtu import read_vtu
from vbsim.study import read_case, run_case

CASE = {
    "name": "fitted strength",
    "vertebra": {"level": "T12"},
    "mesh": {"kind": "hexa", "size_mm": 4.0, "sampling_mm": 2.0},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [{"kind": "wedge", "grade": 1}, {"kind": "cement", "volume_ml": 3.0}],
    "tests": [{"kind": "strength", "until_strain": 0.025}],
}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_case(read_case(CASE), tmp_path_factory.mktemp("results"))


def test_every_stage_has_the_measures_of_a_strength_test(study):
    forces = [study.value(s, "force_at_strain") for s in ("intact", "fractured", "augmented")]
    assert 1000.0 < forces[1] < forces[0] < 6000.0
    assert forces[2] > forces[1]
    assert study.value("intact", "strength_offset") == pytest.approx(forces[0], rel=0.1)
    assert study.value("intact", "strength") >= forces[0]
    for stage in ("intact", "augmented"):
        shares = [study.value(stage, f"failure_share_{name}") for name in FAILURE_REGIONS]
        assert sum(shares) == pytest.approx(1.0)
    assert study.value("intact", "failure_share_cement") == 0.0


def test_curve_and_fields_lie_in_the_folder(study):
    path = study.folder / "histories" / "augmented-strength.csv"
    with path.open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert max(float(row["residual"]) for row in rows) < 2e-3
    mesh = read_vtu(study.folder / "fields" / "augmented.vtu")
    inelastic, damage = (
        mesh.cell_data[f"strength_{name}"] for name in ("inelastic_strain", "damage")
    )
    assert 0.0 < inelastic.max() < 1.0
    assert 0.0 <= damage.min() <= damage.max() < 1.0
    top = mesh.points[:, 2] == mesh.points[:, 2].max()
    sunk = -mesh.point_data["strength_displacement_mm"][top, 2]
    assert sunk == pytest.approx(float(rows[-1]["axial_mm"]), rel=1e-5)
    voxels = (study.folder / "fields" / "augmented.vti").read_bytes()
    assert b"strength_inelastic_strain" in voxels


def test_a_kept_strength_is_not_solved_again(study, monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("solved again")

    monkeypatch.setattr("vbsim.study.failures.load_to_failure", refuse)
    again = run_case(read_case({**CASE, "name": "the same stages"}), study.folder.parent)
    for stage in ("intact", "augmented"):
        wanted = study.value(stage, "force_at_strain")
        assert again.value(stage, "force_at_strain") == pytest.approx(wanted, rel=1e-12)
