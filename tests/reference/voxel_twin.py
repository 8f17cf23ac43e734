"""Slow NumPy twin of the voxel kernel: dense hexahedra by Gauss integration, added one by one."""

from __future__ import annotations

import itertools

import numpy as np

CORNERS = np.array([(i % 2, i // 2 % 2, i // 4) for i in range(8)]) * 2.0 - 1.0
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def dense_stiffness(c9):
    c11, c22, c33, c12, c13, c23, c44, c55, c66 = c9
    C = np.diag([c11, c22, c33, c44, c55, c66])
    C[0, 1] = C[1, 0] = c12
    C[0, 2] = C[2, 0] = c13
    C[1, 2] = C[2, 1] = c23
    return C


def strain_displacement(xi, cell_mm):
    """B (6, 24) of a hexahedron at xi; columns: components outermost, corners x fastest."""
    gradient = np.empty((8, 3))
    for a, corner in enumerate(CORNERS):
        for k in range(3):
            others = [1 + corner[j] * xi[j] for j in range(3) if j != k]
            gradient[a, k] = corner[k] * np.prod(others) / 8.0 * 2.0 / cell_mm[k]
    B = np.zeros((6, 24))
    for row, (i, j) in enumerate(VOIGT):
        B[row, 8 * i : 8 * i + 8] += gradient[:, j]
        if i != j:
            B[row, 8 * j : 8 * j + 8] += gradient[:, i]
    return B


def cell_matrix(mean9, bending9, cell_mm):
    """Full 2 x 2 x 2 integration; the mean strain sees `mean9`, the rest `bending9`."""
    volume = np.prod(cell_mm)
    B0 = strain_displacement((0, 0, 0), cell_mm)
    K = volume * B0.T @ dense_stiffness(mean9) @ B0
    for xi in itertools.product((-1, 1), repeat=3):
        B = strain_displacement(np.array(xi) / np.sqrt(3), cell_mm) - B0
        K += volume / 8 * B.T @ dense_stiffness(bending9) @ B
    return K


def product(u, moduli, units, cell_mm):
    """A u for displacements (3, Z, Y, X)."""
    out = np.zeros_like(u)
    matrices = [cell_matrix(unit.mean, unit.bending, cell_mm) for unit in units]
    n_z, n_y, n_x = moduli.shape[1:]
    for z, y, x in itertools.product(range(n_z), range(n_y), range(n_x)):
        local = u[:, z : z + 2, y : y + 2, x : x + 2].reshape(24)
        K = sum(m * M for m, M in zip(moduli[:, z, y, x], matrices, strict=True))
        out[:, z : z + 2, y : y + 2, x : x + 2] += (K @ local).reshape(3, 2, 2, 2)
    return out
