from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.materials.bone import Bone
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import Specimen

Maker = Callable[..., Specimen]

# The field is scaled to its mean on a lattice of 1 mm that ends at the smooth shell; partial
# volumes of a coarse grid weigh the rim a little differently.
MEAN_TOLERANCE = 0.01


def trabecular_mean(specimen: Specimen) -> float:
    return float(np.average(specimen.vbmd_mg_cm3, weights=specimen.tissue.trabecular))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("heterogeneity_sd", [0.0, 0.15, 0.5])
def test_mean_over_the_body_is_the_asked_mean(
    make_block_specimen: Maker, seed: int, heterogeneity_sd: float
) -> None:
    specimen = make_block_specimen(vbmd_mg_cm3=90.0, seed=seed, heterogeneity_sd=heterogeneity_sd)
    assert trabecular_mean(specimen) == pytest.approx(90.0, rel=MEAN_TOLERANCE)
    assert specimen.vbmd_mg_cm3.min() > 0


def test_level_factor_can_be_switched_off() -> None:
    assert Bone(vbmd_mg_cm3=100).mean_vbmd_mg_cm3("T7") == pytest.approx(112.0)
    assert Bone(vbmd_mg_cm3=100).mean_vbmd_mg_cm3("L2") == pytest.approx(100.0)
    level = Bone(vbmd_mg_cm3=100, apply_level_factor=False)
    assert level.mean_vbmd_mg_cm3("T7") == pytest.approx(100.0)


def test_heterogeneity_is_the_asked_relative_deviation(make_block_specimen: Maker) -> None:
    no_trend = {"trend_inferior": 0.0, "trend_rim": 0.0, "trend_posterior": 0.0}
    found = []
    for seed in range(6):
        specimen = make_block_specimen(seed=seed, **no_trend)
        inside = specimen.tissue.trabecular > 0.5
        values = specimen.vbmd_mg_cm3[inside]
        found.append(values.std() / values.mean())
    # A body holds some 300 patches of the field, six of them 1800: 15 % within a tenth of itself.
    assert np.mean(found) == pytest.approx(0.15, rel=0.1)


def test_the_same_field_at_two_spacings(make_block_specimen: Maker) -> None:
    coarse, fine = make_block_specimen(2.0), make_block_specimen(1.0)
    n_z, n_y, n_x = coarse.domain.shape
    # Both grids have a corner at the frame's origin; they may differ in their outer layers.
    offset = np.round(coarse.domain.to_local(fine.domain.origin_mm)).astype(int)
    assert np.all(offset >= 0)
    children = np.full((2 * n_z, 2 * n_y, 2 * n_x), np.nan)
    m_z, m_y, m_x = fine.domain.shape
    i, j, k = offset
    children[k : k + m_z, j : j + m_y, i : i + m_x] = fine.vbmd_mg_cm3
    mean = children.reshape(n_z, 2, n_y, 2, n_x, 2).mean(axis=(1, 3, 5))
    inside = (coarse.tissue.trabecular > 0.5) & np.isfinite(mean)
    # Averaging eight points 1 mm apart smooths a field of 4 mm a little, and shifts nothing.
    assert np.corrcoef(mean[inside], coarse.vbmd_mg_cm3[inside])[0, 1] > 0.99
    np.testing.assert_allclose(mean[inside].mean(), coarse.vbmd_mg_cm3[inside].mean(), rtol=2e-3)
    assert trabecular_mean(fine) == pytest.approx(trabecular_mean(coarse), rel=2e-3)


def test_the_field_follows_the_body_not_the_grid(make_block_specimen: Maker) -> None:
    straight, tilted = make_block_specimen(), make_block_specimen(tilt_deg=25.0)
    np.testing.assert_allclose(straight.vbmd_mg_cm3, tilted.vbmd_mg_cm3, rtol=1e-9)


def test_a_grid_turned_against_the_body_samples_the_same_field(block_source: object) -> None:
    anatomy = block_source.anatomy  # type: ignore[attr-defined]
    bone = Bone()
    aligned = VoxelGrid.around(anatomy, spacing_mm=2.0)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    n_z, n_y, n_x = aligned.shape
    corner = aligned.to_world([aligned.shape[2] * 2.0, 0.0, 0.0])
    turned = VoxelGrid((n_z, n_x, n_y), (2.0, 2.0, 2.0), corner, turn)
    field = bone.density(anatomy, turned)
    np.testing.assert_allclose(
        field, np.swapaxes(bone.density(anatomy, aligned), 1, 2)[:, ::-1], rtol=1e-9
    )


