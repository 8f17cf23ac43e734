"""A regular grid that follows a mesh: displacements of its points, values of its cells."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from vbsim.mesh.locating import GridLocator
from vbsim.mesh.mesh import Mesh

__all__ = ["GridFollower"]

FloatArray = NDArray[np.float64]
Axes = tuple[FloatArray, FloatArray, FloatArray]


class GridFollower:
    """What happens to a grid that is carried along by a mesh.

    Parameters
    ----------
    mesh : Mesh
        Hexahedra, or tetrahedra with straight edges.
    faces, centres : tuple of 1-D float arrays
        Coordinates x, y, z of the grid's points and of the middles of its cells, mm.
    """

    def __init__(self, mesh: Mesh, faces: Axes, centres: Axes) -> None:
        self._mesh, self._faces, self._centres = mesh, faces, centres

    @cached_property
    def _points(self) -> tuple[GridLocator, NDArray[np.intp]]:
        locator = GridLocator(self._mesh, self._faces)
        nearest = distance_transform_edt(
            locator.holder < 0, return_distances=False, return_indices=True
        )
        return locator, np.asarray(nearest)

    @cached_property
    def _cells(self) -> GridLocator:
        return GridLocator(self._mesh, self._centres)

    def displacement(self, displacement_mm: FloatArray) -> FloatArray:
        """Return the displacement of the grid's points, (3, n_z, n_y, n_x), from (3, n_points).

        Points outside the mesh move as the nearest inside.
        """
        locator, nearest = self._points
        filled = locator.of_points(displacement_mm.T)[tuple(nearest)]
        return np.ascontiguousarray(np.moveaxis(filled, -1, 0))

    def values(self, cells: NDArray[np.generic]) -> FloatArray:
        """Return a field of cells at the middles of the grid's cells, 0 outside the mesh."""
        return self._cells.of_cells(cells)
