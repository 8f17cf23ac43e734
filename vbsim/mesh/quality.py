"""Quality of cells: scaled Jacobian, aspect ratio, volume."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.mesh.mesh import Mesh

__all__ = ["Quality", "cell_quality", "inverted_corners", "scaled_jacobian", "summary"]

FloatArray = NDArray[np.float64]

# The three edges that leave each corner, right-handed.
_HEX = ((1, 3, 4), (2, 0, 5), (3, 1, 6), (0, 2, 7), (7, 5, 0), (4, 6, 1), (5, 7, 2), (6, 4, 3))
_TET = ((1, 2, 3),)
_WEDGE = ((1, 2, 3), (2, 0, 4), (0, 1, 5), (5, 4, 0), (3, 5, 1), (4, 3, 2))
# A regular cell scores 1: corners of a regular tetrahedron and of a right wedge are not square.
_PERFECT = {8: 1.0, 4: np.sqrt(0.5), 6: np.sqrt(0.75)}
_CORNERS = {8: _HEX, 4: _TET, 6: _WEDGE}


class Quality(NamedTuple):
    """Quality of every cell, each (n_cells,).

    Attributes
    ----------
    scaled_jacobian : float array
        See `scaled_jacobian`.
    aspect : float array
        Longest over shortest edge.
    volume_mm3 : float array
        Volume.
    """

    scaled_jacobian: FloatArray
    aspect: FloatArray
    volume_mm3: FloatArray


def scaled_jacobian(mesh: Mesh) -> FloatArray:
    """Return the least corner determinant of unit edges, (n_cells,): 1 best, 0 or less unusable.

    Mid-edge nodes are left out; a regular cell of its kind scores 1 (Knupp 2000, doi
    10.1002/(SICI)1097-0207(20000720)48:8<1165::AID-NME940>3.0.CO;2-Y).

    Examples
    --------
    >>> from vbsim.mesh.order import brick
    >>> float(scaled_jacobian(brick((1, 1, 1), (1.0, 1.0, 9.0)))[0])
    1.0
    """
    n = mesh.geometry.n_corners
    x = mesh.points[mesh.cells[:, :n]]
    found = np.full(mesh.n_cells, np.inf)
    for corner, ends in enumerate(_CORNERS[n]):
        edges = x[:, list(ends)] - x[:, [corner]]
        if n == 4:
            lengths = np.linalg.norm(x[:, [0, 0, 0, 1, 1, 2]] - x[:, [1, 2, 3, 2, 3, 3]], axis=2)
            # A flat tetrahedron has fine corners: the largest product of edges at a corner counts.
            pairs = ((0, 1, 2), (0, 3, 4), (1, 3, 5), (2, 4, 5))
            size = np.max([lengths[:, list(pair)].prod(axis=1) for pair in pairs], axis=0)
        else:
            size = np.linalg.norm(edges, axis=2).prod(axis=1)
        found = np.minimum(found, np.linalg.det(edges) / np.maximum(size, 1e-300))
    result: FloatArray = np.clip(found / _PERFECT[n], -1.0, 1.0)
    return result


def inverted_corners(mesh: Mesh) -> int:
    """Return the number of corners of cells that are turned inside out."""
    x = mesh.points[mesh.cells[:, : mesh.geometry.n_corners]]
    found = 0
    for corner, ends in enumerate(_CORNERS[mesh.geometry.n_corners]):
        found += int((np.linalg.det(x[:, list(ends)] - x[:, [corner]]) <= 0.0).sum())
    return found


def cell_quality(mesh: Mesh) -> Quality:
    """Return the quality of every cell."""
    edges = {
        tuple(sorted((face[k], face[(k + 1) % len(face)])))
        for face in mesh.geometry.faces
        for k in range(len(face))
    }
    ends = np.array(sorted(edges))
    x = mesh.points[mesh.cells]
    lengths = np.linalg.norm(x[:, ends[:, 0]] - x[:, ends[:, 1]], axis=2)
    aspect = lengths.max(axis=1) / np.maximum(lengths.min(axis=1), 1e-300)
    return Quality(scaled_jacobian(mesh), aspect, mesh.volumes())


def summary(mesh: Mesh, quality: Quality) -> dict[str, object]:
    """Return what a table and a histogram of a mesh's quality show.

    Each measure as least, 5 %, median, 95 % and most; counts of the scaled Jacobian in tenths.
    """
    levels = (0.0, 5.0, 50.0, 95.0, 100.0)
    found: dict[str, object] = {
        "kind": mesh.kind,
        "n_cells": mesh.n_cells,
        "n_points": mesh.n_points,
        "total_volume_mm3": float(quality.volume_mm3.sum()),
    }
    for name, values in quality._asdict().items():
        found[name] = [float(value) for value in np.percentile(values, levels)]
    tenth = np.clip(np.floor(10.0 * quality.scaled_jacobian).astype(int), 0, 9)
    found["histogram"] = np.bincount(tenth, minlength=10).tolist()
    return found
