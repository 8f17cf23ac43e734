"""Slow twin of the diffusion kernels: the balance of every cell written as a dense matrix."""

import numpy as np


def matrix(mobility, shares, sink):
    """Return the dense balance of a box (n_z, n_y, n_x) of mobilities, rows in array order."""
    shape = mobility.shape
    number = np.arange(mobility.size).reshape(shape)
    result = np.diag(np.broadcast_to(sink, shape).ravel().astype(float))
    for cell in np.ndindex(shape):
        for axis, share in ((2, shares[0]), (1, shares[1]), (0, shares[2])):
            other = tuple(n + (k == axis) for k, n in enumerate(cell))
            if other[axis] == shape[axis]:
                continue
            halves = mobility[cell], mobility[other]
            if min(halves) == 0.0:
                continue
            conductance = share / (0.5 / halves[0] + 0.5 / halves[1])
            i, j = number[cell], number[other]
            result[i, i] += conductance
            result[j, j] += conductance
            result[i, j] -= conductance
            result[j, i] -= conductance
    return result
