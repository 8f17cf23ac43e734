"""Cement in a body under mechanics: born free of stress in the shape that the body has then.

The filling was laid out on the picture of the deformed body. Here it is carried back to the
undeformed cells, becomes a constituent with the present gradient as its own reference, and the
loads that held the body are taken off.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from vbsim.checks import frozen, require
from vbsim.data import value
from vbsim.fem.equilibrium import FREE, Leg, load
from vbsim.materials.constituents import Part
from vbsim.materials.density_modulus import bone_volume_fraction
from vbsim.materials.field import LAMBDA, MU, StiffnessField, lame
from vbsim.materials.laws import Crushable, Interface, bond, crushing
from vbsim.materials.laws.crushable import Tissue
from vbsim.quantities import Quantity
from vbsim.specimen import CementField, Specimen
from vbsim.specimen.deformed import Deformed, jacobian, joined
from vbsim.specimen.loading import heights_between, led, settings, staged, under_load

__all__ = ["Curing", "cured", "matured", "set_under_load"]

FloatArray = NDArray[np.float64]

# A cement without a strength does not yield, MPa.
_ENDLESS = 1e6
# Less cement than this in a voxel adds a constituent and nothing else.
_LEAST = 1e-3
# Voxels over which the surface of the cement is smoothed before its normal is taken.
_SMOOTH = 1.0
# Tension over compression below which a cement counts as brittle.
_BRITTLE = 0.3


class Curing(NamedTuple):
    """What happens between injection and set cement.

    Attributes
    ----------
    pressure_mpa : float
        Pressure of the injected cement on what it fills, until it has set.
    shrinkage : float
        Linear shrinkage as it sets, 0 to 1.
    debonds : bool
        Whether its surface may separate from the bone or slide on it.
    """

    pressure_mpa: float = 0.0
    shrinkage: float = 0.0
    debonds: bool = False


def cured(body: Deformed, filled: Specimen, filling: CementField, how: Curing) -> Deformed:
    """Return a body with one more filling, set, and with the loads taken off.

    Parameters
    ----------
    body : Deformed
        As it was when it was filled.
    filled : Specimen
        Its picture, with the filling.
    filling : CementField
        The filling on the picture's grid.
    how : Curing
        Injection pressure and shrinkage.
    """
    share, fraction, saturation = _carried_back(body, filled, filling)
    cavity, before = body.cavity, _growth(body)
    if how.pressure_mpa > 0.0:
        body = _pressed(body, share.bone + share.cleft, how.pressure_mpa)
        # The pores have grown, the cement has not; what counts as filled bone stays so.
        fraction *= float(np.vdot(fraction, before)) / float(np.vdot(fraction, _growth(body)))
    body = _with_cement(body, filling, share, how)
    here = CementField(filling.cement, filling.law, frozen(fraction), frozen(saturation))
    body = replace(body, cements=(*body.cements, here))
    # The bone that cement has pressed on is still there: a cavity is what a balloon has left.
    return replace(_let_go(body), cavity=cavity)


def set_under_load(
    specimen: Specimen, filling: CementField, how: Curing, line: str
) -> tuple[Specimen, tuple[Quantity, ...]]:
    """Return a specimen under mechanics, filled and let go, and its heights under load.

    Parameters
    ----------
    specimen : Specimen
        Picture of a body under mechanics, not filled yet.
    filling : CementField
        On its grid.
    how : Curing
        Injection pressure and shrinkage.
    line : str
        For its history.
    """
    body = cured(specimen.mechanics, specimen, filling, how)
    after = staged(specimen, body, "augmented", line, ())
    load_n = float(value("treatment.heights.load_n"))
    return after, heights_between(under_load(body, load_n), load_n)


def matured(body: Deformed, fillings: Sequence[CementField]) -> Deformed:
    """Return a body whose cement is as hard, and has shrunk as far, as its fillings say.

    Parameters
    ----------
    body : Deformed
        Unloaded, with its cement.
    fillings : sequence of CementField
        The cements of its picture, in order; their hardness and shrinkage are taken over.
    """
    is_bonded = all(part.name != "interface" for part in body.parts)
    require(is_bonded, "curing", "cement with debonds = true", "cement that stays bonded")
    numbers = [k for k, part in enumerate(body.parts) if part.name == "cement"]
    here = _sampler(body)
    parts, cements, materials = list(body.parts), [], body.materials
    births: list[FloatArray] = []
    for number, old, new in zip(numbers, body.cements, fillings, strict=True):
        part = parts[number]
        assert part.birth is not None
        assert isinstance(part.law, Crushable)
        hardness, shrinkage = here(_or(new.hardness, 1.0)), here(_or(new.shrinkage, 0.0))
        factor = body.of_cells(hardness / _or(old.hardness, 1.0))[part.cells]
        materials = joined(materials, _more(body, part, factor - 1.0))
        law = replace(
            part.law,
            constants_mpa=part.law.constants_mpa * factor[:, None],
            strength_mpa=np.asarray(part.law.strength_mpa) * factor,
        )
        parts[number] = part._replace(law=law)
        shrunk = (1.0 - shrinkage) / (1.0 - _or(old.shrinkage, 0.0))
        births.append(part.birth * body.of_cells(shrunk)[part.cells, None])
        cements.append(old._replace(hardness=frozen(hardness), shrinkage=frozen(shrinkage)))
    hardened = body.changed(parts, range(len(parts)), materials=materials)
    for number, birth in zip(numbers, births, strict=True):
        parts[number] = parts[number]._replace(birth=birth)
    shrunken = replace(hardened, parts=tuple(parts), cements=tuple(cements))
    solver = shrunken.equilibrium(settings())
    led(solver, Leg("cure", load(0.0), FREE, FREE, first=0.5, largest=0.5), "curing")
    return shrunken.after(solver)


def _or(field: FloatArray | None, otherwise: float) -> FloatArray:
    return np.full(1, otherwise) if field is None else field


def _more(body: Deformed, part: Part, share: FloatArray) -> StiffnessField:
    """Return a share of the stiffness at rest of a cement, in the undeformed cells."""
    assert isinstance(part.law, Crushable)
    assert part.birth is not None
    ratio = np.linalg.det(np.reshape(part.birth, (-1, 3, 3)))
    scale = share * np.broadcast_to(part.weight, share.shape) * ratio
    shape = body.reference.domain.shape
    moduli = np.zeros((2, int(np.prod(shape))))
    # c12 is lambda, c44 is mu.
    moduli[0, part.cells] = scale * part.law.constants_mpa[:, 3]
    moduli[1, part.cells] = scale * part.law.constants_mpa[:, 6]
    return StiffnessField((LAMBDA, MU), moduli.reshape((2, *shape)))


def _sampler(body: Deformed) -> Callable[[FloatArray], FloatArray]:
    """Return what samples a field of the picture at every voxel of the undeformed grid."""
    grid, u = body.bare.domain, body.on_grid(body.displacement_mm)
    corners = [
        u[:, k : k + grid.shape[0], j : j + grid.shape[1], i : i + grid.shape[2]]
        for k in (0, 1)
        for j in (0, 1)
        for i in (0, 1)
    ]
    mean = np.mean(corners, axis=0)
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in grid.shape), indexing="ij")
    h = grid.spacing_mm
    place = [z + mean[2] / h[2], y + mean[1] / h[1], x + mean[0] / h[0]]

    def here(values: FloatArray) -> FloatArray:
        whole = np.broadcast_to(values, grid.shape)
        return np.asarray(map_coordinates(whole, place, order=1, mode="constant"))

    return here


class _Share(NamedTuple):
    """Filled bone and filled cleft / volume of the deformed voxel, on the undeformed grid."""

    bone: FloatArray
    cleft: FloatArray


def _carried_back(
    body: Deformed, filled: Specimen, filling: CementField
) -> tuple[_Share, FloatArray, FloatArray]:
    """Return the filling on the undeformed grid: shares, cement fraction, saturation."""
    grid, here = body.bare.domain, _sampler(body)
    inside = body.bare.tissue.trabecular
    saturation = here(np.clip(filling.saturation, 0.0, 1.0))
    void = body.bare.void if body.bare.void is not None else np.zeros(grid.shape)
    cavity = body.cavity if body.cavity is not None else np.zeros(grid.shape)
    hollow = np.maximum(void, cavity)
    bone = np.where(inside > 0.0, saturation, 0.0) * inside * (1.0 - cavity)
    cleft = saturation * hollow
    # Cement volume: what the picture holds, shared out as the filled pores are.
    ratio = _growth(body)
    bvtv = bone_volume_fraction(body.bare.vbmd_mg_cm3 / np.maximum(ratio, 0.05))
    fraction = bone * (1.0 - bvtv) + cleft
    wanted, found = float(filling.fraction.sum()), float(np.vdot(fraction, ratio))
    fraction *= wanted / found if found > 0.0 else 0.0
    return _Share(bone, cleft), fraction, np.where(fraction > 0.0, saturation, 0.0)


def _growth(body: Deformed) -> FloatArray:
    """Return the volume of every voxel of the grid over that before, (n_z, n_y, n_x)."""
    return jacobian(body.on_grid(body.displacement_mm), body.bare.domain)


def _pressed(body: Deformed, share: FloatArray, pressure_mpa: float) -> Deformed:
    """Return the body under the pressure of cement in the cells that it fills."""
    pressed = body.changed(body.parts, range(len(body.parts)), cavity=share)
    solver = pressed.equilibrium(settings())
    force = float(solver.reaction[0])
    leg = Leg("inject", load(force), FREE, FREE, cavity=load(pressure_mpa), first=0.1, largest=0.2)
    led(solver, leg, "cement")
    return pressed.after(solver)


def _with_cement(body: Deformed, filling: CementField, share: _Share, how: Curing) -> Deformed:
    """Return the body with set cement that is free of stress (but for its shrinkage)."""
    factor = filling.law.mixture(np.zeros(1), filling.cement).cement.item()
    in_bone, in_cleft = (body.shares_of_cells(part) for part in share)
    weight = in_bone + in_cleft
    cells = np.flatnonzero(weight > _LEAST)
    share_of = weight[cells]
    modulus = (factor * in_bone + in_cleft)[cells] / share_of
    lam, mu = (float(p) for p in lame(filling.cement.youngs_modulus_mpa, filling.cement.poisson))
    unit = np.array([lam + 2.0 * mu] * 3 + [lam] * 3 + [mu] * 3)
    born = body.gradient().reshape(-1, 9)[cells]
    outer = np.zeros(len(cells), bool)
    if how.debonds:
        outer = body.outermost(weight > _LEAST)[cells]
    parts = []
    if not outer.all():
        law = Crushable(
            unit * modulus[~outer, None],
            modulus[~outer] * _strength_mpa(filling),
            crushing(_behaviour(filling)),
        )
        parts.append(Part("cement", cells[~outer], law, share_of[~outer], born[~outer]))
    if outer.any():
        normal, width = _skin(body, share.bone + share.cleft, cells[outer], born[outer])
        skin = Interface(unit * modulus[outer, None], normal, width, bond())
        parts.append(Part("interface", cells[outer], skin, share_of[outer], born[outer]))
    scale = np.zeros(weight.size)
    scale[cells] = modulus * share_of * np.linalg.det(born.reshape(-1, 3, 3))
    field = scale.reshape(body.reference.domain.shape)
    more = StiffnessField((LAMBDA, MU), np.stack([lam * field, mu * field]))
    set_free = body.changed(
        [*body.parts, *parts],
        [*range(len(body.parts)), *[None] * len(parts)],
        materials=joined(body.materials, more),
    )
    # It shrinks once it is there: the shape without stress is smaller than the one it has.
    shrunk = [part._replace(birth=np.asarray(part.birth) * (1.0 - how.shrinkage)) for part in parts]
    return replace(set_free, parts=(*body.parts, *shrunk))


def _skin(
    body: Deformed, share: FloatArray, cells: NDArray[np.int64], born: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return outward normals of the cement in some cells as it was born, and their widths, mm.

    What is smeared over a cell is the same opening whatever its width.
    """
    along = np.gradient(-gaussian_filter(share, _SMOOTH), *body.bare.domain.spacing_mm[::-1])
    slope = np.stack([body.of_cells(part)[cells] for part in along[::-1]], axis=1)
    slope[~slope.any(axis=1), 2] = 1.0
    before = slope / np.linalg.norm(slope, axis=1, keepdims=True)
    # Surfaces move with the inverse transpose of the gradient.
    turned = np.einsum("nji,nj->ni", np.linalg.inv(born.reshape(-1, 3, 3)), before)
    length = np.linalg.norm(turned, axis=1)
    return turned / length[:, None], body.widths_mm(cells, before) / length


def _strength_mpa(filling: CementField) -> float:
    return filling.cement.compressive_strength_mpa or _ENDLESS


def _behaviour(filling: CementField) -> Tissue:
    cement = filling.cement
    if cement.tensile_strength_mpa is None or cement.compressive_strength_mpa is None:
        return "cement"
    ratio = cement.tensile_strength_mpa / cement.compressive_strength_mpa
    return "brittle_cement" if ratio < _BRITTLE else "cement"


def _let_go(body: Deformed) -> Deformed:
    """Return the body after cavity pressure and then the axial force have been taken off."""
    solver = body.equilibrium(settings())
    empty = load(0.0) if body.cavity is not None and bool(body.cavity.any()) else None
    force = load(float(solver.reaction[0]))
    led(solver, Leg("set", force, FREE, FREE, cavity=empty, first=0.2, largest=0.4), "cement")
    led(solver, Leg("let go", load(0.0), FREE, FREE, first=0.25, largest=0.5), "cement")
    return body.after(solver)
