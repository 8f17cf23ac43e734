"""Ready-made vertebrae: a folder of meshes, each by its recipe, digest and quality.

Voxels are written as VTK image data, hexahedra that fit the body as VTK unstructured grids, both
with tissue, density, modulus and integrity of every cell; ParaView and PyVista open them. Each is
listed in ``manifest.json``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vbsim.anatomy import Vertebra
from vbsim.checks import InvalidInput
from vbsim.fracture import Biconcave, Wedge
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.mesh.io.vtu import write_vtu
from vbsim.mesh.quality import cell_quality
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.fitters import HexaFitter
from vbsim.study.fields import stage_fields, write_vti
from vbsim.study.hexa import fitted_mesh

__all__ = ["LEVELS", "MANIFEST", "STAGES", "is_as_listed", "listed", "remake"]

Entry = dict[str, Any]

LEVELS = ("T8", "T12", "L1", "L3")
"""Vertebrae that are made."""

STAGES = {"intact": None, "wedge": Wedge(grade=2), "biconcave": Biconcave(grade=2)}
"""What each is made as."""

MANIFEST = "manifest.json"

_SPACING_MM = 2.0
_SIZE_MM, _SAMPLING_MM = 2.5, 1.25
_MARGIN_MM = 4.0
_VBMD_MG_CM3 = 65.0


def listed(folder: Path) -> list[Entry]:
    """Return what the manifest of a folder lists.

    Raises
    ------
    InvalidInput
        If there is none, or it is no list of files.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise InvalidInput(
            f"{folder}: no folder of ready-made meshes, it holds no {MANIFEST}; "
            "vbsim meshes FOLDER --remake makes one"
        )
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: must list files with their sha256: {error}") from None
    if not (isinstance(entries, list) and all("sha256" in entry for entry in entries)):
        raise InvalidInput(f"{path}: must list files with their sha256")
    return entries


def is_as_listed(entry: Entry, folder: Path) -> bool:
    """Return whether a file is there and is the one that the manifest lists."""
    path = folder / entry["file"]
    return path.is_file() and _digest(path) == str(entry["sha256"])


def remake(
    folder: Path,
    *,
    levels: tuple[str, ...] = LEVELS,
    told: Callable[[Entry], None] = lambda entry: None,
) -> list[Entry]:
    """Make every vertebra again, in place of what the folder holds; the manifest last.

    Parameters
    ----------
    folder : path
        Where to; made if need be.
    levels : tuple of str
        Vertebrae.
    told : callable
        Told the entry of every file once it is written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for write in (_write_voxels, _write_hexahedra):
        for level in levels:
            for name in STAGES:
                entries.append(write(level, name, folder))
                told(entries[-1])
    text = json.dumps(entries, indent=1) + "\n"
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    return entries


def _body(level: str, name: str, spacing_mm: float) -> tuple[Vertebra, Specimen]:
    vertebra = Vertebra(level=level)
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=_MARGIN_MM)
    specimen = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=_VBMD_MG_CM3))
    fracture = STAGES[name]
    return vertebra, specimen if fracture is None else fracture.apply(specimen)


def _write_voxels(level: str, name: str, folder: Path) -> Entry:
    _, specimen = _body(level, name, _SPACING_MM)
    path = folder / f"{level}_{name}_voxels.vti"
    cells, points = stage_fields(specimen, {})
    write_vti(path, specimen.domain, cells, points)
    size = {"spacing_mm": _SPACING_MM, "cells": list(specimen.domain.shape)}
    return _entry(path, level, specimen, size)


def _write_hexahedra(level: str, name: str, folder: Path) -> Entry:
    """Write the body with its caps as hexahedra that fit it."""
    vertebra, specimen = _body(level, name, _SAMPLING_MM)
    fitter = HexaFitter.of(
        vertebra.anatomy.frame,
        size_mm=_SIZE_MM,
        shell_mm=vertebra.shell_thickness_mm,
        endplate_mm=vertebra.endplate_thickness_mm,
        potting=Potting(),
    )
    mesh = fitted_mesh(fitter.fit(specimen), {})
    path = folder / f"{level}_{name}_hexahedra.vtu"
    write_vtu(path, mesh)
    size = {
        "size_mm": _SIZE_MM,
        "cells": mesh.n_cells,
        "points": mesh.n_points,
        "least_scaled_jacobian": round(float(cell_quality(mesh).scaled_jacobian.min()), 3),
    }
    return _entry(path, level, specimen, size)


def _entry(path: Path, level: str, specimen: Specimen, size: Entry) -> Entry:
    recipe = {"level": level, "stage": specimen.name, "recipe": list(specimen.history)}
    return {
        "file": path.name,
        **recipe,
        **size,
        "bytes": path.stat().st_size,
        "sha256": _digest(path),
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
