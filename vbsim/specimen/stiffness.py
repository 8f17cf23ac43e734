"""Stiffness of every voxel of a specimen: a sum of what its compartments contribute.

Constituents of a voxel stand side by side (weighted by volume) except where they are known to press
on one another: around the bony endplates, at the surface of cement, and behind a wall that leans in
crushed bone. A wall thinner than its voxel bends in crushed bone as the layer that it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_dilation,
    gaussian_filter,
    generate_binary_structure,
    maximum_filter,
    minimum_filter,
)

from vbsim.materials.density_modulus import bone_volume_fraction, isotropic_unit
from vbsim.materials.field import (
    LAMBDA,
    LAMBDA_MEAN,
    MU,
    StiffnessField,
    UnitStiffness,
    lame,
    mean_only,
    membrane_xy,
)
from vbsim.specimen.layers import Layer, horizontality, stacked

if TYPE_CHECKING:
    from vbsim.specimen.specimen import Specimen
    from vbsim.specimen.tissue import CapMaterial

__all__ = [
    "Core",
    "cemented_shares",
    "compartment_fields",
    "core_parts",
    "layered_cement",
    "stiffness_field",
]

FloatArray = NDArray[np.float64]

# Fully integrated trilinear cells lock above about this Poisson ratio: the part of lambda beyond
# it acts on the mean strain of the voxel only (selective reduction).
_LOCKING_POISSON = 0.4

# Place of c33 among the nine constants of a unit material.
_C33 = 2

# Voxels with less core than this are slivers beside a wall.
_LEAST_CORE = 1e-3

# Least factor on the bending of a smeared wall: voxels of little but wall keep their shape, and the
# iterations of a solve hardly rise. Below it stiffness falls by half a per cent more.
_LEAST_BENDING = 0.1

# Integrity above this is that of whole bone, up to round-off of what a fracture carries.
_WHOLE = 1.0 - 1e-6

# Above half, a partly filled boundary voxel counts as cement (the surface of a drawn shape).
_FILLED = 0.5


class _Basis(NamedTuple):
    """Unit materials of a specimen, and how each constituent is written in them.

    The last unit is the membrane of the endplates where there are any; `wall` is the unit of wall
    that does not bend, on voxels that hold any in crushed bone.
    """

    units: tuple[UnitStiffness, ...]
    trabecular: FloatArray
    wall: UnitStiffness | None = None

    def isotropic(self, youngs_modulus_mpa: float, poisson: float) -> FloatArray:
        """Return the moduli on the units of an isotropic material, (K,), MPa."""
        if MU not in self.units:
            return np.asarray(youngs_modulus_mpa * np.eye(len(self.units))[0])
        lam, mu = (float(part) for part in lame(youngs_modulus_mpa, poisson))
        full = min(lam, 2.0 * mu * _LOCKING_POISSON / (1.0 - 2.0 * _LOCKING_POISSON))
        parts = {LAMBDA: full, LAMBDA_MEAN: lam - full, MU: mu}
        return np.array([parts.get(unit, 0.0) for unit in self.units])

    def c33(self, moduli: FloatArray) -> FloatArray:
        """Return the stiffness along z at held width of moduli (K, ...), MPa."""
        constants = np.array([unit.mean[_C33] for unit in self.units])
        return np.asarray(np.tensordot(constants, moduli, 1))


class _Share(NamedTuple):
    """Share of each voxel's trabecular bone, and of its cleft, that one filling has taken."""

    bone: FloatArray
    cleft: FloatArray


def compartment_fields(specimen: Specimen) -> dict[str, StiffnessField]:
    """Return the stiffness of each compartment, in the same units; they sum to the whole."""
    basis = _basis(specimen)
    return {
        name: StiffnessField(basis.units, part) for name, part in _parts(specimen, basis).items()
    }


def stiffness_field(specimen: Specimen) -> StiffnessField:
    """Return the stiffness of every voxel in as few unit materials as its constituents need."""
    basis = _basis(specimen)
    total = np.zeros((len(basis.units), *specimen.domain.shape))
    for part in _parts(specimen, basis).values():
        total += part
    return StiffnessField(basis.units, total)


