"""A specimen under mechanics: the regular grid it started on, and how it is deformed now.

Mechanics runs on the *reference* grid (total Lagrangian) for the whole story of a specimen, so that
nothing is lost between steps: stored strain, damage, cement that was born deformed. What the other
chapters see is a *picture*: the deformed tissue sampled on the same grid (`picture`), with the
heights of the endplates as they are now.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import frozen
from vbsim.fem.equilibrium import BodyState, Equilibrium, EquilibriumSettings, Step
from vbsim.fem.equilibrium.body import InelasticBody
from vbsim.fem.layout import Team
from vbsim.fem.loads import Lateral
from vbsim.fem.recovery import gradient_mean
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import CementField, Ends, Tissue

__all__ = ["Body", "Deformed", "deformed_frame", "inverted_corners", "picture"]

FloatArray = NDArray[np.float64]

# Points per voxel edge at which the deformed tissue is sampled.
_SUBPOINTS = 2
# Newton steps back to the reference, and how near is near enough (in voxels).
_STEPS, _NEAR = 12, 1e-3
# Smallest ratio of volumes that a sampled gradient may have.
_LEAST_RATIO = 0.05


class Body(NamedTuple):
    """What the equilibrium solver asks of a body."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends


@dataclass(frozen=True, eq=False)
class Deformed:
    """A potted specimen in equilibrium after some mechanics.

    Parameters
    ----------
    bare, reference : Specimen
        The undeformed specimen without and with caps.
    parts : tuple of Part
        Constituents on its grid.
    materials : StiffnessField
        Stiffness of these at rest.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways.
    state : BodyState or None
        Where the body is now; None if it is still undeformed.
    cavity : (n_z, n_y, n_x) float array or None
        Part of each voxel that belongs to a cavity.
    cements : tuple of CementField
        Fillings on this grid: `fraction` is cement volume / volume of the deformed voxel.
    history : tuple of Step
        Every equilibrium on the way.
    """

    bare: Specimen
    reference: Specimen
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
        assert self.reference.ends is not None
        return Equilibrium(
            Body(self.reference.domain, self.materials, self.reference.ends),
            self.constituents,
            lateral=self.lateral,
            load_line_mm=load_line_mm,
            cavity=self.cavity,
            state=self.state,
            settings=settings,
        )

    @property
    def constituents(self) -> Constituents:
        """All constituents, ordered by voxel."""
        return Constituents.join(self.parts)

    def after(self, solver: Equilibrium) -> Deformed:
        """Return the body where a solver has led it."""
        history = (*self.history, *solver.history)
        return replace(self, state=solver.state(), history=history)

    @property
    def displacement_mm(self) -> FloatArray:
        """Displacement of every point of the grid, (3, n_z + 1, n_y + 1, n_x + 1), mm."""
        if self.state is not None:
            return self.state.displacement_mm
        return np.zeros((3, *(n + 1 for n in self.reference.domain.shape)))

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
        """Return the mean deformation gradient of every voxel, (n_z, n_y, n_x, 3, 3)."""
        return _gradient(self.displacement_mm, self.reference.domain)

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
        """Return the forces of the body on its points, (3, n_z + 1, n_y + 1, n_x + 1), N."""
        assert self.state is not None
        assert self.reference.ends is not None
        solid = Body(self.reference.domain, self.materials, self.reference.ends)
        body = InelasticBody(solid, self.constituents, self.lateral, Team(None), cavity=self.cavity)
        u = body.take_state(self.state)
        out = np.zeros_like(u)
        body.forces(u, 0.0, self.state.pressure_mpa, out)
        return body.spread(out)

    def damage(self) -> FloatArray:
        """Return the loss of modulus of the bone in every voxel, (n_z, n_y, n_x)."""
        shape = self.reference.domain.shape
        total, weight = np.zeros(int(np.prod(shape))), np.zeros(int(np.prod(shape)))
        for number, part in enumerate(self.parts):
            if part.name not in ("trabecular", "shell"):
                continue
            share = np.broadcast_to(part.weight, len(part.cells))
            rows = self.state_of(number)
            total[part.cells] += share * rows[:, slots.DAMAGE]
            weight[part.cells] += share
        return np.divide(total, weight, out=total, where=weight > 0.0).reshape(shape)


def jacobian(displacement_mm: FloatArray, grid: VoxelGrid) -> FloatArray:
    """Return the volume of every voxel over that before, at its centre, (n_z, n_y, n_x)."""
    return np.asarray(np.linalg.det(_gradient(displacement_mm, grid)))


