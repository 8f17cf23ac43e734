"""Layers of tetrahedra on a surface of triangles: prisms, each cut into three."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["prisms", "rim_quads"]

IntArray = NDArray[np.int64]

# The tetrahedra of a prism whose base is 0 1 2, counter-clockwise seen from its top 3 4 5. Cut
# like this, a side is cut from the lower of its numbers at the base to the higher at the top, so
# that neighbours agree.
_CUTS = ((0, 1, 2, 5), (0, 1, 5, 4), (0, 3, 4, 5))


def prisms(triangles: IntArray, above: IntArray) -> IntArray:
    """Return the tetrahedra between triangles and the same triangles one layer up, (3 n, 4).

    Parameters
    ----------
    triangles : (n, 3) int
        Corners, counter-clockwise seen from above.
    above : (n_points,) int
        The point above each point.
    """
    order = np.argsort(triangles, axis=1)
    base = np.take_along_axis(triangles, order, axis=1)
    turned = np.isin(order @ [1, 3, 9], _MIRRORED)
    wedge = np.concatenate([base, above[base]], axis=1)
    cells = wedge[:, np.array(_CUTS)]
    cells[turned] = cells[turned][..., [0, 1, 3, 2]]
    return np.asarray(cells.reshape(-1, 4), dtype=np.int64)


# Odd permutations of three, as numbers to base 3 with the first digit last.
_MIRRORED = tuple(a + 3 * b + 9 * c for a, b, c in ((1, 0, 2), (0, 2, 1), (2, 1, 0)))


def rim_quads(triangles: IntArray, above: IntArray) -> tuple[IntArray, IntArray]:
    """Return the sides of a layer along the rim of its triangles, as triangles.

    Returns
    -------
    sides : (2 n, 3) int
        The sides, cut as `prisms` cuts them, looking out of the layer.
    rim : (2 n, 2) int
        The edge of the rim that each stands on, first to last as its triangle runs through it.
    """
    edges = triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    _, which, times = np.unique(
        np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True
    )
    rim = edges[times[which.reshape(-1)] == 1]
    a, b = rim.T
    rising = (a < b)[:, None]
    first = np.where(rising, np.stack([a, b, above[b]], 1), np.stack([a, b, above[a]], 1))
    second = np.where(
        rising, np.stack([a, above[b], above[a]], 1), np.stack([b, above[b], above[a]], 1)
    )
    return np.concatenate([first, second]), np.concatenate([rim, rim])
