"""Tetrahedra of a body: layers on the core, all of one piece, with the shape of the hexahedra."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from fitting import fitter, stages

import vbsim as vb
from vbsim.checks import InvalidInput, MissingExtra
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.mesh import outer_faces
from vbsim.mesh.quality import scaled_jacobian
from vbsim.mesh.tetra import moved_tetra_body, tetra_body
from vbsim.mesh.tetra.body import _core
from vbsim.mesh.tetra.layers import prisms, rim_quads
from vbsim.mesh.tetra.nearest import Skin

SIZE_MM = 4.0
SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


def volumes(points, cells):
    a, b, c, d = (points[cells[:, k]] for k in range(4))
    return np.einsum("ij,ij->i", np.cross(b - a, c - a), d - a) / 6.0


@pytest.mark.parametrize("turn", range(6))
def test_a_layer_is_filled_upright_whatever_the_numbers(turn):
    order = [(0, 1, 2, 3), (1, 0, 2, 3), (3, 1, 0, 2), (2, 3, 0, 1), (3, 2, 1, 0), (1, 3, 2, 0)]
    number = np.array(order[turn])
    points = np.zeros((8, 3))
    points[number] = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)]
    points[4:] = points[:4] + np.array([0.1, 0.2, 2.0])
    above = np.arange(8) + 4
    found = volumes(points, prisms(number[SQUARE], above))
    assert found.min() > 0.0
    assert found.sum() == pytest.approx(2.0)
    sides, rim = rim_quads(number[SQUARE], above)
    assert len(sides) == len(rim) == 8
    # Base, top and sides enclose the layer, all looking outwards.
    skin = np.concatenate([number[SQUARE][:, ::-1], above[number[SQUARE]], sides])
    a, b, c = (points[skin[:, k]] for k in range(3))
    assert np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0 == pytest.approx(2.0)


def test_the_nearest_place_is_that_of_a_dense_search():
    rng = np.random.default_rng(5)
    points = np.array([(0.0, 0, 0), (3, 0, 0), (3, 3, 1), (0, 3, 0)])
    skin = Skin(points, SQUARE, np.zeros(2, int))
    at = rng.uniform(-2.0, 5.0, (40, 3))
    s, t = (g.ravel() for g in np.meshgrid(np.linspace(0, 1, 81), np.linspace(0, 1, 81)))
    kept = s + t <= 1.0
    weights = np.stack([1.0 - s - t, s, t], axis=1)[kept]
    dense = np.concatenate([weights @ points[triangle] for triangle in SQUARE])
    wanted = np.linalg.norm(at[:, None] - dense, axis=2).min(axis=1)
    found = skin.nearest(at)
    np.testing.assert_allclose(found.distance_mm, wanted, atol=0.06)
    assert (found.distance_mm <= wanted + 1e-12).all()


@pytest.fixture(scope="module")
def bodies():
    pytest.importorskip("pytetwild", reason="needs the extra 'tet'")
    intact, _, _ = stages("L3", 2.0)
    deep = vb.Biconcave(grade=3).apply(intact)
    shapes = [fitter(intact, SIZE_MM).mesh(stage) for stage in (intact, deep)]
    return [(shape, tetra_body(shape, SIZE_MM)) for shape in shapes]


def test_every_region_has_its_volume_and_no_cell_is_flat(bodies):
    for shape, body in bodies:
        wanted, found = shape.mesh.volumes(), body.mesh.volumes()
        assert body.mesh.kind == "tetra10"
        assert found.min() > 0.0
        for region in Region:
            part = found[body.regions == region].sum()
            assert part == pytest.approx(wanted[shape.regions == region].sum(), rel=0.02)
        is_body = found[body.is_body].sum()
        assert is_body == pytest.approx(wanted[shape.is_body].sum(), rel=0.01)


def test_cells_are_of_one_piece_between_two_flat_platens(bodies):
    for shape, body in bodies:
        corners, cell, _ = outer_faces(body.mesh)
        # Nothing but cap ends on a platen, and faces inside are shared by two cells.
        area = 0.0
        for side, name in enumerate(("lower_platen", "upper_platen")):
            members = body.mesh.point_sets[name]
            np.testing.assert_allclose(body.mesh.points[members, 2], shape.platens_mm[side])
            on = np.isin(corners[:, :3], members).all(axis=1)
            assert (body.regions[cell[on]] >= Region.LOWER_CAP).all()
            a, b, c = (body.mesh.points[corners[on, k]] for k in range(3))
            area += np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0
        a, b, c = (body.mesh.points[corners[:, k]] for k in range(3))
        enclosed = np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0
        assert enclosed == pytest.approx(body.mesh.volumes().sum(), rel=1e-9)
        assert area > 1000.0
        regions = body.regions[cell]
        assert not (regions == Region.CORE).any()


def test_the_wall_keeps_its_thickness(bodies):
    shape, body = bodies[0]
    volume = body.mesh.volumes()[body.regions == Region.SHELL].sum()
    assert volume == pytest.approx(
        shape.mesh.volumes()[shape.regions == Region.SHELL].sum(), rel=0.01
    )


def corners_of(body, cells):
    return np.unique(body.mesh.cells[cells, :4])


def test_a_body_that_was_not_moved_keeps_its_mesh(bodies):
    _, body = bodies[1]
    still = moved_tetra_body(body, np.zeros_like(body.mesh.points), cap_mm=3.0)
    inside = np.unique(body.mesh.cells[body.is_body])
    np.testing.assert_allclose(still.mesh.points[inside], body.mesh.points[inside], atol=1e-12)
    again = moved_tetra_body(still, np.zeros_like(body.mesh.points), cap_mm=3.0)
    assert np.array_equal(again.mesh.points, still.mesh.points)


def test_a_moved_body_lies_between_new_caps(bodies):
    _, body = bodies[0]
    x, y, z = body.mesh.points.T
    bent = np.stack([0.02 * z, -0.01 * x, -0.1 * z + 1e-3 * x * y], axis=1)
    moved = moved_tetra_body(body, bent, cap_mm=2.0)
    inside = corners_of(body, body.is_body)
    assert np.array_equal(moved.mesh.points[inside], (body.mesh.points + bent)[inside])
    assert moved.mesh.volumes().min() > 0.0
    for name, face, side in (
        ("lower_platen", "inferior_endplate", 0),
        ("upper_platen", "superior_endplate", 1),
    ):
        height = moved.mesh.points[moved.mesh.point_sets[name], 2]
        np.testing.assert_allclose(height, moved.platens_mm[side])
        gap = np.abs(moved.mesh.points[moved.mesh.point_sets[face], 2] - moved.platens_mm[side])
        assert gap.min() == pytest.approx(2.0)
    for k, ends in enumerate(body.mesh.geometry.edges):
        middle = moved.mesh.points[body.mesh.cells[:, list(ends)]].mean(axis=1)
        np.testing.assert_allclose(moved.mesh.points[body.mesh.cells[:, 4 + k]], middle)


def halfway_up(body, n):
    """Return the cells of the wall that lie nearest to half of the body's height."""
    wall = np.flatnonzero(body.regions == Region.SHELL)
    height = body.mesh.centres()[:, 2]
    middle = 0.5 * (height[body.is_body].min() + height[body.is_body].max())
    return wall[np.abs(height[wall] - middle).argsort()[:n]]


