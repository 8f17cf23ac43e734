import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.mesh import VoxelGrid

SEED = 3


def test_the_points_of_cells_are_their_corners():
    rng = np.random.default_rng(SEED)
    cells = rng.random((3, 4, 5)) < 0.15
    found = VoxelGrid((3, 4, 5), (1.0, 2.0, 0.5)).points_of(cells)
    corners = {
        (k + dk, j + dj, i + di)
        for k, j, i in np.argwhere(cells)
        for dk, dj, di in np.ndindex(2, 2, 2)
    }
    assert found.dtype == bool
    assert found.shape == (4, 5, 6)
    assert {tuple(point) for point in np.argwhere(found)} == corners
    assert 0 < len(corners) < found.size


def test_any_value_but_zero_sets_a_cell():
    grid = VoxelGrid((1, 1, 2), (1.0, 1.0, 1.0))
    for value in (1, 1e-12, -1.0, True):
        assert grid.points_of([[[0, value]]]).sum() == 8


def test_cells_of_another_grid_are_refused():
    with pytest.raises(InvalidInput, match="cells = "):
        VoxelGrid((2, 2, 2), (1.0, 1.0, 1.0)).points_of(np.ones((1, 2, 2)))
