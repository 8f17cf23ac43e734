"""Reference elements: shape functions, quadrature, faces; node order as in VTK and Abaqus.

Reference coordinates run from -1 to 1 in bricks, from 0 with a sum of at most 1 in tetrahedra, and
as a triangle times -1 to 1 in wedges. Formulas: Zienkiewicz, Taylor & Zhu, The Finite Element
Method, 7th ed. 2013, chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require

__all__ = ["ELEMENTS", "Element", "Rule", "Shape", "element_named", "reference_corners"]

FloatArray = NDArray[np.float64]
ShapeValues = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


class Shape(NamedTuple):
    """Geometry of a kind of cell.

    Attributes
    ----------
    name : str
        Name in meshio and VTK, such as ``hexahedron20``.
    n_corners : int
        Nodes at corners; they come first.
    edges : tuple of pairs
        Corners that each mid-edge node lies between, in node order; empty for linear cells.
    faces : tuple of tuple of int
        Corners of each face, outward normal by the right-hand rule, in the order of Abaqus.
    """

    name: str
    n_corners: int
    edges: tuple[tuple[int, int], ...]
    faces: tuple[tuple[int, ...], ...]

    @property
    def n_nodes(self) -> int:
        """Nodes of a cell."""
        return self.n_corners + len(self.edges)


class Rule(NamedTuple):
    """Quadrature: points (n, 3) and weights (n,) that sum to the reference volume."""

    points: FloatArray
    weights: FloatArray


_HEX_FACES = ((0, 3, 2, 1), (4, 5, 6, 7), (0, 1, 5, 4), (1, 2, 6, 5), (2, 3, 7, 6), (3, 0, 4, 7))
_HEX_EDGES = (
    *((0, 1), (1, 2), (2, 3), (3, 0)),
    *((4, 5), (5, 6), (6, 7), (7, 4)),
    *((0, 4), (1, 5), (2, 6), (3, 7)),
)
_TET_FACES = ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))
_TET_EDGES = ((0, 1), (1, 2), (2, 0), (0, 3), (1, 3), (2, 3))
_WEDGE_FACES = ((0, 2, 1), (3, 4, 5), (0, 1, 4, 3), (1, 2, 5, 4), (2, 0, 3, 5))
_WEDGE_EDGES = ((0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3), (0, 3), (1, 4), (2, 5))

HEXAHEDRON = Shape("hexahedron", 8, (), _HEX_FACES)
HEXAHEDRON20 = Shape("hexahedron20", 8, _HEX_EDGES, _HEX_FACES)
TETRA = Shape("tetra", 4, (), _TET_FACES)
TETRA10 = Shape("tetra10", 4, _TET_EDGES, _TET_FACES)
WEDGE = Shape("wedge", 6, (), _WEDGE_FACES)
WEDGE15 = Shape("wedge15", 6, _WEDGE_EDGES, _WEDGE_FACES)

_HEX_CORNERS = np.array(
    [
        *((-1, -1, -1), (1, -1, -1), (1, 1, -1), (-1, 1, -1)),
        *((-1, -1, 1), (1, -1, 1), (1, 1, 1), (-1, 1, 1)),
    ],
    dtype=np.float64,
)
_TET_CORNERS = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], dtype=np.float64)
_WEDGE_CORNERS = np.array(
    [(0, 0, -1), (1, 0, -1), (0, 1, -1), (0, 0, 1), (1, 0, 1), (0, 1, 1)], dtype=np.float64
)


def reference_corners(shape: Shape) -> FloatArray:
    """Return the reference coordinates of all nodes of a cell, (n_nodes, 3)."""
    corners = {8: _HEX_CORNERS, 4: _TET_CORNERS, 6: _WEDGE_CORNERS}[shape.n_corners]
    middles = [0.5 * (corners[a] + corners[b]) for a, b in shape.edges]
    return np.concatenate([corners, np.array(middles).reshape(-1, 3)])


class Element(NamedTuple):
    """A finite element: a kind of cell with shape functions, quadrature and a remedy for locking.

    Attributes
    ----------
    name : str
        Our name, such as ``hex8i``.
    abaqus : str
        Its name in Abaqus and CalculiX.
    shape : Shape
        The kind of cell.
    values : callable
        Maps reference points (n, 3) to shape functions (n, n_nodes) and their gradients
        (n, n_nodes, 3).
    rule : Rule
        Quadrature of the stiffness.
    n_modes : int
        Incompatible modes for each component, condensed inside the element (0 or 3).
    """

    name: str
    abaqus: str
    shape: Shape
    values: ShapeValues
    rule: Rule
    n_modes: int = 0


def _lagrange_hex(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    factor = 1.0 + points[:, None, :] * _HEX_CORNERS
    values = factor.prod(axis=2) / 8.0
    gradients = np.empty((*values.shape, 3))
    for k in range(3):
        others = np.delete(factor, k, axis=2).prod(axis=2)
        gradients[..., k] = others * _HEX_CORNERS[:, k] / 8.0
    return values, gradients


def _serendipity_hex(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    nodes = reference_corners(HEXAHEDRON20)
    n = len(points)
    values, gradients = np.empty((n, 20)), np.empty((n, 20, 3))
    for a, node in enumerate(nodes):
        terms = 1.0 + points * node
        if a < 8:
            total = (points * node).sum(axis=1) - 2.0
            base = terms.prod(axis=1) / 8.0
            values[:, a] = base * total
            for k in range(3):
                others = np.delete(terms, k, axis=1).prod(axis=1) / 8.0
                gradients[:, a, k] = node[k] * (others * total + base)
        else:
            along = int(np.flatnonzero(node == 0.0)[0])
            terms[:, along] = 1.0 - points[:, along] ** 2
            slope = node.copy()
            values[:, a] = terms.prod(axis=1) / 4.0
            for k in range(3):
                others = np.delete(terms, k, axis=1).prod(axis=1) / 4.0
                rate = -2.0 * points[:, along] if k == along else slope[k]
                gradients[:, a, k] = others * rate
    return values, gradients


def _linear_tet(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    values = np.concatenate([1.0 - points.sum(axis=1, keepdims=True), points], axis=1)
    gradients = np.broadcast_to(np.vstack([-np.ones(3), np.eye(3)]), (len(points), 4, 3))
    return values, gradients.copy()


def _quadratic_simplex(
    values: FloatArray, gradients: FloatArray, edges: tuple[tuple[int, int], ...]
) -> tuple[FloatArray, FloatArray]:
    corners = values * (2.0 * values - 1.0)
    corner_slopes = (4.0 * values - 1.0)[..., None] * gradients
    first, second = (np.array(end) for end in zip(*edges, strict=True))
    middles = 4.0 * values[:, first] * values[:, second]
    middle_slopes = 4.0 * (
        values[:, first, None] * gradients[:, second]
        + values[:, second, None] * gradients[:, first]
    )
    return (
        np.concatenate([corners, middles], axis=1),
        np.concatenate([corner_slopes, middle_slopes], axis=1),
    )


def _quadratic_tet(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    return _quadratic_simplex(*_linear_tet(points), _TET_EDGES)


def _triangle(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the three area coordinates and their gradients in 3-D."""
    r, s = points[:, 0], points[:, 1]
    values = np.stack([1.0 - r - s, r, s], axis=1)
    slopes = np.array([(-1.0, -1.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)])
    return values, np.broadcast_to(slopes, (len(points), 3, 3))


