"""A cavity in cells of a mesh: its volume, and a pressure that does work on it.

The volume of a cell is that at rest times the determinant of its mean gradient. Cells are counted
as in `cell_means`: cell ``number[at]`` belongs to the cavity with ``share[at]`` of its volume.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import cell_means, constituents, kernel, pressing

__all__ = ["add_products", "cavity", "press"]


@kernel
def cavity(u, cells, means, volumes, number, share, out):
    """Return the volume of the cavity, and add its gradient to `out`, (n_points, 3)."""
    F, cof = np.empty(9), np.empty(9)
    total = 0.0
    for at in range(len(number)):
        c = number[at]
        cell_means.gradient(u, cells[c], means[c], F)
        part = share[at] * volumes[c]
        total += part * pressing.cofactor(F, cof)
        cell_means.add_stress(cof, cells[c], means[c], part, out)
    return total


@kernel
def press(u, cells, means, volumes, number, share, pressure, out, tangent):
    """Add the forces of a pressure to those of all points; set the cells' tangents, (n, 45)."""
    F, P, A, cof = np.empty(9), np.empty(9), np.empty((9, 9)), np.empty(9)
    for at in range(len(number)):
        c = number[at]
        cell_means.gradient(u, cells[c], means[c], F)
        P[:] = 0.0
        A[:] = 0.0
        pressing.press(F, pressure * share[at], P, A, cof)
        cell_means.add_stress(P, cells[c], means[c], volumes[c], out)
        constituents.pack(A, tangent[at])


@kernel
def add_products(p, cells, means, volumes, number, tangent, out):
    """Add the product of packed tangents of some cells with a displacement, (n_points, 3)."""
    G, P, A = np.empty(9), np.empty(9), np.empty((9, 9))
    for at in range(len(number)):
        c = number[at]
        cell_means.gradient(p, cells[c], means[c], G)
        G[0] -= 1.0
        G[4] -= 1.0
        G[8] -= 1.0
        cell_means.unpack(tangent[at], 1.0, A)
        for k in range(9):
            P[k] = 0.0
            for m in range(9):
                P[k] += A[k, m] * G[m]
        cell_means.add_stress(P, cells[c], means[c], volumes[c], out)
