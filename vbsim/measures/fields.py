"""Fields that several measures share: strain, axial stress, displacement at any point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import map_coordinates

from vbsim.checks import InvalidInput
from vbsim.fem import recovery
from vbsim.fem.response import Response, Status
from vbsim.materials.field import StiffnessField, UnitStiffness
from vbsim.specimen.specimen import Specimen

__all__ = ["Fields", "axial_stress", "body_fraction", "require_converged", "unit_energy"]

FloatArray = NDArray[np.float64]


def require_converged(name: str, response: Response) -> None:
    """Refuse to measure a specimen, given by name, whose response has not converged.

    Raises
    ------
    InvalidInput
        Naming specimen, test and why.
    """
    status = response.status
    if status is not Status.CONVERGED:
        raise InvalidInput(f"{name}, {response.test}: not measured, because {status.value}")


@dataclass(frozen=True, eq=False)
class Fields:
    """A specimen under one load case, with the fields that its measures share, each found once.

    Parameters
    ----------
    specimen : Specimen
        The specimen as it was loaded: potted.
    response : Response
        Its converged response.
    """

    specimen: Specimen
    response: Response

    def __post_init__(self) -> None:
        require_converged(self.specimen.name, self.response)

    @cached_property
    def strain(self) -> FloatArray:
        """Mean strain of every voxel, (n_z, n_y, n_x, 6), Voigt ``xx yy zz yz xz xy``."""
        return recovery.strain(self.response.displacement_mm, self.specimen.domain)

    @cached_property
    def compartments(self) -> Mapping[str, StiffnessField]:
        """Stiffness of each constituent; they sum to the specimen's own."""
        return self.specimen.compartment_stiffness()

    @cached_property
    def unit_energies(self) -> Mapping[UnitStiffness, FloatArray]:
        """Energy density of the mean strain in each unit material, (n_z, n_y, n_x).

        A constituent's energy density is the sum of these times its moduli; the energy of the
        bending modes is not in it.
        """
        units = {unit for part in self.compartments.values() for unit in part.units}
        return {unit: unit_energy(self.strain, unit) for unit in units}

    @property
    def volume_mm3(self) -> float:
        """Volume of every voxel, mm3."""
        return self.specimen.domain.cell_volume_mm3

    @cached_property
    def is_solid_point(self) -> FloatArray:
        """1 at points that touch material, else 0, (n_z + 1, n_y + 1, n_x + 1)."""
        filled = self.specimen.materials.moduli.any(axis=0)
        return self.specimen.domain.points_of(filled).astype(np.float64)

    def displacement_at(self, x_mm: ArrayLike, y_mm: ArrayLike, z_mm: ArrayLike) -> FloatArray:
        """Return the displacement at body points, (..., 3), mm, in the body's axes.

        Trilinear between the points of the grid that touch material; NaN where none is near.
        """
        frame, grid = self.specimen.anatomy.frame, self.specimen.domain
        body = np.stack(np.broadcast_arrays(x_mm, y_mm, z_mm), axis=-1).astype(np.float64)
        local = grid.to_local(frame.to_world(body)) / np.asarray(grid.spacing_mm)
        at = np.moveaxis(local, -1, 0)[::-1]
        weight = map_coordinates(self.is_solid_point, at, order=1, mode="nearest")
        found = [
            map_coordinates(component, at, order=1, mode="nearest")
            for component in self.response.displacement_mm
        ]
        safe = np.where(weight > 0, weight, np.nan)
        in_grid = np.stack(found, axis=-1) / safe[..., None]
        result: FloatArray = in_grid @ (grid.axes.T @ frame.axes)
        return result


def axial_stress(strain: FloatArray, stiffness: StiffnessField, layers: slice) -> FloatArray:
    """Return the stress along z that one stiffness field carries, (n, n_y, n_x), MPa.

    Volume mean of each voxel, so that its sum over a layer is the force through that layer.

    Parameters
    ----------
    strain : (n_z, n_y, n_x, 6) float
        Mean strain of every voxel.
    stiffness : StiffnessField
        All of the material or one constituent.
    layers : slice
        Layers along z.
    """
    part = strain[layers]
    total = np.zeros(part.shape[:3])
    for unit, modulus in zip(stiffness.units, stiffness.moduli, strict=True):
        _, _, c33, _, c13, c23 = unit.mean[:6]
        total += modulus[layers] * (c13 * part[..., 0] + c23 * part[..., 1] + c33 * part[..., 2])
    return total


def unit_energy(strain: FloatArray, unit: UnitStiffness) -> FloatArray:
    """Return the energy density of strains (..., 6) in a unit material, (...,)."""
    c11, c22, c33, c12, c13, c23, c44, c55, c66 = unit.mean
    xx, yy, zz, yz, xz, xy = np.moveaxis(strain, -1, 0)
    energy: FloatArray = xx * (0.5 * c11 * xx + c12 * yy + c13 * zz)
    energy += yy * (0.5 * c22 * yy + c23 * zz)
    energy += 0.5 * (c33 * zz * zz + c44 * yz * yz + c55 * xz * xz + c66 * xy * xy)
    return energy


def body_fraction(specimen: Specimen) -> FloatArray:
    """Return the fraction of every voxel that carries load in the body, (n_z, n_y, n_x).

    Trabecular bone with what fills its pores, shell, endplates and the filled part of clefts.
    """
    body = specimen.tissue.body
    if specimen.void is None or not specimen.cements:
        return body
    filled = sum((filling.saturation for filling in specimen.cements), np.zeros(body.shape))
    return body + specimen.void * np.clip(filled, 0.0, 1.0)
