"""Fields of a mesh on the points of a regular grid."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.kernels.locating import locate, locate_tetrahedra
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.mesh import Mesh

__all__ = ["GridLocator"]

FloatArray = NDArray[np.float64]


_KINDS: dict[str, tuple[Any, str]] = {
    "hexahedron": (locate, "hex8"),
    "tetra": (locate_tetrahedra, "tet4"),
    "tetra10": (locate_tetrahedra, "tet10"),
}


class GridLocator:
    """Where the points of a regular grid lie in a mesh.

    Parameters
    ----------
    mesh : Mesh
        Hexahedra, or tetrahedra with straight edges.
    axes : tuple of 1-D float arrays
        Evenly spaced coordinates x, y, z of the grid's points, in the mesh's coordinates, mm.
    slack : float
        How far outside its cell, in reference coordinates, a point still counts as inside.

    Attributes
    ----------
    holder : (n_z, n_y, n_x) int
        Cell of each point, -1 outside.
    """

    def __init__(
        self,
        mesh: Mesh,
        axes: tuple[FloatArray, FloatArray, FloatArray],
        *,
        slack: float = 1e-6,
    ) -> None:
        require(mesh.kind in _KINDS, "mesh", mesh.kind, f"one of {', '.join(_KINDS)}")
        self._mesh = mesh
        shape = tuple(len(axis) for axis in axes[::-1])
        self.holder = np.empty(shape, np.int32)
        places = np.zeros((*shape, 3))
        first = np.array([axis[0] for axis in axes])
        steps = np.array([axis[1] - axis[0] for axis in axes])
        find, element = _KINDS[mesh.kind]
        find(mesh.cells, mesh.points, first, steps, slack, self.holder, places)
        self._inside = self.holder >= 0
        self._weights = ELEMENTS[element].values(places[self._inside])[0]

    def of_points(self, values: FloatArray) -> FloatArray:
        """Return a field of points (n_points, k) on the grid, (n_z, n_y, n_x, k); 0 outside."""
        corners = self._mesh.cells[self.holder[self._inside]]
        found = np.zeros((*self.holder.shape, values.shape[1]))
        found[self._inside] = np.einsum("pa,pak->pk", self._weights, values[corners])
        return found

    def of_cells(self, values: NDArray[np.generic], outside: float = 0.0) -> FloatArray:
        """Return a field of cells (n_cells,) on the grid, (n_z, n_y, n_x)."""
        found = np.full(self.holder.shape, outside)
        found[self._inside] = values[self.holder[self._inside]]
        return found
