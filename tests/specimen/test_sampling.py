"""Fields of a grid as cells of a mesh take them."""

from types import SimpleNamespace

import numpy as np
import pytest

from vbsim.mesh.order import brick
from vbsim.specimen.sampling import CellSampler

SPACING_MM = 0.5


@pytest.fixture
def sampler():
    """One cubic hexahedron of 1 mm in the middle of a grid of 4 x 4 x 4 voxels."""
    axis = (np.arange(4) + 0.5) * SPACING_MM
    specimen = SimpleNamespace(
        body_axes=lambda: (axis, axis, axis), domain=SimpleNamespace(spacing_mm=(SPACING_MM,) * 3)
    )
    cube = brick((1, 1, 1), (1.0, 1.0, 1.0))
    return CellSampler(specimen, cube.with_points(0.5 + cube.points))


@pytest.mark.parametrize("axis", ["across the load", "along the load"])
def test_a_soft_layer_one_voxel_thin_counts_in_full(sampler, axis):
    """Layers of 10 and 1000: in series where they lie over each other, else side by side."""
    layer = np.array([1000.0, 10.0, 1000.0, 10.0])
    field = layer[:, None, None] if axis == "across the load" else layer
    field = np.broadcast_to(field, (1, 4, 4, 4)).copy()
    valid, chosen = np.ones((4, 4, 4), bool), np.ones(1, bool)
    none = np.zeros((4, 4, 4))
    ((found,),) = sampler.stiffness([field], np.ones(1), valid, chosen, filled=none)[0]
    series, parallel = 2.0 / (1.0 / 10.0 + 1.0 / 1000.0), 505.0
    assert found == pytest.approx(series if axis == "across the load" else parallel, rel=1e-6)


def test_the_surface_of_cement_is_in_series_whichever_way_it_faces(sampler):
    filled = np.broadcast_to((np.arange(4) < 2).astype(float), (4, 4, 4))
    field = np.where(filled[None] > 0.0, 1000.0, 10.0)
    valid, chosen = np.ones((4, 4, 4), bool), np.ones(1, bool)
    ((found,),) = sampler.stiffness([field], np.ones(1), valid, chosen, filled=filled)[0]
    assert found == pytest.approx(2.0 / (1.0 / 10.0 + 1.0 / 1000.0), rel=1e-6)


def test_what_is_empty_stays_beside_the_layers(sampler):
    """A cleft in a quarter of a cell that the surface of cement cuts."""
    filled = np.broadcast_to((np.arange(4) < 2).astype(float), (4, 4, 4))
    field = np.where(filled[None] > 0.0, 1000.0, 10.0)
    field[:, :, 2:] = np.where(filled[:, 2:] > 0.0, 0.0, field[:, :, 2:])
    valid, chosen = np.ones((4, 4, 4), bool), np.ones(1, bool)
    ((found,),) = sampler.stiffness([field], np.ones(1), valid, chosen, filled=filled)[0]
    assert found == pytest.approx(0.75**2 / (0.25 / 1000.0 + 0.5 / 10.0), rel=1e-6)
