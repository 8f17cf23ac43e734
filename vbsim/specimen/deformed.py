"""A specimen under mechanics: the cells it started on, and how it is deformed now.

Mechanics runs on the *reference* (total Lagrangian) for the whole story of a specimen, so that
nothing is lost between steps: stored strain, damage, cement that was born deformed. Its cells are
the voxels of the specimen's grid, or the hexahedra of a mesh that was fitted to it. What the other
chapters see is a *picture*: the deformed tissue sampled on the grid (`specimen.picture`), with the
heights of the endplates as they are now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion

from vbsim.fem.equilibrium import BodyState, Equilibrium, EquilibriumSettings, Step, inelastic_body
from vbsim.fem.loads import Lateral
from vbsim.fem.recovery import gradient_mean
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.mesh import quality
from vbsim.mesh.elements import Element
from vbsim.mesh.hexa import Sweep
from vbsim.mesh.mesh import Mesh, mean_displacement_gradients, neighbours, widths_mm
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import CementField, Ends

__all__ = ["Body", "Deformed", "MeshedBody", "gradients", "inverted_corners", "jacobian", "joined"]

FloatArray = NDArray[np.float64]


class Body(NamedTuple):
    """What the equilibrium solver asks of a body on a grid."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends


class MeshedBody(NamedTuple):
    """What it asks of a body on a mesh."""

    domain: Mesh
    element: Element
    materials: StiffnessField
    ends: Ends
    sweep: Sweep | None


