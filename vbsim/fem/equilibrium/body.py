"""A body with laws: its internal forces and their tangent, without a matrix.

The forces are those of a linear body whose moduli carry a factor (`resisting`), as the linear
kernel multiplies them, plus what the laws of the active cells add at the centre of the cell:

    f(u) = offset + A u + B^T (P(F) - R B u)

with R the stiffness that A has against the mean strain. So the mean strain sees the laws alone and
the bending modes a modulus that changes from step to step, not within one; `offset` keeps their
forces when it changes. Elastic cells drop out of the last term.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.equilibrium.averaging import Averaging
from vbsim.fem.equilibrium.gathered import gathered
from vbsim.fem.equilibrium.state import BodyState
from vbsim.fem.krylov import ConjugateGradients
from vbsim.fem.layout import Layout, Team
from vbsim.fem.multigrid import Multigrid, Plan
from vbsim.fem.operators import VoxelOperator
from vbsim.fem.problem import PlatenProblem, Solid
from vbsim.kernels import inelastic, runs, transfer
from vbsim.kernels.constituents import N_PACKED
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents

__all__ = ["InelasticBody"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]

# Modulus against the bending modes: never less than this share of the elastic one (a cell at a
# plateau would otherwise deform without resistance), nor more than this (densified bone).
_LEAST_RESISTING, _MOST_RESISTING = 0.02, 4.0

# One number a cell is far from the tangent of a cell that yields in one direction: a cycle that
# smooths more costs up to twice as much and takes as many iterations.
_CYCLE = Plan(1, 2, 1.0)


class InelasticBody:
    """What joins the platens of a body, with laws.

    Parameters
    ----------
    body : Solid
        Domain, linear stiffness, platen node sets.
    constituents : Constituents
        What its voxels are made of; at rest they are as stiff as ``body.materials``.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways.
    team : Team
        Threads.
    cavity : (n_z, n_y, n_x) float, optional
        Part of each voxel that belongs to a cavity under pressure.

    Attributes
    ----------
    rows, new : (n, n_state) float
        State of the active constituents before the step, and of the last evaluation.
    """

    def __init__(
        self,
        body: Solid,
        constituents: Constituents,
        lateral: str,
        team: Team,
        *,
        cavity: FloatArray | None = None,
    ) -> None:
        self.problem = PlatenProblem(body, lateral, team)
        self.constituents = constituents
        self.spacing_mm = np.array(body.domain.spacing_mm)
        self.grid_shape = body.domain.shape
        operator = self.problem.operator
        self._elastic = operator
        self.layout, self.team = operator.layout, team
        self.free = operator.dinv > 0
        self._cells = _cell_indices(self.layout, self.problem.box, body.domain.shape)
        self._moduli = operator.moduli
        self._unit_means = np.array([unit.mean for unit in operator.units])
        self._flags = _flags(self.layout, self.free)
        self._collect(cavity)
        self.scale = (0.25 / np.outer(self.spacing_mm, self.spacing_mm)).ravel()
        self.volume = float(np.prod(self.spacing_mm))
        n = len(self._active)
        self.tangent = np.zeros((n, N_PACKED), np.float32)
        self.trace = np.zeros(n, np.float32)
        self.secant = np.ones(n, np.float32)
        self.offset = np.zeros(operator.shape)
        self.resist(np.ones(n, np.float32))

    def _collect(self, cavity: FloatArray | None) -> None:
        """Find the active cells and gather their constituents."""
        made = self.constituents
        is_active = np.zeros(int(np.prod(self.grid_shape)), bool)
        is_active[made.cell[made.is_inelastic]] = True
        share = np.zeros(is_active.size) if cavity is None else np.ravel(cavity)
        is_active |= share > 0
        chosen = is_active[self._cells]
        self._active = np.flatnonzero(chosen)  # compact cell of each active cell
        self.active_cells = self._cells[self._active]
        self.runs = _part_of(self.layout.cells, chosen)
        self.entries, self.active = gathered(made, self.active_cells, share)
        self.has_cavity = bool(share.any())
        self.rows = np.zeros((len(self.entries), max(made.n_state, slots.OWN)))
        self.new = self.rows.copy()
        self._before = self.rows[:, slots.INELASTIC].copy()
        self._rest = self._rest_constants()
        self._rest_trace = self._rest[:, [0, 1, 2, 6, 7, 8]].sum(axis=1)

    def _rest_constants(self) -> FloatArray:
        """Return the linear stiffness of the active cells against the mean strain, (n, 9)."""
        moduli = self._moduli[:, self._active].astype(np.float64)
        return np.asarray(moduli.T @ self._unit_means)

    # Forces --------------------------------------------------------------------------------------

    def forces(self, u: FloatArray, dt: float, pressure: float, out: FloatArray) -> int:
        """Set `out` to the forces of the body on its points; return how many cells refused.

        Also sets the tangent for `product`, and `new`, the state after the step.
        """
        self.operator.reactions(u, out)
        out += self.offset
        refused = np.zeros(self.team.threads, np.int64)

        def slab(member: int, start: int, stop: int) -> None:
            refused[member] = inelastic.evaluate(
                u, self.runs, start, stop, self.scale, self.volume, self.active, self._resisted,
                self.rows, self.new, dt, pressure, out, self.tangent, self.trace,
                self._rest, self.secant,
            )  # fmt: skip

        self.team.run(slab, self.layout.points.plane)
        return int(refused.sum())

    def product(self, p: FloatArray, out: FloatArray) -> None:
        """Set ``out = K p`` at every point, with the tangent of the last evaluation."""
        self.operator.reactions(p, out)

        def slab(_: int, start: int, stop: int) -> None:
            inelastic.multiply(
                p, self.runs, start, stop, self.scale, self.volume, self.tangent, out
            )

        self.team.run(slab, self.layout.points.plane)

    def cavity(self, u: FloatArray, gradient: FloatArray) -> float:
        """Return the volume of the cavity, mm3, and set its gradient, (3, N)."""
        gradient[...] = 0.0
        return float(
            inelastic.cavity(u, self.runs, self.scale, self.volume, self.active.share, gradient)
        )

    # Bending modes and preconditioner ------------------------------------------------------------

    @property
    def ratio(self) -> NDArray[np.float32]:
        """Mean stiffness of the active cells in the last evaluation, over that at rest."""
        rest = np.where(self._rest_trace > 0, self._rest_trace, 1.0)
        clipped = np.clip(self.trace / rest, _LEAST_RESISTING, _MOST_RESISTING)
        return np.asarray(clipped, dtype=np.float32)

    @property
    def softened(self) -> NDArray[np.float32]:
        """Factor on the modulus against bending modes by the secant of the cells that yield.

        Those of the last step: the others keep theirs.
        """
        grew = self.rows[:, slots.INELASTIC] > self._before
        cells = np.maximum.reduceat(grew, self.active.entry[:-1]) if len(grew) else grew
        secant = np.clip(self.secant, _LEAST_RESISTING, 1.0)
        return np.where(cells, secant, self.resisting).astype(np.float32)

    def resist(self, factor: NDArray[np.float32], u: FloatArray | None = None) -> None:
        """Set the factor on the modulus against bending modes; at `u` their forces stay.

        Parameters
        ----------
        factor : (n_active,) float32
            Share of the elastic modulus.
        u : (3, N) float, optional
            Present displacement; left out where the body is at rest.
        """
        if u is not None:
            self._keep_bending(u, 1.0)
        self.resisting = factor
        moduli = self._scaled(factor)
        self._resisted = moduli[:, self._active].T.astype(np.float64) @ self._unit_means
        self.operator = self._operator(moduli)
        if u is not None:
            self._keep_bending(u, -1.0)

    def _keep_bending(self, u: FloatArray, sign: float) -> None:
        """Add the forces of the bending modes to the offset, or take them off."""
        force = np.zeros_like(u)
        self.operator.reactions(u, force)
        inelastic.orthotropic(
            u, self.runs, 0, len(self.layout.points.plane) - 1, self.scale, self.volume,
            self._resisted, force,
        )  # fmt: skip
        self.offset += sign * force

    def preconditioner(self, factor: NDArray[np.float32]) -> Multigrid:
        """Return the multigrid cycle of the linear body with a factor on its active cells."""
        moduli = self._scaled(factor)
        dense = np.stack([self.layout.dense_cells(part) for part in moduli])
        return Multigrid(self._operator(moduli), dense, self._flags, plan=_CYCLE)

    def _scaled(self, factor: NDArray[np.float32]) -> NDArray[np.float32]:
        moduli = self._moduli.copy()
        moduli[:, self._active] *= factor
        return moduli

    def _operator(self, moduli: NDArray[np.float32]) -> VoxelOperator:
        elastic = self._elastic
        return VoxelOperator(
            elastic.units,
            moduli,
            elastic.cell_mm,
            layout=self.layout,
            held=~self.free,
            team=self.team,
            mixtures=elastic.mixtures,
        )

    # What a path asks ----------------------------------------------------------------------------

    def platen_fields(self) -> FloatArray:
        """Return the covariant displacement of the platen's points in its motions, (3, 3, N)."""
        upper = self.problem.ends[1]
        fields = np.zeros((3, *self.free.shape))
        for motion, field in enumerate(fields):
            field[2, upper] = self.problem.descent(motion, upper) * self.spacing_mm[2]
        return fields

    def following_fields(self, tolerance: float, limit: int) -> FloatArray:
        """Return the platen's motions with the elastic body following, (3, 3, N)."""
        solver = ConjugateGradients(self.problem.operator, self.problem.multigrid)
        solve = self.problem.solve
        fields = [solve(solver, m, tolerance=tolerance, limit=limit)[0] for m in range(3)]
        return np.array(fields)

    def averaging(self, length_mm: float) -> Averaging:
        """Return the mean of a value of the active constituents over their neighbourhood."""
        made, entries = self.constituents, self.entries
        h_x, h_y, h_z = (length_mm / h for h in self.spacing_mm)
        parts = (made.cell[entries], made.part[entries], made.weight[entries])
        return Averaging(*parts, self.grid_shape, (h_z, h_y, h_x))

    def displacement_mm(self, u: FloatArray) -> FloatArray:
        """Return the displacement of every point of the grid, (3, n_z + 1, n_y + 1, n_x + 1)."""
        return self.spread(u / self.spacing_mm[:, None])

    # State ---------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Let the last evaluation be the state from which the next step starts."""
        self._before[...] = self.rows[:, slots.INELASTIC]
        self.rows[...] = self.new

    def dissipated_n_mm(self) -> float:
        """Return the energy that the laws have dissipated, N mm."""
        spent = self.active.weight @ self.rows[:, slots.DISSIPATED]
        return float(spent) * self.volume

    def n_yielding(self) -> int:
        """Return the number of voxels whose inelastic strain grew in the last evaluation."""
        grew = self.new[:, slots.INELASTIC] > self.rows[:, slots.INELASTIC]
        return len(np.unique(self.constituents.cell[self.entries[grew]]))

    def spread(self, values: FloatArray) -> FloatArray:
        """Return a compact vector (3, N) over the grid, 0 at points without material."""
        shape = tuple(n + 1 for n in self.grid_shape)
        out = np.zeros((3, *shape))
        runs.expand(values, self.layout.points, out[(slice(None), *self.problem.point_box)])
        return out

    def gather(self, dense: FloatArray) -> FloatArray:
        """Return the points with material of a vector over the grid, (3, N)."""
        box = np.ascontiguousarray(dense[(slice(None), *self.problem.point_box)])
        return np.asarray(self.layout.compact(box))

    def take_state(self, state: BodyState) -> FloatArray:
        """Take over a state; return the covariant displacement, (3, N)."""
        shape = (len(self.constituents.cell), self.constituents.n_state)
        require(state.rows.shape == shape, "state", state.rows.shape, f"rows of shape {shape}")
        self.rows[:, : shape[1]] = state.rows[self.entries]
        self.new[...] = self.rows
        self.offset[...] = self.gather(state.offset)
        self.resist(np.ravel(state.resisting)[self.active_cells].astype(np.float32))
        return np.asarray(self.gather(state.displacement_mm) * self.spacing_mm[:, None])

    def state_rows(self) -> FloatArray:
        """Return the state of all constituents of the body, (n, n_state)."""
        rows = self.constituents.new_state()
        rows[self.entries] = self.rows[:, : rows.shape[1]]
        return rows

    def resisting_field(self) -> NDArray[np.float32]:
        """Return the factor on the modulus against bending modes over the grid."""
        field = np.ones(self.grid_shape, np.float32)
        field.ravel()[self.active_cells] = self.resisting
        return field


