"""Every element keeps the contract of shape functions, quadrature and faces."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.mesh.elements import ELEMENTS, element_named, reference_corners

EVERY = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
VOLUME = {8: 8.0, 4: 1.0 / 6.0, 6: 1.0}
INSIDE = np.random.default_rng(0).uniform(0.05, 0.3, (6, 3))


@EVERY
def test_shape_functions_are_one_at_their_node_and_sum_to_one(element):
    nodes = reference_corners(element.shape)
    np.testing.assert_allclose(element.values(nodes)[0], np.eye(len(nodes)), atol=1e-14)
    values, slopes = element.values(INSIDE)
    np.testing.assert_allclose(values.sum(axis=1), 1.0, rtol=1e-14)
    np.testing.assert_allclose(slopes.sum(axis=1), 0.0, atol=1e-13)


@EVERY
def test_gradients_are_those_of_the_shape_functions(element):
    _, slopes = element.values(INSIDE)
    for k, step in enumerate(1e-6 * np.eye(3)):
        ahead, behind = (element.values(INSIDE + s * step)[0] for s in (1, -1))
        np.testing.assert_allclose((ahead - behind) / 2e-6, slopes[..., k], atol=1e-9)


@EVERY
def test_complete_to_its_order(element):
    """Linear functions are reproduced by all, squares by cells with mid-edge nodes."""
    nodes, values = reference_corners(element.shape), element.values(INSIDE)[0]
    for power in (1, 2) if element.shape.edges else (1,):
        np.testing.assert_allclose(values @ nodes**power, INSIDE**power, atol=1e-13)


@EVERY
def test_weights_sum_to_the_volume_and_points_lie_inside(element):
    assert element.rule.weights.sum() == pytest.approx(VOLUME[element.shape.n_corners], rel=1e-14)
    assert element.values(element.rule.points)[0][:, : element.shape.n_corners].max() < 1.0


@EVERY
def test_faces_close_the_cell_and_look_outwards(element):
    """By the divergence theorem the flux of x through the faces is three times the volume."""
    corners, flux = reference_corners(element.shape), 0.0
    for face in element.shape.faces:
        p = corners[list(face)]
        for k in range(1, len(p) - 1):
            flux += 0.5 * np.cross(p[k] - p[0], p[k + 1] - p[0]) @ p[0]
    assert flux == pytest.approx(3.0 * VOLUME[element.shape.n_corners])


def test_elements_are_found_by_both_names():
    assert element_named("c3d8i") is element_named("hex8i")
    with pytest.raises(InvalidInput, match="C3D27"):
        element_named("C3D27")