@dataclass(frozen=True, eq=False)
class Deformed:
    """A potted specimen in equilibrium after some mechanics.

    Parameters
    ----------
    bare : Specimen
        The undeformed specimen without caps.
    reference : Specimen or FittedSpecimen
        The same with caps: on the grid itself, or on a mesh.
    parts : tuple of Part
        Constituents of its cells.
    materials : StiffnessField
        Stiffness of these at rest.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways.
    state : BodyState or None
        Where the body is now; None if it is still undeformed.
    cavity : (n_z, n_y, n_x) float array or None
        Part of each voxel of the grid that belongs to a cavity.
    cements : tuple of CementField
        Fillings on the grid: `fraction` is cement volume / volume of the deformed voxel.
    history : tuple of Step
        Every equilibrium on the way.
    """

    bare: Specimen
    reference: AnySpecimen
    parts: tuple[Part, ...]
    materials: StiffnessField
    lateral: Lateral = "held"
    state: BodyState | None = None
    cavity: FloatArray | None = None
    cements: tuple[CementField, ...] = ()
    history: tuple[Step, ...] = field(default=())

    def equilibrium(
        self,
        settings: EquilibriumSettings,
        *,
        load_line_mm: tuple[float, float] = (0.0, 0.0),
    ) -> Equilibrium:
        """Return a solver that goes on from here."""
        return Equilibrium(
            self._solid(),
            self.constituents,
            lateral=self.lateral,
            load_line_mm=load_line_mm,
            cavity=self.hollow,
            state=self.state,
            settings=settings,
        )

    def _solid(self) -> Body | MeshedBody:
        reference, ends = self.reference, self.reference.ends
        assert ends is not None
        if isinstance(reference, FittedSpecimen):
            mesh, element = reference.domain, reference.element
            return MeshedBody(mesh, element, self.materials, ends, reference.sweep)
        return Body(reference.domain, self.materials, ends)

    @property
    def constituents(self) -> Constituents:
        """All constituents, ordered by cell."""
        return Constituents.join(self.parts)

    def after(self, solver: Equilibrium) -> Deformed:
        """Return the body where a solver has led it."""
        history = (*self.history, *solver.history)
        return replace(self, state=solver.state(), history=history)

    @property
    def displacement_mm(self) -> FloatArray:
        """Displacement of every point, (3, n_z + 1, n_y + 1, n_x + 1) or (3, n_points), mm."""
        if self.state is not None:
            return self.state.displacement_mm
        domain = self.reference.domain
        if isinstance(domain, Mesh):
            return np.zeros((3, domain.n_points))
        return np.zeros((3, *(n + 1 for n in domain.shape)))

    def on_grid(self, displacement_mm: FloatArray) -> FloatArray:
        """Return a displacement of every point as one of the grid's points."""
        if isinstance(self.reference, FittedSpecimen):
            return self.reference.follower.displacement(displacement_mm)
        return displacement_mm

    def of_cells(self, values: FloatArray) -> FloatArray:
        """Return a field of the grid in the reference's cells, (n_cells,).

        On a mesh it is a mean, and 0 in wall, endplates and caps.
        """
        if isinstance(self.reference, FittedSpecimen):
            return self.reference.core_means(values)
        return values.ravel()

    def shares_of_cells(self, shares: FloatArray) -> FloatArray:
        """Return the same of shares of the volume of voxels, as shares of that of cells."""
        if isinstance(self.reference, FittedSpecimen):
            return self.reference.core_shares(shares)
        return shares.ravel()

    @property
    def hollow(self) -> FloatArray | None:
        """Part of every cell that belongs to a cavity, (n_cells,); None without one."""
        return None if self.cavity is None else self.shares_of_cells(self.cavity)

    @property
    def volumes_mm3(self) -> FloatArray:
        """Volume of every undeformed cell, (n_cells,), mm3."""
        reference = self.reference
        if isinstance(reference, FittedSpecimen):
            return reference.volumes_mm3
        return np.full(int(np.prod(reference.domain.shape)), reference.domain.cell_volume_mm3)

    @property
    def body_volumes_mm3(self) -> FloatArray:
        """Volume of every undeformed cell that is vertebral body, (n_cells,), mm3."""
        reference = self.reference
        if isinstance(reference, FittedSpecimen):
            return reference.volumes_mm3 * reference.body.is_body
        return self.volumes_mm3 * self.bare.tissue.body.ravel()

    def growth(self) -> FloatArray:
        """Return the volume of every cell over that before, (n_cells,)."""
        return np.asarray(np.linalg.det(self.gradient()).ravel())

    def outermost(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return which of some cells, (n_cells,), share a face with one that is not of them."""
        domain = self.reference.domain
        if not isinstance(domain, Mesh):
            inner = binary_erosion(chosen.reshape(domain.shape))
            return np.asarray(chosen & ~inner.ravel())
        pairs = neighbours(domain)
        at = np.zeros(len(chosen), bool)
        at[pairs[chosen[pairs[:, 0]] != chosen[pairs[:, 1]]]] = True
        return np.asarray(chosen & at)

    def widths_mm(self, cells: NDArray[np.int64], normals: FloatArray) -> FloatArray:
        """Return how thick some undeformed cells are across planes with unit normals, (n, 3)."""
        domain = self.reference.domain
        if isinstance(domain, Mesh):
            return widths_mm(domain, cells, normals)
        return np.asarray(np.linalg.norm(normals * np.array(domain.spacing_mm), axis=1))

    def state_of(self, part: int) -> FloatArray:
        """Return the rows of state of one part, in the order of its cells."""
        constituents = self.constituents
        rows = constituents.new_state() if self.state is None else self.state.rows
        counts = [len(p.cells) for p in self.parts]
        order = np.argsort(np.concatenate([p.cells for p in self.parts]), kind="stable")
        unsorted = np.empty_like(rows)
        unsorted[order] = rows
        start = sum(counts[:part])
        return unsorted[start : start + counts[part]]

    def gradient(self) -> FloatArray:
        """Return the mean deformation gradient of every cell, (*shape of the domain, 3, 3)."""
        reference, u = self.reference, self.displacement_mm
        if isinstance(reference, FittedSpecimen):
            H = mean_displacement_gradients(reference.domain, reference.element, u.T)
            return np.asarray(np.eye(3) + H)
        return gradients(u, reference.domain)

    def changed(
        self,
        parts: Sequence[Part],
        kept: Sequence[int | None],
        *,
        materials: StiffnessField | None = None,
        cavity: FloatArray | None = None,
    ) -> Deformed:
        """Return the body with other constituents, where it is.

        Parameters
        ----------
        parts : sequence of Part
            New constituents.
        kept : sequence of int or None
            For each, the place of the old part of the same cells whose state it takes over; None
            for one that is new.
        materials : StiffnessField, optional
            New stiffness at rest; forces of bending modes are kept as they are.
        cavity : (n_z, n_y, n_x) float array, optional
            New cavity; the old one by default.
        """
        made = replace(
            self,
            parts=tuple(parts),
            materials=self.materials if materials is None else materials,
            cavity=self.cavity if cavity is None else cavity,
        )
        if self.state is None:
            return made
        constituents = made.constituents
        rows = constituents.new_state()
        unsorted = np.zeros_like(rows)
        start = 0
        for part, source in zip(parts, kept, strict=True):
            if source is not None:
                old = self.state_of(source)
                unsorted[start : start + len(part.cells), : old.shape[1]] = old
            start += len(part.cells)
        rows = unsorted[np.argsort(np.concatenate([p.cells for p in parts]), kind="stable")]
        made = replace(made, state=replace(self.state, rows=rows))
        if materials is None:
            return made
        offset = self.state.offset + self._forces() - made._forces()
        return replace(made, state=replace(self.state, rows=rows, offset=offset))

    def _forces(self) -> FloatArray:
        """Return the forces of the body on its points, as `displacement_mm` is laid out, N."""
        assert self.state is not None
        made = (self._solid(), self.constituents, self.lateral, self.hollow)
        body = inelastic_body(*made, None)
        u = body.take_state(self.state)
        out = np.zeros_like(u)
        body.forces(u, 0.0, self.state.pressure_mpa, out)
        return body.spread(out)

    def damage(self) -> FloatArray:
        """Return the loss of modulus of the bone in every voxel of the grid, (n_z, n_y, n_x)."""
        shape = self.reference.domain.shape
        total, weight = np.zeros(int(np.prod(shape))), np.zeros(int(np.prod(shape)))
        for number, part in enumerate(self.parts):
            if part.name not in ("trabecular", "shell"):
                continue
            share = np.broadcast_to(part.weight, len(part.cells))
            rows = self.state_of(number)
            total[part.cells] += share * rows[:, slots.DAMAGE]
            weight[part.cells] += share
        mean = np.divide(total, weight, out=total, where=weight > 0.0).reshape(shape)
        if isinstance(self.reference, FittedSpecimen):
            return self.reference.follower.values(mean)
        return mean


def jacobian(displacement_mm: FloatArray, grid: VoxelGrid) -> FloatArray:
    """Return the volume of every voxel over that before, at its centre, (n_z, n_y, n_x)."""
    return np.asarray(np.linalg.det(gradients(displacement_mm, grid)))


def gradients(displacement_mm: FloatArray, grid: VoxelGrid) -> FloatArray:
    """Return the mean deformation gradient of every voxel, (n_z, n_y, n_x, 3, 3)."""
    F = np.empty((*grid.shape, 3, 3))
    for i in range(3):
        for k in range(3):
            F[..., i, k] = gradient_mean(displacement_mm[i], k, grid.spacing_mm[k])
            if i == k:
                F[..., i, k] += 1.0
    return F


def inverted_corners(displacement_mm: FloatArray, specimen: AnySpecimen) -> int:
    """Return the number of corners of cells with material that are turned inside out."""
    if isinstance(specimen, FittedSpecimen):
        moved = specimen.domain.with_points(specimen.domain.points + displacement_mm.T)
        return quality.inverted_corners(moved)
    grid = specimen.domain
    solid = specimen.materials.moduli.any(axis=0)
    edges = [np.diff(displacement_mm, axis=3 - k) / grid.spacing_mm[k] for k in range(3)]
    for k in range(3):
        edges[k][k] += 1.0
    n_z, n_y, n_x = grid.shape
    count = 0
    for a in range(8):
        i, j, k = a & 1, (a >> 1) & 1, a >> 2
        # The three edges that meet at a corner: derivatives along x, y, z there.
        along = (
            edges[0][:, k : k + n_z, j : j + n_y, :],
            edges[1][:, k : k + n_z, :, i : i + n_x],
            edges[2][:, :, j : j + n_y, i : i + n_x],
        )
        volume = np.einsum("czyx,czyx->zyx", along[0], np.cross(along[1], along[2], axis=0))
        count += int(((volume <= 0.0) & solid).sum())
    return count


def joined(before: StiffnessField, more: StiffnessField) -> StiffnessField:
    """Return the sum of two fields; units of one name are told once."""
    units: list[object] = list(before.units)
    moduli = [np.array(part) for part in before.moduli]
    for unit, part in zip(more.units, more.moduli, strict=True):
        if unit in units:
            moduli[units.index(unit)] += part
        else:
            units.append(unit)
            moduli.append(np.array(part))
    return StiffnessField(tuple(units), np.stack(moduli))  # type: ignore[arg-type]
