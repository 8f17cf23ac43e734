"""What this machine can do at most: bandwidth of a copy, rate of fused multiply-adds."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from numba import njit

_COPIED = 1 << 26  # numbers of each type; far more than any cache
_TERMS = 64  # multiply-adds per number
_IN_CACHE = 2048  # numbers: stay in the first-level cache
_ROUNDS = 20_000


@njit(nogil=True)
def _copy(source, target):
    for i in range(source.shape[0]):
        target[i] = source[i]


@njit(nogil=True, fastmath={"contract"})
def _polynomial(x, y, factor, rounds):
    """Evaluate a polynomial at every x: 64 dependent multiply-adds, independent between numbers."""
    for _ in range(rounds):
        for i in range(x.shape[0]):
            value, at = y[i], x[i]
            for _ in range(_TERMS):
                value = value * at + factor
            y[i] = value


def least_time(work: Callable[[], object], repeat: int) -> float:
    """Return the least wall time of some repetitions, after one that does not count, s."""
    work()
    times = []
    for _ in range(repeat):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def copy_bytes_per_s(threads: int, repeat: int = 5) -> float:
    """Return bytes read and written per second by copying one long array to another."""
    source, target = np.ones(_COPIED), np.zeros(_COPIED)
    cuts = np.linspace(0, _COPIED, threads + 1).astype(int)
    parts = [(source[a:b], target[a:b]) for a, b in pairwise(cuts)]
    with ThreadPoolExecutor(threads) as pool:
        took = least_time(lambda: list(pool.map(lambda part: _copy(*part), parts)), repeat)
    return 2 * source.nbytes / took


def operations_per_s(dtype: type, threads: int, repeat: int = 5) -> float:
    """Return additions and multiplications per second of fused multiply-adds in the cache."""
    factor = dtype(0.5)
    arrays = [[np.full(_IN_CACHE, value, dtype) for value in (0.5, 1.0)] for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        took = least_time(
            lambda: list(pool.map(lambda pair: _polynomial(*pair, factor, _ROUNDS), arrays)),
            repeat,
        )
    return 2.0 * _TERMS * _IN_CACHE * _ROUNDS * threads / took
