"""Travel time of a front: the eikonal equation on cubic cells, by fast sweeping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import inlined, kernel

__all__ = ["sweep"]

FloatArray = NDArray[np.float64]


@inlined
def _arrival(a: float, b: float, c: float, cost: float) -> float:
    """Return the time that three upwind neighbours give a cell (Rouy & Tourin 1992)."""
    first = min(a, b, c)
    last = max(a, b, c)
    second = max(min(a, b), min(max(a, b), c))
    time = first + cost
    if time > second:
        spread = second - first
        time = 0.5 * (first + second + np.sqrt(max(2.0 * cost * cost - spread * spread, 0.0)))
    if time > last:
        total = first + second + last
        squares = first * first + second * second + last * last
        root = total * total - 3.0 * (squares - cost * cost)
        time = (total + np.sqrt(max(root, 0.0))) / 3.0
    return time


@kernel
def sweep(time: FloatArray, cost: FloatArray, free: NDArray[np.bool_]) -> int:
    """Sweep once in each of the eight directions; return how many times a cell got earlier.

    Parameters
    ----------
    time : (n_z + 2, n_y + 2, n_x + 2) float array
        Times of arrival with a border that is never reached; lowered in place.
    cost : (n_z, n_y, n_x) float array
        Time to cross a cell along an axis.
    free : (n_z, n_y, n_x) bool array
        Cells whose time is sought; the others keep theirs.
    """
    n_z, n_y, n_x = cost.shape
    changes = 0
    for direction in range(8):
        for k0 in range(n_z):
            k = k0 if direction & 1 == 0 else n_z - 1 - k0
            for j0 in range(n_y):
                j = j0 if direction & 2 == 0 else n_y - 1 - j0
                for i0 in range(n_x):
                    i = i0 if direction & 4 == 0 else n_x - 1 - i0
                    if free[k, j, i]:
                        a = min(time[k, j + 1, i + 1], time[k + 2, j + 1, i + 1])
                        b = min(time[k + 1, j, i + 1], time[k + 1, j + 2, i + 1])
                        c = min(time[k + 1, j + 1, i], time[k + 1, j + 1, i + 2])
                        new = _arrival(a, b, c, cost[k, j, i])
                        if new < time[k + 1, j + 1, i + 1]:
                            time[k + 1, j + 1, i + 1] = new
                            changes += 1
    return changes
