"""Tetrahedra kept in a folder: what was drawn at random once is found again by its surface."""

from __future__ import annotations

import hashlib
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from vbsim.mesh.mesh import Mesh
from vbsim.mesh.surface import Surface

__all__ = ["kept_cells", "keep_cells"]


def kept_cells(folder: Path, surface: Surface, size_mm: float) -> Mesh | None:
    """Return the tetrahedra that were kept for a surface, or None."""
    path = _file(folder, surface, size_mm)
    try:
        with np.load(path, allow_pickle=False) as kept:
            found = Mesh(kept["points"], kept["cells"], "tetra")
        with suppress(OSError):
            os.utime(path)  # tells that it is in use
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return found


def keep_cells(folder: Path, surface: Surface, size_mm: float, mesh: Mesh) -> None:
    """Keep tetrahedra for a surface; a folder that cannot be written to stops nothing."""
    path = _file(folder, surface, size_mm)
    aside = path.with_name(f".{path.stem}-{os.getpid()}")
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with aside.open("wb") as stream:
            np.savez(stream, points=mesh.points, cells=mesh.cells)
        aside.replace(path)


def _file(folder: Path, surface: Surface, size_mm: float) -> Path:
    told = hashlib.sha256(surface.points.tobytes() + surface.triangles.tobytes())
    told.update(repr(float(size_mm)).encode())
    return folder / f"{told.hexdigest()[:32]}.cells.npz"
