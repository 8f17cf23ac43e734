"""Linear estimates of strength: a linear solution scaled to a stated event, never a failure load.

Each has its own event, so that they differ from each other and from a non-linear strength.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim import data
from vbsim.checks import InvalidInput
from vbsim.fem.response import Response
from vbsim.materials.field import StiffnessField
from vbsim.measures.fitted import AnyFields, fields_of
from vbsim.measures.stress import weighted_percentile
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = [
    "strength_estimate_crawford",
    "strength_estimate_pistoia",
    "strength_estimate_yield",
    "principal_strains",
]

FloatArray = NDArray[np.float64]

define(
    "strength_estimate_crawford",
    "N",
    "Linear estimate, not a failure load: 0.0068 x stiffness x mean of the three heights "
    "(Crawford 2003).",
)
define(
    "strength_estimate_pistoia",
    "N",
    "Linear estimate, not a failure load: force at which 2 % of the bone of the body outside "
    "cement, by volume, exceeds an effective strain sqrt(2 W / E) of 0.7 % (Pistoia 2002, found "
    "on micro-FE of the radius).",
)
define(
    "strength_estimate_yield",
    "N",
    "Linear estimate, not a failure load: force at which 5 % of the bone of the body outside "
    "cement, by volume, exceeds a principal strain of 0.84 % in compression or 0.78 % in tension.",
)

_BONE = ("trabecular", "shell", "endplate")
# Voxels with less bone than this are slivers at the surface whose strain is that of their cap.
_LEAST_BONE = 0.05


def strength_estimate_crawford(specimen: AnySpecimen, response: Response) -> Quantity:
    """Return 0.0068 x stiffness x mean height."""
    height = float(np.mean(specimen.anatomy.frame.heights()))
    stiffness = response.force_n / response.motion[0]
    strain = data.value("measures.strength.crawford.apparent_strain")
    return quantity("strength_estimate_crawford", strain * stiffness * height)


def strength_estimate_pistoia(
    specimen: AnySpecimen, response: Response, *, fields: AnyFields | None = None
) -> Quantity:
    """Return the force at which 2 % of the bone exceeds 0.7 % of effective strain."""
    fields = fields or fields_of(specimen, response)
    volume, chosen = _bone_outside_cement(specimen, fields)
    bone = _bone_stiffness(fields, chosen)
    energies = [fields.unit_energies[unit][chosen] for unit in bone.units]
    energy = np.einsum("kn,kn->n", bone.moduli[:, 0, 0], energies)
    modulus = bone.axial_modulus_mpa()[0, 0]
    stiff = modulus > 0
    effective = np.sqrt(2.0 * energy[stiff] / modulus[stiff])
    limits = "measures.strength.pistoia"
    share = data.value(f"{limits}.volume_fraction")
    high = weighted_percentile(effective, volume[stiff], 100.0 * (1.0 - share))
    limit = data.value(f"{limits}.effective_strain")
    return quantity("strength_estimate_pistoia", response.force_n * limit / high)


def strength_estimate_yield(
    specimen: AnySpecimen, response: Response, *, fields: AnyFields | None = None
) -> Quantity:
    """Return the force at which 5 % of the bone exceeds its yield strain."""
    fields = fields or fields_of(specimen, response)
    volume, chosen = _bone_outside_cement(specimen, fields)
    principal = principal_strains(fields.strain[chosen])
    limits = "measures.strength.yield"
    compressed = -principal[:, 0] / data.value(f"{limits}.compressive_strain")
    stretched = principal[:, 2] / data.value(f"{limits}.tensile_strain")
    share = data.value(f"{limits}.volume_fraction")
    ratio = weighted_percentile(np.maximum(compressed, stretched), volume, 100.0 * (1.0 - share))
    return quantity("strength_estimate_yield", response.force_n / ratio)


def principal_strains(strain: FloatArray) -> FloatArray:
    """Return the principal strains, lowest first.

    Parameters
    ----------
    strain : (n, 6) float
        Voigt ``xx yy zz yz xz xy`` with engineering shear.

    Returns
    -------
    (n, 3) float

    Examples
    --------
    >>> principal_strains(np.array([[0.0, 0.0, 0.0, 0.0, 0.0, 2.0]])).round(12) + 0.0
    array([[-1.,  0.,  1.]])
    """
    tensor = np.empty((*strain.shape[:-1], 3, 3))
    for voigt, (row, column) in enumerate([(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]):
        value = strain[..., voigt] * (1.0 if row == column else 0.5)
        tensor[..., row, column] = tensor[..., column, row] = value
    return np.linalg.eigvalsh(tensor)


def _bone_stiffness(fields: AnyFields, chosen: NDArray[np.bool_]) -> StiffnessField:
    """Return the stiffness of the bone in the chosen voxels, as one row."""
    parts = [part for name, part in fields.compartments.items() if name in _BONE]
    moduli = sum((part.moduli[:, chosen] for part in parts[1:]), parts[0].moduli[:, chosen])
    return StiffnessField(parts[0].units, moduli[:, None, None, :])


def _bone_outside_cement(
    specimen: AnySpecimen, fields: AnyFields
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return bone volume of the cells that hold bone outside cement, and which those are."""
    tissue = specimen.tissue
    free = tissue.trabecular.copy()
    for filling in specimen.cements:
        free *= 1.0 - np.clip(filling.saturation, 0.0, 1.0)
    free += tissue.shell
    free += tissue.endplate
    chosen = free > _LEAST_BONE
    if not chosen.any():
        raise InvalidInput("strength estimate: the body holds no bone outside cement")
    return (free * fields.volume_mm3)[chosen], chosen
