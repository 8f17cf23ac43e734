"""Slow twin of the sweeping kernel: upwind differences over all cells at once, until they rest."""

import numpy as np


def arrival_times(time, cost, free):
    """Return the resting times, (n_z + 2, n_y + 2, n_x + 2), from the same start."""
    time = time.copy()
    inner = time[1:-1, 1:-1, 1:-1]
    for _ in range(cost.size):
        update = np.where(free, np.minimum(inner, _upwind(time, cost)), inner)
        if np.array_equal(update, inner):
            break
        inner[...] = update
    return time


def _upwind(time, cost):
    middle = slice(1, -1)
    a = np.minimum(time[:-2, middle, middle], time[2:, middle, middle])
    b = np.minimum(time[middle, :-2, middle], time[middle, 2:, middle])
    c = np.minimum(time[middle, middle, :-2], time[middle, middle, 2:])
    first, second, last = np.sort(np.stack([a, b, c]), axis=0)
    one = first + cost
    two = 0.5 * (first + second + np.sqrt(np.maximum(2 * cost**2 - (second - first) ** 2, 0.0)))
    total = first + second + last
    root = total**2 - 3.0 * (first**2 + second**2 + last**2 - cost**2)
    three = (total + np.sqrt(np.maximum(root, 0.0))) / 3.0
    return np.where(one <= second, one, np.where(two <= last, two, three))