def _gradient(displacement_mm: FloatArray, grid: VoxelGrid) -> FloatArray:
    """Return the mean deformation gradient of every voxel, (n_z, n_y, n_x, 3, 3)."""
    F = np.empty((*grid.shape, 3, 3))
    for i in range(3):
        for k in range(3):
            F[..., i, k] = gradient_mean(displacement_mm[i], k, grid.spacing_mm[k])
            if i == k:
                F[..., i, k] += 1.0
    return F


def inverted_corners(displacement_mm: FloatArray, specimen: Specimen) -> int:
    """Return the number of corners of voxels with material that are turned inside out."""
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


# Heights ------------------------------------------------------------------------------------------


def deformed_frame(frame: BodyFrame, specimen: Specimen, displacement_mm: FloatArray) -> BodyFrame:
    """Return the body frame with its endplates where they are now.

    Each endplate is a surface of material points; where one has gone sideways the map is followed
    back to the point that now lies over (x, y).
    """
    moved = _Motion(specimen, displacement_mm)
    x, y = np.meshgrid(frame.x_mm, frame.y_mm)
    ends = []
    for height in (frame.superior_at, frame.inferior_at):
        at_x, at_y = x, y
        for _ in range(_STEPS):
            ux, uy, uz = moved.at_body(at_x, at_y, height(at_x, at_y))
            at_x, at_y = x - ux, y - uy
        ends.append(height(at_x, at_y) + uz)
    return frame.with_endplates(ends[0], ends[1])


class _Motion:
    """Displacement at any point of the grid's box, carried on smoothly beyond the material."""

    def __init__(self, specimen: Specimen, displacement_mm: FloatArray) -> None:
        self.grid = specimen.domain
        x, y, z = specimen.body_faces()
        self.first = np.array([x[0], y[0], z[0]])
        held = np.any(displacement_mm != 0.0, axis=0)
        self.field = displacement_mm
        if held.any() and not held.all():
            nearest = distance_transform_edt(
                ~held,
                sampling=self.grid.spacing_mm[::-1],
                return_distances=False,
                return_indices=True,
            )
            self.field = displacement_mm[(slice(None), *nearest)]

    def at_body(self, x: FloatArray, y: FloatArray, z: FloatArray) -> list[FloatArray]:
        """Return the displacement at points in body coordinates, whose axes are the grid's."""
        h = self.grid.spacing_mm
        place = [(z - self.first[2]) / h[2], (y - self.first[1]) / h[1], (x - self.first[0]) / h[0]]
        return [map_coordinates(part, place, order=1, mode="nearest") for part in self.field]

    def at_index(self, index: FloatArray) -> FloatArray:
        """Return the displacement at points (3, n) in voxels (x, y, z), in voxels."""
        h = self.grid.spacing_mm
        parts = [
            map_coordinates(part, index[::-1], order=1, mode="nearest") / h[k]
            for k, part in enumerate(self.field)
        ]
        return np.array(parts)


# Picture ------------------------------------------------------------------------------------------


def picture(deformed: Deformed) -> Specimen:
    """Return the specimen as it looks now: tissue, density and damage on the same grid.

    Shares of volume are sampled at the deformed places; mineral per volume of bone rises where
    volume is lost. The modulus is that of the bone before, times what damage has left: it does not
    profit from compaction.

    Parameters
    ----------
    deformed : Deformed
        The body now.
    """
    u, before = deformed.displacement_mm, deformed.bare
    grid = before.domain
    source = _sources(before, u)
    J = np.maximum(jacobian(u, grid), _LEAST_RATIO)
    cavity = np.zeros(grid.shape) if deformed.cavity is None else deformed.cavity
    left = 1.0 - cavity
    none = np.zeros(grid.shape)
    void = none if before.void is None else before.void
    kept = {name: part * left for name, part in before.tissue._asdict().items() if name != "cap"}
    tissue = Tissue(**{name: _mean(part, source) for name, part in kept.items()}, cap=none)
    loose = (before.tissue.trabecular + before.tissue.arch) * left
    bone = loose + before.tissue.shell * left
    held, hard = _mean(loose, source), _mean(bone, source)
    frame = deformed_frame(before.anatomy.frame, before, u)
    opened = _mean(void * left + cavity * (void + before.tissue.body), source)
    seen = replace(
        before,
        mechanics=deformed,
        anatomy=before.anatomy.with_frame(frame),
        tissue=tissue,
        vbmd_mg_cm3=_per(_mean(loose * before.vbmd_mg_cm3 / J, source), held, 0.0),
        vbmd_intact_mg_cm3=_per(_mean(loose * before.vbmd_intact_mg_cm3, source), held, 0.0),
        integrity=_per(
            _mean(bone * before.integrity * (1.0 - deformed.damage()), source), hard, 1.0
        ),
        void=opened if opened.any() else None,
    )
    seen = replace(seen, vbmd_mg_cm3=seen.vbmd_mg_cm3 * _missing(seen, before))
    return replace(seen, cements=tuple(_sampled(f, J, source) for f in deformed.cements))


