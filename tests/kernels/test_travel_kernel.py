"""The sweeping kernel against its slow twin."""

import numpy as np
from travel_time_twin import arrival_times

from vbsim.kernels.travel import sweep

NEVER, SEED = 1e12, 5


def problem():
    """Return a start in a corner of a random medium with closed cells."""
    generator = np.random.default_rng(SEED)
    shape = (7, 9, 8)
    cost = generator.uniform(0.3, 3.0, shape)
    free = generator.uniform(size=shape) > 0.2
    time = np.full(tuple(n + 2 for n in shape), NEVER)
    time[2, 2, 2] = 0.0
    free[1, 1, 1] = False
    return time, cost, free


def test_sweeps_rest_where_the_twin_rests():
    time, cost, free = problem()
    expected = arrival_times(time, cost, free)
    while sweep(time, cost, free):
        pass
    # The same equations met in another order: round-off along the way.
    np.testing.assert_allclose(time, expected, rtol=1e-12)


def test_plain_python_gives_the_same():
    time, cost, free = problem()
    plain = time.copy()
    sweep(time, cost, free)
    sweep.py_func(plain, cost, free)
    # Contracted multiply-adds differ in the last bit.
    np.testing.assert_allclose(plain, time, rtol=1e-12)


def test_at_rest_nothing_changes():
    time, cost, free = problem()
    while sweep(time, cost, free):
        pass
    before = time.copy()
    assert sweep(time, cost, free) == 0
    np.testing.assert_array_equal(time, before)