def across(points, cell):
    """Return the corner across from a cell's largest face, and the way from it to that face."""
    faces = [points[np.roll(cell, turn)[1:]] for turn in range(4)]
    normals = [np.cross(b - a, c - a) for a, b, c in faces]
    turn = int(np.argmax(np.linalg.norm(normals, axis=1)))
    normal = normals[turn] / np.linalg.norm(normals[turn])
    corner = np.roll(cell, turn)[0]
    return corner, ((faces[turn][0] - points[corner]) @ normal) * normal


def test_cells_that_a_fold_has_turned_are_mended(bodies):
    """A point of the wall pushed through the face across from it comes back."""
    _, body = bodies[0]
    cells = body.mesh.cells[:, :4]
    inside = corners_of(body, body.is_body)
    for cell in cells[halfway_up(body, 4)]:
        corner, way = across(body.mesh.points, cell)
        folded = np.zeros_like(body.mesh.points)
        folded[corner] = 1.02 * way
        assert volumes(body.mesh.points + folded, cells).min() < 0.0
        moved = moved_tetra_body(body, folded, cap_mm=2.0)
        assert scaled_jacobian(moved.mesh).min() > 0.001
        away = np.linalg.norm((moved.mesh.points - body.mesh.points - folded)[inside], axis=1)
        assert 0 < np.count_nonzero(away) < 40
        assert away.max() < 1.0


def test_a_body_turned_inside_out_is_refused(bodies):
    _, body = bodies[0]
    flat = np.zeros_like(body.mesh.points)
    flat[:, 2] = -body.mesh.points[:, 2]
    with pytest.raises(InvalidInput, match=r"tetrahedral mesh: a cell of the .* scaled Jacobian"):
        moved_tetra_body(body, flat, cap_mm=2.0)


def test_the_same_shape_has_the_same_cells(bodies):
    shape, body = bodies[0]
    again = tetra_body(shape, SIZE_MM, order=1)
    assert np.array_equal(again.mesh.cells, body.mesh.cells[:, :4])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytetwild", None)
    _core.cache_clear()
    intact, _, _ = stages("L3", 2.0)
    with pytest.raises(MissingExtra, match=r"vbsim\[tet\]"):
        tetra_body(fitter(intact, SIZE_MM).mesh(intact), SIZE_MM)