class Core(NamedTuple):
    """What lies inside wall and endplates, per volume of it.

    Attributes
    ----------
    units : tuple of UnitStiffness
        Unit materials, also for wall, endplates and caps.
    isotropic : callable
        Gives the moduli on the units, (K,), of an isotropic material (modulus, Poisson's ratio).
    parts : dict of (K, n_z, n_y, n_x) array
        Moduli of ``trabecular`` and, where there is any, ``cement``, MPa; 0 outside the core.
    filled : (n_z, n_y, n_x) array
        Share of each voxel that is core: trabecular bone and clefts.
    saturation : (n_z, n_y, n_x) array
        Cement / pore space of what can be filled, all fillings together.
    """

    units: tuple[UnitStiffness, ...]
    isotropic: Callable[[float, float], FloatArray]
    parts: dict[str, FloatArray]
    filled: FloatArray
    saturation: FloatArray


def core_parts(specimen: Specimen, cap: CapMaterial) -> Core:
    """Return the stiffness inside wall and endplates, for meshes whose cells keep to both.

    Parameters
    ----------
    specimen : Specimen
        On its sampling grid, without caps.
    cap : CapMaterial
        Material of the caps to come; the units hold it too.
    """
    basis = _basis(specimen, cap)
    sides = dict(_side_by_side(specimen, basis))
    names: tuple[str, ...] = ("trabecular", "cement")
    parts = {name: sides[name] for name in names if name in sides}
    if specimen.fillings:
        _stack_cement(specimen, basis, parts)
    filled = specimen.tissue.trabecular + (0.0 if specimen.void is None else specimen.void)
    inside = filled > _LEAST_CORE
    per_core = {
        name: np.divide(part, filled, out=np.zeros_like(part), where=inside)
        for name, part in parts.items()
    }
    return Core(basis.units, basis.isotropic, per_core, filled, _saturation(specimen))


def _basis(specimen: Specimen, cap: CapMaterial | None = None) -> _Basis:
    """Return the unit materials; those of a mesh that fits, whose caps are given, need no wall."""
    bone, tissue = specimen.bone, specimen.tissue
    on_voxels = cap is None
    cap = specimen.cap if cap is None else cap
    ratios = {filling.cement.poisson for filling in specimen.fillings}
    if cap is not None:
        ratios.add(cap.poisson)
    if tissue.shell.any() or tissue.endplate.any():
        ratios.add(bone.shell_poisson)
    is_isotropic = bone.anisotropy == "isotropic"
    if is_isotropic or tissue.arch.any():
        ratios.add(bone.poisson)
    wall = mean_only(bone.shell_poisson) if on_voxels and _crushed_wall(specimen).any() else None
    thin = () if wall is None else (wall,)
    if tissue.endplate.any():
        thin = (*thin, membrane_xy(bone.shell_poisson))
    if is_isotropic and len(ratios) == 1:
        return _Basis((isotropic_unit(bone.poisson), *thin), np.eye(1 + len(thin))[0], wall)
    units: tuple[UnitStiffness, ...] = (LAMBDA, MU, *thin)
    if any(ratio > _LOCKING_POISSON for ratio in ratios):
        units = (LAMBDA, LAMBDA_MEAN, MU, *thin)
    if is_isotropic:
        return _Basis(units, _Basis(units, np.empty(0)).isotropic(1.0, bone.poisson), wall)
    units = (bone.trabecular_unit(), *units)
    return _Basis(units, np.eye(len(units))[0], wall)


def _parts(specimen: Specimen, basis: _Basis) -> dict[str, FloatArray]:
    """Return what each compartment contributes to every voxel on each unit, MPa."""
    parts = dict(_side_by_side(specimen, basis))
    if specimen.fillings:
        _stack_cement(specimen, basis, parts)
    _lean_wall(specimen, basis, parts)
    if specimen.tissue.endplate.any():
        _stack_endplate(specimen, basis, parts)
    return parts


def _stack_cement(specimen: Specimen, basis: _Basis, parts: dict[str, FloatArray]) -> None:
    """Let filled and free bone share a stress where the surface of cement cuts a voxel.

    A lump of cement is much stiffer than the bone around it, and passes its load on through that
    bone: a voxel on its surface, whichever way it faces, gives way as the bone in it does.
    """
    cut, sharp = layered_cement(specimen)
    volumes = {
        "cement": _filled_fraction(specimen)[cut],
        "trabecular": _free_fraction(specimen)[cut],
    }
    _press(basis, parts, cut, volumes, sharp)


