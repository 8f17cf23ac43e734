"""Slow NumPy twin of the assembly kernel: one dense strain matrix for each quadrature point."""

from __future__ import annotations

import numpy as np

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def strain_matrix(gradient):
    """B (6, 3 n) of gradients (n, 3); column 3 a + i."""
    B = np.zeros((6, len(gradient), 3))
    for row, (i, j) in enumerate(VOIGT):
        B[row, :, i] += gradient[:, j]
        if i != j:
            B[row, :, j] += gradient[:, i]
    return B.reshape(6, -1)


def cell_stiffness(x, element, C):
    """Stiffness (3 n, 3 n) of one cell; incompatible modes (Taylor 1976) are condensed."""
    n = len(x)
    centre = element.values(np.zeros((1, 3)))[1][0].T @ x
    total = np.zeros((3 * (n + element.n_modes),) * 2)
    for place, weight in zip(*element.rule, strict=True):
        slopes = element.values(place[None])[1][0]
        J = slopes.T @ x
        det = np.linalg.det(J)
        gradient = [slopes @ np.linalg.inv(J).T]
        if element.n_modes:
            bubbles = np.diag(-2.0 * place)
            scale = np.linalg.det(centre) / det
            gradient.append(scale * bubbles @ np.linalg.inv(centre).T)
        B = strain_matrix(np.concatenate(gradient))
        total += weight * det * B.T @ C @ B
    u, m = slice(0, 3 * n), slice(3 * n, None)
    if not element.n_modes:
        return total
    return total[u, u] - total[u, m] @ np.linalg.solve(total[m, m], total[m, u])


def dense(mesh, element, matrices):
    """The whole stiffness, (3 N, 3 N)."""
    K = np.zeros((3 * mesh.n_points,) * 2)
    for cell, C in zip(mesh.cells, matrices, strict=True):
        at = (3 * cell[:, None] + np.arange(3)).ravel()
        K[np.ix_(at, at)] += cell_stiffness(mesh.points[cell], element, C)
    return K