def test_a_field_without_chance_is_symmetric(make_block_specimen: Maker) -> None:
    specimen = make_block_specimen(heterogeneity_sd=0.0)
    np.testing.assert_allclose(specimen.vbmd_mg_cm3, specimen.vbmd_mg_cm3[:, :, ::-1], rtol=1e-9)


def test_trends_have_the_sign_they_are_given(make_block_specimen: Maker) -> None:
    smooth = {"heterogeneity_sd": 0.0, "trend_rim": 0.0, "vbmd_mg_cm3": 100.0}
    specimen = make_block_specimen(**smooth, trend_inferior=0.2, trend_posterior=0.1)
    weight, field = specimen.tissue.trabecular, specimen.vbmd_mg_cm3
    _, y, z = specimen.body_axes()
    lower = np.average(field[z < 0], weights=weight[z < 0])
    upper = np.average(field[z > 0], weights=weight[z > 0])
    back = np.average(field[:, y > 0], weights=weight[:, y > 0])
    front = np.average(field[:, y < 0], weights=weight[:, y < 0])
    # Halves of a straight trend lie half its slope from the mean.
    assert lower - upper == pytest.approx(100 * 0.2, rel=0.05)
    assert back > front


def test_a_measured_density_is_kept(block_source: object) -> None:
    anatomy = block_source.anatomy  # type: ignore[attr-defined]
    grid = VoxelGrid.around(anatomy, spacing_mm=4.0)
    measured = np.full(grid.shape, 123.0)
    np.testing.assert_array_equal(Bone().density(anatomy, grid, measured), measured)
    with pytest.raises(InvalidInput, match="measured"):
        Bone().density(anatomy, grid, measured[1:])


def test_floor_and_ceiling_hold() -> None:
    bone = Bone(floor_mpa=50.0, ceiling_mpa=400.0)
    modulus = bone.youngs_modulus_mpa([-100.0, 10.0, 100.0, 900.0])
    np.testing.assert_allclose(modulus, [50.0, 50.0, 265.6, 400.0], atol=0.1)
    low, high = bone.limited([-100.0, 10.0, 100.0, 900.0])
    assert low.tolist() == [True, True, False, False]
    assert high.tolist() == [False, False, False, True]


def test_the_table_prints_what_is_used() -> None:
    table = Bone(density_law="kopperdahl_linear").material_table(5)
    assert table.note == ("floor", "", "", "outside the fit", "outside the fit")
    text = str(table).splitlines()
    assert len(text) == 6
    assert "288.3" in text[2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"vbmd_mg_cm3": 0.09}, "vbmd_mg_cm3"),
        ({"vbmd_mg_cm3": 900.0}, "vbmd_mg_cm3"),
        ({"density_law": "keller"}, "density_law"),
        ({"anisotropy": "orthotropic"}, "anisotropy"),
        ({"poisson": 0.5}, "poisson"),
        ({"floor_mpa": 20_000.0}, "floor_mpa"),
        ({"heterogeneity_sd": -0.1}, "heterogeneity_sd"),
        ({"seed": -1}, "seed"),
        ({"vbmd": 100.0}, "vbmd"),
    ],
)
def test_impossible_bone_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Bone(**wrong)


def test_bone_is_immutable() -> None:
    with pytest.raises(Exception, match="frozen"):
        Bone().seed = 4  # type: ignore[misc]


def test_a_moved_frame_keeps_its_density_map_definition(block_specimen: Specimen) -> None:
    frame = block_specimen.anatomy.frame
    moved = block_specimen.anatomy.with_frame(replace(frame, origin_mm=frame.origin_mm + 5.0))
    grid = VoxelGrid.around(moved, spacing_mm=2.0)
    field = Bone().density(moved, grid)
    np.testing.assert_allclose(field, block_specimen.vbmd_mg_cm3, rtol=1e-9)