def _press(
    basis: _Basis,
    parts: dict[str, FloatArray],
    at: NDArray[np.bool_],
    volumes: dict[str, FloatArray],
    weight: FloatArray,
) -> None:
    """Turn constituents of some voxels that stand side by side into layers, as far as weighted."""
    layers = [Layer(volume, basis.c33(parts[name][:, at])) for name, volume in volumes.items()]
    for name, factor in zip(volumes, stacked(layers), strict=True):
        parts[name][:, at] *= 1.0 + weight * (factor - 1.0)


def layered_cement(specimen: Specimen) -> tuple[NDArray[np.bool_], FloatArray]:
    """Return the voxels that the surface of a cement cuts, and how sharp it is there.

    Returns
    -------
    cut : (n_z, n_y, n_x) bool
        Voxels with filled and free bone.
    sharp : (n,) float
        How much saturation changes among a voxel and its neighbours: 1 at a surface, 0 where pores
        are evenly filled in part, and nothing tells filled from free bone.
    """
    filled, free = _filled_fraction(specimen), _free_fraction(specimen)
    cut, saturation = (filled > 0.0) & (free > 0.0), _saturation(specimen)
    # Wall, endplates and what lies outside have no pores that could be filled.
    porous = filled + free > 0.0
    most = maximum_filter(np.where(porous, saturation, -np.inf), 3)
    least = minimum_filter(np.where(porous, saturation, np.inf), 3)
    return cut, np.asarray(most[cut] - least[cut])


def _saturation(specimen: Specimen) -> FloatArray:
    """Return cement / pore space of every voxel, all fillings together."""
    empty = np.ones(specimen.domain.shape)
    for filling in specimen.fillings:
        empty *= 1.0 - np.clip(filling.saturation, 0.0, 1.0)
    return 1.0 - empty


def _lean_wall(specimen: Specimen, basis: _Basis, parts: dict[str, FloatArray]) -> None:
    """Lay the wall of crushed bone over the bone behind it as far as it leans.

    A wall that leans carries load along z only if it is propped from behind, which crushed bone
    hardly does; whole bone and cement do. The weight is the squared z part of the wall's normal,
    less the shares of stiffness and of bone that are left.
    """
    tissue = specimen.tissue
    at = _crushed_wall(specimen) & (tissue.trabecular > 0.0) & (tissue.endplate == 0.0)
    if not at.any():
        return
    inwards = tissue.trabecular + 0.5 * tissue.shell + tissue.endplate + tissue.cap
    if specimen.void is not None:
        inwards = inwards + specimen.void
    # Shares of volume rise from 0 to 1 within a voxel: their differences know the direction of a
    # surface only once they are smoothed over the voxels beside it.
    lean = horizontality(gaussian_filter(inwards, 1.0), specimen.domain.spacing_mm)[at]
    free = _free_fraction(specimen)[at]
    unpropped = (1.0 - specimen.integrity[at]) * free / (free + _filled_fraction(specimen)[at])
    volumes = {"shell": tissue.shell[at], "trabecular": free}
    _press(basis, parts, at, volumes, lean * unpropped)


def _stack_endplate(specimen: Specimen, basis: _Basis, parts: dict[str, FloatArray]) -> None:
    """Take voxels that hold endplate as cap, endplate and the rest, one over the other.

    The endplate is a thin plate across z: what layering takes from it stays as a membrane, so that
    in its plane it keeps its stiffness by volume.
    """
    tissue = specimen.tissue
    at = tissue.endplate > 0.0
    rest = [name for name in parts if name not in ("endplate", "cap")]
    below = tissue.bone - tissue.endplate + _filled_cleft(specimen)
    stacks = {"endplate": (["endplate"], tissue.endplate), "rest": (rest, below)}
    if "cap" in parts:
        stacks["cap"] = (["cap"], tissue.cap)
    layers = [
        Layer(volume[at], np.sum([basis.c33(parts[name][:, at]) for name in names], axis=0))
        for names, volume in stacks.values()
    ]
    factors = stacked(layers)
    for (names, _), factor in zip(stacks.values(), factors, strict=True):
        for name in names:
            parts[name][:, at] *= factor
    # Beside something stiffer than itself the endplate gains instead: no negative membrane.
    taken = np.maximum(1.0 - factors[0], 0.0)
    parts["endplate"][-1, at] += taken * specimen.bone.endplate_modulus_mpa * tissue.endplate[at]


