"""A mesh of one kind of cell, with named sets and data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import frozen, require
from vbsim.mesh.elements import ELEMENTS, HEXAHEDRON, Element, Shape, reference_corners

__all__ = ["Mesh", "SHAPES", "cell_gradients", "faces_of", "neighbours", "outer_faces", "widths_mm"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

SHAPES: dict[str, Shape] = {e.shape.name: e.shape for e in ELEMENTS.values()}
"""Kinds of cell by their name in meshio and VTK."""

# Cells whose gradients are held at once; bounds memory.
_CHUNK = 1 << 14


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points, cells of one kind, named sets and data.

    Parameters
    ----------
    points : (n_points, 3) float, mm
        Places in the world (LPS).
    cells : (n_cells, n_nodes) int
        Points of each cell in VTK's order.
    kind : str
        Kind of cell, a key of `SHAPES`.
    point_sets, cell_sets : mapping of str to (n,) int
        Points and cells by name.
    point_data, cell_data : mapping of str to array
        Arrays with one row for each point or cell.

    Examples
    --------
    >>> cube = Mesh(np.mgrid[0:2, 0:2, 0:2].reshape(3, -1).T, [[0, 4, 6, 2, 1, 5, 7, 3]])
    >>> round(float(cube.volumes()[0]), 12)
    1.0
    """

    points: FloatArray
    cells: IntArray
    kind: str = "hexahedron"
    point_sets: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    cell_sets: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    point_data: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    cell_data: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        require(self.kind in SHAPES, "kind", self.kind, f"one of {', '.join(SHAPES)}")
        points = np.asarray(self.points, dtype=np.float64)
        cells = np.asarray(self.cells, dtype=np.int32)
        require(
            points.ndim == 2 and points.shape[1] == 3,
            "points",
            points.shape,
            "of shape (n_points, 3)",
        )
        n_nodes = SHAPES[self.kind].n_nodes
        require(
            cells.ndim == 2 and cells.shape[1] == n_nodes,
            "cells",
            cells.shape,
            f"of shape (n_cells, {n_nodes}) for a {self.kind}",
        )
        require(bool(np.isfinite(points).all()), "points", "NaN", "finite everywhere")
        low, high = (int(cells.min()), int(cells.max())) if cells.size else (0, -1)
        require(
            low >= 0 and high < len(points),
            "cells",
            (low, high),
            f"between 0 and {len(points) - 1}",
        )
        object.__setattr__(self, "points", frozen(points))
        object.__setattr__(self, "cells", frozen(cells))

    @property
    def shape(self) -> tuple[int]:
        """Shape of an array with one value for each cell."""
        return (len(self.cells),)

    @property
    def n_cells(self) -> int:
        """Number of cells."""
        return len(self.cells)

    @property
    def n_points(self) -> int:
        """Number of points."""
        return len(self.points)

    @property
    def geometry(self) -> Shape:
        """The kind of cell."""
        return SHAPES[self.kind]

    def centres(self) -> FloatArray:
        """Return the mean of each cell's corners, (n_cells, 3), mm."""
        corners = self.cells[:, : self.geometry.n_corners]
        return np.asarray(self.points[corners].mean(axis=1))

    def volumes(self) -> FloatArray:
        """Return the volume of each cell, (n_cells,), mm3; negative where it is inside out."""
        element = next(e for e in ELEMENTS.values() if e.shape.name == self.kind)
        found = np.empty(self.n_cells)
        for start in range(0, self.n_cells, _CHUNK):
            part = slice(start, start + _CHUNK)
            found[part] = cell_gradients(self.points, self.cells[part], element)[1].sum(axis=1)
        return found

    def with_points(self, points: ArrayLike) -> Mesh:
        """Return the same mesh with moved points."""
        return replace(self, points=np.asarray(points, dtype=np.float64))

    def with_data(
        self,
        cells: Mapping[str, NDArray[np.generic]] | None = None,
        points: Mapping[str, NDArray[np.generic]] | None = None,
    ) -> Mesh:
        """Return the same mesh with further data."""
        return replace(
            self,
            cell_data={**self.cell_data, **(cells or {})},
            point_data={**self.point_data, **(points or {})},
        )


