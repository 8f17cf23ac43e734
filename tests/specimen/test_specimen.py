from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.materials.bone import Bone
from vbsim.materials.cement import BoneCementLaw, cement
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import CementField, Specimen, TissueLabel

FloatArray = NDArray[np.float64]
Maker = Callable[..., Specimen]


class Imaged:
    """The made-up vertebra as an image would bring it: whole bone, one measured density."""

    def __init__(self, source: Any, density: float | FloatArray) -> None:
        self.source, self.density = source, density
        self.anatomy = source.anatomy

    def sample(self, grid: VoxelGrid) -> dict[str, FloatArray]:
        parts = self.source.sample(grid)
        whole = parts["trabecular"] + parts["shell"] + parts["endplate"]
        none = np.zeros(grid.shape)
        return {"trabecular": whole, "shell": none, "endplate": none, "arch": none}

    def measured_vbmd(self, grid: VoxelGrid) -> FloatArray:
        return np.broadcast_to(np.asarray(self.density, dtype=float), grid.shape)


def fill_centre(specimen: Specimen, radius_mm: float, *, saturation: float = 1.0) -> Specimen:
    x, y, z = specimen.body_axes()
    r2 = x**2 + y[:, None] ** 2 + z[:, None, None] ** 2
    inside = (r2 < radius_mm**2) * saturation
    filling = CementField(cement("pmma"), BoneCementLaw(), inside * specimen.pore_fraction, inside)
    return replace(specimen, cements=(*specimen.cements, filling))


def test_the_first_stage_is_intact(block_specimen: Specimen) -> None:
    assert block_specimen.name == "intact"
    assert np.all(block_specimen.integrity == 1.0)
    assert block_specimen.cement_volume_ml == 0.0
    assert {row.name: row.value for row in block_specimen.report} == {
        "bone_at_floor": 0.0,
        "bone_at_ceiling": 0.0,
    }


def test_arrays_are_read_only(block_specimen: Specimen) -> None:
    for array in (block_specimen.vbmd_mg_cm3, *block_specimen.tissue, block_specimen.integrity):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0, 0] = 1.0
    with pytest.raises(AttributeError):
        block_specimen.name = "fractured"  # type: ignore[misc]


def test_fractions_that_overfill_a_voxel_are_refused(block_specimen: Specimen) -> None:
    tissue = block_specimen.tissue
    with pytest.raises(InvalidInput, match="sum to 1 or less"):
        replace(block_specimen, tissue=tissue._replace(shell=tissue.shell + 0.01))
    with pytest.raises(InvalidInput, match="0 or more"):
        replace(block_specimen, tissue=tissue._replace(shell=tissue.shell - 0.01))
    with pytest.raises(InvalidInput, match="integrity"):
        replace(block_specimen, integrity=np.ones((2, 2, 2)))


def test_volume_counts_the_body_with_its_clefts(block_specimen: Specimen) -> None:
    # Superellipse of 2.5: 0.845 W D, less the two bowls.
    wall_ml = 0.845 * 36 * 26 * 22 / 1000
    assert block_specimen.volume_ml() == pytest.approx(wall_ml - 0.3, rel=0.03)
    tissue = block_specimen.tissue
    hollow = replace(
        block_specimen,
        tissue=tissue._replace(trabecular=0.5 * tissue.trabecular),
        void=0.5 * tissue.trabecular,
    )
    assert hollow.volume_ml() == pytest.approx(block_specimen.volume_ml())


def test_mineral_is_density_times_volume(block_specimen: Specimen) -> None:
    tissue = block_specimen.tissue
    per_cell = tissue.trabecular * block_specimen.vbmd_mg_cm3
    per_cell = per_cell + 1150.0 * (tissue.shell + tissue.endplate)
    cell_cm3 = 0.2**3
    assert block_specimen.bone_mineral_mg == pytest.approx(per_cell.sum() * cell_cm3)


def test_pores_are_what_cement_can_still_fill(block_specimen: Specimen) -> None:
    pore = block_specimen.pore_fraction
    assert pore.min() >= 0.0
    assert np.all(pore <= block_specimen.tissue.trabecular)
    inside = block_specimen.tissue.trabecular > 0.999
    bvtv = block_specimen.vbmd_mg_cm3[inside] / 1150.0
    np.testing.assert_allclose(
        pore[inside], block_specimen.tissue.trabecular[inside] * (1 - bvtv), rtol=1e-12
    )
    filled = fill_centre(block_specimen, 6.0)
    left = pore.sum() - filled.pore_fraction.sum()
    assert left * 8.0 / 1000.0 == pytest.approx(filled.cement_volume_ml)
    again = fill_centre(filled, 6.0)
    assert again.cement_volume_ml == pytest.approx(filled.cement_volume_ml)