def _side_by_side(specimen: Specimen, basis: _Basis) -> Iterator[tuple[str, FloatArray]]:
    """Yield (compartment, moduli of its share of every voxel on each unit, MPa)."""
    bone, tissue = specimen.bone, specimen.tissue
    modulus = bone.youngs_modulus_mpa(specimen.vbmd_intact_mg_cm3) * specimen.integrity
    shares = cemented_shares(specimen)
    bond = _bond(specimen)
    yield "trabecular", _spread(_free_fraction(specimen) * modulus * bond, basis.trabecular)
    yield "shell", _wall_part(specimen, basis)
    endplate = basis.isotropic(bone.endplate_modulus_mpa, bone.shell_poisson)
    # Damage stays below the endplates, which move as plates.
    yield "endplate", _spread(tissue.endplate, endplate)
    if tissue.arch.any():
        # Posterior elements do not lie along the body's axes: isotropic, on the same law.
        yield "arch", _spread(tissue.arch * modulus, basis.isotropic(1.0, bone.poisson))
    if shares:
        yield "cement", _cement_part(specimen, basis, shares) * bond
    if specimen.cap is not None:
        cap = basis.isotropic(specimen.cap.youngs_modulus_mpa, specimen.cap.poisson)
        yield "cap", _spread(tissue.cap, cap)


def _wall_part(specimen: Specimen, basis: _Basis) -> FloatArray:
    """Return the moduli of the wall: by volume, in crushed bone less against bending.

    A layer that fills the share v of a voxel is v times as thick, and resists bending v^3 times as
    much as a full voxel. Smeared over the voxel it resists it v times as much, 8 times too stiffly
    for 0.35 mm of wall in 1 mm: too much where crushed bone lets the wall fold. That excess counts
    against the mean strain only.
    """
    bone, shell = specimen.bone, specimen.tissue.shell
    by_volume = shell * specimen.integrity
    whole = basis.isotropic(bone.shell_modulus_mpa, bone.shell_poisson)
    if basis.wall is None:
        return _spread(by_volume, whole)
    thin = np.clip(shell**2, _LEAST_BENDING, 1.0)
    bends = np.where(_crushed_wall(specimen), thin, 1.0)
    part = _spread(by_volume * bends, whole)
    part[basis.units.index(basis.wall)] += bone.shell_modulus_mpa * by_volume * (1.0 - bends)
    return part


def _crushed_wall(specimen: Specimen) -> NDArray[np.bool_]:
    return np.asarray((specimen.tissue.shell > 0.0) & (specimen.integrity < _WHOLE))


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
        hardness = 1.0 if filling.hardness is None else filling.hardness
        total += _spread((filled * mixture.cement + in_cleft) * hardness, pure)
    return total


def _free_fraction(specimen: Specimen) -> FloatArray:
    """Return bone that no filling has taken / voxel volume."""
    free = 1.0 - sum((share.bone for share in cemented_shares(specimen)), np.zeros(1))
    return np.asarray(specimen.tissue.trabecular * np.maximum(free, 0.0))


def _filled_fraction(specimen: Specimen) -> FloatArray:
    """Return filled bone and filled clefts / voxel volume."""
    taken = sum((share.bone for share in cemented_shares(specimen)), np.zeros(1))
    return np.asarray(specimen.tissue.trabecular * taken + _filled_cleft(specimen))


def _filled_cleft(specimen: Specimen) -> FloatArray:
    if specimen.void is None:
        return np.zeros(specimen.domain.shape)
    taken = sum((share.cleft for share in cemented_shares(specimen)), np.zeros(1))
    return np.asarray(specimen.void * taken)


def cemented_shares(specimen: Specimen) -> list[_Share]:
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
