"""Bricks of cells, and mid-edge nodes: the same cells at second order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.mesh.mesh import SHAPES, Mesh

__all__ = ["brick", "halfway", "second_order"]

_HIGHER = {"hexahedron": "hexahedron20", "tetra": "tetra10", "wedge": "wedge15"}


def brick(counts: tuple[int, int, int], size_mm: tuple[float, float, float]) -> Mesh:
    """Return a box of hexahedra from the origin, x fastest.

    Parameters
    ----------
    counts : tuple of int
        Cells along x, y and z.
    size_mm : tuple of float
        Edges of the box, mm.

    Examples
    --------
    >>> brick((2, 1, 1), (2.0, 1.0, 1.0)).n_points
    12
    """
    x, y, z = (np.linspace(0.0, a, n + 1) for a, n in zip(size_mm, counts, strict=True))
    grid = np.stack(np.broadcast_arrays(x, y[:, None], z[:, None, None]), axis=-1)
    number = np.arange(grid.size // 3).reshape(grid.shape[:3])
    near, far = slice(None, -1), slice(1, None)
    ring = ((near, near), (near, far), (far, far), (far, near))  # (y, x)
    corners = [number[k][:, j][:, :, i].ravel() for k in (near, far) for j, i in ring]
    return Mesh(grid.reshape(-1, 3), np.stack(corners, axis=1))


def second_order(mesh: Mesh) -> Mesh:
    """Return the mesh with a node in the middle of every edge; sets of points are kept.

    A set of points that holds both ends of an edge gains its middle.
    """
    require(mesh.kind in _HIGHER, "mesh", mesh.kind, f"one of {', '.join(_HIGHER)}")
    kind = _HIGHER[mesh.kind]
    edges = np.array(SHAPES[kind].edges)
    ends = np.sort(mesh.cells[:, edges], axis=2).reshape(-1, 2)
    unique, which = np.unique(ends, axis=0, return_inverse=True)
    middles = mesh.points[unique].mean(axis=1)
    cells = np.concatenate([mesh.cells, which.reshape(mesh.n_cells, -1) + mesh.n_points], axis=1)
    sets: dict[str, NDArray[np.int64]] = {}
    for name, members in mesh.point_sets.items():
        chosen = np.zeros(mesh.n_points, bool)
        chosen[members] = True
        both = np.flatnonzero(chosen[unique].all(axis=1)) + mesh.n_points
        sets[name] = np.concatenate([members, both])
    return replace(
        mesh,
        points=np.concatenate([mesh.points, middles]),
        cells=cells,
        kind=kind,
        point_sets=sets,
        point_data={},
    )


def halfway(mesh: Mesh, points: NDArray[np.float64]) -> Mesh:
    """Return a mesh on moved points, (n_points, 3), its mid-edge nodes half-way between corners."""
    shape = mesh.geometry
    for k, ends in enumerate(shape.edges):
        points[mesh.cells[:, shape.n_corners + k]] = points[mesh.cells[:, list(ends)]].mean(axis=1)
    return mesh.with_points(points)
