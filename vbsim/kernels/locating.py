"""Which cell holds each point of a regular grid, and where in it."""

from __future__ import annotations

import numpy as np

from vbsim.kernels import kernel

__all__ = ["locate", "locate_tetrahedra"]

_SIGNS = np.array(
    [
        *((-1.0, -1.0, -1.0), (1.0, -1.0, -1.0), (1.0, 1.0, -1.0), (-1.0, 1.0, -1.0)),
        *((-1.0, -1.0, 1.0), (1.0, -1.0, 1.0), (1.0, 1.0, 1.0), (-1.0, 1.0, 1.0)),
    ]
)


@kernel
def _invert(x, target, xi, J):
    """Find the reference place of a point in a hexahedron by Newton's method; return success."""
    xi[0] = xi[1] = xi[2] = 0.0
    for _ in range(12):
        r0, r1, r2 = target[0], target[1], target[2]
        J[...] = 0.0
        for a in range(8):
            u = 1.0 + _SIGNS[a, 0] * xi[0]
            v = 1.0 + _SIGNS[a, 1] * xi[1]
            w = 1.0 + _SIGNS[a, 2] * xi[2]
            n = 0.125 * u * v * w
            r0 -= n * x[a, 0]
            r1 -= n * x[a, 1]
            r2 -= n * x[a, 2]
            d0, d1 = 0.125 * _SIGNS[a, 0] * v * w, 0.125 * _SIGNS[a, 1] * u * w
            d2 = 0.125 * _SIGNS[a, 2] * u * v
            for i in range(3):
                J[i, 0] += d0 * x[a, i]
                J[i, 1] += d1 * x[a, i]
                J[i, 2] += d2 * x[a, i]
        c0 = J[1, 1] * J[2, 2] - J[1, 2] * J[2, 1]
        c1 = J[1, 2] * J[2, 0] - J[1, 0] * J[2, 2]
        c2 = J[1, 0] * J[2, 1] - J[1, 1] * J[2, 0]
        det = J[0, 0] * c0 + J[0, 1] * c1 + J[0, 2] * c2
        if det == 0.0:
            return False
        s0 = (
            r0 * c0
            + J[0, 1] * (J[1, 2] * r2 - r1 * J[2, 2])
            + J[0, 2] * (r1 * J[2, 1] - J[1, 1] * r2)
        ) / det
        s1 = (
            J[0, 0] * (r1 * J[2, 2] - J[1, 2] * r2)
            + r0 * c1
            + J[0, 2] * (J[1, 0] * r2 - r1 * J[2, 0])
        ) / det
        s2 = (
            J[0, 0] * (J[1, 1] * r2 - r1 * J[2, 1])
            + J[0, 1] * (r1 * J[2, 0] - J[1, 0] * r2)
            + r0 * c2
        ) / det
        xi[0] += s0
        xi[1] += s1
        xi[2] += s2
        if abs(s0) + abs(s1) + abs(s2) < 1e-9:
            return True
        if abs(xi[0]) + abs(xi[1]) + abs(xi[2]) > 30.0:
            return False
    return False


@kernel
def _box(points, cell, first, steps, shape, x, low, high):
    """Set the corners x of a cell, and the first and last grid point (x, y, z) of its box."""
    for i in range(3):
        least, most = 1e300, -1e300
        for a in range(len(x)):
            x[a, i] = points[cell[a], i]
            least, most = min(least, x[a, i]), max(most, x[a, i])
        low[i] = max(0, int(np.ceil((least - first[i]) / steps[i] - 1e-6)))
        high[i] = min(shape[2 - i] - 1, int(np.floor((most - first[i]) / steps[i] + 1e-6)))


@kernel
def locate(cells, points, first, steps, slack, holder, places):
    """Find the cell of every point of a grid.

    Parameters
    ----------
    cells : (n_cells, 8) int32
        Points of the hexahedra.
    points : (n_points, 3) float
        Their places.
    first, steps : (3,) float
        Grid point ``[0, 0, 0]`` (x, y, z), and the distances along x, y and z.
    slack : float
        How far outside its reference cube a point may lie.
    holder : (n_z, n_y, n_x) int32
        Receives the cell, -1 where there is none.
    places : (n_z, n_y, n_x, 3) float
        Receives the reference place.
    """
    x, target, xi, J = np.empty((8, 3)), np.empty(3), np.empty(3), np.empty((3, 3))
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    holder[...] = -1
    for c in range(len(cells)):
        _box(points, cells[c], first, steps, holder.shape, x, low, high)
        for k in range(low[2], high[2] + 1):
            for j in range(low[1], high[1] + 1):
                for i in range(low[0], high[0] + 1):
                    if holder[k, j, i] >= 0:
                        continue
                    target[0] = first[0] + i * steps[0]
                    target[1] = first[1] + j * steps[1]
                    target[2] = first[2] + k * steps[2]
                    if not _invert(x, target, xi, J):
                        continue
                    if max(abs(xi[0]), abs(xi[1]), abs(xi[2])) <= 1.0 + slack:
                        holder[k, j, i] = c
                        places[k, j, i, 0] = xi[0]
                        places[k, j, i, 1] = xi[1]
                        places[k, j, i, 2] = xi[2]


@kernel
def locate_tetrahedra(cells, points, first, steps, slack, holder, places):
    """Find the tetrahedron of every point of a grid; arguments as those of `locate`.

    Mid-edge nodes, if there are any, are taken to lie half-way: corners alone decide.
    """
    x, E, d = np.empty((4, 3)), np.empty((3, 3)), np.empty(3)
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    holder[...] = -1
    for c in range(len(cells)):
        _box(points, cells[c], first, steps, holder.shape, x, low, high)
        # Rows of E: the gradients of the three barycentric coordinates that are reference ones.
        for a in range(3):
            p, q = (a + 1) % 3 + 1, (a + 2) % 3 + 1
            for i in range(3):
                j, k = (i + 1) % 3, (i + 2) % 3
                E[a, i] = (x[p, j] - x[0, j]) * (x[q, k] - x[0, k]) - (x[p, k] - x[0, k]) * (
                    x[q, j] - x[0, j]
                )
        det = 0.0
        for i in range(3):
            det += E[0, i] * (x[1, i] - x[0, i])
        if det == 0.0:
            continue
        for k in range(low[2], high[2] + 1):
            for j in range(low[1], high[1] + 1):
                for i in range(low[0], high[0] + 1):
                    if holder[k, j, i] >= 0:
                        continue
                    d[0] = first[0] + i * steps[0] - x[0, 0]
                    d[1] = first[1] + j * steps[1] - x[0, 1]
                    d[2] = first[2] + k * steps[2] - x[0, 2]
                    r = (E[0, 0] * d[0] + E[0, 1] * d[1] + E[0, 2] * d[2]) / det
                    s = (E[1, 0] * d[0] + E[1, 1] * d[1] + E[1, 2] * d[2]) / det
                    t = (E[2, 0] * d[0] + E[2, 1] * d[1] + E[2, 2] * d[2]) / det
                    if min(r, s, t) >= -slack and r + s + t <= 1.0 + slack:
                        holder[k, j, i] = c
                        places[k, j, i, 0] = r
                        places[k, j, i, 1] = s
                        places[k, j, i, 2] = t
