"""Geometric multigrid on voxel grids: every grid is the same operator without a matrix."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.layout import Layout
from vbsim.fem.operators import VoxelOperator, cell_matrices
from vbsim.kernels import runs, transfer, vectors
from vbsim.materials.field import UnitStiffness

__all__ = ["Multigrid", "Grid", "Plan", "held_components", "mark_active"]

Array = NDArray[Any]

# The coarsest grid is solved directly once it has no more than this many components.
_DIRECT_DOF = 400
# A smoother of degree m damps the spectrum above this share of its upper end, over m squared.
_SMOOTHED_SHARE = 9.0 / 16.0
# An axis is halved while its cells are less than this much longer than the shortest edge.
_SEMI_COARSENING = 1.5


class Plan(NamedTuple):
    """How a cycle shares its work between the finest grid and the coarser ones.

    Attributes
    ----------
    finest_degree, coarser_degree : int
        Degrees of the smoother.
    correction : float
        By how much a coarse correction is enlarged before it is added.
    """

    finest_degree: int
    coarser_degree: int
    correction: float


_SOLID = Plan(3, 3, 1.0)
# Coarse cells bridge the gaps of a porous structure and are then too stiff: their corrections fall
# short, by 1.2 to 2.5 on the trabecular cube, and coarse grids are worth more of the work.
_POROUS = Plan(2, 5, 1.2)
# A structure is porous if its cells fill less than this share of the cells of the second grid, and
# its rows of cells have gaps: so many stretches a row. (A small body is all surface, without gaps.)
_FULL, _STRETCHES = 0.85, 1.5


@dataclass(eq=False)
class Grid:
    """One grid of the hierarchy: its operator and its vectors."""

    operator: VoxelOperator
    factors: Array = field(default_factory=lambda: np.ones(3, np.int64))  # to the next, (z, y, x)
    parents: Array = field(init=False)  # see `transfer.relate`
    lines: Array = field(init=False)  # work of the transfer, one line a thread
    b: Array = field(init=False)
    x: Array = field(init=False)
    d: Array = field(init=False)
    e: Array = field(init=False)
    double: Array = field(init=False)  # one float64 vector in the memory of `d` and `e`

    def __post_init__(self) -> None:
        shape = self.operator.shape
        self.b, self.x = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.double = np.zeros(shape)
        # Both are written before they are read in every cycle.
        self.d, self.e = self.double.view(np.float32).reshape(2, *shape)

    def relate(self, factors: tuple[int, int, int], coarse: Layout) -> None:
        """Find where the points lie on the next coarser grid."""
        points = self.operator.layout.points
        self.factors = np.array(factors)
        self.parents = np.zeros((4, len(points.length)), np.int32)
        transfer.relate(points, coarse.points, self.factors, self.parents)
        longest = int(points.length.max())
        self.lines = np.empty((self.operator.team.threads, longest + 2), np.float32)


class Multigrid:
    """Symmetric V-cycle in float32: averaged moduli, Chebyshev smoothing, direct coarse solve.

    Parameters
    ----------
    operator : VoxelOperator
        Finest grid.
    moduli : (K, n_z, n_y, n_x) float32
        Its moduli over the whole box, 0 in voids; read during set-up only.
    flags : (n_z + 1, n_y + 1, n_x + 1) uint8
        Its points: held components and `transfer.ACTIVE`; read during set-up only.
    plan : Plan, optional
        How work is shared; by default as the structure asks.

    Notes
    -----
    A coarse cell takes the mean modulus of its children, voids included. The coarse stiffness is
    that of the same unit materials on cells of twice the edge; along axes whose cells are already
    much longer than the others nothing is halved until the shape is near a cube again.
    """

    def __init__(
        self,
        operator: VoxelOperator,
        moduli: NDArray[np.float32],
        flags: NDArray[np.uint8],
        *,
        plan: Plan | None = None,
    ) -> None:
        self.grids = [Grid(operator)]
        while _too_large(self.grids[-1].operator):
            fine = self.grids[-1]
            factors = _factors(fine.operator)
            coarser, moduli, flags = _coarser(fine.operator, factors, moduli, flags)
            self.grids.append(Grid(coarser))
            fine.relate(factors, coarser.layout)
        self.plan = _plan(self.grids) if plan is None else plan
        self._prepare()

    def renew(self, moduli: NDArray[np.float32], flags: NDArray[np.uint8]) -> None:
        """Take other moduli on the same cells; numbering and vectors of all grids stay.

        Parameters
        ----------
        moduli : (K, n_z, n_y, n_x) float32
            Moduli over the whole box, 0 in the same voids as before.
        flags : (n_z + 1, n_y + 1, n_x + 1) uint8
            As they were; read only.
        """
        finest = self.grids[0].operator
        finest.renew(finest.layout.compact_cells(moduli))
        for fine, coarse in pairwise(self.grids):
            moduli, flags = _averaged(fine.factors, moduli, flags)
            layout = coarse.operator.layout
            coarse.operator.renew(layout.compact_cells(moduli), finest.mixtures)
            mark_active(layout, flags)
        self._prepare()

    def _prepare(self) -> None:
        """Solve on the coarsest grid; find the coefficients of the smoother on the others."""
        self._inverse = _inverse_of(self.grids[-1].operator)
        degrees = [self.plan.finest_degree, *[self.plan.coarser_degree] * len(self.grids)]
        self._coefficients = [
            _chebyshev(grid.operator, degree)
            for grid, degree in zip(self.grids[:-1], degrees, strict=False)
        ]

    def __repr__(self) -> str:
        rows = ["grid        points   cells (z, y, x)      edge (x, y, z)"]
        for k, grid in enumerate(self.grids):
            o = grid.operator
            edge = " x ".join(f"{h:g}" for h in o.cell_mm)
            rows.append(f"{k:4d}  {o.layout.n_points:12,d}   {o.layout.shape!s:20s} {edge}")
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
            # Not through BLAS: its threads would go on spinning between two cycles.
            np.einsum("ij,j->i", self._inverse, grid.b.ravel(), out=grid.x.reshape(-1))
            return
        operator = grid.operator
        first, *later = self._coefficients[k]
        self._start(k, np.float32(first[1]))
        self._smooth(k, later)
        operator.residual(grid.d, grid.b, grid.b)
        self._restrict(k)
        self._cycle(k + 1)
        self._prolong(k)
        self._smooth(k, [first, *later])

    def _start(self, k: int, weight: np.float32) -> None:
        """Take the first step of the smoother from nothing: ``x = d = weight D^-1 b``."""
        grid = self.grids[k]
        points = grid.operator.layout.points

        def slab(_: int, start: int, stop: int) -> None:
            vectors.jacobi(
                weight, grid.operator.dinv, grid.b, points.plane, start, stop, grid.d, grid.x
            )

        grid.operator.team.run(slab, points.plane)

    def _smooth(self, k: int, steps: list[tuple[float, float]]) -> None:
        """Take Chebyshev steps; `d` is the last change of `x`, `b` the residual before it."""
        grid = self.grids[k]
        for step in steps:
            grid.operator.chebyshev(grid.d, grid.b, grid.e, grid.x, step)
            grid.d, grid.e = grid.e, grid.d

    def _restrict(self, k: int) -> None:
        grid, coarse = self.grids[k], self.grids[k + 1]
        fine, points = grid.operator.layout.points, coarse.operator.layout.points

        def slab(member: int, start: int, stop: int) -> None:
            line = grid.lines[member]
            factors, parents = grid.factors, grid.parents
            transfer.restrict(grid.b, fine, factors, parents, points, start, stop, line, coarse.b)

        grid.operator.team.run(slab, points.plane)

    def _prolong(self, k: int) -> None:
        grid, source = self.grids[k], self.grids[k + 1].x
        points, dinv = grid.operator.layout.points, grid.operator.dinv
        enlarged = np.float32(self.plan.correction)

        def slab(member: int, start: int, stop: int) -> None:
            line = grid.lines[member]
            factors, parents = grid.factors, grid.parents
            transfer.prolong(
                source, enlarged, factors, parents, points, start, stop, line, dinv, grid.d, grid.x
            )

        grid.operator.team.run(slab, points.plane)


def _too_large(operator: VoxelOperator) -> bool:
    return 3 * operator.layout.n_points > _DIRECT_DOF and max(operator.layout.shape) > 1


def _factors(operator: VoxelOperator) -> tuple[int, int, int]:
    """Return by how much each axis (z, y, x) is coarsened: 2, or 1 to mend its shape or size."""
    cells = operator.layout.shape
    edges = operator.cell_mm[::-1]
    shortest = min(h for h, n in zip(edges, cells, strict=True) if n > 1)
    first, second, third = (
        2 if n > 1 and h < _SEMI_COARSENING * shortest else 1
        for n, h in zip(cells, edges, strict=True)
    )
    return first, second, third


def _coarser(
    fine: VoxelOperator,
    factors: tuple[int, int, int],
    moduli: NDArray[np.float32],
    flags: NDArray[np.uint8],
) -> tuple[VoxelOperator, NDArray[np.float32], NDArray[np.uint8]]:
    """Return the operator on the next coarser grid, and its moduli and flags over the box."""
    coarse_moduli, coarse_flags = _averaged(np.array(factors), moduli, flags)
    layout = Layout(np.asarray(coarse_moduli.any(axis=0)))
    h_x, h_y, h_z = fine.cell_mm
    f_z, f_y, f_x = factors
    units = tuple(_bending(unit) for unit in fine.units)
    operator = VoxelOperator(
        units,
        layout.compact_cells(coarse_moduli),
        (h_x * f_x, h_y * f_y, h_z * f_z),
        layout=layout,
        held=held_components(layout, coarse_flags),
        team=fine.team,
        mixtures=fine.mixtures,
    )
    mark_active(layout, coarse_flags)
    return operator, coarse_moduli, coarse_flags


def _bending(unit: UnitStiffness) -> UnitStiffness:
    """Return what a unit material that resists only mean strain is on a coarser grid.

    Bending of a coarse cell is mean strain of its children, so that a wall resists it. (A volume
    that is kept in the mean of every cell stays so, or coarse cells would lock.)
    """
    shears = any(unit.mean[6:])
    return unit._replace(bending=unit.mean) if shears and not any(unit.bending) else unit


def _averaged(
    factors: Array, moduli: NDArray[np.float32], flags: NDArray[np.uint8]
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return moduli and held components on the next coarser grid, over the box."""
    cells = [-(-n // int(f)) for n, f in zip(moduli.shape[1:], factors, strict=True)]
    coarse_moduli = np.empty((len(moduli), *cells), np.float32)
    transfer.coarsen(moduli, factors, flags, coarse_moduli)
    coarse_flags = np.empty(tuple(n + 1 for n in cells), np.uint8)
    transfer.hold(flags, factors, coarse_flags)
    return coarse_moduli, coarse_flags


def held_components(layout: Layout, flags: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the held components of the points with material, (3, N)."""
    compact = np.empty(layout.n_points, np.uint8)
    runs.compress(flags, layout.points, compact)
    return np.stack([compact & bit > 0 for bit in (runs.HELD_X, runs.HELD_Y, runs.HELD_Z)])


def mark_active(layout: Layout, flags: NDArray[np.uint8]) -> None:
    """Set the `transfer.ACTIVE` flag of the points with material."""
    runs.flag(layout.points, transfer.ACTIVE, flags)


def _plan(grids: list[Grid]) -> Plan:
    """Return the plan that suits how the cells of the finest grid lie in those of the second."""
    if len(grids) == 1:
        return _SOLID
    layout, second = (grid.operator.layout for grid in grids[:2])
    fill = layout.n_cells / (np.prod(grids[0].factors) * second.n_cells)
    return _POROUS if fill < _FULL and layout.stretches > _STRETCHES else _SOLID


def _chebyshev(operator: VoxelOperator, degree: int) -> list[tuple[float, float]]:
    """Return the coefficients of each Chebyshev step on ``[share * top, top]``.

    Up to ``top (1 + share)`` the steps damp or at least do not amplify, so that the cycle stays
    positive definite; that point is put on the bound of the spectrum.
    """
    share = _SMOOTHED_SHARE / degree**2
    top = operator.spectral_bound / (1.0 + share)
    low = share * top
    middle, half = 0.5 * (top + low), 0.5 * (top - low)
    sigma = middle / half
    rho = 1.0 / sigma
    steps = [(0.0, 1.0 / middle)]
    for _ in range(degree - 1):
        last, rho = rho, 1.0 / (2.0 * sigma - rho)
        steps.append((rho * last, 2.0 * rho / half))
    return steps


def _inverse_of(operator: VoxelOperator) -> Array:
    """Return the dense inverse on the free components, 0 elsewhere."""
    cells, n_dof = operator.layout.cells, int(np.prod(operator.shape))
    row = np.repeat(np.arange(len(cells.length)), cells.length)
    along = np.arange(operator.layout.n_cells) - cells.first[row]
    first = cells.lines[row] + along[:, None]  # (n_cells, 4 lines)
    points = np.stack([first, first + 1], axis=-1).reshape(-1, 8)  # x fastest, then y, then z
    corners = np.concatenate([points + c * operator.layout.n_points for c in range(3)], axis=1)
    dense = np.zeros((n_dof, n_dof))
    matrices = np.einsum("kn,kij->nij", operator.moduli, cell_matrices(operator.table))
    np.add.at(dense, (corners[:, :, None], corners[:, None, :]), matrices)
    free = np.flatnonzero(operator.dinv.ravel())
    scale = np.sqrt(operator.dinv.ravel()[free].astype(np.float64))
    scaled = dense[np.ix_(free, free)] * scale[:, None] * scale
    inverse = np.zeros((n_dof, n_dof), np.float32)
    # The shift bounds what float32 cannot resolve: rigid motions, parts that hang on by a thread.
    scaled[np.diag_indices_from(scaled)] += 10.0 * float(np.finfo(np.float32).eps)
    part = np.linalg.inv(scaled)
    inverse[np.ix_(free, free)] = 0.5 * (part + part.T) * scale[:, None] * scale
    return inverse
