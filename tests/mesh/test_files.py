"""Meshes by suffix, and their quality as a summary."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solids import cut, distorted

from vbsim.checks import InvalidInput
from vbsim.mesh.io.abaqus_deck import read_deck
from vbsim.mesh.io.files import read_mesh, write_mesh
from vbsim.mesh.mesh import SHAPES
from vbsim.mesh.quality import cell_quality, summary


@pytest.mark.parametrize("suffix", [".vtu", ".inp", ".msh"])
@pytest.mark.parametrize("kind", SHAPES)
def test_a_mesh_comes_back_from_every_format(kind, suffix, tmp_path):
    mesh = cut(distorted((2, 2, 1), (2.0, 2.0, 1.0), 0.1), kind)
    path = tmp_path / f"a{suffix}"
    if (kind, suffix) == ("wedge15", ".msh"):
        with pytest.raises(InvalidInput, match="second order cannot be written for Gmsh"):
            write_mesh(path, mesh)
        return
    write_mesh(path, mesh)
    back = read_mesh(path)
    assert back.kind == kind
    np.testing.assert_allclose(back.points, mesh.points, atol=1e-9)
    np.testing.assert_array_equal(back.cells, mesh.cells)


def test_sets_come_back_from_a_deck(tmp_path):
    mesh = distorted((2, 2, 1), (2.0, 2.0, 1.0), 0.0)
    mesh = replace(mesh, point_sets={"foot": np.array([0, 1, 2])})
    write_mesh(tmp_path / "a.inp", mesh)
    text = (tmp_path / "a.inp").read_text()
    assert "*NSET, NSET=FOOT\n1, 2, 3,\n" in text
    assert not read_deck(tmp_path / "a.inp").unsupported


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.stl", "", "must end in one of .vtu, .inp, .msh"),
        ("a.inp", "hello", r"no \*NODE"),
        ("a.inp", "*NODE\n1,0,0,0\n", "one solid kind are needed; found none"),
        ("a.inp", "*NODE\n1,0,0,x\n", r"line 1: \*NODE"),
        ("a.msh", "hello", "not a readable Gmsh mesh"),
    ],
)
def test_wrong_files_are_refused(name, text, message, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidInput, match=message):
        read_mesh(tmp_path / name)


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        read_mesh(tmp_path / "none.vtu")


def test_summary_counts_every_cell():
    mesh = distorted((3, 3, 3), (3.0, 3.0, 3.0), 0.2)
    told = summary(mesh, cell_quality(mesh))
    assert sum(told["histogram"]) == mesh.n_cells == 27
    assert told["total_volume_mm3"] == pytest.approx(27.0)
    assert told["scaled_jacobian"][0] <= told["scaled_jacobian"][-1] <= 1.0
