from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vbsim.materials.cement import BoneCementLaw, Cement, cement, cement_names
from vbsim.materials.field import LAMBDA, LAMBDA_MEAN, MU, StiffnessField, lame
from vbsim.specimen import CapMaterial, CementField, Potting, Specimen

FloatArray = NDArray[np.float64]
Maker = Callable[..., Specimen]

_KINDS = ("mean", "bending")
LAW_KINDS = ("pure", "reduced", "rule_of_mixtures", "density_weighted")


def saturated_ball(specimen: Specimen, radius_mm: float = 7.0) -> FloatArray:
    """A drawn ball: full inside, a partial volume across one voxel at its surface."""
    x, y, z = specimen.body_axes()
    r = np.sqrt(x**2 + y[:, None] ** 2 + z[:, None, None] ** 2)
    return np.clip((radius_mm - r) / specimen.domain.spacing_mm[0] + 0.5, 0.0, 1.0)


def fill(
    specimen: Specimen, saturation: FloatArray, *, filler: str | Cement = "pmma", **law: Any
) -> Specimen:
    filling = CementField(
        cement(filler) if isinstance(filler, str) else filler,
        BoneCementLaw(**law),
        saturation * specimen.pore_fraction,
        saturation,
    )
    return replace(specimen, cements=(*specimen.cements, filling))


def full_matrices(field: StiffnessField, cells: NDArray[np.bool_]) -> FloatArray:
    c = field.mean_constants()[cells]
    matrices = np.zeros((len(c), 6, 6))
    for n, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
        matrices[:, i, j] = matrices[:, j, i] = c[:, n]
    for n in (3, 4, 5):
        matrices[:, n, n] = c[:, 3 + n]
    return matrices


@pytest.fixture(scope="module")
def everything(block_specimen: Specimen) -> Specimen:
    """Fractured bone with a cleft, two cements and caps: every compartment at once."""
    tissue = block_specimen.tissue
    _, _, z = block_specimen.body_axes()
    cleft = np.where((np.abs(z - 3.0) < 2.0)[:, None, None], 0.4, 0.0) * tissue.trabecular
    hollow = replace(
        block_specimen,
        tissue=tissue._replace(trabecular=tissue.trabecular - cleft),
        void=cleft,
        integrity=np.where(z[:, None, None] > 0, 0.3, 1.0) * np.ones(block_specimen.domain.shape),
    )
    filled = fill(hollow, 0.7 * saturated_ball(hollow))
    return Potting().apply(fill(filled, 0.5 * saturated_ball(hollow, 9.0), filler="silicone"))


def test_compartments_sum_to_the_whole(everything: Specimen) -> None:
    parts = everything.compartment_stiffness()
    assert list(parts) == ["trabecular", "shell", "endplate", "cement", "cap"]
    total = np.zeros_like(everything.materials.moduli)
    for part in parts.values():
        assert part.units == everything.materials.units
        total += part.moduli
    np.testing.assert_array_equal(total, everything.materials.moduli)


def test_stiffness_is_cached_and_positive_definite(everything: Specimen) -> None:
    materials = everything.materials
    assert everything.materials is materials
    some = everything.tissue.bone + everything.tissue.cap > 1e-6
    eigenvalues = np.linalg.eigvalsh(full_matrices(materials, some))
    assert eigenvalues.min() > 0
    assert not materials.moduli[:, ~some & (everything.cement_fraction == 0)].any()


def test_intact_bone_is_its_law(block_specimen: Specimen) -> None:
    core = block_specimen.tissue.trabecular == 1.0
    assert core.any()
    wanted = block_specimen.bone.youngs_modulus_mpa(block_specimen.vbmd_mg_cm3)
    np.testing.assert_allclose(block_specimen.youngs_modulus_mpa[core], wanted[core], rtol=1e-12)


def test_shell_is_a_partial_volume(block_specimen: Specimen) -> None:
    # E t / h: the membrane's modulus enters with its share of the voxel and no more.
    shell = block_specimen.compartment_stiffness()["shell"]
    # (Beside an endplate the voxel is a stack of layers instead.)
    alone = block_specimen.tissue.endplate == 0.0
    np.testing.assert_allclose(
        shell.axial_modulus_mpa()[alone],
        5000.0 * block_specimen.tissue.shell[alone],
        rtol=1e-12,
        atol=1e-9,
    )


def test_integrity_weakens_bone_and_shell_by_the_intact_density(
    block_specimen: Specimen,
) -> None:
    weak = replace(
        block_specimen,
        integrity=np.full(block_specimen.domain.shape, 0.25),
        vbmd_mg_cm3=2.0 * block_specimen.vbmd_mg_cm3,  # compacted: must not stiffen
    )
    # Endplates keep their modulus; crushed bone no longer props a wall that leans.
    tissue = block_specimen.tissue
    alone = (tissue.endplate == 0.0) & ((tissue.shell == 0.0) | (tissue.trabecular == 0.0))
    assert (alone & (tissue.shell > 0.0)).any()
    np.testing.assert_allclose(
        weak.materials.mean_constants()[alone],
        0.25 * block_specimen.materials.mean_constants()[alone],
        rtol=1e-12,
    )


