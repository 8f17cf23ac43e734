from __future__ import annotations

import numpy as np
import pytest

from vbsim.materials.variation import Lattice, RandomField

SEED = 3


def cube(n: int, step: float, start: float = 0.0) -> Lattice:
    return Lattice(np.full(3, start), np.eye(3) * step, (n, n, n))


def test_on_lattice_equals_the_plain_sum_of_cosines() -> None:
    field = RandomField.seeded(SEED, correlation_length_mm=4.0)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    lattice = Lattice(np.array([1.0, -2.0, 3.0]), turn * [0.5, 1.0, 2.0], (3, 4, 5))
    points = np.stack(np.broadcast_arrays(*lattice.coordinates()), axis=-1)
    plain = np.cos(points @ field.wave_vectors.T + field.phases).sum(axis=-1)
    plain *= np.sqrt(2.0 / len(field.phases))
    np.testing.assert_allclose(field.on_lattice(lattice), plain, atol=1e-11)


def test_seed_decides_the_field() -> None:
    first, again, other = (
        RandomField.seeded(seed, correlation_length_mm=4.0).on_lattice(cube(6, 1.0))
        for seed in (SEED, SEED, SEED + 1)
    )
    np.testing.assert_array_equal(first, again)
    assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.9


def test_mean_standard_deviation_and_correlation() -> None:
    # 24 cubes of 40 mm hold about 24 (40 / 4)^3 / 5 = 5000 independent patches: moments to 3 %.
    step, length = 2.0, 4.0
    fields = np.stack(
        [
            RandomField.seeded(seed, correlation_length_mm=length).on_lattice(cube(20, step))
            for seed in range(24)
        ]
    )
    assert fields.mean() == pytest.approx(0.0, abs=0.03)
    assert fields.std() == pytest.approx(1.0, abs=0.03)
    for lag in (1, 2):
        for axis in (1, 2, 3):
            here = np.take(fields, range(20 - lag), axis=axis)
            there = np.take(fields, range(lag, 20), axis=axis)
            wanted = np.exp(-((lag * step / length) ** 2))
            assert np.mean(here * there) == pytest.approx(wanted, abs=0.05)


def test_lattice_stays_open_along_the_axes() -> None:
    x, y, z = cube(4, 1.0).coordinates()
    assert (x.shape, y.shape, z.shape) == ((1, 1, 4), (1, 4, 1), (4, 1, 1))
