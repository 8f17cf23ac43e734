"""Stiffness of a mesh as a matrix of 3 x 3 blocks, assembled into a pattern laid out once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.kernels import assembly, blocks
from vbsim.kernels.stiffness import POINTS, Tables
from vbsim.mesh.elements import Element
from vbsim.mesh.mesh import Mesh

__all__ = ["BlockMatrix", "Operator", "Pattern", "Rows", "assemble"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]


class Operator(Protocol):
    """A stiffness that multiplies: what iterations need, assembled or not."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a vector."""

    def product(self, x: Array, out: Array) -> float:
        """Set ``out = A x``; return ``x . A x``."""


class Rows:
    """Shares the rows of a matrix out among threads; sums do not depend on their number."""

    def __init__(self, n_rows: int, threads: int | None = None) -> None:
        wanted = threads or len(os.sched_getaffinity(0))
        # Below some thousand rows a product is cheaper than waking a thread.
        self.threads = wanted if n_rows >= 4000 else 1
        cuts = [n_rows * k // self.threads for k in range(self.threads + 1)]
        self.parts = [np.array(pair, dtype=np.int64) for pair in pairwise(cuts)]
        self._pool = ThreadPoolExecutor(self.threads) if self.threads > 1 else None

    def run(self, work: Callable[[NDArray[np.int64]], None]) -> None:
        """Call `work` with the first and last + 1 row of every share."""
        if self._pool is None:
            work(self.parts[0])
            return
        jobs = [self._pool.submit(work, part) for part in self.parts[1:]]
        work(self.parts[0])
        for job in jobs:
            job.result()


class Pattern:
    """Which points share a cell, and where the blocks of every cell lie.

    Parameters
    ----------
    cells : (n_cells, n_nodes) int32
        Points of each cell.
    n_points : int
        Points of the mesh.
    """

    def __init__(self, cells: NDArray[np.int32], n_points: int) -> None:
        cells = np.ascontiguousarray(cells)
        first = np.zeros(n_points + 1, np.int64)
        member = np.empty(cells.size, np.int32)
        assembly.gather_cells(cells, first, member)
        self.start = np.zeros(n_points + 1, np.int64)
        assembly.count_blocks(cells, first, member, self.start)
        n_blocks = int(self.start[-1])
        number = np.int32 if n_blocks < 2**31 else np.int64
        self.column = np.empty(n_blocks, np.int32)
        n_cells, n_nodes = cells.shape
        self.place = np.empty((n_cells, n_nodes * (n_nodes + 1) // 2), number)
        assembly.connect(cells, first, member, self.start, self.column, self.place)
        self.mirror = np.empty(n_blocks, number)
        assembly.face(self.start, self.column, self.mirror)

    @property
    def n_points(self) -> int:
        """Block rows."""
        return len(self.start) - 1

    @property
    def n_blocks(self) -> int:
        """Blocks that may differ from zero."""
        return len(self.column)


class BlockMatrix:
    """A symmetric matrix of 3 x 3 blocks; an `Operator` on vectors (n_points, 3).

    Parameters
    ----------
    pattern : Pattern
        Where the blocks lie.
    values : (n_blocks, 3, 3) float
        The blocks, in single or double precision.
    rows : Rows
        Threads.
    """

    def __init__(self, pattern: Pattern, values: Array, rows: Rows) -> None:
        self.pattern, self.values, self.rows = pattern, values, rows

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a vector."""
        return self.pattern.n_points, 3

    def product(self, x: Array, out: Array) -> float:
        """Set ``out = A x``; return ``x . A x``."""
        start, column = self.pattern.start, self.pattern.column
        self.rows.run(lambda part: blocks.product(start, column, self.values, x, part, out))
        return float(np.einsum("ij,ij->", x, out))

    def residual(self, x: Array, b: Array, free: Array, out: Array) -> None:
        """Set ``out = free (b - A x)``."""
        start, column = self.pattern.start, self.pattern.column
        self.rows.run(
            lambda part: blocks.residual(start, column, self.values, x, b, free, part, out)
        )

    def single(self) -> BlockMatrix:
        """Return the matrix in single precision."""
        return BlockMatrix(self.pattern, self.values.astype(np.float32), self.rows)

    def to_scipy(self) -> sp.bsr_array:
        """Return the matrix for SciPy; it shares the blocks."""
        n = 3 * self.pattern.n_points
        parts = (self.values, self.pattern.column, self.pattern.start)
        return sp.bsr_array(parts, shape=(n, n))


def assemble(
    mesh: Mesh,
    element: Element,
    constants: FloatArray,
    *,
    pattern: Pattern | None = None,
    rows: Rows | None = None,
    into: BlockMatrix | None = None,
) -> BlockMatrix:
    """Return the stiffness of a mesh.

    Parameters
    ----------
    mesh : Mesh
        Its cells must be of the element's kind and not inside out.
    element : Element
        Shape functions, quadrature, incompatible modes.
    constants : (n_cells, 9) or (n_cells, 36) float, MPa
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` or the whole elastic matrix of every cell, in
        Voigt order ``xx yy zz yz xz xy`` with engineering shear.
    pattern : Pattern, optional
        Pattern of the same cells, laid out before.
    rows : Rows, optional
        Threads.
    into : BlockMatrix, optional
        A matrix of the same cells whose memory may be used again.
    """
    require(mesh.kind == element.shape.name, "mesh", mesh.kind, f"of {element.shape.name} cells")
    wanted = (mesh.n_cells, 36 if constants.shape[-1] == 36 else 9)
    require(constants.shape == wanted, "constants", constants.shape, f"of shape {wanted}")
    if into is None:
        pattern = pattern or Pattern(mesh.cells, mesh.n_points)
        rows = rows or Rows(mesh.n_points)
        into = BlockMatrix(pattern, np.zeros((pattern.n_blocks, 3, 3)), rows)
    else:
        into.values[...] = 0.0
    tables = reference_tables(element)
    fixed = (mesh.cells, mesh.points, tables, np.ascontiguousarray(constants, dtype=np.float64))
    target, pattern = into, into.pattern
    target.rows.run(lambda part: assembly.assemble(*fixed, pattern.place, part, target.values))
    sides = (pattern.start, pattern.column, pattern.mirror)
    target.rows.run(lambda part: assembly.reflect(*sides, part, target.values))
    return target


def reference_tables(element: Element) -> Tables:
    """Return the tables of an element for the kernels.

    The gradients of incompatible modes ``1 - xi_k^2`` follow those of the nodes; quadrature
    points that weigh nothing make their number a multiple of what the kernel sums at once.
    """
    points, weights = element.rule
    more = -len(weights) % POINTS
    points = np.concatenate([points, np.repeat(points[-1:], more, axis=0)])
    weights = np.append(weights, np.zeros(more))
    slopes = np.moveaxis(element.values(points)[1], 1, 2)
    modes = np.zeros((len(points), 3, element.n_modes))
    for k in range(element.n_modes):
        modes[:, k, k] = -2.0 * points[:, k]
    centre = element.values(np.zeros((1, 3)))[1][0].T
    return Tables(
        np.ascontiguousarray(np.concatenate([slopes, modes], axis=2)),
        np.ascontiguousarray(weights),
        np.ascontiguousarray(centre),
    )
