"""What a specimen is made of when it is deformed without limit: laws for every compartment.

Each compartment keeps the stiffness that the linear solver sees (`Specimen.compartment_stiffness`,
layers of a voxel included), and gets a strength: trabecular bone by its density, wall and endplates
and cement by their material. Caps stay elastic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.data import value
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.density_modulus import yield_stress_mpa
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Crushable, Crushing, Elastic, crushing
from vbsim.specimen.specimen import Specimen

__all__ = [
    "crushable_compartment",
    "crushable_constituents",
    "crushable_parts",
    "trabecular_strength_mpa",
]

FloatArray = NDArray[np.float64]
Laws = Mapping[str, Crushing]

# Less of a constituent in a voxel adds equations of state and nothing else.
_LEAST_FRACTION = 1e-3

# A membrane has no stiffness through its thickness; the law wants some. This share of the stiffness
# in its plane changes the specimen's stiffness by less than 1e-3.
_THROUGH = 2e-3

# Strength of bone without mineral (marrow), MPa: keeps the power law away from zero.
_LEAST_STRENGTH_MPA = 0.02

# Caps of a smaller shear modulus are squeezed by more than the few per cent that Green's strain is
# meant for: disc-like pads gave way at half their height.
_SOFT_MPA = 100.0

# The offset that defines the published yield stress.
_OFFSET = 0.002


def crushable_constituents(specimen: Specimen, laws: Laws | None = None) -> Constituents:
    """Return the constituents of a potted specimen at large deformation.

    Parameters
    ----------
    specimen : Specimen
        With caps or without.
    laws : mapping of str to Crushing, optional
        Other parameters than those of ``data/laws.toml`` for ``trabecular`` or ``shell``.
    """
    return Constituents.join(crushable_parts(specimen, laws))


def crushable_parts(specimen: Specimen, laws: Laws | None = None) -> list[Part]:
    """Return the same, constituent by constituent."""
    require(
        not specimen.fillings,
        "specimen",
        specimen.name,
        "without cement here; collapse the body by mechanics before it is filled",
    )
    return list(
        _parts(
            specimen, {name: crushing(name) for name in ("trabecular", "shell")} | dict(laws or {})
        )
    )


def trabecular_strength_mpa(vbmd_mg_cm3: FloatArray, law: Crushing) -> FloatArray:
    """Return the largest strength with which the 0.2 % offset yield is the published one."""
    at_offset = 1.0 - (1.0 - law.first_yield) * np.exp(-_OFFSET / law.hardening_strain)
    return np.asarray(np.maximum(yield_stress_mpa(vbmd_mg_cm3) / at_offset, _LEAST_STRENGTH_MPA))


def _parts(specimen: Specimen, laws: Laws) -> Iterator[Part]:
    fractions = dict(zip(specimen.tissue._fields, specimen.tissue, strict=True))
    strength = trabecular_strength_mpa(specimen.vbmd_intact_mg_cm3, laws["trabecular"])
    wall = float(value("bone.strength.shell_yield_compression_mpa"))
    for name, field in specimen.compartment_stiffness().items():
        fraction = fractions[name]
        if name == "cap":
            yield from crushable_compartment(name, field, fraction, None, 0.0)
        elif name in ("trabecular", "arch"):
            yield from crushable_compartment(name, field, fraction, laws["trabecular"], strength)
        elif name == "endplate":
            layered = StiffnessField(field.units[:-1], field.moduli[:-1])
            yield from crushable_compartment(name, layered, fraction, laws["shell"], wall)
            yield from _membrane(field, fraction, laws["shell"], wall)
        else:
            yield from crushable_compartment(name, field, fraction, laws["shell"], wall)


def crushable_compartment(
    name: str,
    field: StiffnessField,
    fraction: FloatArray,
    law: Crushing | None,
    strength_mpa: FloatArray | float,
) -> Iterator[Part]:
    """Yield one compartment; elastic, and exact under rotation, without a law."""
    constants = field.mean_constants().reshape(-1, 9)
    share = fraction.ravel()
    cells = np.flatnonzero((constants[:, 2] > 0.0) & (share > _LEAST_FRACTION))
    if not len(cells):
        return
    own = constants[cells] / share[cells, None]
    if law is None:
        is_soft = own[:, 6].max() < _SOFT_MPA
        elastic = Elastic(own, "logarithmic" if is_soft else "green")
        yield Part(name, cells, elastic, share[cells])
        return
    strength = np.broadcast_to(strength_mpa, fraction.shape).ravel()[cells]
    yield Part(name, cells, Crushable(own, strength, law), share[cells])


def _membrane(
    field: StiffnessField, fraction: FloatArray, law: Crushing, strength_mpa: float
) -> Iterator[Part]:
    """Yield what an endplate does in its plane, beyond its part of the layers across it."""
    unit = np.array(field.units[-1].mean)
    moduli, share = field.moduli[-1].ravel(), fraction.ravel()
    cells = np.flatnonzero((moduli > 0.0) & (share > _LEAST_FRACTION))
    if not len(cells):
        return
    unit[2] = _THROUGH * unit[0]
    unit[6] = unit[7] = _THROUGH * unit[8]
    # The law scales strengths across by the root of the moduli; the one in the plane is known.
    through = strength_mpa * np.sqrt(_THROUGH * unit[0])
    own = unit * (moduli[cells] / share[cells])[:, None]
    yield Part("endplate", cells, Crushable(own, through, law), share[cells])