def cell_gradients(
    points: FloatArray, cells: IntArray, element: Element, at: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Return gradients of shape functions in space, and determinants times weights.

    Parameters
    ----------
    points : (n_points, 3) float, mm
        Places of the points.
    cells : (n_cells, n_nodes) int
        Points of each cell.
    element : Element
        Shape functions and quadrature.
    at : (n, 3) float, optional
        Reference points; those of the quadrature by default.

    Returns
    -------
    gradients : (n_cells, n, n_nodes, 3) float, 1/mm
    volumes : (n_cells, n) float, mm3
        Jacobian determinants, times the weights of the quadrature where `at` is left out.
    """
    places = element.rule.points if at is None else np.atleast_2d(at)
    weights = element.rule.weights if at is None else np.ones(len(places))
    slopes = element.values(places)[1]
    jacobian = np.einsum("qak,cai->cqki", slopes, points[cells])
    gradients = np.einsum("cqik,qak->cqai", np.linalg.inv(jacobian), slopes)
    return gradients, np.linalg.det(jacobian) * weights


def mean_displacement_gradients(
    mesh: Mesh, element: Element, displacement_mm: FloatArray
) -> FloatArray:
    """Return the volume mean of the displacement gradient of every cell, (n_cells, 3, 3).

    Parameters
    ----------
    mesh : Mesh
        The mesh.
    element : Element
        The finite element of its cells; incompatible modes have no mean gradient.
    displacement_mm : (n_points, 3) float
        Displacement; ``[c, i, j]`` of the result is its component i along axis j.
    """
    found = np.empty((mesh.n_cells, 3, 3))
    for start in range(0, mesh.n_cells, _CHUNK):
        part = slice(start, start + _CHUNK)
        gradients, volumes = cell_gradients(mesh.points, mesh.cells[part], element)
        mean = np.einsum("cq,cqaj->caj", volumes, gradients) / volumes.sum(axis=1)[:, None, None]
        found[part] = np.einsum("cai,caj->cij", displacement_mm[mesh.cells[part]], mean)
    return found


def widths_mm(mesh: Mesh, cells: NDArray[np.int64], normals: FloatArray) -> FloatArray:
    """Return how thick some cells are across planes with given unit normals, (n,), mm.

    Exact where the planes are two faces of a hexahedron; other kinds count as cubes.

    Parameters
    ----------
    mesh : Mesh
        The mesh.
    cells : (n,) int
        Cells.
    normals : (n, 3) float
        A unit normal for each.
    """
    if mesh.kind != "hexahedron":
        return np.cbrt(mesh.volumes()[cells])
    signs = 0.25 * reference_corners(HEXAHEDRON)
    edges = np.einsum("ak,cai->cki", signs, mesh.points[mesh.cells[cells]])
    return np.asarray(np.linalg.norm(np.einsum("cki,ci->ck", edges, normals), axis=1))


def faces_of(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the corners, cell and place of every face of every cell.

    Triangles repeat their last corner, so that all faces have four.

    Returns
    -------
    corners : (n_faces, 4) int
        Points, outward normal by the right-hand rule.
    cell, place : (n_faces,) int
        Its cell and its number in the cell.
    """
    shape = mesh.geometry
    padded = np.array([(*face, face[-1])[:4] if len(face) == 3 else face for face in shape.faces])
    corners = mesh.cells[:, padded].astype(np.int64).reshape(-1, 4)
    n_faces = len(shape.faces)
    cell = np.repeat(np.arange(mesh.n_cells), n_faces)
    return corners, cell, np.tile(np.arange(n_faces), mesh.n_cells)


def outer_faces(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return what `faces_of` does, of the faces that one cell only has."""
    corners, cell, place = faces_of(mesh)
    _, first, count = np.unique(_keys(corners), axis=0, return_index=True, return_counts=True)
    chosen = first[count == 1]
    chosen.sort()
    return corners[chosen], cell[chosen], place[chosen]


def neighbours(mesh: Mesh) -> NDArray[np.int64]:
    """Return the pairs of cells that share a face, (n_pairs, 2)."""
    corners, cell, _ = faces_of(mesh)
    _, number, count = np.unique(_keys(corners), axis=0, return_inverse=True, return_counts=True)
    number = number.ravel()
    shared = np.flatnonzero(count[number] == 2)
    return cell[shared[np.argsort(number[shared], kind="stable")]].reshape(-1, 2)


def _keys(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return rows that are the same for the same face seen from both of its sides."""
    key = np.sort(corners, axis=1)
    # A triangle's repeated corner would sort apart from the same triangle seen from outside.
    doubled = corners[:, 3] == corners[:, 2]
    key[doubled] = np.sort(
        np.pad(corners[doubled, :3], ((0, 0), (0, 1)), constant_values=-1), axis=1
    )
    return key
