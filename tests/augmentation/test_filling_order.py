"""The level of an order that encloses a volume."""

import numpy as np
import pytest

from vbsim.augmentation.levels import order_of


def ball_order(n=40, h=0.5):
    axis = (np.arange(n) + 0.5) * h - 0.5 * n * h
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    radius = np.sqrt(x**2 + y**2 + z**2)
    return order_of(radius, np.full(radius.shape, h**3))


def test_level_of_a_ball_is_its_radius():
    order = ball_order()
    volume = 4.0 / 3.0 * np.pi * 6.0**3
    # Partial volume by a plane across each cell: third order in h / radius, 0.1 % here.
    assert order.level_of(volume) == pytest.approx(6.0, rel=2e-3)


def test_volume_at_the_level_is_exact_from_almost_nothing_to_all():
    order = ball_order()
    for share in (1e-6, 0.01, 0.3, 0.9, 0.999999, 1.0):
        volume = share * order.capacity_mm3
        # The root is bracketed to the last bits of the level.
        assert order.enclosed_mm3(order.level_of(volume)) == pytest.approx(volume, rel=1e-9)


def test_a_gap_in_the_order_is_bridged():
    preference = np.array([0.0, 1.0, 2.0, 50.0, 51.0, 52.0]).reshape(1, 1, 6)
    order = order_of(preference, np.ones((1, 1, 6)))
    for volume in (2.9, 3.0, 3.1):
        assert order.enclosed_mm3(order.level_of(volume)) == pytest.approx(volume, rel=1e-9)


def test_cells_that_are_never_reached_hold_nothing():
    preference = np.array([0.0, 1.0, np.inf, 3.0]).reshape(1, 1, 4)
    order = order_of(preference, np.ones((1, 1, 4)))
    assert order.capacity_mm3 == 3.0
    assert 2 not in order.cells
    assert order.saturation(order.level_of(3.0)).tolist() == [1.0, 1.0, 1.0]


def test_nothing_to_fill_is_an_empty_order():
    order = order_of(np.full((2, 2, 2), np.inf), np.ones((2, 2, 2)))
    assert order.capacity_mm3 == 0.0


def test_a_flat_order_still_has_a_level():
    order = order_of(np.zeros((2, 2, 2)), np.ones((2, 2, 2)))
    assert order.enclosed_mm3(order.level_of(3.0)) == pytest.approx(3.0, rel=1e-9)
