"""The nearest place on a surface of triangles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["Nearest", "Skin"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Triangles by the distance of their middles among which the nearest place is looked for.
_CANDIDATES = 12


class Nearest(NamedTuple):
    """Nearest places on a surface.

    Attributes
    ----------
    triangle : (n,) int array
        Where each lies.
    weights : (n, 3) float array
        Share of each corner of that triangle in the place.
    distance_mm : (n,) float array
        How far it is away.
    """

    triangle: IntArray
    weights: FloatArray
    distance_mm: FloatArray


@dataclass(frozen=True, eq=False)
class Skin:
    """Triangles of about one size, each of a kind.

    Parameters
    ----------
    points : (n_points, 3) float, mm
        Places.
    triangles : (n, 3) int
        Corners, counter-clockwise seen from outside.
    kinds : (n,) int
        What each belongs to.
    """

    points: FloatArray
    triangles: IntArray
    kinds: IntArray

    def part(self, kind: int) -> Skin:
        """Return the triangles of one kind on the same points."""
        chosen = self.kinds == kind
        return Skin(self.points, self.triangles[chosen], self.kinds[chosen])

    @cached_property
    def normals(self) -> FloatArray:
        """Outward unit normals, (n, 3)."""
        a, b, c = (self.points[self.triangles[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        return np.asarray(normal / np.linalg.norm(normal, axis=1, keepdims=True))

    @cached_property
    def _tree(self) -> cKDTree:
        return cKDTree(self.points[self.triangles].mean(axis=1))

    def nearest(self, at_mm: FloatArray) -> Nearest:
        """Return the nearest place to each of some points (n, 3)."""
        k = min(_CANDIDATES, len(self.triangles))
        near = self._tree.query(at_mm, k=k)[1].reshape(len(at_mm), k)
        corners = self.points[self.triangles[near]]
        weights = _closest_weights(corners, at_mm[:, None])
        places = np.einsum("nkc,nkcj->nkj", weights, corners)
        distance = np.linalg.norm(places - at_mm[:, None], axis=2)
        best = distance.argmin(axis=1)
        row = np.arange(len(at_mm))
        return Nearest(near[row, best], weights[row, best], distance[row, best])


def _closest_weights(corners: FloatArray, at: FloatArray) -> FloatArray:
    """Return the barycentric weights of the nearest places in triangles (..., 3, 3), (..., 3)."""
    a, b, c = (corners[..., k, :] for k in range(3))
    normal = np.cross(b - a, c - a)
    size = np.maximum(np.einsum("...i,...i->...", normal, normal), 1e-300)
    inside = np.stack(
        [
            np.einsum("...i,...i->...", np.cross(q - p, at - p), normal) / size
            for p, q in ((b, c), (c, a), (a, b))
        ],
        axis=-1,
    )
    is_within = np.asarray(np.min(inside, axis=-1) >= 0.0)
    best = np.where(is_within[..., None], inside, 0.0)
    gap = np.where(is_within, 0.0, np.inf)
    for i, j in ((0, 1), (1, 2), (2, 0)):
        p, q = corners[..., i, :], corners[..., j, :]
        along = q - p
        length = np.maximum(np.einsum("...i,...i->...", along, along), 1e-300)
        t = np.clip(np.einsum("...i,...i->...", at - p, along) / length, 0.0, 1.0)
        away = np.linalg.norm(at - p - t[..., None] * along, axis=-1)
        weights = np.zeros(best.shape)
        weights[..., i], weights[..., j] = 1.0 - t, t
        better = away < gap
        best = np.where(better[..., None], weights, best)
        gap = np.where(better, away, gap)
    return np.asarray(best)
