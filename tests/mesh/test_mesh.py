"""Meshes: volumes, outer faces, second order."""

from __future__ import annotations

import numpy as np
import pytest
from solids import cut

from vbsim.checks import InvalidInput
from vbsim.mesh.mesh import SHAPES, Mesh, neighbours, outer_faces, widths_mm
from vbsim.mesh.order import brick, second_order


@pytest.mark.parametrize("kind", SHAPES)
def test_volumes_of_a_brick_sum_to_its_own(kind):
    mesh = cut(brick((2, 3, 2), (2.0, 3.0, 4.0)), kind)
    assert mesh.volumes().min() > 0
    assert mesh.volumes().sum() == pytest.approx(24.0, rel=1e-12)


@pytest.mark.parametrize("kind", ["hexahedron", "tetra", "wedge"])
def test_outer_faces_enclose_the_volume(kind):
    mesh = cut(brick((2, 3, 2), (2.0, 3.0, 4.0)), kind)
    corners, cell, place = outer_faces(mesh)
    p = mesh.points[corners]
    flux = 0.0
    for a, b in ((1, 2), (2, 3)):
        normal = 0.5 * np.cross(p[:, a] - p[:, 0], p[:, b] - p[:, 0])
        flux += (normal * p[:, 0]).sum()
    assert flux == pytest.approx(3 * 24.0)
    assert len(cell) == len(place) == len(corners)


def test_second_order_keeps_sets_with_their_edges():
    base = brick((1, 1, 1), (1.0, 1.0, 1.0))
    mesh = second_order(Mesh(base.points, base.cells, point_sets={"bottom": np.arange(4)}))
    assert mesh.n_points == 20
    np.testing.assert_array_equal(mesh.points[mesh.point_sets["bottom"]][:, 2], 0.0)
    assert len(mesh.point_sets["bottom"]) == 8


def test_wrong_arrays_are_refused():
    base = brick((1, 1, 1), (1.0, 1.0, 1.0))
    with pytest.raises(InvalidInput, match="cells = "):
        Mesh(base.points, base.cells[:, :6])
    with pytest.raises(InvalidInput, match="between 0 and 7"):
        Mesh(base.points, base.cells + 1)
    with pytest.raises(InvalidInput, match="kind = 'pyramid'"):
        Mesh(base.points, base.cells, "pyramid")


def test_neighbours_share_a_face():
    mesh = brick((3, 2, 2), (1.0, 1.0, 1.0))
    pairs = neighbours(mesh)
    assert len(pairs) == 2 * 2 * 2 + 3 * 1 * 2 + 3 * 2 * 1
    shared = [len(set(mesh.cells[a]) & set(mesh.cells[b])) for a, b in pairs]
    assert set(shared) == {4}


def test_cells_are_as_thick_as_their_faces_are_apart():
    mesh = brick((1, 1, 1), (4.0, 2.0, 1.0))
    at, axes = np.zeros(3, int), np.eye(3)
    assert widths_mm(mesh, at, axes) == pytest.approx([4.0, 2.0, 1.0])
    # A shear leans the faces across y; those across x stay.
    leaned = mesh.with_points(mesh.points + np.outer(mesh.points[:, 0], [0.0, 0.75, 0.0]))
    normals = np.array([[1.0, 0.0, 0.0], [-0.6, 0.8, 0.0]])
    assert widths_mm(leaned, at[:2], normals) == pytest.approx([4.0, 1.6])