def _missing(seen: Specimen, before: Specimen) -> float:
    """Return the factor on density that makes up for the error of sampling, near 1.

    No mineral leaves the body: what the wall loses in area lies in the bone beside it.
    """
    cell_ml = before.domain.cell_volume_mm3 / 1000.0
    loose = float(np.vdot(seen.tissue.trabecular, seen.vbmd_mg_cm3)) * cell_ml
    return 1.0 + (before.bone_mineral_mg - seen.bone_mineral_mg) / loose if loose > 0.0 else 1.0


def _sampled(filling: CementField, J: FloatArray, source: NDArray[np.int64]) -> CementField:
    """Return a filling as it lies now, its volume kept to every digit."""
    fraction, saturation = (_mean(part, source) for part in (filling.fraction, filling.saturation))
    wanted, found = float(np.vdot(filling.fraction, J)), float(fraction.sum())
    scale = wanted / found if found > 0.0 else 1.0
    hardness, shrinkage = (
        None if part is None else frozen(_mean(part, source))
        for part in (filling.hardness, filling.shrinkage)
    )
    return filling._replace(
        fraction=frozen(fraction * scale),
        saturation=frozen(saturation),
        hardness=hardness,
        shrinkage=shrinkage,
    )


def _sources(specimen: Specimen, displacement_mm: FloatArray) -> NDArray[np.int64]:
    """Return the reference voxel of every sub-point of every voxel, flat, (n_cells, n_sub).

    Newton's method for ``X + u(X) = x`` with the gradient of the voxel that X is in.
    """
    grid = specimen.domain
    n_z, n_y, n_x = grid.shape
    moved = _Motion(specimen, displacement_mm)
    inverse = np.linalg.inv(_bounded(_gradient(moved.field, grid)))
    # From millimetres to voxels: rows are stretched by the spacing of what is solved for.
    h = np.array(grid.spacing_mm)
    inverse = inverse * (h[None, :] / h[:, None])
    offsets = (np.arange(_SUBPOINTS) + 0.5) / _SUBPOINTS
    z, y, x = np.meshgrid(
        *((np.arange(n)[:, None] + offsets).ravel() for n in grid.shape), indexing="ij"
    )
    target = np.stack([x.ravel(), y.ravel(), z.ravel()])
    at = target - moved.at_index(target)
    limit = np.array([[n_x], [n_y], [n_z]]) - 1e-9
    far = np.arange(target.shape[1])
    for _ in range(_STEPS):
        here = np.clip(at[:, far], 0.0, limit)
        miss = here + moved.at_index(here) - target[:, far]
        i, j, k = here.astype(np.int64)
        step = np.einsum("nij,jn->in", inverse[k, j, i], miss)
        at[:, far] = here - np.clip(step, -2.0, 2.0)
        far = far[np.abs(miss).max(axis=0) > _NEAR]
        if not len(far):
            break
    i, j, k = np.clip(at, 0.0, limit).astype(np.int64)
    flat = (k * n_y + j) * n_x + i
    blocks = flat.reshape(n_z, _SUBPOINTS, n_y, _SUBPOINTS, n_x, _SUBPOINTS)
    gathered: NDArray[np.int64] = np.moveaxis(blocks, (1, 3, 5), (3, 4, 5))
    return gathered.reshape((*grid.shape, -1))


def _bounded(F: FloatArray) -> FloatArray:
    """Return gradients with those left out that are nearly singular: the identity instead."""
    bad = np.linalg.det(F) < _LEAST_RATIO
    F = F.copy()
    F[bad] = np.eye(3)
    return F


def _mean(values: FloatArray, source: NDArray[np.int64]) -> FloatArray:
    """Return the mean over the sub-points of each voxel."""
    return np.asarray(values.ravel()[source].mean(axis=-1))


def _per(amount: FloatArray, volume: FloatArray, empty: float) -> FloatArray:
    filled = volume > 1e-9
    return np.divide(amount, volume, out=np.full_like(volume, empty), where=filled)


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
