"""Small meshes of every kind of cell, and problems on them."""

from __future__ import annotations

import numpy as np

from vbsim.mesh.mesh import Mesh
from vbsim.mesh.order import brick, second_order

# Six tetrahedra about the diagonal 0-6, and two wedges: neighbours agree on the faces they share.
TETRAHEDRA = ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6))
WEDGES = ((0, 1, 2, 4, 5, 6), (0, 2, 3, 4, 6, 7))


def cut(mesh, kind):
    """The same hexahedra as cells of another kind, mid-edge nodes on straight edges."""
    if kind.startswith("tetra"):
        mesh = Mesh(mesh.points, mesh.cells[:, TETRAHEDRA].reshape(-1, 4), "tetra")
    elif kind.startswith("wedge"):
        mesh = Mesh(mesh.points, mesh.cells[:, WEDGES].reshape(-1, 6), "wedge")
    return mesh if mesh.kind == kind else second_order(mesh)


def distorted(counts, size_mm, amount, seed=1):
    """A box of hexahedra whose inner points are moved at random."""
    mesh = brick(counts, size_mm)
    p = mesh.points
    inner = ((p > 1e-9) & (p < np.array(size_mm) - 1e-9)).all(axis=1)
    moved = p.copy()
    moved[inner] += np.random.default_rng(seed).uniform(-amount, amount, (inner.sum(), 3))
    return mesh.with_points(moved)


def on_boundary(mesh, size_mm):
    p = mesh.points
    return ((p < 1e-9) | (p > np.array(size_mm) - 1e-9)).any(axis=1)
