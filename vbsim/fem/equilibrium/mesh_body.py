"""A body with laws on a mesh: what `body` is for voxels, with an assembled tangent.

Every cell asks its laws once, of its mean gradient; its elastic stiffness less what that has
against the mean strain resists all other motions:

    f(u) = offset + A u + sum over active cells of V B^T P(F),   A = r (K - V B^T C B)

with K the stiffness of the element itself (`hex8i` and `tet10` bend without locking), B the mean
gradients, and r a factor that changes between steps, not within one (`resisting`). A uniform mean
strain has no volumetric locking either, so plastic flow at constant volume meets no resistance.
Elastic cells keep K. Both parts are assembled into one pattern laid out once.

Thin cells, whose constituents have heights, ask their laws at points through the thickness
(`cell_plates`): B and C then hold their bending, too, which A loses. What is left of K resists: the
mean and the first moment of a strain never hold more energy than the strain itself. In tetrahedra
they ask them at every integration point, and nothing of K is left.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.assembled import BlockMatrix, reference_tables
from vbsim.fem.equilibrium.averaging import ScatteredAveraging
from vbsim.fem.equilibrium.cavity import CellCavity
from vbsim.fem.equilibrium.cells import (
    FlatCells,
    Means,
    Memory,
    PointCells,
    SomeCells,
    ThinCells,
)
from vbsim.fem.equilibrium.state import BodyState
from vbsim.fem.kept import KeptCells
from vbsim.fem.meshed import MeshedSolid, MeshProblem, preconditioner_of
from vbsim.kernels import assembly
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents

__all__ = ["InelasticMesh"]

FloatArray = NDArray[np.float64]
Singles = NDArray[np.float32]

# Modulus against motions beyond the mean strain, as a share of the elastic one (see `body`).
_LEAST_RESISTING, _MOST_RESISTING = 0.02, 4.0
# Cells whose mean strain and elastic remainder make a body. Tetrahedra of second order have about
# as many free components a cell as hexahedra; those of first order have no remainder at all.
_KINDS = ("hexahedron", "tetra", "tetra10")
# A tangent is solved once or twice: setting up a multigrid cycle costs less than factors, from
# fewer points on than where three motions of one matrix are solved.
_DIRECT_POINTS = 400


class InelasticMesh:
    """A body of hexahedra or tetrahedra between its platens, with laws.

    Parameters
    ----------
    body : MeshedSolid
        Mesh, element, linear stiffness, platen node sets.
    constituents : Constituents
        What its cells are made of; at rest they are as stiff as ``body.materials``.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways.
    threads : int or None
        Threads; results do not depend on it.
    cavity : (n_cells,) float, optional
        Part of each cell that belongs to a cavity under pressure.

    Attributes
    ----------
    rows, new : (n, n_state) float
        State of the active constituents before the step, and of the last evaluation.
    """

    def __init__(
        self,
        body: MeshedSolid,
        constituents: Constituents,
        lateral: str,
        threads: int | None,
        *,
        cavity: FloatArray | None = None,
    ) -> None:
        mesh = body.domain
        require(mesh.kind in _KINDS, "mesh", mesh.kind, "hexahedra or tetrahedra for laws of yield")
        self.problem = MeshProblem(body, lateral, threads)
        self.constituents = constituents
        self._body, self._mesh = body, mesh
        self.free = self.problem.free
        self._elastic = self.problem.constants
        made = constituents
        tables = reference_tables(body.element)
        slopes = np.ascontiguousarray(tables.slopes[:, :, : mesh.cells.shape[1]])
        self._means = Means(mesh, slopes, tables.weights)
        self.volumes_mm3 = self._means.volumes_mm3
        share = np.zeros(mesh.n_cells) if cavity is None else np.ravel(cavity)
        self._cavity = CellCavity(self._means, share)
        self.has_cavity = bool(share.any())
        self._groups = self._grouped(threads)
        self.active_cells = np.concatenate([group.cells for group in self._groups])
        self.entries = np.concatenate([group.entries for group in self._groups])
        starts = np.cumsum([0, *(len(group.entries) for group in self._groups)])
        begins = [at + group.begins for at, group in zip(starts, self._groups, strict=False)]
        self._begins = np.concatenate(begins)
        n = len(self.active_cells)
        self.rows = np.zeros((len(self.entries), max(made.n_state, slots.OWN)))
        self.new = self.rows.copy()
        self._before = self.rows[:, slots.INELASTIC].copy()
        rest = self._elastic[self.active_cells]
        self._rest_trace = rest[:, [0, 1, 2, 6, 7, 8]].sum(axis=1)
        self.trace, self.secant = np.zeros(n, np.float32), np.ones(n, np.float32)
        self.offset = np.zeros_like(mesh.points)
        self.resisting = np.ones(n, np.float32)
        self._is_linear = True  # until something else than `following_fields` is asked
        self._is_whole = False

    def _grouped(self, threads: int | None) -> list[SomeCells]:
        """Return the active cells by how their laws are asked."""
        made = self.constituents
        active = np.unique(made.cell[made.is_inelastic])
        is_thin = np.isin(active, np.unique(made.cell[made.height != 0.0]))
        flat, thin = active[~is_thin], active[is_thin]
        given = (self._means, made)
        groups: list[SomeCells] = [FlatCells(*given, flat, self._elastic[flat], threads)]
        if len(thin):
            own = (*given, thin, self._elastic[thin], threads, self._body.element)
            is_hexahedra = self._mesh.kind == "hexahedron"
            groups.append(ThinCells(*own) if is_hexahedra else PointCells(*own))
        return groups

    def _begin(self) -> None:
        """Give the memory of the linear stiffness to A, on first need."""
        if not self._is_linear:
            return
        self._is_linear = False
        self._base = linear = self.problem.hand_over()
        self._kept = self._keep(linear)
        self._whole = BlockMatrix(linear.pattern, np.empty_like(linear.values), linear.rows)
        self.resist(self.resisting)

    # Forces --------------------------------------------------------------------------------------

    def forces(self, u: FloatArray, dt: float, pressure: float, out: FloatArray) -> int:
        """Set `out` to the forces of the body on its points; return how many cells refused.

        Also sets the tangent for `product`, and `new`, the state after the step.
        """
        self._begin()
        self._base.product(u, out)
        out += self.offset
        refused = 0
        for group, memory in zip(self._groups, self._memories(), strict=True):
            refused += group.evaluate(u, dt, memory)
            group.add_forces(out)
        self._cavity.press(u, pressure, out)
        self._is_whole = False
        return refused

    def _memories(self) -> list[Memory]:
        """Return the parts of states and results that belong to each group of cells."""
        memories, entry, cell = [], 0, 0
        for group in self._groups:
            own = slice(entry, entry + len(group.entries))
            cells = slice(cell, cell + len(group.cells))
            states = self.rows[own], self.new[own]
            memories.append(Memory(*states, self.trace[cells], self.secant[cells]))
            entry, cell = own.stop, cells.stop
        return memories

    def product(self, p: FloatArray, out: FloatArray) -> None:
        """Set ``out = K p`` at every point, with the tangent of the last evaluation."""
        self._tangent().product(p, out)
        self._cavity.add_product(p, out)

    def cavity(self, u: FloatArray, gradient: FloatArray) -> float:
        """Return the volume of the cavity, mm3, and set its gradient, (n_points, 3)."""
        return self._cavity.volume_mm3(u, gradient)

    def _tangent(self) -> BlockMatrix:
        """Return the tangent of the last evaluation but for the pressure, assembled once."""
        self._begin()
        if not self._is_whole:
            np.copyto(self._whole.values, self._base.values)
            self._add_tangents(self._whole)
            self._is_whole = True
        return self._whole

    def _add_tangents(self, matrix: BlockMatrix) -> None:
        """Add the tangents of the last evaluation to a matrix."""
        pattern, values = matrix.pattern, matrix.values
        for group in self._groups:
            fixed = (group.tangent, pattern.place, values)
            matrix.rows.run(partial(group.add_tangents, *fixed))
        sides = (pattern.start, pattern.column, pattern.mirror)
        matrix.rows.run(lambda part: assembly.reflect(*sides, part, values))

    def _keep(self, matrix: BlockMatrix) -> KeptCells:
        """Return ``K - V B^T C B`` of the active cells and K of the others, to be summed again."""
        own = (self._mesh, self._body.element, self._elastic)
        kept = KeptCells(*own, matrix.pattern, matrix.rows)
        for group in self._groups:
            fixed = (group.taken_off(), kept.place, kept.values)
            matrix.rows.run(partial(group.add_tangents, *fixed))
        return kept

    # Other motions and preconditioner ------------------------------------------------------------

    @property
    def ratio(self) -> Singles:
        """Mean stiffness of the active cells in the last evaluation, over that at rest."""
        rest = np.where(self._rest_trace > 0, self._rest_trace, 1.0)
        clipped = np.clip(self.trace / rest, _LEAST_RESISTING, _MOST_RESISTING)
        return np.asarray(clipped, dtype=np.float32)

    @property
    def softened(self) -> Singles:
        """Factor on the modulus by the secant of the cells that yield; the others keep theirs."""
        grew = self.rows[:, slots.INELASTIC] > self._before
        cells = np.maximum.reduceat(grew, self._begins) if len(grew) else grew
        secant = np.clip(self.secant, _LEAST_RESISTING, 1.0)
        return np.where(cells, secant, self.resisting).astype(np.float32)

    def resist(self, factor: Singles, u: FloatArray | None = None) -> None:
        """Set the factor on the modulus against other motions; at `u` their forces stay."""
        self._begin()
        work = np.empty_like(self.offset)
        if u is not None:
            self._base.product(u, work)
            self.offset += work
        self.resisting = factor
        every = np.ones(self._mesh.n_cells)
        every[self.active_cells] = factor
        self._kept.refill(every, self._base)
        self._is_whole = False
        if u is not None:
            self._base.product(u, work)
            self.offset -= work

    def preconditioner(self, factor: Singles) -> Callable[[FloatArray], NDArray[Any]]:
        """Return a preconditioner of the present tangent; coarse grids take moduli by a factor."""
        tangent, constants = self._tangent(), self._scaled(factor)
        return preconditioner_of(
            self._body, tangent, constants, self.free, direct_points=_DIRECT_POINTS
        )

    def _scaled(self, factor: Singles) -> FloatArray:
        constants = self._elastic.copy()
        constants[self.active_cells] *= factor[:, None]
        return constants

    # What a path asks ----------------------------------------------------------------------------

    def platen_fields(self) -> FloatArray:
        """Return the displacement of the platen's points in its motions, (3, n_points, 3)."""
        upper = np.asarray(self._body.ends.upper)  # type: ignore[union-attr]
        fields = np.zeros((3, *self.free.shape))
        for motion, field in enumerate(fields):
            field[upper, 2] = self.problem.descent(motion)[upper]
        return fields

    def following_fields(self, tolerance: float, limit: int) -> FloatArray:
        """Return the platen's motions with the elastic body following, (3, n_points, 3)."""
        linear = self.problem
        if not self._is_linear:
            linear = MeshProblem(self._body, linear.lateral, linear.matrix.rows.threads)
        return np.array([linear.solve(m, tolerance=tolerance, limit=limit)[0] for m in range(3)])

    def averaging(self, length_mm: float) -> ScatteredAveraging:
        """Return the mean of a value of the active constituents over their neighbourhood."""
        made, entries = self.constituents, self.entries
        cell = made.cell[entries]
        return ScatteredAveraging(
            self._mesh.centres()[cell],
            made.part[entries],
            made.weight[entries] * self.volumes_mm3[cell],
            length_mm,
        )

    def displacement_mm(self, u: FloatArray) -> FloatArray:
        """Return the displacement of every point, (3, n_points), mm."""
        return np.ascontiguousarray(u.T)

    # State ---------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Let the last evaluation be the state from which the next step starts."""
        self._before[...] = self.rows[:, slots.INELASTIC]
        self.rows[...] = self.new

    def dissipated_n_mm(self) -> float:
        """Return the energy that the laws have dissipated, N mm."""
        weight = self.constituents.weight[self.entries]
        volume = weight * self.volumes_mm3[self.constituents.cell[self.entries]]
        return float(volume @ self.rows[:, slots.DISSIPATED])

    def n_yielding(self) -> int:
        """Return the number of cells whose inelastic strain grew in the last evaluation."""
        grew = self.new[:, slots.INELASTIC] > self.rows[:, slots.INELASTIC]
        return len(np.unique(self.constituents.cell[self.entries[grew]]))

    def spread(self, values: FloatArray) -> FloatArray:
        """Return a vector (n_points, 3) as files keep it, (3, n_points)."""
        return np.ascontiguousarray(values.T)

    def gather(self, dense: FloatArray) -> FloatArray:
        """Return what `spread` was given."""
        return np.ascontiguousarray(dense.T)

    def take_state(self, state: BodyState) -> FloatArray:
        """Take over a state; return the displacement, (n_points, 3)."""
        shape = (len(self.constituents.cell), self.constituents.n_state)
        require(state.rows.shape == shape, "state", state.rows.shape, f"rows of shape {shape}")
        self.rows[:, : shape[1]] = state.rows[self.entries]
        self.new[...] = self.rows
        self.offset[...] = self.gather(state.offset)
        self.resist(state.resisting[self.active_cells].astype(np.float32))
        return self.gather(state.displacement_mm)

    def state_rows(self) -> FloatArray:
        """Return the state of all constituents of the body, (n, n_state)."""
        rows = self.constituents.new_state()
        rows[self.entries] = self.rows[:, : rows.shape[1]]
        return rows

    def resisting_field(self) -> Singles:
        """Return the factor on the modulus against other motions, (n_cells,)."""
        field = np.ones(self._mesh.n_cells, np.float32)
        field[self.active_cells] = self.resisting
        return field
