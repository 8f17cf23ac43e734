"""A case by mechanics on hexahedra: collapse, cement, cycles and tests from one file."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from vbsim.mesh.io.vtu import read_vtu
from vbsim.study import read_case, run_case

CASE = {
    "name": "fitted mechanics",
    "vertebra": {"level": "T12"},
    "mesh": {"kind": "hexa", "size_mm": 4.0, "sampling_mm": 2.0},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [
        {"kind": "collapse", "height_loss_percent": 6.0},
        {
            "kind": "cement",
            "volume_ml": 3.0,
            "debonds": True,
            "injection_pressure_mpa": 0.05,
        },
        {"kind": "settling", "cycles": 1, "load_n": 300.0},
    ],
    "tests": [{"kind": "compression"}, {"kind": "strength", "until_strain": 0.02}],
}
STAGES = ("intact", "fractured", "augmented", "settled")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run_case(read_case(CASE), tmp_path_factory.mktemp("results"))


def read(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_stage_is_loaded_and_compared(study):
    stiffness = [study.value(stage, "stiffness") for stage in STAGES]
    assert stiffness[1] < 0.9 * stiffness[0]
    assert stiffness[2] > 1.1 * stiffness[1]
    strength = [study.value(stage, "strength") for stage in STAGES]
    assert strength[1] < strength[0]
    assert strength[2] > strength[1]
    height = [study.value(stage, "height_anterior") for stage in STAGES]
    assert height[1] < height[0] - 0.3
    assert height[3] == pytest.approx(height[2], abs=0.2)
    assert study.value("fractured", "bone_mineral_conserved") == pytest.approx(1.0, rel=1e-6)
    assert study.value("augmented", "cement_volume") == pytest.approx(3.0, rel=5e-3)


def test_histories_and_fields_lie_in_the_folder(study):
    histories = study.folder / "histories"
    names = {"fractured-collapse.csv", "augmented-cement.csv", "settled-settling.csv"}
    assert names <= {path.name for path in histories.iterdir()}
    collapse = read(histories / "fractured-collapse.csv")
    assert max(float(row["residual"]) for row in collapse) < 1e-3
    meshes = [read_vtu(study.folder / "fields" / f"{stage}.vtu") for stage in STAGES]
    assert all(np.array_equal(mesh.cells, meshes[0].cells) for mesh in meshes)
    heights = [np.ptp(mesh.points[:, 2]) for mesh in meshes]
    assert heights[1] < heights[0] - 0.3
    # displacement of a strength test is from the shape of its stage
    top = meshes[1].points[:, 2] == meshes[1].points[:, 2].max()
    last = read(histories / "fractured-strength.csv")[-1]
    start = float(collapse[-1]["axial_mm"])
    sunk = -meshes[1].point_data["strength_displacement_mm"][top, 2]
    assert sunk == pytest.approx(float(last["axial_mm"]) - start, abs=1e-3)
