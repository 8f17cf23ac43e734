"""A case on hexahedra: the same table and files as on voxels, and the mesh beside them."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.checks import InvalidCase
from vbsim.cli import screen
from vbsim.mesh.io.vtu import read_vtu
from vbsim.study import read_case, run_case
from vbsim.study.forecast import forecast

CASE = {
    "name": "fitted",
    "vertebra": {"level": "T12"},
    "mesh": {"kind": "hexa", "size_mm": 3.0, "sampling_mm": 2.0, "cement_layer_mm": 1.5},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [{"kind": "wedge", "grade": 1}, {"kind": "cement", "volume_ml": 3.0}],
    "tests": [{"kind": "compression"}, {"kind": "flexion"}],
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    return run_case(read_case(CASE), folder, draw=screen.draw)


def value(result, stage, quantity):
    return next(r.value for r in result.rows if (r.stage, r.quantity) == (stage, quantity))


def test_every_stage_is_in_the_table(result):
    stiffness = [value(result, s, "stiffness") for s in ("intact", "fractured", "augmented")]
    assert stiffness[1] < stiffness[0]
    assert stiffness[1] < stiffness[2]
    assert value(result, "fractured", "stiffness_vs_intact") == pytest.approx(
        stiffness[1] / stiffness[0]
    )
    assert value(result, "augmented", "bending_stiffness") > 0


def test_the_mesh_is_written_with_its_fields(result):
    mesh = read_vtu(result.folder / "fields" / "augmented.vtu")
    assert {"stress_mpa", "von_mises_mpa", "tissue", "cement_fraction"} <= set(mesh.cell_data)
    assert {"displacement_mm", "flexion_displacement_mm"} <= set(mesh.point_data)
    assert mesh.volumes().min() > 0
    assert (result.folder / "fields" / "augmented.vti").exists()
    assert (result.folder / "figures" / "sections_stress.png").exists()
    force = 1000.0
    lowest = mesh.points[:, 2] == mesh.points[:, 2].min()
    assert np.abs(mesh.point_data["displacement_mm"][lowest]).max() == 0.0
    top = mesh.points[:, 2] == mesh.points[:, 2].max()
    sunk = -mesh.point_data["displacement_mm"][top, 2].mean()
    assert force / sunk == pytest.approx(value(result, "augmented", "stiffness"), rel=1e-5)


def test_running_again_loads_the_result(result):
    again = run_case(read_case(CASE), result.folder.parent)
    assert again.was_loaded


def test_forecast_counts_the_mesh(result):
    mesh = read_vtu(result.folder / "fields" / "augmented.vtu")
    found = forecast(read_case(CASE))
    assert (found.n_cells, found.n_dof) == (mesh.n_cells, 3 * mesh.n_points)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "hexa", "spacing_mm": 1.0}, "mesh.spacing_mm"),
        ({"kind": "hexa", "size_mm": 0.0}, r"mesh.size_mm: = 0.0: must be"),
        ({"kind": "hex"}, "mesh.kind.*did you mean hexa"),
        ({"kind": "hexa", "element": "hex20"}, r"mesh.element"),
    ],
)
def test_wrong_meshes_are_refused_by_place(change, message):
    with pytest.raises(InvalidCase, match=message):
        read_case({**CASE, "mesh": change})
