"""Closed surfaces of triangles: read, checked, and refused with a hint where they are not one."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require

__all__ = ["Surface", "check_surface", "read_surface"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_READERS = {
    ".stl": ("vtkmodules.vtkIOGeometry", "vtkSTLReader"),
    ".obj": ("vtkmodules.vtkIOGeometry", "vtkOBJReader"),
    ".ply": ("vtkmodules.vtkIOPLY", "vtkPLYReader"),
    ".vtp": ("vtkmodules.vtkIOXML", "vtkXMLPolyDataReader"),
}
_UNITS_MM = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
# The largest extent of one vertebra, with room for children, animals and partial bodies.
_LEAST_MM, _MOST_MM = 8.0, 250.0


@dataclass(frozen=True, eq=False)
class Surface:
    """Triangles in space.

    Parameters
    ----------
    points : (n_points, 3) float, mm
        Places.
    triangles : (n_triangles, 3) int
        Corners, counter-clockwise seen from outside.
    """

    points: FloatArray
    triangles: IntArray

    def volume_mm3(self) -> float:
        """Return the enclosed volume, mm3; negative where the triangles look inwards."""
        a, b, c = (self.points[self.triangles[:, k]] for k in range(3))
        return float(np.einsum("ij,ij->", a, np.cross(b, c))) / 6.0

    def extent_mm(self) -> FloatArray:
        """Return the edges of the box around it, (3,), mm."""
        return np.asarray(np.ptp(self.points, axis=0))


def read_surface(path: str | Path, *, unit: str = "mm") -> Surface:
    """Read STL, OBJ, PLY or VTP; corners at the same place become one point.

    Parameters
    ----------
    path : path
        The file.
    unit : {"mm", "cm", "m"}
        Unit of its coordinates.

    Raises
    ------
    InvalidInput
        If the suffix or the unit is not known, or the file holds no triangles.
    """
    path = Path(path)
    require(unit in _UNITS_MM, "unit", unit, f"one of {', '.join(_UNITS_MM)}")
    if not path.is_file():
        raise InvalidInput(f"cannot read {path}: no such file")
    suffix = path.suffix.lower()
    if suffix not in _READERS:
        raise InvalidInput(f"{path}: must end in one of {', '.join(_READERS)}")
    points, triangles = _read(path, *_READERS[suffix])
    if not len(triangles):
        raise InvalidInput(f"{path}: holds no triangles")
    unique, which = np.unique(points, axis=0, return_inverse=True)
    merged = which.reshape(-1)[triangles]
    proper = (np.diff(np.sort(merged, axis=1), axis=1) > 0).all(axis=1)
    return Surface(unique * _UNITS_MM[unit], merged[proper])


def _read(path: Path, module: str, name: str) -> tuple[FloatArray, IntArray]:
    from vtkmodules.vtkCommonCore import vtkObject
    from vtkmodules.vtkFiltersCore import vtkTriangleFilter

    support: Any = import_module("vtkmodules.util.numpy_support")
    reader: Any = getattr(import_module(module), name)()
    reader.SetFileName(str(path))
    triangles = vtkTriangleFilter()
    triangles.PassVertsOff()
    triangles.PassLinesOff()
    triangles.SetInputConnection(reader.GetOutputPort())
    shown = vtkObject.GetGlobalWarningDisplay()
    vtkObject.SetGlobalWarningDisplay(0)  # a broken file is told of below, once
    try:
        triangles.Update()
    finally:
        vtkObject.SetGlobalWarningDisplay(shown)
    found = triangles.GetOutput()
    if not found.GetNumberOfPolys():
        return np.zeros((0, 3)), np.zeros((0, 3), np.int64)
    corners = support.vtk_to_numpy(found.GetPolys().GetConnectivityArray()).reshape(-1, 3)
    points = support.vtk_to_numpy(found.GetPoints().GetData())
    return points.astype(np.float64), corners.astype(np.int64)


def check_surface(surface: Surface, name: str = "surface") -> Surface:
    """Return the surface, looking outwards, if it encloses one body of a likely size.

    Parameters
    ----------
    surface : Surface
        What was read.
    name : str
        What it is called in errors.

    Raises
    ------
    InvalidInput
        If its size is unlikely for a vertebra (with a hint at the unit), if it is open, if more
        than two triangles meet at an edge, or if neighbours look to opposite sides.
    """
    _check_size(surface, name)
    edges, times, balance = _edges(surface.triangles)
    open_edges = int(np.count_nonzero(times == 1))
    if open_edges:
        raise InvalidInput(
            f"{name}: is not closed: {open_edges} edges belong to one triangle only, in "
            f"{_n_pieces(surface, edges)} separate pieces; close the holes first, for instance by "
            "shrink-wrapping"
        )
    crowded = int(np.count_nonzero(times > 2))
    if crowded:
        raise InvalidInput(
            f"{name}: is not a manifold: more than two triangles meet at {crowded} edges"
        )
    twisted = int(np.count_nonzero(balance))
    if twisted:
        raise InvalidInput(
            f"{name}: neighbouring triangles look to opposite sides at {twisted} edges; make the "
            "normals consistent first"
        )
    if surface.volume_mm3() < 0.0:
        return Surface(surface.points, surface.triangles[:, ::-1].copy())
    return surface


def _check_size(surface: Surface, name: str) -> None:
    size = float(surface.extent_mm().max())
    if _LEAST_MM <= size <= _MOST_MM:
        return
    hint = "check its unit"
    for unit, factor in _UNITS_MM.items():
        if factor > 1.0 and _LEAST_MM <= size * factor <= _MOST_MM:
            hint = f"its coordinates look like {unit}: say --unit {unit}"
            break
    raise InvalidInput(
        f"{name}: is {size:.3g} mm large, unlikely for a vertebra "
        f"({_LEAST_MM:g} to {_MOST_MM:g} mm); {hint}"
    )


def _edges(triangles: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return edges (n, 2), triangles at each, and how unevenly they are run through."""
    ends = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    forwards = np.where(ends[:, 0] < ends[:, 1], 1, -1)
    edges, which = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    which = which.reshape(-1)
    times = np.bincount(which)
    balance = np.bincount(which, forwards).astype(np.int64)
    return edges, times, balance


def _n_pieces(surface: Surface, edges: IntArray) -> int:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(surface.points)
    joined = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(n, n))
    _, piece = connected_components(joined.tocsr(), directed=False)
    return len(np.unique(piece[surface.triangles[:, 0]]))
