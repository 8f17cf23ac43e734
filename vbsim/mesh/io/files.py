"""Meshes by the suffix of their file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from vbsim.checks import InvalidInput
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.io.abaqus_deck import read_deck
from vbsim.mesh.io.abaqus_write import write_abaqus_mesh
from vbsim.mesh.io.vtu import read_vtu, write_vtu
from vbsim.mesh.mesh import SHAPES, Mesh

__all__ = ["READABLE", "WRITABLE", "read_mesh", "write_mesh"]

READABLE = (".vtu", ".inp", ".msh")
WRITABLE = (".vtu", ".inp", ".msh")


def read_mesh(path: str | Path) -> Mesh:
    """Read a mesh of one kind of solid cell: VTU, Abaqus or CalculiX, Gmsh.

    Raises
    ------
    InvalidInput
        If the suffix is not known or the file is no such mesh.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInput(f"cannot read {path}: no such file")
    suffix = path.suffix.lower()
    if suffix == ".vtu":
        return read_vtu(path)
    if suffix == ".inp":
        return read_deck(path).mesh
    if suffix == ".msh":
        return _read_gmsh(path)
    raise InvalidInput(f"{path}: must end in one of {', '.join(READABLE)}")


def write_mesh(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh by the suffix of its file; VTU carries data and sets, Gmsh points and cells."""
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".vtu":
        write_vtu(path, mesh)
    elif suffix == ".inp":
        element = next(e for e in ELEMENTS.values() if e.shape.name == mesh.kind)
        write_abaqus_mesh(path, mesh, element)
    elif suffix == ".msh":
        _write_gmsh(path, mesh)
    else:
        raise InvalidInput(f"{path}: must end in one of {', '.join(WRITABLE)}")


def _read_gmsh(path: Path) -> Mesh:
    import meshio

    try:
        found = meshio.gmsh.read(str(path))
    except Exception as error:
        raise InvalidInput(f"{path}: not a readable Gmsh mesh: {error}") from None
    solids = [block for block in found.cells if block.type in SHAPES]
    kinds = sorted({block.type for block in solids})
    if len(kinds) != 1:
        named = ", ".join(kinds) or "none"
        raise InvalidInput(f"{path}: cells of one solid kind are needed; found {named}")
    cells = np.concatenate([block.data for block in solids])
    return Mesh(np.asarray(found.points)[:, :3], cells.astype(np.int32), kinds[0])


def _write_gmsh(path: Path, mesh: Mesh) -> None:
    import meshio

    if mesh.kind == "wedge15":
        raise InvalidInput(f"{path}: wedges of second order cannot be written for Gmsh")
    tags = [np.ones(mesh.n_cells, dtype=np.int32)]
    out = meshio.Mesh(
        mesh.points,
        [(mesh.kind, mesh.cells)],
        cell_data={"gmsh:physical": tags, "gmsh:geometrical": tags},
    )
    meshio.gmsh.write(str(path), out, fmt_version="2.2", binary=False)
