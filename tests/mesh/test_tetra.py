"""Tetrahedra fill a surface: volume, orientation, order, and the command."""

from __future__ import annotations

import sys

import pytest
from test_surface import octahedron, write_obj
from typer.testing import CliRunner

from vbsim.checks import InvalidInput, MissingExtra
from vbsim.cli.commands import app
from vbsim.mesh.io.files import read_mesh
from vbsim.mesh.quality import scaled_jacobian
from vbsim.mesh.tetra import tetrahedralize


@pytest.mark.parametrize("order", [1, 2])
def test_cells_fill_the_surface_upright(order):
    pytest.importorskip("pytetwild", reason="needs the extra 'tet'")
    body = octahedron()
    mesh = tetrahedralize(body, 8.0, order=order)
    assert mesh.kind == ("tetra" if order == 1 else "tetra10")
    assert mesh.volumes().min() > 0.0
    assert mesh.volumes().sum() == pytest.approx(body.volume_mm3(), rel=0.02)
    assert scaled_jacobian(mesh).min() > 0.1


def test_the_command_writes_a_mesh_and_tells_of_it(tmp_path):
    pytest.importorskip("pytetwild", reason="needs the extra 'tet'")
    surface, out = tmp_path / "body.obj", tmp_path / "body.vtu"
    write_obj(surface, octahedron(), scale=1e-3)
    words = ["tetra", str(surface), "-o", str(out), "--size", "8", "--unit", "m"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "(surface 10.67 ml)" in done.output
    assert read_mesh(out).kind == "tetra"


def test_wrong_wishes_are_refused():
    with pytest.raises(InvalidInput, match="size_mm = 50"):
        tetrahedralize(octahedron(), 50.0)
    with pytest.raises(InvalidInput, match="order = 3"):
        tetrahedralize(octahedron(), 2.0, order=3)


def test_a_missing_package_is_named_with_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytetwild", None)
    with pytest.raises(MissingExtra, match=r"vbsim\[tet\]"):
        tetrahedralize(octahedron(), 2.0)
