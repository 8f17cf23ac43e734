import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from vbsim.checks import InvalidInput
from vbsim.data import value
from vbsim.mesh import VoxelGrid
from vbsim.views.radiograph import radiograph

HU = 1000.0
SHAPE = (12, 10, 8)  # z, y, x: no two alike
TURN_DEG = 33.0


def phantom(axes=None, spacing_mm=(1.0, 1.0, 1.0)):
    """One dense block in front (small y), on the left (large x), near the head (large z)."""
    hu = np.zeros(SHAPE)
    hu[9:11, 1:3, 6:8] = HU
    axes = np.eye(3) if axes is None else axes
    return hu, VoxelGrid(SHAPE, spacing_mm, np.array([5.0, -7.0, 100.0]), axes)


def centre(found):
    """Centroid of a picture: across and up, mm."""
    left, right, bottom, top = found.extent_mm
    n_rows, n_columns = found.attenuation.shape
    across = left + (np.arange(n_columns) + 0.5) * (right - left) / n_columns
    up = bottom + (np.arange(n_rows) + 0.5) * (top - bottom) / n_rows
    weight = found.attenuation / found.attenuation.sum()
    return (weight.sum(axis=0) @ across, weight.sum(axis=1) @ up)


def total(found):
    left, right, bottom, top = found.extent_mm
    n_rows, n_columns = found.attenuation.shape
    return found.attenuation.sum() * (right - left) * (top - bottom) / (n_rows * n_columns)


def turned_about_z(angle_deg):
    a = np.radians(angle_deg)
    return np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1.0]])


def test_a_slab_attenuates_by_its_thickness():
    grid = VoxelGrid((4, 6, 5), (0.5, 2.0, 1.0))
    found = radiograph(np.full(grid.shape, HU), grid, angle_deg=0.0)
    per_mm = value("radiograph.water_attenuation_per_mm") * HU / 1000.0
    # Rays from front to back cross 6 voxels of 2 mm.
    assert found.attenuation == pytest.approx(np.full((4, 5), per_mm * 12.0))
    side = radiograph(np.full(grid.shape, HU), grid, angle_deg=90.0)
    assert side.attenuation == pytest.approx(np.full((4, 6), per_mm * 2.5))


def test_left_is_on_the_right_and_the_head_on_top_from_the_front():
    hu, grid = phantom()
    # Local centre of the block: x 7, y 2, z 10.
    assert centre(radiograph(hu, grid, angle_deg=0.0)) == pytest.approx((7.0, 10.0))


def test_the_front_is_on_the_left_from_the_side():
    hu, grid = phantom()
    assert centre(radiograph(hu, grid, angle_deg=90.0)) == pytest.approx((2.0, 10.0))


@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 45.0, 90.0, 120.0, 180.0, 270.0])
def test_the_block_is_where_projection_puts_it_at_any_angle(angle_deg):
    hu, grid = phantom()
    found = radiograph(hu, grid, angle_deg=angle_deg)
    turn = np.radians(angle_deg)
    across = 7.0 * np.cos(turn) + 2.0 * np.sin(turn)
    # Interpolation moves the centroid by a small part of a voxel.
    assert centre(found) == pytest.approx((across, 10.0), abs=0.05)


@pytest.mark.parametrize("angle_deg", [0.0, 17.0, 45.0, 90.0, 200.0])
def test_no_mass_is_lost_at_any_angle(angle_deg):
    rng = np.random.default_rng(3)
    hu = gaussian_filter(np.pad(HU * rng.random((8, 6, 4)), 2), 1.0)
    grid = VoxelGrid(SHAPE, (1.0, 1.0, 1.0))
    per_mm = value("radiograph.water_attenuation_per_mm") / 1000.0
    found = radiograph(hu, grid, angle_deg=angle_deg)
    # Interpolation at steps of a voxel: within 1 % for a field that varies from voxel to voxel.
    assert total(found) == pytest.approx(per_mm * hu.sum(), rel=0.01)


def test_the_picture_depends_on_the_body_not_on_its_grid():
    hu, grid = phantom()
    expected = radiograph(hu, grid, angle_deg=TURN_DEG)
    body = {"axes": turned_about_z(0.0), "origin_mm": grid.origin_mm}
    # The same voxels on a grid whose x points to the right and y to the front.
    axes = np.diag([-1.0, -1.0, 1.0])
    corner = grid.origin_mm + np.array([SHAPE[2], SHAPE[1], 0.0])
    mirrored = VoxelGrid(SHAPE, (1.0, 1.0, 1.0), corner, axes)
    found = radiograph(hu[:, ::-1, ::-1], mirrored, angle_deg=TURN_DEG, **body)
    assert found.extent_mm == pytest.approx(expected.extent_mm)
    assert found.attenuation == pytest.approx(expected.attenuation, abs=1e-12)


def test_a_turned_body_in_a_turned_grid_looks_the_same():
    hu, grid = phantom()
    turn = turned_about_z(TURN_DEG)
    moved = VoxelGrid(SHAPE, (1.0, 1.0, 1.0), turn @ grid.origin_mm, turn)
    expected = radiograph(hu, grid, angle_deg=90.0, axes=np.eye(3), origin_mm=grid.origin_mm)
    found = radiograph(hu, moved, angle_deg=90.0, axes=turn, origin_mm=moved.origin_mm)
    assert found.attenuation == pytest.approx(expected.attenuation, abs=1e-12)
    # A world grid that the body is turned against is interpolated: the same block, a little softer.
    tilted = radiograph(hu, grid, angle_deg=0.0, axes=turn, origin_mm=grid.origin_mm)
    across = np.array([7.0, 2.0]) @ turn[:2, 0]
    assert centre(tilted) == pytest.approx((across, 10.0), abs=0.05)


def test_a_field_of_another_grid_is_refused():
    hu, grid = phantom()
    with pytest.raises(InvalidInput, match="hu"):
        radiograph(hu[1:], grid, angle_deg=0.0)
