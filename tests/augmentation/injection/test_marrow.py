"""Marrow as a soft solid: its pressure of giving way, and how that varies."""

import numpy as np
import pytest

from vbsim.augmentation.injection.marrow import Marrow
from vbsim.augmentation.injection.medium import medium_of
from vbsim.data import value

SPACING_MM = (1.0, 1.0, 1.0)


def logs(seed, *, first_mm=(-20.0, -15.0, -10.0), spacing_mm=SPACING_MM, shape=(20, 30, 40)):
    found = Marrow(0.1, 1.2, seed).threshold_mpa(np.array(first_mm), spacing_mm, shape)
    return np.log(found / 1e-3)


def test_without_a_seed_it_is_the_median_and_a_liquid_has_none():
    assert np.ptp(logs(None)) == 0.0
    assert logs(None)[0, 0, 0] == pytest.approx(0.0, abs=1e-12)
    liquid = Marrow(0.1, 0.0, 3).threshold_mpa(np.zeros(3), SPACING_MM, (2, 2, 2))
    assert not liquid.any()


def test_seeds_draw_the_published_spread():
    found = np.stack([logs(seed) for seed in range(6)])
    spread = float(value("injection.marrow.modulus_log_sd"))
    # A body holds about 200 independent places of 2 mm: 6 of them, three standard errors.
    assert found.mean() == pytest.approx(0.0, abs=0.15)
    assert found.std() == pytest.approx(spread, rel=0.1)
    np.testing.assert_array_equal(found[2], logs(2))
    assert np.abs(found[0] - found[1]).mean() > 0.5


def test_it_is_alike_over_the_length_given_and_not_beyond():
    length = float(value("injection.marrow.length_mm"))
    found = np.stack([logs(seed) for seed in range(6)])
    steps = np.arange(1, 9)
    together = [np.mean(found[..., :-n] * found[..., n:]) / found.var() for n in steps]
    np.testing.assert_allclose(together, np.exp(-0.5 * (steps / length) ** 2), atol=0.1)


def test_it_belongs_to_the_place_and_not_to_the_cells():
    fine = logs(4)
    # A coarse cell whose centre is a fine cell's.
    coarse = logs(4, first_mm=(-21.0, -16.0, -11.0), spacing_mm=(3.0, 3.0, 3.0), shape=(7, 10, 13))
    np.testing.assert_allclose(coarse, fine[::3, ::3, ::3][:7, :10, :13], atol=1e-9)


def test_bone_has_it_and_a_cavity_has_none(body):
    hollow = body(cleft=True)
    medium = medium_of(hollow, factor=1.0, channels=(), marrow=Marrow(0.1, 1.2))
    void = hollow.void[medium.window]
    is_bone = (medium.pore > 0.0) & (void == 0.0)
    np.testing.assert_allclose(medium.threshold_mpa[is_bone], 1e-3)
    is_cavity = (void > 0.0) & (hollow.tissue.trabecular[medium.window] < 1e-6)
    assert is_cavity.any()
    np.testing.assert_allclose(medium.threshold_mpa[is_cavity], 0.0, atol=1e-9)
