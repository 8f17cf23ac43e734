"""Remake the ready-made vertebrae of this folder: ``python meshes/remake.py``.

Voxels are written as VTK image data, hexahedra that fit the body as VTK unstructured grids, both
with tissue, density, modulus and integrity of every cell; ParaView and PyVista open them. Each is
listed in ``manifest.json`` with its recipe, size, digest and, for hexahedra, quality.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import vbsim as vb
from vbsim.mesh.io.vtu import write_vtu
from vbsim.mesh.quality import cell_quality
from vbsim.specimen.fitted import HexaFitter
from vbsim.study.fields import stage_fields, write_vti
from vbsim.study.hexa import fitted_mesh

FOLDER = Path(__file__).parent
SPACING_MM = 2.0
SIZE_MM = 2.5
SAMPLING_MM = 1.25
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


def make_hexahedra(level: str, name: str, folder: Path = FOLDER) -> dict[str, object]:
    """Write one vertebra as hexahedra that fit it, caps included; return its entry."""
    vertebra = vb.Vertebra(level=level)
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=SAMPLING_MM, margin_mm=4.0)
    specimen = vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=VBMD_MG_CM3))
    fitter = HexaFitter.of(
        vertebra.anatomy.frame,
        size_mm=SIZE_MM,
        shell_mm=vertebra.shell_thickness_mm,
        endplate_mm=vertebra.endplate_thickness_mm,
        potting=vb.Potting(),
    )
    fracture = FRACTURES[name]
    if fracture is not None:
        specimen = fracture.apply(specimen)
    mesh = fitted_mesh(fitter.fit(specimen), {})
    path = folder / f"{level}_{name}_hexahedra.vtu"
    write_vtu(path, mesh)
    quality = cell_quality(mesh)
    return {
        "file": path.name,
        "level": level,
        "stage": specimen.name,
        "recipe": list(specimen.history),
        "size_mm": SIZE_MM,
        "cells": mesh.n_cells,
        "points": mesh.n_points,
        "least_scaled_jacobian": round(float(quality.scaled_jacobian.min()), 3),
        "bytes": path.stat().st_size,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


if __name__ == "__main__":
    wanted = [(level, name) for level in ("T8", "T12", "L1", "L3") for name in FRACTURES]
    entries = [make(*one) for one in wanted] + [make_hexahedra(*one) for one in wanted]
    (FOLDER / "manifest.json").write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
