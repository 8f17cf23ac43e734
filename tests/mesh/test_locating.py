"""Points of a grid are found in the cells of a distorted mesh."""

from __future__ import annotations

import numpy as np
import pytest
from solids import distorted

from vbsim.mesh.locating import GridLocator
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.order import second_order

# A hexahedron as six tetrahedra around its diagonal.
SIX = ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6))


def test_linear_fields_are_interpolated_exactly():
    mesh = distorted((4, 3, 3), (4.0, 3.0, 3.0), 0.2)
    axes = tuple(np.linspace(-0.5, n + 0.5, 11) for n in (4, 3, 3))
    locator = GridLocator(mesh, axes)
    x, y, z = np.meshgrid(*axes, indexing="ij")
    expected = np.stack([x, y, z], axis=-1).transpose(2, 1, 0, 3)
    inside = (expected > 1e-9).all(-1) & (expected < np.array([4, 3, 3]) - 1e-9).all(-1)
    np.testing.assert_array_equal(locator.holder[inside] >= 0, True)
    assert (locator.holder[0, 0, 0], locator.holder[-1, -1, -1]) == (-1, -1)
    found = locator.of_points(mesh.points)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-8)


def test_cells_are_named_where_they_lie():
    mesh = distorted((3, 3, 3), (3.0, 3.0, 3.0), 0.1)
    axes = (np.array([0.5, 1.5, 2.5]),) * 3
    number = GridLocator(mesh, axes).of_cells(np.arange(mesh.n_cells))
    np.testing.assert_array_equal(number.ravel(), np.arange(27))


@pytest.mark.parametrize("order", [1, 2])
def test_linear_fields_on_tetrahedra_are_interpolated_exactly(order):
    hexahedra = distorted((3, 2, 2), (3.0, 2.0, 2.0), 0.1)
    mesh = Mesh(hexahedra.points, hexahedra.cells[:, np.array(SIX)].reshape(-1, 4), "tetra")
    mesh = second_order(mesh) if order == 2 else mesh
    axes = tuple(np.linspace(-0.4, n + 0.4, 12) for n in (3, 2, 2))
    locator = GridLocator(mesh, axes)
    expected = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).transpose(2, 1, 0, 3)
    inside = (expected > 1e-9).all(-1) & (expected < np.array([3, 2, 2]) - 1e-9).all(-1)
    np.testing.assert_array_equal(locator.holder[inside] >= 0, True)
    assert (locator.holder[0, 0, 0], locator.holder[-1, -1, -1]) == (-1, -1)
    found = locator.of_points(mesh.points)
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-9)