def test_body_coordinates_agree_with_the_axes(make_block_specimen: Maker) -> None:
    specimen = make_block_specimen(4.0, tilt_deg=20.0)
    x, y, z = specimen.body_axes()
    coordinates = specimen.body_coordinates()
    np.testing.assert_allclose(coordinates[2, 3, :, 0], x, atol=1e-9)
    np.testing.assert_allclose(coordinates[2, :, 3, 1], y, atol=1e-9)
    np.testing.assert_allclose(coordinates[:, 3, 2, 2], z, atol=1e-9)


def test_a_turned_grid_has_coordinates_but_no_axes(block_source: Any) -> None:
    grid = VoxelGrid((30, 40, 40), (2.0, 2.0, 2.0), block_source.origin_mm - [40, 40, 30])
    turned = VoxelGrid(grid.shape, grid.spacing_mm, grid.origin_mm, np.roll(np.eye(3), 1, axis=0))
    turned = replace(turned, origin_mm=block_source.origin_mm - turned.axes @ [40.0, 40.0, 30.0])
    specimen = Specimen.from_bone(block_source, turned, Bone(anisotropy="isotropic"))
    assert not specimen.is_aligned
    assert specimen.body_coordinates().shape == (*turned.shape, 3)
    assert specimen.volume_ml() == pytest.approx(17.1, rel=0.01)
    with pytest.raises(InvalidInput, match="aligned"):
        specimen.body_axes()
    with pytest.raises(InvalidInput, match="isotropic"):
        Specimen.from_bone(block_source, turned, Bone(anisotropy="transverse"))


def test_a_grid_that_cuts_the_body_is_refused(block_source: Any) -> None:
    small = VoxelGrid.around(block_source, spacing_mm=2.0, margin_mm=0.0)
    cut = replace(small, shape=(small.shape[0] - 2, *small.shape[1:]))
    with pytest.raises(InvalidInput, match="cuts the body of L1"):
        Specimen.from_bone(block_source, cut, Bone())
    elsewhere = replace(small, origin_mm=small.origin_mm + 500.0)
    with pytest.raises(InvalidInput, match="no bone"):
        Specimen.from_bone(block_source, elsewhere, Bone())


def test_density_in_the_wrong_unit_is_refused(block_source: Any) -> None:
    grid = VoxelGrid.around(block_source, spacing_mm=2.0)
    in_grams = Imaged(block_source, 0.1)
    with pytest.raises(InvalidInput, match="floor"):
        Specimen.from_bone(in_grams, grid, Bone())


def test_much_bone_at_the_floor_is_a_warning_and_a_number(block_source: Any) -> None:
    grid = VoxelGrid.around(block_source, spacing_mm=2.0)
    density = np.full(grid.shape, 100.0)
    density[: grid.shape[0] * 2 // 5] = -20.0
    with pytest.warns(PhysicsWarning, match="at the floor"):
        specimen = Specimen.from_bone(Imaged(block_source, density), grid, Bone())
    below = specimen.vbmd_mg_cm3 < 0
    share = specimen.tissue.trabecular[below].sum() / specimen.tissue.trabecular.sum()
    found = {row.name: row.value for row in specimen.report}
    assert found["bone_at_floor"] == pytest.approx(share)
    assert specimen.bone_mineral_mg > 0


def test_repeated_stages_are_numbered(block_specimen: Specimen) -> None:
    once = block_specimen.with_stage_name("fractured", "wedge, grade 1")
    filled = once.with_stage_name("augmented", "5 ml")
    twice = filled.with_stage_name("fractured", "wedge, grade 2")
    thrice = twice.with_stage_name("fractured", "crush")
    assert [s.name for s in (once, filled, twice, thrice)] == [
        "fractured",
        "augmented",
        "fractured_2",
        "fractured_3",
    ]
    assert twice.history[-1] == "fractured_2: wedge, grade 2"


def test_labels_name_what_a_voxel_mostly_is(block_specimen: Specimen) -> None:
    filled = fill_centre(block_specimen, 6.0)
    labels = filled.labels()
    k, j, i = (n // 2 for n in labels.shape)
    assert labels[k, j, i] == TissueLabel.CEMENT
    assert labels[0, 0, 0] == TissueLabel.OUTSIDE
    found = set(np.unique(labels).tolist())
    assert {TissueLabel.OUTSIDE, TissueLabel.TRABECULAR, TissueLabel.CEMENT} <= found
    tissue = filled.tissue
    cleft = np.zeros(labels.shape)
    cleft[k, j, i - 6] = tissue.trabecular[k, j, i - 6]
    hollow = replace(
        filled, tissue=tissue._replace(trabecular=tissue.trabecular - cleft), void=cleft
    )
    assert hollow.labels()[k, j, i - 6] == TissueLabel.CLEFT
