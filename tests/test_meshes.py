"""The ready-made vertebrae are whole, small and well shaped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vbsim.cli import main
from vbsim.mesh.io.vtu import read_vtu
from vbsim.mesh.quality import scaled_jacobian
from vbsim.study import readymade

FOLDER = Path(__file__).parents[1] / "meshes"
ENTRIES = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["file"])
def test_file_is_what_the_manifest_says(entry):
    content = (FOLDER / entry["file"]).read_bytes()
    assert hashlib.sha256(content).hexdigest() == entry["sha256"]
    assert len(content) == entry["bytes"] < 2_000_000


@pytest.mark.parametrize("entry", [e for e in ENTRIES if "points" in e], ids=lambda e: e["file"])
def test_hexahedra_are_well_shaped(entry):
    mesh = read_vtu(FOLDER / entry["file"])
    assert (mesh.n_cells, mesh.n_points) == (entry["cells"], entry["points"])
    assert scaled_jacobian(mesh).min() == pytest.approx(entry["least_scaled_jacobian"], abs=1e-3)
    assert entry["least_scaled_jacobian"] >= 0.3


def test_a_vertebra_is_made_again_as_it_is(tmp_path):
    made = readymade.remake(tmp_path, levels=("T8",))
    wanted = {entry["file"]: entry for entry in ENTRIES if entry["level"] == "T8"}
    assert {entry["file"] for entry in made} == set(wanted)
    for entry in made:
        # Digests hang on the last digit of the processor that made them.
        known = wanted[entry["file"]]
        assert {**entry, "sha256": "", "bytes": 0} == {**known, "sha256": "", "bytes": 0}
        assert readymade.is_as_listed(entry, tmp_path)


def test_the_command_lists_them_and_tells_a_changed_file(tmp_path, capsys):
    assert main(["meshes", str(FOLDER)]) == 0
    out = capsys.readouterr().out
    assert all(entry["file"] in out for entry in ENTRIES)
    (tmp_path / "manifest.json").write_text(json.dumps(ENTRIES[:1]))
    (tmp_path / ENTRIES[0]["file"]).write_bytes(b"other")
    assert main(["meshes", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "changed" in told.out
    assert "not those of its manifest" in told.err
    assert main(["meshes", str(tmp_path / "none")]) == 2
