"""Remake the ready-made voxel vertebrae of this folder: ``python meshes/remake.py``.

Each is written as VTK image data that ParaView and PyVista open, with tissue, density, modulus and
integrity of every voxel, and is listed in ``manifest.json`` with its recipe, size and digest.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import vbsim as vb
from vbsim.study.fields import stage_fields, write_vti

FOLDER = Path(__file__).parent
SPACING_MM = 2.0
VBMD_MG_CM3 = 65.0
FRACTURES = {
    "intact": None,
    "wedge": vb.Wedge(grade=2),
    "biconcave": vb.Biconcave(grade=2),
}


def make(level: str, name: str, folder: Path = FOLDER) -> dict[str, object]:
    """Write one vertebra; return its entry of the manifest."""
    vertebra = vb.Vertebra(level=level)
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=SPACING_MM, margin_mm=4.0)
    specimen = vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=VBMD_MG_CM3))
    fracture = FRACTURES[name]
    if fracture is not None:
        specimen = fracture.apply(specimen)
    path = folder / f"{level}_{name}_voxels.vti"
    cells, points = stage_fields(specimen, {})
    write_vti(path, grid, cells, points)
    return {
        "file": path.name,
        "level": level,
        "stage": specimen.name,
        "recipe": list(specimen.history),
        "spacing_mm": SPACING_MM,
        "cells": list(grid.shape),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


if __name__ == "__main__":
    entries = [make(level, name) for level in ("T8", "T12", "L1", "L3") for name in FRACTURES]
    (FOLDER / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
