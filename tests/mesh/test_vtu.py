"""Meshes written and read as VTK unstructured grids."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from solids import cut

from vbsim.checks import InvalidInput
from vbsim.mesh.io.vtu import read_vtu, write_vtu
from vbsim.mesh.mesh import SHAPES
from vbsim.mesh.order import brick


@pytest.mark.parametrize("kind", SHAPES)
def test_a_mesh_comes_back(kind, tmp_path):
    mesh = cut(brick((2, 1, 2), (2.0, 1.0, 3.0)), kind)
    data = np.arange(6.0 * mesh.n_cells).reshape(-1, 6)
    mesh = replace(
        mesh,
        cell_data={"stress_mpa": data},
        point_data={"displacement_mm": mesh.points},
        cell_sets={"first": np.array([0])},
    )
    write_vtu(tmp_path / "a.vtu", mesh)
    back = read_vtu(tmp_path / "a.vtu")
    assert back.kind == kind
    np.testing.assert_allclose(back.points, mesh.points)
    np.testing.assert_array_equal(back.cells, mesh.cells)
    np.testing.assert_allclose(back.cell_data["stress_mpa"], data)
    assert back.cell_data["first"].sum() == 1


def test_other_files_are_refused(tmp_path):
    (tmp_path / "b.vtu").write_text("no")
    with pytest.raises(InvalidInput, match="not a readable"):
        read_vtu(tmp_path / "b.vtu")