def test_one_unit_is_enough_for_bone_alike_in_all_directions(make_block_specimen: Maker) -> None:
    whole = make_block_specimen(anisotropy="isotropic")
    # Endplates bring a membrane; without them one unit is left.
    assert len(whole.materials.units) == 2
    none = np.zeros(whole.domain.shape)
    intact = replace(whole, tissue=whole.tissue._replace(endplate=none))
    assert len(intact.materials.units) == 1
    potted = Potting().apply(intact)
    assert len(potted.materials.units) == 1
    filled = fill(intact, saturated_ball(intact))
    assert filled.materials.units == (LAMBDA, MU)
    outside = filled.cement_fraction == 0
    np.testing.assert_allclose(
        filled.materials.mean_constants()[outside],
        intact.materials.mean_constants()[outside],
        rtol=1e-12,
        atol=1e-9,
    )


def test_units_grow_only_with_need(block_specimen: Specimen) -> None:
    assert len(block_specimen.materials.units) == 4  # the membrane of the endplates is one
    silicone = fill(block_specimen, saturated_ball(block_specimen), filler="silicone")
    assert LAMBDA_MEAN in silicone.materials.units
    pad = Potting(kind="disc").apply(block_specimen)
    assert LAMBDA_MEAN in pad.materials.units


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
@pytest.mark.parametrize("integrity", [0.1, 1.0])
def test_a_thin_wall_bends_in_crushed_bone_as_the_layer_it_is(
    make_block_specimen: Maker, share: float, integrity: float
) -> None:
    whole = make_block_specimen(anisotropy="isotropic")
    at, none = (13, 13, 15), np.zeros(whole.domain.shape)
    wall = none.copy()
    wall[at] = share
    tissue = whole.tissue._replace(trabecular=none, shell=wall, endplate=none)
    field = replace(whole, tissue=tissue, integrity=none + integrity).materials
    moduli = field.moduli[(slice(None), *at)]
    mean, bending = (moduli @ np.array([getattr(u, k) for u in field.units]) for k in _KINDS)
    lam, mu = lame(whole.bone.shell_modulus_mpa, whole.bone.shell_poisson)
    np.testing.assert_allclose(mean[[3, 6]], share * integrity * np.array([lam, mu]), rtol=1e-12)
    # A full voxel bends as before; a layer by the cube of its thickness, with a floor of a tenth.
    factor = 1.0 if integrity == 1.0 else max(share**2, 0.1)
    np.testing.assert_allclose(bending, factor * mean, rtol=1e-12)


def test_selective_reduction_takes_only_what_would_lock(block_specimen: Specimen) -> None:
    rubber = Cement(name="rubber", youngs_modulus_mpa=100.0, poisson=0.48)
    filled = fill(block_specimen, saturated_ball(block_specimen), filler=rubber, kind="pure")
    part = filled.compartment_stiffness()["cement"]
    full = np.unravel_index(np.argmax(filled.cement_fraction), filled.domain.shape)
    by_unit = {unit: float(part.moduli[(n, *full)]) for n, unit in enumerate(part.units)}
    lam, mu = lame(100.0, 0.48)
    assert by_unit[MU] == pytest.approx(float(mu))
    assert by_unit[LAMBDA] == pytest.approx(4.0 * float(mu))  # lambda at Poisson 0.4
    assert by_unit[LAMBDA] + by_unit[LAMBDA_MEAN] == pytest.approx(float(lam))


@pytest.mark.parametrize("kind", LAW_KINDS)
def test_no_cement_is_no_change(block_specimen: Specimen, kind: str) -> None:
    empty = fill(
        block_specimen,
        np.zeros(block_specimen.domain.shape),
        kind=kind,
        interface_factor=0.3,
    )
    np.testing.assert_array_equal(empty.materials.moduli, block_specimen.materials.moduli)
    assert empty.materials.units == block_specimen.materials.units


@pytest.mark.parametrize("kind", LAW_KINDS)
@pytest.mark.parametrize("name", cement_names())
def test_filled_bone_lies_between_its_bounds(
    block_specimen: Specimen, kind: str, name: str
) -> None:
    saturation = saturated_ball(block_specimen)
    filled = fill(block_specimen, saturation, filler=name, kind=kind)
    core = (block_specimen.tissue.trabecular == 1.0) & (saturation > 0)
    assert core.any()
    bone = full_matrices(block_specimen.materials, core)
    found = full_matrices(filled.materials, core)
    pure = fill(block_specimen, saturation, filler=name, kind="pure")
    alone = full_matrices(pure.compartment_stiffness()["cement"], core)
    # Voigt: never above bone and cement side by side.
    assert np.linalg.eigvalsh(bone + alone - found).min() > -1e-9
    assert np.linalg.eigvalsh(found).min() > 0


