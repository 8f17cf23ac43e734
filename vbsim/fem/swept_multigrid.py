"""Geometric multigrid for hexahedra swept through layers: every grid halves the one above.

Coarse stiffnesses are assembled anew on every second point of each line, from moduli averaged by
volume; transfer is trilinear in the lines of the mesh. Chebyshev smoothing on diagonal blocks: one
for each point, and one for each two points that face each other across the outermost ring, which
a thin stiff wall ties together far more than to anything else. With points alone the iteration
takes three to five times as long. Factorisation on the coarsest grid. Single precision throughout.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.fem.assembled import BlockMatrix, Rows, assemble
from vbsim.kernels import blocks
from vbsim.mesh.elements import Element
from vbsim.mesh.hexa.sweep import Sweep

__all__ = ["COARSEST_POINTS", "SweptMultigrid"]

FloatArray = NDArray[np.float64]
Single = NDArray[np.float32]

# Degree of the smoother, the part of the spectrum it works on, and the safety on its upper end.
_DEGREE = 3
_SPECTRUM = 0.12
_SAFETY = 1.1
_POWER_STEPS = 12
# Grids with fewer points than this are factorised.
COARSEST_POINTS = 500


class _Grid:
    """One grid: matrix, smoother, and the way down and up."""

    def __init__(self, sweep: Sweep, matrix: BlockMatrix, free: Single) -> None:
        self.matrix, self.free = matrix, free
        n, pattern = matrix.shape[0], matrix.pattern
        inverse, across = np.zeros((2, n, 3, 3), np.float32)
        self._blocks = (inverse, across, sweep.partners())
        blocks.block_inverses(
            pattern.start, pattern.column, matrix.values, free, self._blocks[2], inverse, across
        )
        self.down: Any = None
        self.up: Any = None
        self.x, self.b, self.r, self.d = np.zeros((4, n, 3), np.float32)
        self.largest = 1.0

    def find_largest(self) -> None:
        """Estimate the largest eigenvalue of ``B^-1 A`` by power iteration, with a safety."""
        x, y, r = self.x, self.d, self.r
        x[...] = np.random.default_rng(0).normal(size=x.shape)
        x *= self.free
        largest = 1.0
        for _ in range(_POWER_STEPS):
            self.matrix.product(x, r)
            y[...] = 0.0
            self._step(r, 1.0, 0.0, y, self.b)
            largest = float(np.linalg.norm(y) / np.linalg.norm(x))
            x[...] = y / np.float32(np.linalg.norm(y))
        self.largest = _SAFETY * largest
        self.b[...] = 0.0

    def smooth(self, *, from_zero: bool) -> None:
        """Improve x for ``A x = b`` by a Chebyshev polynomial (Saad 2003, algorithm 12.1)."""
        upper, lower = self.largest, _SPECTRUM * self.largest
        theta, delta = 0.5 * (upper + lower), 0.5 * (upper - lower)
        sigma = theta / delta
        rho = 1.0 / sigma
        step, keep = 1.0 / theta, 0.0
        for k in range(_DEGREE):
            if k == 0 and from_zero:
                np.multiply(self.b, self.free, out=self.r)
                self.x[...] = 0.0
            else:
                self.matrix.residual(self.x, self.b, self.free, self.r)
            self._step(self.r, step, keep, self.d, self.x)
            rho_next = 1.0 / (2.0 * sigma - rho)
            step, keep = 2.0 * rho_next / delta, rho_next * rho
            rho = rho_next

    def _step(self, r: Single, step: float, keep: float, d: Single, x: Single) -> None:
        steps = np.array([step, keep], np.float32)
        self.matrix.rows.run(lambda part: blocks.sweep(*self._blocks, r, steps, part, d, x))


class SweptMultigrid:
    """A multigrid cycle as preconditioner for the stiffness of a swept mesh.

    Parameters
    ----------
    sweep : Sweep
        The mesh.
    element : Element
        The finite element of every grid.
    constants : (n_cells, 9) float, MPa
        Elastic constants of the cells.
    matrix : BlockMatrix
        Stiffness of the mesh in double precision.
    free : (n_points, 3) bool
        Components that are not held.
    """

    def __init__(
        self,
        sweep: Sweep,
        element: Element,
        constants: FloatArray,
        matrix: BlockMatrix,
        free: NDArray[np.bool_],
    ) -> None:
        self.grids = [_Grid(sweep, matrix.single(), free.astype(np.float32))]
        while self.grids[-1].matrix.shape[0] > COARSEST_POINTS:
            below = sweep.coarser()
            if below is None:
                break
            volumes = _volumes(sweep)
            whole = np.bincount(below.parent, volumes, below.sweep.n_cells)
            constants = np.stack(
                [
                    np.bincount(below.parent, volumes * part, below.sweep.n_cells) / whole
                    for part in constants.T
                ],
                axis=1,
            )
            mesh, free = below.sweep.mesh(), free[below.kept]
            rows = Rows(mesh.n_points, matrix.rows.threads)
            coarse_matrix = assemble(mesh, element, constants, rows=rows).single()
            coarse = _Grid(below.sweep, coarse_matrix, free.astype(np.float32))
            fine = self.grids[-1]
            fine.up = below.interpolation.astype(np.float32)
            fine.down = sp.csr_array(fine.up.T)
            self.grids.append(coarse)
            sweep = below.sweep
        for grid in self.grids[:-1]:
            grid.find_largest()
        self._factor_coarsest()

    def _factor_coarsest(self) -> None:
        last = self.grids[-1]
        chosen = np.flatnonzero(last.free.ravel())
        whole = last.matrix.to_scipy().tocsr()
        self._chosen = chosen
        self._factors: Any
        if len(chosen) <= 3000:
            dense = whole[chosen][:, chosen].toarray().astype(np.float64)
            self._factors = scipy.linalg.cho_factor(dense, lower=True, overwrite_a=True)
        else:
            from vbsim.fem.sparse import Factorisation

            self._factors = Factorisation(whole[chosen][:, chosen].astype(np.float64))

    def _solve_coarsest(self, b: Single, x: Single) -> None:
        right = b.ravel()[self._chosen].astype(np.float64)
        if isinstance(self._factors, tuple):
            found = scipy.linalg.cho_solve(self._factors, right, check_finite=False)
        else:
            found = self._factors.solve(right)
        x[...] = 0.0
        x.ravel()[self._chosen] = found

    def __call__(self, b: FloatArray) -> Single:
        """Return about ``A^-1 b``; the array is used again by the next call."""
        self.grids[0].b[...] = b
        self._cycle(0)
        return self.grids[0].x

    def _cycle(self, level: int) -> None:
        grid = self.grids[level]
        if level == len(self.grids) - 1:
            self._solve_coarsest(grid.b, grid.x)
            return
        coarse = self.grids[level + 1]
        grid.smooth(from_zero=True)
        grid.matrix.residual(grid.x, grid.b, grid.free, grid.r)
        np.multiply(grid.down @ grid.r, coarse.free, out=coarse.b)
        self._cycle(level + 1)
        grid.x += grid.free * (grid.up @ coarse.x)
        grid.smooth(from_zero=False)

    def __str__(self) -> str:
        """List the grids."""
        return " > ".join(f"{grid.matrix.shape[0]} points" for grid in self.grids)


def _volumes(sweep: Sweep) -> FloatArray:
    """Return the volume of every cell from its Jacobian in the middle: enough for weights."""
    x = np.moveaxis(sweep.points.reshape(-1, 3)[sweep.cells()], 1, 0)
    along = x[1] + x[2] + x[5] + x[6] - x[0] - x[3] - x[4] - x[7]
    aside = x[2] + x[3] + x[6] + x[7] - x[0] - x[1] - x[4] - x[5]
    above = x[4] + x[5] + x[6] + x[7] - x[0] - x[1] - x[2] - x[3]
    result: FloatArray = np.abs(np.einsum("ij,ij->i", along, np.cross(aside, above))) / 64.0
    return result
