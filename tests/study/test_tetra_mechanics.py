"""A case by mechanics on tetrahedra: collapse and cement from one file."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from vbsim.checks import InvalidCase
from vbsim.mesh.io.vtu import read_vtu
from vbsim.study import read_case, run_case
from vbsim.study.pipeline import build_stages

CASE = {
    "name": "filled mechanics",
    "vertebra": {"level": "T5"},
    "mesh": {"kind": "tetra", "size_mm": 4.0, "sampling_mm": 2.0},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [
        {"kind": "collapse", "height_loss_percent": 6.0},
        {"kind": "cement", "volume_ml": 1.5, "debonds": True, "injection_pressure_mpa": 0.05},
    ],
    "tests": [{"kind": "compression"}],
}
STAGES = ("intact", "fractured", "augmented")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    pytest.importorskip("pytetwild", reason="needs the extra 'tet'")
    return run_case(read_case(CASE), tmp_path_factory.mktemp("results"))


@pytest.fixture(scope="module")
def meshes(study):
    return [read_vtu(study.folder / "fields" / f"{stage}.vtu") for stage in STAGES]


def test_it_breaks_and_is_stiffened(study):
    stiffness = [study.value(stage, "stiffness") for stage in STAGES]
    assert 0.3 * stiffness[0] < stiffness[1] < 0.9 * stiffness[0]
    assert stiffness[2] > 1.1 * stiffness[1]
    height = [study.value(stage, "height_anterior") for stage in STAGES]
    assert height[1] < height[0] - 0.3
    assert study.value("fractured", "collapse_loss_loaded") == pytest.approx(6.0, abs=0.1)
    assert study.value("fractured", "corners_inverted") == 0.0
    assert study.value("fractured", "bone_mineral_conserved") == pytest.approx(1.0, rel=1e-6)
    assert study.value("augmented", "cement_volume") == pytest.approx(1.5, rel=1e-3)


def test_it_breaks_at_the_force_of_hexahedra(study):
    """Both of 4 mm; cells of tetrahedra are smaller, and strength falls with their size."""
    hexa = {"kind": "hexa", "size_mm": 4.0, "sampling_mm": 2.0}
    stages = build_stages(read_case({**CASE, "mesh": hexa, "steps": CASE["steps"][:1]}))
    wanted = {item.name: item.value for item in stages[1].report}["collapse_force_peak"]
    assert study.value("fractured", "collapse_force_peak") == pytest.approx(wanted, rel=0.1)


def test_work_is_never_less_than_what_was_spent(study):
    with (study.folder / "histories" / "fractured-collapse.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert max(float(row["residual"]) for row in rows) < 1e-3
    spent, work = ([float(row[k]) for row in rows] for k in ("dissipated_n_mm", "work_n_mm"))
    assert np.all(np.diff(spent) >= 0.0)
    assert np.all(np.subtract(work, spent) >= 0.0)
    assert float(rows[-1]["force_n"]) == pytest.approx(0.0, abs=1.0)


def test_stages_are_the_same_cells_where_they_lie_now(study, meshes):
    intact = meshes[0]
    assert intact.kind == "tetra10"
    cap = intact.cell_data["tissue"][-1]
    is_body = intact.cell_data["tissue"] != cap
    for stage, mesh in zip(STAGES, meshes, strict=True):
        assert np.array_equal(mesh.cells, intact.cells)
        assert mesh.volumes().min() > 0.0
        assert np.array_equal(mesh.cell_data["tissue"] != cap, is_body), stage
    lost = 1.0 - meshes[1].volumes()[is_body].sum() / intact.volumes()[is_body].sum()
    assert 0.01 < lost < 0.06
    assert meshes[1].cell_data["integrity"].min() < 0.7
    placed = float((meshes[2].cell_data["cement_fraction"] * meshes[2].volumes()).sum()) / 1000.0
    assert placed == pytest.approx(1.5, rel=0.05)


def test_balloons_are_refused_before_any_work():
    steps = [{"kind": "collapse"}, {"kind": "balloon"}]
    with pytest.raises(InvalidCase, match=r"steps\[1\].kind: = 'balloon': "):
        read_case({**CASE, "steps": steps})