def _cell_indices(
    layout: Layout, box: tuple[slice, ...], shape: tuple[int, int, int]
) -> NDArray[np.int64]:
    """Return the flat index in the grid of every compact cell, (n_cells,)."""
    number = np.arange(np.prod(shape), dtype=np.int64).reshape(shape)[box]
    return np.asarray(layout.compact_cells(np.ascontiguousarray(number)[None])[0])


def _flags(layout: Layout, free: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the flags of the points of the box, as `Multigrid` reads them."""
    held = ~free
    compact = np.zeros((3, layout.n_points))
    for row, bit in zip(held, (runs.HELD_X, runs.HELD_Y, runs.HELD_Z), strict=True):
        compact[0] += row * bit
    compact[0] += transfer.ACTIVE
    return np.asarray(layout.dense(compact)[0], dtype=np.uint8)


def _part_of(cells: runs.Cells, chosen: NDArray[np.bool_]) -> runs.Cells:
    """Return the runs of the chosen cells; `first` counts chosen ones."""
    run = np.repeat(np.arange(len(cells.length)), cells.length)[chosen]
    along = (np.flatnonzero(chosen) - cells.first[run]).astype(np.int32)
    starts = np.ones(len(run), bool)
    starts[1:] = (run[1:] != run[:-1]) | (along[1:] != along[:-1] + 1)
    first = np.flatnonzero(starts)
    length = np.diff(np.append(first, len(run))).astype(np.int32)
    old, shift = run[first], along[first]
    plane = np.searchsorted(old, cells.plane).astype(np.int64)
    return runs.Cells(
        plane,
        length,
        first.astype(np.int64),
        np.ascontiguousarray(cells.lines[old] + shift[:, None]).astype(np.int32),
        cells.row[old],
        cells.x[old] + shift,
    )
