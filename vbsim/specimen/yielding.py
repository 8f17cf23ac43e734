"""What a specimen is made of in a strength test: laws of small strain for every compartment.

Each compartment keeps the stiffness that the linear solver sees, layers of a voxel included.
Constituents side by side yield each at its own strength. Layers one over the other carry the same
stress, so that the weakest decides: around endplates they become one constituent of its strength.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.data import value
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.density_modulus import bone_volume_fraction, yield_stress_mpa
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Elastic, Quadric, Softening, Surface
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.stiffness import cemented_shares, layered_cement

__all__ = [
    "Yield",
    "averaging_mm",
    "cement_shrinkage",
    "compartment",
    "strengths_mpa",
    "trabecular_strength_mpa",
    "volumes_of",
    "yield_of",
    "yielding_constituents",
]

FloatArray = NDArray[np.float64]

# Less of a constituent in a voxel adds state and nothing else: it stays elastic.
_LEAST_FRACTION = 1e-3


def averaging_mm() -> float:
    """Return the length over which inelastic strain is averaged before it softens, mm."""
    return float(value("strength.averaging.length_mm"))


def yielding_constituents(specimen: Specimen) -> Constituents:
    """Return the constituents of a potted specimen for a strength test."""
    volumes, strengths = volumes_of(specimen), strengths_mpa(specimen)
    fields = specimen.compartment_stiffness()
    parts: list[Part] = []
    layered = specimen.tissue.endplate > _LEAST_FRACTION
    if layered.any():
        parts += _stack(specimen, fields, volumes, strengths, layered)
        parts += _membrane(fields["endplate"], specimen.tissue.endplate, layered)
    for name, field in fields.items():
        place = ~layered
        if name == "endplate":  # slivers of it: elastic
            field = StiffnessField(field.units, field.moduli * place)
        shrunk = cement_shrinkage(specimen) if name == "cement" else None
        law = yield_of(specimen, name)
        parts += compartment(name, field, volumes[name], strengths[name], place, law, shrunk)
    return Constituents.join(parts)


def trabecular_strength_mpa(specimen: Specimen) -> FloatArray:
    """Return the ultimate compressive strength along the axis, (n_z, n_y, n_x), MPa.

    By density as it was before any fracture, such that the 0.2 % offset yield is the published
    one, and less where bone is crushed.
    """
    law = _post_yield()
    offset = value("strength.trabecular.offset_strain")
    reached = 1.0 - (1.0 - law.first_yield) * np.exp(-offset / law.hardening_strain)
    intact = yield_stress_mpa(specimen.vbmd_intact_mg_cm3) / reached
    least = float(value("strength.trabecular.least_mpa"))
    return np.asarray(np.maximum(intact * _crushed(specimen), least))


def _crushed(specimen: Specimen) -> FloatArray:
    """Return the factor on strength that goes with the factor on modulus."""
    return np.asarray(specimen.integrity ** value("strength.crushed.strength_exponent"))


def volumes_of(specimen: Specimen) -> dict[str, FloatArray]:
    """Return the part of every voxel that each compartment fills."""
    tissue = specimen.tissue
    volumes = {name: np.asarray(part) for name, part in zip(tissue._fields, tissue, strict=True)}
    taken = sum((share.bone for share in cemented_shares(specimen)), np.zeros(1))
    free = tissue.trabecular * np.maximum(1.0 - taken, 0.0)
    volumes["cement"] = tissue.trabecular - free
    if specimen.void is not None:
        cleft = sum((share.cleft for share in cemented_shares(specimen)), np.zeros(1))
        volumes["cement"] = volumes["cement"] + specimen.void * cleft
    return volumes | {"trabecular": free}


def strengths_mpa(specimen: Specimen) -> dict[str, FloatArray]:
    """Return the compressive strength of each compartment itself, MPa; infinite if elastic."""
    shape = specimen.domain.shape
    bone, wall = trabecular_strength_mpa(specimen), _wall_mpa()
    endless = np.full(shape, np.inf)
    found = {
        "trabecular": bone,
        "shell": wall * _crushed(specimen),
        "endplate": np.full(shape, wall),
        "arch": endless,
        "cap": endless,
    }
    if specimen.fillings:
        found["cement"] = _cement_strength(specimen, bone)
    return found


def _cement_strength(specimen: Specimen, bone: FloatArray) -> FloatArray:
    """Return the strength of filled bone: where it presses on free bone, that of the bone."""
    volume, total = np.zeros(specimen.domain.shape), np.zeros(specimen.domain.shape)
    bvtv = bone_volume_fraction(specimen.vbmd_mg_cm3)
    for filling, share in zip(specimen.fillings, cemented_shares(specimen), strict=True):
        pure = filling.cement.compressive_strength_mpa
        if pure is None:
            return np.full(specimen.domain.shape, np.inf)
        mixture = filling.law.mixture(bvtv, filling.cement)
        in_bone = specimen.tissue.trabecular * share.bone
        in_cleft = 0.0 if specimen.void is None else specimen.void * share.cleft
        set_mpa = pure * (1.0 if filling.hardness is None else filling.hardness)
        total += in_bone * (mixture.cement * set_mpa + mixture.bone * bone) + in_cleft * set_mpa
        volume += in_bone + in_cleft
    own = np.divide(total, volume, out=np.full_like(total, np.inf), where=volume > 0.0)
    cut, sharp = layered_cement(specimen)
    free = volumes_of(specimen)["trabecular"][cut]
    decides = free > value("strength.layers.thin") * (free + volume[cut])
    weak = np.minimum(own[cut], bone[cut])
    own[cut] = np.where(decides, (1.0 - sharp) * own[cut] + sharp * weak, own[cut])
    return own


def _wall_mpa() -> float:
    return float(value("bone.strength.shell_yield_compression_mpa"))


# Laws ---------------------------------------------------------------------------------------------


def _post_yield() -> Softening:
    keys = ("first_yield", "hardening_strain", "residual", "onset", "softening_strain")
    first, hardening, residual, onset, strain = (value(f"strength.post_yield.{k}") for k in keys)
    return Softening(
        first_yield=first,
        hardening_strain=hardening,
        residual=residual,
        onset=onset,
        strain=strain,
        most_damage=value("strength.post_yield.most_damage"),
        damage_strain=value("strength.post_yield.damage_strain"),
    )


def _bone_surface(specimen: Specimen) -> Surface:
    """Return the yield surface of trabecular bone: that of its fabric, or isotropic."""
    keys = ("tension_along", "compression_across", "tension_across", "shear_along", "shear_across")
    tension, c_across, t_across, along, across = (value(f"strength.trabecular.{k}") for k in keys)
    if specimen.bone.anisotropy == "isotropic":
        zeta = value("strength.trabecular.isotropic_interaction")
        return Surface(tension=(tension,) * 3, interaction=zeta)
    return Surface(
        (c_across, c_across, 1.0),
        (t_across, t_across, tension),
        (along, along, across),
        value("strength.trabecular.interaction"),
    )


def _wall_surface() -> Surface:
    ratio = value("bone.strength.shell_yield_tension_mpa") / _wall_mpa()
    return Surface(tension=(ratio,) * 3, interaction=value("strength.shell.interaction"))


class Yield(NamedTuple):
    """What a compartment yields by."""

    surface: Surface
    softening: Softening


def yield_of(specimen: Specimen, name: str) -> Yield:
    """Return the surface and what follows yield of a compartment."""
    if name in ("shell", "endplate"):
        return Yield(_wall_surface(), _post_yield())
    if name == "cement":
        return Yield(_cement_surface(specimen), _cement_softening())
    return Yield(_bone_surface(specimen), _post_yield())


def _cement_surface(specimen: Specimen) -> Surface:
    """Return the surface of the filling that is weakest in tension for its compression."""
    ratios = [
        filling.cement.tensile_strength_mpa / filling.cement.compressive_strength_mpa
        for filling in specimen.fillings
        if filling.cement.tensile_strength_mpa and filling.cement.compressive_strength_mpa
    ]
    ratio = min(ratios, default=1.0)
    return Surface(tension=(ratio,) * 3, interaction=value("strength.cement.interaction"))


def _cement_softening() -> Softening:
    first, strain = (value(f"strength.cement.{k}") for k in ("first_yield", "hardening_strain"))
    return Softening(first_yield=first, hardening_strain=strain)


# Parts --------------------------------------------------------------------------------------------


def compartment(
    name: str,
    field: StiffnessField,
    volume: FloatArray,
    strength: FloatArray,
    place: NDArray[np.bool_],
    law: Yield,
    shrinkage: FloatArray | None = None,
) -> Iterator[Part]:
    """Yield one compartment in some cells: where it is too little or endless, elastic.

    Parameters
    ----------
    name : str
        The compartment.
    field : StiffnessField
        Its stiffness, per volume of the cells.
    volume : array of cells
        Part of every cell that it fills.
    strength : array of cells
        Its own compressive strength, MPa; infinite if elastic.
    place : bool array of cells
        Cells to be looked at.
    law : Yield
        What it yields by.
    shrinkage : array of cells, optional
        Its linear shrinkage since it was born.
    """
    constants = field.mean_constants().reshape(-1, 9)
    held = (place & field.moduli.any(axis=0)).ravel()
    yields = held & (volume > _LEAST_FRACTION).ravel() & np.isfinite(strength).ravel()
    cells = np.flatnonzero(held & ~yields)
    if len(cells):
        yield Part(name, cells, Elastic(constants[cells]), 1.0, _smaller(shrinkage, cells))
    cells = np.flatnonzero(yields)
    if len(cells):
        share = volume.ravel()[cells]
        own = constants[cells] / share[:, None]
        quadric = Quadric(own, strength.ravel()[cells], *law)
        yield Part(name, cells, quadric, share, _smaller(shrinkage, cells))


def cement_shrinkage(specimen: Specimen) -> FloatArray | None:
    """Return the linear shrinkage of the cement of every voxel since it set; None for none."""
    shrinking = [f for f in specimen.fillings if f.shrinkage is not None and f.shrinkage.any()]
    if not shrinking:
        return None
    total = np.zeros(specimen.domain.shape)
    for filling in shrinking:
        assert filling.shrinkage is not None
        total += filling.fraction * filling.shrinkage
    cement = specimen.cement_fraction
    return np.divide(total, cement, out=np.zeros_like(total), where=cement > 0.0)


def _smaller(shrinkage: FloatArray | None, cells: NDArray[np.int64]) -> FloatArray | None:
    """Return the gradients in which cement that has shrunk is free of stress, (n, 9)."""
    if shrinkage is None:
        return None
    return np.asarray(np.eye(3).ravel() * (1.0 - shrinkage.ravel()[cells, None]))


def _stack(
    specimen: Specimen,
    fields: dict[str, StiffnessField],
    volumes: dict[str, FloatArray],
    strengths: dict[str, FloatArray],
    at: NDArray[np.bool_],
) -> Iterator[Part]:
    """Yield the voxels that hold endplate: cap, endplate and the rest as one constituent."""
    thin = value("strength.layers.thin")
    rest = [name for name in fields if name not in ("endplate", "cap")]
    volume = {name: volumes[name][at] for name in fields}
    below = np.sum([volume[name] for name in rest], axis=0)
    total = below + volume["endplate"] + volume.get("cap", 0.0)
    # An elastic constituent of the rest (arch, silicone) counts as strong as the wall.
    own = [np.minimum(strengths[name][at], _wall_mpa()) * volume[name] for name in rest]
    strength = np.where(below > thin * total, np.sum(own, axis=0) / np.maximum(below, 1e-9), np.inf)
    plate = np.where(volume["endplate"] > thin * total, _wall_mpa(), np.inf)
    weakest = np.minimum(strength, plate)
    constants = np.zeros((len(total), 9))
    for name, field in fields.items():
        kept = slice(None, -1) if name == "endplate" else slice(None)
        means = np.array([unit.mean for unit in field.units[kept]])
        constants += field.moduli[kept][:, at].T @ means
    cells = np.flatnonzero(at)
    is_bone = (strength < plate) & np.isfinite(weakest)
    is_plate = ~is_bone & np.isfinite(weakest)
    for name, chosen in (("trabecular", is_bone), ("endplate", is_plate)):
        if chosen.any():
            share = total[chosen]
            law = Quadric(
                constants[chosen] / share[:, None], weakest[chosen], *yield_of(specimen, name)
            )
            yield Part(name, cells[chosen], law, share)
    endless = ~is_bone & ~is_plate
    if endless.any():
        yield Part("cap", cells[endless], Elastic(constants[endless]))


def _membrane(field: StiffnessField, volume: FloatArray, at: NDArray[np.bool_]) -> Iterator[Part]:
    """Yield what endplates do in their plane, beyond their part of the layers across it."""
    held = at & (field.moduli[-1] > 0.0)
    cells = np.flatnonzero(held)
    if len(cells):
        share = volume[held]
        own = field.moduli[-1][held][:, None] * np.array(field.units[-1].mean) / share[:, None]
        yield Part(
            "endplate", cells, Quadric(own, _wall_mpa(), _wall_surface(), _post_yield()), share
        )
