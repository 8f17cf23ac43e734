"""What a body under mechanics looks like now: heights, and tissue sampled where it lies.

The other chapters see the picture: every measure, figure and linear test works on it as on a
drawn fracture.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, map_coordinates

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import frozen
from vbsim.specimen.deformed import Deformed, gradients, jacobian
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import CementField, Tissue

__all__ = ["deformed_frame", "picture"]

FloatArray = NDArray[np.float64]

# Points per voxel edge at which the deformed tissue is sampled.
_SUBPOINTS = 2
# Newton steps back to the reference, and how near is near enough (in voxels).
_STEPS, _NEAR = 12, 1e-3
# Smallest ratio of volumes that a sampled gradient may have.
_LEAST_RATIO = 0.05


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
    u, before = deformed.on_grid(deformed.displacement_mm), deformed.bare
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
    inverse = np.linalg.inv(_bounded(gradients(moved.field, grid)))
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
