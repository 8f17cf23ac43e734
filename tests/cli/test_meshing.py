"""Commands around meshes."""

from __future__ import annotations

import json

import pytest

from vbsim.cli import main

CASE = """
schema = 1
name = "meshed"
[vertebra]
level = "T5"
[mesh]
kind = "hexa"
size_mm = 4.0
sampling_mm = 2.0
[bone]
vbmd_mg_cm3 = 80.0
"""


@pytest.fixture
def case(tmp_path):
    path = tmp_path / "case.toml"
    path.write_text(CASE)
    return path


def test_a_mesh_is_written_and_its_quality_shown(case, tmp_path, capsys):
    out = tmp_path / "mesh.vtu"
    assert main(["mesh", str(case), "-o", str(out), "-q"]) == 0
    assert "cells" in capsys.readouterr().out
    assert main(["quality", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "scaled Jacobian" in shown
    assert "0.9 .. 1.0" in shown
    assert main(["quality", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["scaled_jacobian"][0] > 0.5


def test_export_tells_the_reaction_and_overwrites_nothing(case, tmp_path, capsys):
    out = tmp_path / "model.inp"
    assert main(["export", str(case), "--to", "calculix", "-o", str(out), "-q"]) == 0
    assert "-1000 N" in capsys.readouterr().out
    assert main(["export", str(case), "-o", str(out), "-q"]) == 2
    assert "exists and is left as it is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["mesh", "-o", "a.stl"], "named .vtu, .inp, .msh"),
        (["mesh", "-o", "a.vtu", "--stage", "x"], "stage = 'x'"),
        (["export", "-o", "a.inp", "--to", "nastran"], "to = 'nastran'"),
        (["convergence", "--size", "2", "--size", "1"], "three or more"),
    ],
)
def test_wrong_words_end_with_code_2(case, words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    command, *rest = words
    assert main([command, str(case), *rest, "-q"]) == 2
    assert message in capsys.readouterr().err


def test_convergence_prints_both_meshes(case, capsys):
    words = ["convergence", str(case), "--size", "6", "--size", "4", "--size", "2.6667"]
    assert main([*words, "--kind", "hexa", "-q"]) == 2  # hexa: at most 4 mm
    capsys.readouterr()
    words = ["convergence", str(case), "--size", "4", "--size", "3.2", "--size", "2.56"]
    assert main([*words, "-q"]) == 0
    shown = capsys.readouterr().out
    assert "intact, voxels" in shown
    assert "intact, hexa" in shown
