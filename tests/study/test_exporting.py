"""Stages exported to other codes give the same reaction on the same cells."""

from __future__ import annotations

import shutil
import subprocess
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.fem.decks import solve_deck
from vbsim.mesh.io.abaqus_deck import read_deck
from vbsim.mesh.io.vtu import read_vtu
from vbsim.study import read_case
from vbsim.study.exporting import export_stage, stage_mesh

HEXA = {"kind": "hexa", "size_mm": 4.0, "sampling_mm": 2.0}
MESHES = {
    "plain": {**HEXA, "element": "hex8"},
    "modes": HEXA,
    "voxels": {"kind": "voxels", "spacing_mm": 4.0},
}


def case(mesh, **test):
    return read_case(
        {
            "name": "exported",
            "vertebra": {"level": "T12"},
            "mesh": MESHES[mesh],
            "bone": {"vbmd_mg_cm3": 80.0, "anisotropy": "isotropic"},
            "steps": [{"kind": "wedge", "grade": 1}],
            "tests": [{"kind": "compression", **test}],
        }
    )


def reaction(deck, points):
    """Total force on some points by our own reader and solver of decks."""
    return solve_deck(read_deck(deck)).forces[points].sum(axis=0)


@pytest.mark.parametrize("mesh", MESHES)
def test_deck_read_back_gives_the_reaction(mesh, tmp_path):
    model = export_stage(case(mesh), tmp_path / "a.inp", "calculix")
    force = reaction(tmp_path / "a.inp", model.mesh.point_sets["upper_platen"])
    assert model.expected_n == pytest.approx(-1000.0, rel=1e-12)
    assert force[2] == pytest.approx(-1000.0, rel=1e-5)


@pytest.mark.parametrize("lateral", ["held", "sliding", "lower_held"])
@pytest.mark.parametrize("mesh", ["plain", "voxels"])
def test_calculix_gives_the_reaction_to_five_digits(mesh, lateral, tmp_path):
    program = shutil.which("ccx")
    if program is None:
        pytest.skip("CalculiX (ccx) is not installed")
    tilting = case(mesh, lateral=lateral, platen="ball_joint", load_offset_mm=(2.0, -3.0))
    export_stage(tilting, tmp_path / "a.inp", "calculix")
    done = subprocess.run(
        [program, "a"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:]
    last = (tmp_path / "a.dat").read_text().split()[-3:]
    assert float(last[2]) == pytest.approx(-1000.0, rel=1e-5)


def test_febio_file_holds_the_model(tmp_path):
    model = export_stage(case("plain"), tmp_path / "a.feb", "febio")
    root = ET.parse(tmp_path / "a.feb").getroot()
    assert root.get("version") == "4.0"
    assert len(root.findall("Mesh/Nodes/node")) == model.mesh.n_points
    assert len(root.findall("Mesh/Elements/elem")) == model.mesh.n_cells
    parts = {part.get("name") for part in root.findall("Mesh/Elements")}
    assert parts == {domain.get("name") for domain in root.findall("MeshDomains/SolidDomain")}
    materials = root.findall("Material/material")
    assert len(materials) == len(parts)
    caps = [m for m in materials if abs(float(m.findtext("E1")) - 2500.0) < 0.01]
    assert len(caps) == 1
    moved = [float(n.text) for n in root.findall("MeshData/NodeData/node")]
    assert len(moved) == len(model.mesh.point_sets["upper_platen"])
    assert max(moved) < 0.0
    assert {bc.get("type") for bc in root.findall("Boundary/bc")} == {
        "zero displacement",
        "prescribed displacement",
    }


def test_vtu_holds_fields_and_sets(tmp_path):
    export_stage(case("modes"), tmp_path / "a.vtu", "vtu", stage="intact")
    mesh = read_vtu(tmp_path / "a.vtu")
    assert {"von_mises_mpa", "tissue"} <= set(mesh.cell_data)
    assert {"displacement_mm", "upper_platen"} <= set(mesh.point_data)


@pytest.mark.parametrize("mesh", ["plain", "voxels"])
def test_meshes_lie_in_the_world_where_the_bone_is(mesh):
    found = stage_mesh(case(mesh), "fractured")
    assert found.volumes().min() > 0
    assert np.abs(found.points.mean(axis=0)[:2]).max() < 5.0


def test_wrong_names_are_refused(tmp_path):
    for wrong in ({"stage": "broken"}, {"test": "torsion"}):
        with pytest.raises(InvalidInput, match="one of"):
            export_stage(case("plain"), tmp_path / "a.inp", "calculix", **wrong)
    with pytest.raises(InvalidInput, match="to = 'ansys'"):
        export_stage(case("plain"), tmp_path / "a.inp", "ansys")
