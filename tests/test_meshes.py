"""The ready-made vertebrae are whole, small and well shaped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vbsim.mesh.io.vtu import read_vtu
from vbsim.mesh.quality import scaled_jacobian

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