def _linear_wedge(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    area, slopes = _triangle(points)
    values, gradients = [], []
    for end in (-1.0, 1.0):
        height = 0.5 * (1.0 + end * points[:, 2:])
        values.append(area * height)
        grown = slopes * height[..., None]
        grown[..., 2] += 0.5 * end * area
        gradients.append(grown)
    return np.concatenate(values, axis=1), np.concatenate(gradients, axis=1)


def _serendipity_wedge(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    area, slopes = _triangle(points)
    z = points[:, 2]
    n = len(points)
    values, gradients = np.empty((n, 15)), np.zeros((n, 15, 3))
    up = np.array([0.0, 0.0, 1.0])
    for k, end in ((k, end) for end in (-1.0, 1.0) for k in range(3)):
        a = k if end < 0 else k + 3
        level = 1.0 + end * z
        bubble = 1.0 - z * z
        L = area[:, k]
        values[:, a] = 0.5 * L * ((2.0 * L - 1.0) * level - bubble)
        by_area = 0.5 * ((4.0 * L - 1.0) * level - bubble)
        by_z = 0.5 * L * ((2.0 * L - 1.0) * end + 2.0 * z)
        gradients[:, a] = by_area[:, None] * slopes[:, k] + by_z[:, None] * up
        j = (k + 1) % 3
        edge = 6 + k if end < 0 else 9 + k
        values[:, edge] = 2.0 * L * area[:, j] * level
        both = L[:, None] * slopes[:, j] + area[:, [j]] * slopes[:, k]
        gradients[:, edge] = 2.0 * level[:, None] * both
        gradients[:, edge] += (2.0 * L * area[:, j] * end)[:, None] * up
    for k in range(3):
        values[:, 12 + k] = area[:, k] * (1.0 - z * z)
        gradients[:, 12 + k] = (1.0 - z * z)[:, None] * slopes[:, k]
        gradients[:, 12 + k] += (-2.0 * z * area[:, k])[:, None] * up
    return values, gradients


def _gauss_hex(n: int) -> Rule:
    """Return the product rule of n points along each axis, x fastest."""
    points, weights = np.polynomial.legendre.leggauss(n)
    places = [(x, y, z) for z, y, x in product(points, repeat=3)]
    return Rule(np.array(places), np.array([a * b * c for c, b, a in product(weights, repeat=3)]))


def _gauss_tet4() -> Rule:
    near, far = (5.0 - np.sqrt(5.0)) / 20.0, (5.0 + 3.0 * np.sqrt(5.0)) / 20.0
    points = np.full((4, 3), near)
    for k in range(3):
        points[k + 1, k] = far
    return Rule(points, np.full(4, 1.0 / 24.0))


def _gauss_wedge(triangle: FloatArray, n_z: int) -> Rule:
    """Return a triangle rule (weights sum to 1/2) times Gauss points along z."""
    heights, weights = np.polynomial.legendre.leggauss(n_z)
    points = [(*place, z) for z in heights for place in triangle]
    total = [w / (2.0 * len(triangle)) for w in weights for _ in triangle]
    return Rule(np.array(points), np.array(total))


_THIRD, _SIXTH = 1.0 / 3.0, 1.0 / 6.0
_CENTRE = np.array([(_THIRD, _THIRD)])
_INNER = np.array([(_SIXTH, _SIXTH), (4.0 * _SIXTH, _SIXTH), (_SIXTH, 4.0 * _SIXTH)])

ELEMENTS: dict[str, Element] = {
    element.name: element
    for element in (
        Element("hex8", "C3D8", HEXAHEDRON, _lagrange_hex, _gauss_hex(2)),
        Element("hex8i", "C3D8I", HEXAHEDRON, _lagrange_hex, _gauss_hex(2), n_modes=3),
        Element("hex20", "C3D20", HEXAHEDRON20, _serendipity_hex, _gauss_hex(3)),
        Element("hex20r", "C3D20R", HEXAHEDRON20, _serendipity_hex, _gauss_hex(2)),
        Element(
            "tet4", "C3D4", TETRA, _linear_tet, Rule(np.full((1, 3), 0.25), np.full(1, _SIXTH))
        ),
        Element("tet10", "C3D10", TETRA10, _quadratic_tet, _gauss_tet4()),
        Element("wedge6", "C3D6", WEDGE, _linear_wedge, _gauss_wedge(_CENTRE, 2)),
        Element("wedge15", "C3D15", WEDGE15, _serendipity_wedge, _gauss_wedge(_INNER, 3)),
    )
}
"""Every element by name; `hex8i` has the incompatible modes of Taylor, Beresford & Wilson 1976
(doi 10.1002/nme.1620100602), which remove the locking of `hex8` in bending and near
incompressibility; `hex20r` is integrated with 2 x 2 x 2 points."""


def element_named(name: str) -> Element:
    """Return an element by our name or by the name that Abaqus gives it."""
    for element in ELEMENTS.values():
        if name.upper() == element.abaqus or name == element.name:
            return element
    require(False, "element", name, f"one of {', '.join(ELEMENTS)}")
    raise AssertionError
