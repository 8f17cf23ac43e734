"""Geometric multigrid on voxel grids: every grid is the same operator without a matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.operators import VoxelOperator, cell_matrices
from vbsim.kernels import transfer

__all__ = ["Multigrid", "Grid"]

Array = NDArray[Any]

# The coarsest grid is solved directly once it has no more than this many components.
_DIRECT_DOF = 1200
# The smoother damps the upper part of the spectrum, down to this share of its upper end.
_SMOOTHED_SHARE = 1.0 / 6.0
# An axis is halved while its cells are less than this much longer than the shortest edge.
_SEMI_COARSENING = 1.5


@dataclass(eq=False)
class Grid:
    """One grid of the hierarchy: its operator and its vectors."""

    operator: VoxelOperator
    factors: tuple[int, int, int] = (1, 1, 1)  # to the next coarser grid, (z, y, x)
    b: Array = field(init=False)
    x: Array = field(init=False)
    d: Array = field(init=False)
    e: Array = field(init=False)

    def __post_init__(self) -> None:
        for name in ("b", "x", "d", "e"):
            setattr(self, name, np.zeros(self.operator.shape, self.operator.dtype))


class Multigrid:
    """Symmetric V-cycle in float32: averaged moduli, Chebyshev smoothing, direct coarse solve.

    Parameters
    ----------
    operator : VoxelOperator
        Finest grid, float32.

    Notes
    -----
    A coarse cell takes the mean modulus of its children, voids included. The coarse stiffness is
    that of the same unit materials on cells of twice the edge; along axes whose cells are already
    much longer than the others nothing is halved until the shape is near a cube again.
    """

    def __init__(self, operator: VoxelOperator) -> None:
        self.grids = [Grid(operator)]
        while self._too_large(self.grids[-1].operator):
            factors = _factors(self.grids[-1].operator)
            self.grids[-1].factors = factors
            self.grids.append(Grid(_coarser(self.grids[-1].operator, factors)))
        self._inverse = _pseudo_inverse(self.grids[-1].operator)
        self._coefficients = [_chebyshev(grid.operator) for grid in self.grids[:-1]]

    @staticmethod
    def _too_large(operator: VoxelOperator) -> bool:
        return bool(3 * operator.n_points > _DIRECT_DOF and max(operator.moduli.shape[1:]) > 1)

    def __repr__(self) -> str:
        rows = ["grid        points   cells (z, y, x)      edge (x, y, z)"]
        for k, grid in enumerate(self.grids):
            o = grid.operator
            edge = " x ".join(f"{h:g}" for h in o.cell_mm)
            rows.append(f"{k:4d}  {o.n_points:12,d}   {o.moduli.shape[1:]!s:20s} {edge}")
        return "\n".join(rows)

    def __call__(self, r: Array) -> Array:
        """Return an approximation of ``A^-1 r``; a vector of the finest grid that is reused."""
        finest = self.grids[0]
        if r is not finest.b:
            finest.b[...] = r
        self._cycle(0)
        return finest.x

    def _cycle(self, k: int) -> None:
        grid = self.grids[k]
        if k == len(self.grids) - 1:
            grid.x[...] = (self._inverse @ grid.b.ravel()).reshape(grid.x.shape)
            return
        operator = grid.operator
        first, second = self._coefficients[k]
        np.multiply(operator.dinv, grid.b, out=grid.d)
        grid.d *= operator.dtype.type(first)
        np.copyto(grid.x, grid.d)
        operator.chebyshev(grid.d, grid.b, grid.e, grid.x, second)
        operator.residual(grid.e, grid.b, grid.b)
        self._restrict(k)
        self._cycle(k + 1)
        self._prolong(k)
        operator.chebyshev(grid.d, grid.b, grid.e, grid.x, (0.0, first))
        operator.chebyshev(grid.e, grid.b, grid.d, grid.x, second)

    def _restrict(self, k: int) -> None:
        grid, coarse = self.grids[k], self.grids[k + 1]
        factors = np.array(grid.factors)

        def slab(_: int, start: int, stop: int) -> None:
            line = np.empty(grid.b.shape[3], grid.b.dtype)
            transfer.restrict(grid.b, factors, start, stop, line, coarse.b)

        operator = grid.operator
        operator.team.run(slab, coarse.b.shape[1], operator.n_points)

    def _prolong(self, k: int) -> None:
        grid, coarse = self.grids[k], self.grids[k + 1]
        factors = np.array(grid.factors)
        operator = grid.operator

        def slab(_: int, start: int, stop: int) -> None:
            line = np.empty(coarse.x.shape[3], grid.b.dtype)
            transfer.prolong(coarse.x, factors, start, stop, line, operator.dinv, grid.d, grid.x)

        operator.team.run(slab, grid.b.shape[1], operator.n_points)


def _factors(operator: VoxelOperator) -> tuple[int, int, int]:
    """Return by how much each axis (z, y, x) is coarsened: 2, or 1 to mend its shape or size."""
    cells = operator.moduli.shape[1:]
    edges = operator.cell_mm[::-1]
    shortest = min(h for h, n in zip(edges, cells, strict=True) if n > 1)
    first, second, third = (
        2 if n > 1 and h < _SEMI_COARSENING * shortest else 1
        for n, h in zip(cells, edges, strict=True)
    )
    return first, second, third


def _coarser(fine: VoxelOperator, factors: tuple[int, int, int]) -> VoxelOperator:
    """Return the operator on the next coarser grid."""
    cells = [-(-n // f) for n, f in zip(fine.moduli.shape[1:], factors, strict=True)]
    moduli = np.empty((fine.moduli.shape[0], *cells), fine.dtype)
    transfer.coarsen(fine.moduli, np.array(factors), fine.fixed[2], moduli)
    fixed = np.empty((3, *(n + 1 for n in cells)), bool)
    transfer.hold(fine.fixed, fine.dinv, np.array(factors), fixed)
    h_x, h_y, h_z = fine.cell_mm
    f_z, f_y, f_x = factors
    cell_mm = (h_x * f_x, h_y * f_y, h_z * f_z)
    return VoxelOperator(
        fine.units, moduli, cell_mm, fixed=fixed, team=fine.team, mixtures=fine.mixtures
    )


def _chebyshev(operator: VoxelOperator) -> tuple[float, tuple[float, float]]:
    """Return the coefficients of two Chebyshev steps on ``[share * top, top]``.

    Up to ``top (1 + share)`` the steps damp or at least do not amplify, so that the cycle stays
    positive definite; that point is put on the bound of the spectrum.
    """
    top = operator.spectral_bound / (1.0 + _SMOOTHED_SHARE)
    low = _SMOOTHED_SHARE * top
    middle, half = 0.5 * (top + low), 0.5 * (top - low)
    sigma = middle / half
    rho = 1.0 / (2.0 * sigma - 1.0 / sigma)
    return 1.0 / middle, (rho / sigma, 2.0 * rho / half)


def _pseudo_inverse(operator: VoxelOperator) -> Array:
    """Return the dense inverse on the free components, 0 elsewhere and on rigid motions."""
    cells = operator.moduli.shape[1:]
    n_dof = int(np.prod(operator.shape))
    index = np.arange(n_dof).reshape(operator.shape)
    n_z, n_y, n_x = cells
    corners = np.stack(
        [
            index[c, k : k + n_z, j : j + n_y, i : i + n_x].ravel()
            for c in range(3)
            for k in (0, 1)
            for j in (0, 1)
            for i in (0, 1)
        ],
        axis=1,
    )
    dense = np.zeros((n_dof, n_dof))
    matrices = np.einsum(
        "kn,kij->nij",
        operator.moduli.reshape(len(operator.units), -1),
        cell_matrices(operator.table),
    )
    np.add.at(dense, (corners[:, :, None], corners[:, None, :]), matrices)
    free = np.flatnonzero(operator.dinv.ravel())
    scale = np.sqrt(operator.dinv.ravel()[free].astype(np.float64))
    scaled = dense[np.ix_(free, free)] * scale[:, None] * scale
    inverse = np.zeros((n_dof, n_dof), operator.dtype)
    # Cells that hang on by less than the type can hold are rigid motions too.
    tolerance = 10.0 * float(np.finfo(np.float32).eps)
    part = np.linalg.pinv(scaled, rcond=tolerance, hermitian=True)
    inverse[np.ix_(free, free)] = part * scale[:, None] * scale
    return inverse
