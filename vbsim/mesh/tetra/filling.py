"""Tetrahedra inside a closed surface, by fTetWild through the optional package pytetwild."""

from __future__ import annotations

import contextlib
import tempfile
import threading
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, MissingExtra, require
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.order import second_order
from vbsim.mesh.surface import Surface

__all__ = ["tetrahedralize"]

# The mesh's surface stays this close to the given one, as a part of the wanted edge.
_ENVELOPE = 0.1
# A mesh whose volume differs by more has lost a part of the body, or gained one.
_VOLUME_ERROR = 0.02
# Cells are bettered until none has a higher energy (3 is the best there is; the default of 10 lets
# scaled Jacobians fall below 0.1).
_WORST_ENERGY = 8.0
# The working folder, into which the library writes, is that of the whole process.
_FOLDER = threading.Lock()


def tetrahedralize(surface: Surface, size_mm: float, *, order: int = 1) -> Mesh:
    """Return tetrahedra that fill a closed surface.

    Parameters
    ----------
    surface : Surface
        Closed, looking outwards (`check_surface`).
    size_mm : float
        Wanted edge, mm.
    order : {1, 2}
        2 puts a node in the middle of every edge.

    Raises
    ------
    MissingExtra
        If pytetwild is not installed.
    InvalidInput
        If the surface is too thin for cells of this size, so that volume is lost.

    Notes
    -----
    Hu, Schneider, Wang, Zorin & Panozzo 2020, Fast tetrahedral meshing in the wild,
    doi 10.1145/3386569.3392385.
    """
    require(order in (1, 2), "order", order, "1 or 2")
    require(0.2 <= size_mm <= 10.0, "size_mm", size_mm, "from 0.2 to 10 mm")
    try:
        pytetwild: Any = import_module("pytetwild")
    except ImportError:
        raise MissingExtra(
            "tetrahedra need pytetwild: pip install 'vbsim[tet]' (or pip install pytetwild)"
        ) from None
    diagonal = float(np.linalg.norm(surface.extent_mm()))
    # The library leaves a file of its own in the working folder.
    with _FOLDER, tempfile.TemporaryDirectory() as aside, contextlib.chdir(aside):
        points, cells = pytetwild.tetrahedralize(
            surface.points,
            surface.triangles.astype(np.int32),
            edge_length_abs=size_mm,
            epsilon=_ENVELOPE * size_mm / diagonal,
            stop_energy=_WORST_ENERGY,
            num_threads=1,
        )
    mesh = _upright(np.asarray(points, dtype=np.float64), np.asarray(cells, dtype=np.int32))
    volume, wanted = float(mesh.volumes().sum()), surface.volume_mm3()
    if abs(volume - wanted) > _VOLUME_ERROR * wanted:
        raise InvalidInput(
            f"tetrahedra of {size_mm:g} mm enclose {volume / 1000:.2f} ml of the surface's "
            f"{wanted / 1000:.2f} ml: it is too thin for them, or crosses itself; ask for "
            "smaller cells or mend the surface"
        )
    return second_order(mesh) if order == 2 else mesh


def _upright(points: NDArray[np.float64], cells: NDArray[np.int32]) -> Mesh:
    """Return a mesh of the used points whose cells all have a positive volume."""
    used, which = np.unique(cells, return_inverse=True)
    cells = which.reshape(-1, 4).astype(np.int32)
    points = points[used]
    a, b, c, d = (points[cells[:, k]] for k in range(4))
    inverted = np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) < 0.0
    cells[inverted] = cells[inverted][:, [0, 2, 1, 3]]
    return Mesh(points, cells, "tetra")
