"""Two grids for cells of second order: all nodes, and first-order cells on the corners.

A node between two corners takes the mean of both. On all nodes, one sweep over groups of up to
three points forth and one back: a thin wall ties the points across it together far more than to
anything else, and point by point the iteration would take four times as long. On the corners
smoothed aggregation, or factors where they are few. Single precision on all nodes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.fem.assembled import BlockMatrix
from vbsim.kernels import grouping
from vbsim.mesh.mesh import Mesh

__all__ = ["CornerMultigrid", "corner_interpolation", "tied_groups"]

FloatArray = NDArray[np.float64]
Single = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Coarse = Callable[[sp.bsr_array, FloatArray, BoolArray], Callable[[FloatArray], FloatArray]]

# Points are joined above this share of their own blocks.
_TIED = 0.3


class CornerMultigrid:
    """A cycle over two grids as preconditioner for the stiffness of second-order cells.

    Parameters
    ----------
    mesh : Mesh
        Cells with mid-edge nodes.
    edges : tuple of pairs
        Corners that each mid-edge node of a cell lies between.
    matrix : BlockMatrix
        Stiffness in double precision.
    free : (n_points, 3) bool
        Components that are not held.
    coarse : callable
        Returns what solves, about, with a matrix on corners: takes the matrix, with ones where
        components are held, the places of the corners, (n, 3), and which components are free.
    """

    def __init__(
        self,
        mesh: Mesh,
        edges: tuple[tuple[int, int], ...],
        matrix: BlockMatrix,
        free: BoolArray,
        coarse: Coarse,
    ) -> None:
        self.matrix, self.free = matrix.single(), free.astype(np.float32)
        pattern = matrix.pattern
        self.groups = tied_groups(matrix)
        self.inverse = np.zeros((len(self.groups), 9, 9), np.float32)
        rows = (pattern.start, pattern.column, matrix.values)
        grouping.group_inverses(*rows, self.free, self.groups, self.inverse)
        corners, up = corner_interpolation(mesh, edges)
        held = ~free[corners]
        spread = sp.kron(up, sp.eye_array(3)).tocsr()
        spread = sp.diags_array(free.ravel().astype(float)) @ spread
        spread = spread @ sp.diags_array(free[corners].ravel().astype(float))
        below = spread.T @ (matrix.to_scipy().tocsr() @ spread)
        scale = float(abs(below.diagonal()).max())
        below = below + scale * sp.diags_array(held.ravel().astype(float))
        self._coarse = coarse(sp.bsr_array(below, blocksize=(3, 3)), mesh.points[corners], ~held)
        self._up, self._down = up.astype(np.float32), sp.csr_array(up.T).astype(np.float32)
        self._coarse_free = (~held).astype(np.float32)
        self._x, self._b, self._r = np.zeros((3, *free.shape), np.float32)

    def __call__(self, b: FloatArray) -> Single:
        """Return about ``A^-1 b``; the array is used again by the next call."""
        x: Single = self._x
        right, r = self._b, self._r
        np.multiply(b, self.free, out=right, casting="same_kind")
        x[...] = 0.0
        self._sweep(backward=False)
        self.matrix.residual(x, right, self.free, r)
        found = self._coarse(np.asarray((self._down @ r) * self._coarse_free, np.float64))
        x += self.free * (self._up @ (found.astype(np.float32) * self._coarse_free))
        self._sweep(backward=True)
        return x

    def _sweep(self, *, backward: bool) -> None:
        pattern = self.matrix.pattern
        rows = (pattern.start, pattern.column, self.matrix.values)
        grouping.sweep_groups(*rows, self.groups, self.inverse, self._b, backward, self._x)


def tied_groups(matrix: BlockMatrix, tied: float = _TIED) -> NDArray[np.int32]:
    """Return disjoint groups of points, (n_groups, 3), -1 for none: the strongest ties first.

    Parameters
    ----------
    matrix : BlockMatrix
        The stiffness.
    tied : float
        Norm of the block of two points over the root of the product of their own, above which they
        are joined.
    """
    pattern = matrix.pattern
    n, most = pattern.n_points, pattern.n_blocks // 2
    first, second = np.empty((2, most), np.int32)
    strength = np.empty(most)
    rows = (pattern.start, pattern.column, matrix.values)
    count = grouping.ties(*rows, np.empty(n), first, second, strength)
    strong = np.flatnonzero(strength[:count] > tied)
    strong = strong[np.argsort(-strength[strong], kind="stable")]
    members = np.full((n, 3), -1, np.int32)
    members[:, 0] = np.arange(n)
    group, size = members[:, 0].copy(), np.ones(n, np.int32)
    grouping.join(first[strong], second[strong], group, members, size)
    return np.ascontiguousarray(members[size > 0])


def corner_interpolation(
    mesh: Mesh, edges: tuple[tuple[int, int], ...]
) -> tuple[NDArray[np.int64], sp.csr_array]:
    """Return the corners of all cells, and by which weights, (n_points, n_corners), they move all.

    Points of no cell take part in nothing: their rows are empty.
    """
    n_corners = mesh.cells.shape[1] - len(edges)
    corners = np.unique(mesh.cells[:, :n_corners]).astype(np.int64)
    number = np.full(mesh.n_points, -1, np.int64)
    number[corners] = np.arange(len(corners))
    ends = np.full((mesh.n_points, 2), -1, np.int64)
    ends[corners] = corners[:, None]
    for k, edge in enumerate(edges):
        ends[mesh.cells[:, n_corners + k]] = mesh.cells[:, list(edge)]
    points = np.flatnonzero(ends[:, 0] >= 0)
    parts = (np.repeat(points, 2), number[ends[points]].ravel())
    weights = np.full(2 * len(points), 0.5)
    shape = (mesh.n_points, len(corners))
    return corners, sp.csr_array(sp.coo_array((weights, parts), shape=shape))