@pytest.mark.parametrize("kind", LAW_KINDS)
def test_more_cement_is_stiffer(block_specimen: Specimen, kind: str) -> None:
    core = block_specimen.tissue.trabecular == 1.0
    last = np.zeros(int(core.sum()))
    for saturation in (0.0, 0.25, 0.5, 1.0):
        level = np.full(block_specimen.domain.shape, saturation)
        now = fill(block_specimen, level, kind=kind).youngs_modulus_mpa[core]
        assert np.all(now > last)
        last = now


def test_the_exponent_delays_the_gain(block_specimen: Specimen) -> None:
    # E = E_bone + (E_composite - E_bone) S^n
    core = block_specimen.tissue.trabecular == 1.0
    half = np.full(block_specimen.domain.shape, 0.5)
    bone = block_specimen.materials.moduli[:, core]
    gains = []
    for exponent in (1.0, 2.0):
        filled = fill(block_specimen, half, saturation_exponent=exponent)
        gains.append(filled.materials.moduli[:, core] - bone)
    np.testing.assert_allclose(gains[1], 0.5 * gains[0], rtol=1e-9, atol=1e-9)


def test_a_filled_cleft_is_cement(everything: Specimen) -> None:
    empty = np.zeros(everything.domain.shape)
    everywhere = np.ones(everything.domain.shape)
    bare = replace(everything, cements=(), cap=None, ends=None)
    bare = replace(
        bare,
        tissue=bare.tissue._replace(cap=empty, trabecular=empty, shell=empty, endplate=empty),
    )
    filled = fill(bare, everywhere)
    assert bare.void is not None
    np.testing.assert_allclose(filled.youngs_modulus_mpa, 2200.0 * bare.void, rtol=1e-9, atol=1e-9)
    assert not bare.materials.moduli.any()


def test_a_second_filling_takes_what_the_first_left(block_specimen: Specimen) -> None:
    core = block_specimen.tissue.trabecular == 1.0
    half = np.full(block_specimen.domain.shape, 0.5)
    twice = fill(fill(block_specimen, half, kind="pure"), half, kind="pure")
    once = fill(block_specimen, 1.5 * half, kind="pure")
    np.testing.assert_allclose(
        twice.materials.moduli[:, core], once.materials.moduli[:, core], rtol=1e-9
    )
    assert twice.cement_volume_ml == pytest.approx(once.cement_volume_ml)


def test_a_weak_interface_is_a_closed_layer(block_specimen: Specimen) -> None:
    saturation = saturated_ball(block_specimen)
    bonded = fill(block_specimen, saturation)
    weak = fill(block_specimen, saturation, interface_factor=0.2)
    changed = np.any(bonded.materials.moduli != weak.materials.moduli, axis=0)
    assert changed.any()
    assert np.all(saturation[changed] >= 0.5)
    # Walk from the middle over shared points without crossing the layer: no way out.
    core = (saturation >= 0.5) & ~changed
    padded = np.pad(core, 1)
    for k in (0, 1, 2):
        for j in (0, 1, 2):
            for i in (0, 1, 2):
                n_z, n_y, n_x = core.shape
                near = padded[k : k + n_z, j : j + n_y, i : i + n_x]
                assert np.all(saturation[near] >= 0.5)
    np.testing.assert_allclose(
        weak.materials.moduli[:, changed], 0.2 * bonded.materials.moduli[:, changed], rtol=1e-9
    )


def test_caps_bring_their_own_material(block_specimen: Specimen) -> None:
    potted = Potting(youngs_modulus_mpa=1000.0, poisson=0.2).apply(block_specimen)
    assert potted.cap == CapMaterial("pmma", 1000.0, 0.2)
    cap = potted.compartment_stiffness()["cap"]
    alone = potted.tissue.endplate == 0.0
    np.testing.assert_allclose(
        cap.axial_modulus_mpa()[alone], 1000.0 * potted.tissue.cap[alone], rtol=1e-9, atol=1e-9
    )


def test_posterior_elements_are_alike_in_all_directions(block_specimen: Specimen) -> None:
    tissue = block_specimen.tissue
    arch = np.zeros(block_specimen.domain.shape)
    arch[10, -3, 10] = 0.6
    with_arch = replace(block_specimen, tissue=tissue._replace(arch=arch))
    part = with_arch.compartment_stiffness()["arch"]
    wanted = 0.6 * with_arch.bone.youngs_modulus_mpa(with_arch.vbmd_mg_cm3[10, -3, 10])
    assert part.axial_modulus_mpa()[10, -3, 10] == pytest.approx(float(wanted))
    c = part.mean_constants()[10, -3, 10]
    assert c[0] == pytest.approx(c[2])
