"""Stiffness of every voxel of a specimen: the volume-weighted (Voigt) sum of its compartments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, generate_binary_structure

from vbsim.materials.density_modulus import bone_volume_fraction, isotropic_unit
from vbsim.materials.field import LAMBDA, LAMBDA_MEAN, MU, StiffnessField, UnitStiffness, lame

if TYPE_CHECKING:
    from vbsim.specimen.specimen import Specimen

__all__ = ["compartment_fields", "stiffness_field"]

FloatArray = NDArray[np.float64]

# Fully integrated trilinear cells lock above about this Poisson ratio: the part of lambda beyond
# it acts on the mean strain of the voxel only (selective reduction).
_LOCKING_POISSON = 0.4

# Above half, a partly filled boundary voxel counts as cement (the surface of a drawn shape).
_FILLED = 0.5


class _Basis(NamedTuple):
    """Unit materials of a specimen, and how each constituent is written in them."""

    units: tuple[UnitStiffness, ...]
    trabecular: FloatArray

    def isotropic(self, youngs_modulus_mpa: float, poisson: float) -> FloatArray:
        """Return the moduli on the units of an isotropic material, (K,), MPa."""
        if MU not in self.units:
            return np.array([youngs_modulus_mpa])
        lam, mu = (float(part) for part in lame(youngs_modulus_mpa, poisson))
        full = min(lam, 2.0 * mu * _LOCKING_POISSON / (1.0 - 2.0 * _LOCKING_POISSON))
        parts = {LAMBDA: full, LAMBDA_MEAN: lam - full, MU: mu}
        return np.array([parts.get(unit, 0.0) for unit in self.units])


class _Share(NamedTuple):
    """Share of each voxel's trabecular bone, and of its cleft, that one filling has taken."""

    bone: FloatArray
    cleft: FloatArray


def compartment_fields(specimen: Specimen) -> dict[str, StiffnessField]:
    """Return the stiffness of each compartment, in the same units; they sum to the whole."""
    basis = _basis(specimen)
    return {name: StiffnessField(basis.units, part) for name, part in _parts(specimen, basis)}


def stiffness_field(specimen: Specimen) -> StiffnessField:
    """Return the stiffness of every voxel in as few unit materials as its constituents need."""
    basis = _basis(specimen)
    total = np.zeros((len(basis.units), *specimen.domain.shape))
    for _, part in _parts(specimen, basis):
        total += part
    return StiffnessField(basis.units, total)


def _basis(specimen: Specimen) -> _Basis:
    bone, tissue = specimen.bone, specimen.tissue
    ratios = {filling.cement.poisson for filling in specimen.fillings}
    if specimen.cap is not None:
        ratios.add(specimen.cap.poisson)
    if tissue.shell.any() or tissue.endplate.any():
        ratios.add(bone.shell_poisson)
    is_isotropic = bone.anisotropy == "isotropic"
    if is_isotropic or tissue.arch.any():
        ratios.add(bone.poisson)
    if is_isotropic and len(ratios) == 1:
        return _Basis((isotropic_unit(bone.poisson),), np.ones(1))
    units: tuple[UnitStiffness, ...] = (LAMBDA, MU)
    if any(ratio > _LOCKING_POISSON for ratio in ratios):
        units = (LAMBDA, LAMBDA_MEAN, MU)
    if is_isotropic:
        return _Basis(units, _Basis(units, np.empty(0)).isotropic(1.0, bone.poisson))
    units = (bone.trabecular_unit(), *units)
    return _Basis(units, np.eye(len(units))[0])


def _parts(specimen: Specimen, basis: _Basis) -> Iterator[tuple[str, FloatArray]]:
    """Yield (compartment, moduli of its share of every voxel on each unit, MPa)."""
    bone, tissue = specimen.bone, specimen.tissue
    modulus = bone.youngs_modulus_mpa(specimen.vbmd_intact_mg_cm3) * specimen.integrity
    shares = _cemented_shares(specimen)
    bond = _bond(specimen)
    free = 1.0 - sum((share.bone for share in shares), np.zeros(1))
    yield "trabecular", _spread(tissue.trabecular * free * modulus * bond, basis.trabecular)
    shell = basis.isotropic(bone.shell_modulus_mpa, bone.shell_poisson)
    yield "shell", _spread(tissue.shell * specimen.integrity, shell)
    endplate = basis.isotropic(bone.endplate_modulus_mpa, bone.shell_poisson)
    yield "endplate", _spread(tissue.endplate * specimen.integrity, endplate)
    if tissue.arch.any():
        # Posterior elements do not lie along the body's axes: isotropic, on the same law.
        yield "arch", _spread(tissue.arch * modulus, basis.isotropic(1.0, bone.poisson))
    if shares:
        yield "cement", _cement_part(specimen, basis, shares) * bond
    if specimen.cap is not None:
        cap = basis.isotropic(specimen.cap.youngs_modulus_mpa, specimen.cap.poisson)
        yield "cap", _spread(tissue.cap, cap)


def _cement_part(specimen: Specimen, basis: _Basis, shares: list[_Share]) -> FloatArray:
    """Return the moduli of filled bone and filled clefts."""
    bone = specimen.bone
    modulus = bone.youngs_modulus_mpa(specimen.vbmd_intact_mg_cm3) * specimen.integrity
    bvtv = bone_volume_fraction(specimen.vbmd_mg_cm3)
    total = np.zeros((len(basis.units), *specimen.domain.shape))
    for filling, share in zip(specimen.fillings, shares, strict=True):
        mixture = filling.law.mixture(bvtv, filling.cement)
        filled = specimen.tissue.trabecular * share.bone
        pure = basis.isotropic(filling.cement.youngs_modulus_mpa, filling.cement.poisson)
        total += _spread(filled * mixture.bone * modulus, basis.trabecular)
        in_cleft = 0.0 if specimen.void is None else specimen.void * share.cleft
        total += _spread(filled * mixture.cement + in_cleft, pure)
    return total


def _cemented_shares(specimen: Specimen) -> list[_Share]:
    """Return what each filling has taken; a later one finds only what the earlier ones left."""
    shares, bone_left, cleft_left = [], np.ones(1), np.ones(1)
    for filling in specimen.fillings:
        saturation = np.clip(filling.saturation, 0.0, 1.0)
        taken = saturation**filling.law.saturation_exponent
        shares.append(_Share(bone_left * taken, cleft_left * saturation))
        bone_left = bone_left * (1.0 - taken)
        cleft_left = cleft_left * (1.0 - saturation)
    return shares


def _bond(specimen: Specimen) -> FloatArray:
    """Return the factor of a weakened interface: the outermost voxels of each filling."""
    bond = np.ones(1)
    around = generate_binary_structure(3, 3)
    for filling in specimen.fillings:
        if filling.law.interface_factor < 1.0:
            filled = filling.saturation >= _FILLED
            # Across edges and corners too, or load would pass the layer through shared points.
            outermost = filled & binary_dilation(~filled, around)
            bond = bond * np.where(outermost, filling.law.interface_factor, 1.0)
    return bond


def _spread(field: FloatArray, coefficients: FloatArray) -> FloatArray:
    return np.asarray(coefficients[:, None, None, None] * field)
