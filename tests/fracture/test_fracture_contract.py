"""What every fracture has to keep, whatever its shape, grade or place."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from vbsim.anatomy import Vertebra
from vbsim.anatomy.morphometry import fracture_shape, genant_grade
from vbsim.checks import InvalidInput
from vbsim.fracture import FRACTURES, Biconcave, Cleft, Crush, Wedge
from vbsim.fracture.shapes import target_heights
from vbsim.materials.bone import Bone
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import Specimen

SHAPES = (Wedge, Biconcave, Crush)
LEVELS = ("block", "T5", "T8", "L1", "L5")
SPACING_MM = 2.0

# Differences of cumulative sums over a column: round-off of some tens of additions of numbers
# near 1, and of the amounts of a whole body.
ROUND_OFF = 1e-11


@pytest.fixture(scope="module")
def intact(block_source):
    @cache
    def make(level):
        source = block_source
        if level != "block":
            source = Vertebra(level=level)
        return Specimen.from_bone(source, VoxelGrid.around(source, spacing_mm=SPACING_MM), Bone())

    return make


@pytest.fixture(scope="module")
def fractured(intact):
    @cache
    def make(shape, grade, level, cleft=False, band="upper"):
        step = shape(grade=grade, band=band, cleft=Cleft() if cleft else None)
        return step.apply(intact(level))

    return make


def every(shapes=SHAPES, grades=(1, 2, 3), levels=LEVELS):
    cases = [(s, g, v) for s in shapes for g in grades for v in levels]
    ids = [f"{s.__name__}-{g}-{v}" for s, g, v in cases]
    return pytest.mark.parametrize(("shape", "grade", "level"), cases, ids=ids)


def heights(specimen):
    return np.array(specimen.anatomy.frame.heights())


def reported(specimen):
    return {quantity.name: quantity.value for quantity in specimen.report}


def tissue_height(specimen, fraction):
    """Height of the tissue itself at a sagittal station, from the voxels, mm."""
    void = 0.0 if specimen.void is None else specimen.void
    column = (specimen.tissue.body + void).sum(axis=0) * specimen.domain.spacing_mm[2]
    return at_station(specimen, column, fraction)


def at_station(specimen, plan, fraction):
    """Mean of a field over x, y on a strip of voxels about the midline, at a sagittal station."""
    x, y, _ = specimen.body_axes()
    front, back = specimen.anatomy.frame.sagittal_extent_mm()
    strip = plan[:, np.abs(x) <= 2.0 * SPACING_MM].mean(axis=1)
    return np.interp(front + fraction * (back - front), y, strip)


@every()
def test_the_heights_asked_for_are_the_heights_measured(shape, grade, level, intact, fractured):
    wanted = target_heights(shape(grade=grade), intact(level).anatomy.frame)
    # Promised: half a voxel. Kept: the maps meet the targets to a hundredth of a millimetre.
    assert np.allclose(heights(fractured(shape, grade, level)), wanted, atol=0.01)


@every()
def test_grade_and_shape_measured_are_those_asked_for(shape, grade, level, intact, fractured):
    now, before = (s.anatomy.frame for s in (fractured(shape, grade, level), intact(level)))
    assert genant_grade(now, before) == grade
    assert fracture_shape(now, before) == shape(grade=grade).kind


@every()
def test_every_height_falls(shape, grade, level, intact, fractured):
    assert np.all(heights(fractured(shape, grade, level)) < heights(intact(level)))


@every()
def test_bone_mineral_is_conserved(shape, grade, level, fractured):
    # Promised: 1 %. Amounts are carried by exact integrals; crushed wall finds a host everywhere.
    assert reported(fractured(shape, grade, level))["bone_mineral_conserved"] == pytest.approx(
        1.0, abs=1e-6
    )


@every()
def test_the_body_loses_the_volume_under_its_endplate(shape, grade, level, intact, fractured):
    before, after = intact(level), fractured(shape, grade, level)
    x, y, _ = before.body_axes()
    loss = after.fracture.band.losses(x, y[:, None])
    void = 0.0 if before.void is None else before.void
    # A column loses the height asked for where it is full of bone; those of the wall are filled
    # in part, and those over the waist not at all at the height of the band.
    filled = before.tissue.body + void
    most = float((loss * filled.max(axis=0)).sum()) * SPACING_MM**2 / 1000.0
    lost = before.volume_ml() - after.volume_ml()
    assert 0.65 * most < lost <= most * (1.0 + ROUND_OFF)


@every()
def test_fractions_stay_fractions(shape, grade, level, fractured):
    specimen = fractured(shape, grade, level, True)
    parts = (*specimen.tissue, specimen.void)
    assert min(part.min() for part in parts) >= 0.0
    total = np.sum(parts, axis=0)
    assert total.max() <= 1.0 + ROUND_OFF


@every()
def test_no_gap_opens_inside_the_body(shape, grade, level, intact, fractured):
    def core(specimen):
        frame, (x, y, z) = specimen.anatomy.frame, specimen.body_axes()
        at = (x, y[:, None], z[:, None, None])
        above = at[2] - frame.inferior_at(*at[:2])
        below = frame.superior_at(*at[:2]) - at[2]
        return (np.minimum(above, below) > SPACING_MM) & (frame.normalised_radius(*at) < 0.6)

    specimen = fractured(shape, grade, level, True)
    filled = specimen.tissue.body + specimen.void
    # Away from its surface a body is full before the fracture, and it stays so.
    assert intact(level).tissue.body[core(intact(level))].min() > 0.999
    # A half-filled voxel of the surface is compacted as if its bone filled it evenly.
    assert filled[core(specimen)].min() > 0.95


@every(grades=(1, 3))
def test_integrity_lies_between_the_factor_and_one(shape, grade, level, fractured):
    specimen = fractured(shape, grade, level)
    factor = shape(grade=1).band_modulus_factor
    assert specimen.integrity.min() >= factor
    assert specimen.integrity.max() <= 1.0 + ROUND_OFF
    assert specimen.integrity.min() < factor + 0.05


@every(grades=(2,))
def test_bone_grows_denser_in_the_band_and_its_stiffness_does_not_profit(
    shape, grade, level, intact, fractured
):
    before, after = intact(level), fractured(shape, grade, level)
    crushed = after.integrity * (after.tissue.trabecular > 0.5) < 0.3
    crushed &= after.tissue.trabecular > 0.5
    assert crushed.any()
    assert np.all(after.vbmd_mg_cm3[crushed] > after.vbmd_intact_mg_cm3[crushed])
    assert after.vbmd_intact_mg_cm3.max() <= before.vbmd_intact_mg_cm3.max() + 1e-9


@every(grades=(2,), levels=("block", "L1"))
def test_a_symmetric_body_stays_symmetric(shape, grade, level, intact):
    source = intact(level)
    smooth = Bone(heterogeneity_sd=0.0).density(source.anatomy, source.domain)
    even = replace(source, vbmd_mg_cm3=smooth, vbmd_intact_mg_cm3=smooth)
    assert np.allclose(even.tissue.body, even.tissue.body[..., ::-1], atol=1e-9)
    after = shape(grade=grade, cleft=Cleft()).apply(even)
    for field in (*after.tissue, after.void, after.integrity, after.vbmd_mg_cm3):
        assert np.allclose(field, field[..., ::-1], atol=1e-6)


@every(grades=(2,), levels=("block", "L1"))
@pytest.mark.parametrize("band", ["upper", "middle", "lower"])
def test_the_band_lies_where_it_is_asked_for(shape, grade, level, band, intact, fractured):
    specimen = fractured(shape, grade, level, False, band)
    assert np.allclose(heights(specimen), heights(fractured(shape, grade, level)), atol=1e-9)
    frame, (x, y, _) = intact(level).anatomy.frame, specimen.body_axes()
    record = specimen.fracture
    middle = 0.5 * (record.lower_mm + record.upper_mm + record.loss_mm)
    j, i = (int(np.argmin(np.abs(axis))) for axis in (y, x))
    (at,) = frame.normalised_height(x[[i]], y[[j]], middle[[j], [i]])
    assert {"upper": at > 0.55, "middle": abs(at - 0.5) < 0.05, "lower": at < 0.45}[band]


@every(grades=(2,), levels=("block", "L1"))
def test_the_tissue_sinks_as_the_frame_does(shape, grade, level, intact, fractured):
    before, after = intact(level), fractured(shape, grade, level)
    for station in (0.25, 0.5, 0.75):
        sunk = tissue_height(before, station) - tissue_height(after, station)
        loss = at_station(after, after.fracture.loss_mm, station)
        # A voxel of 2 mm at the endplate reaches into the band, which begins 1 mm below; what of
        # it is empty is compacted with it: at most 0.6 of a quarter of 1 mm. Exact up to 1 mm.
        assert sunk == pytest.approx(loss, abs=0.15)


@every(grades=(1,), levels=("block",))
def test_the_history_and_the_name_tell_the_stage(shape, grade, level, fractured):
    specimen = fractured(shape, grade, level)
    assert specimen.name == "fractured"
    assert specimen.history[-1].startswith(f"fractured: {specimen.fracture.kind}")
    again = shape(grade=1).apply(specimen)
    assert again.name == "fractured_2"


@every(grades=(1,), levels=("block",))
def test_an_unaligned_grid_is_refused_and_the_key_named(shape, grade, level, make_block_specimen):
    upright = make_block_specimen(3.0, anisotropy="isotropic")
    turned = replace(
        upright, domain=replace(upright.domain, axes=np.diag([1.0, 1.0, 1.0])[:, [1, 2, 0]])
    )
    with pytest.raises(InvalidInput, match="align"):
        shape(grade=grade).apply(turned)


def test_every_fracture_has_a_kind_of_its_own():
    kinds = [step.model_fields["kind"].default for step in FRACTURES]
    assert len(set(kinds)) == len(kinds)
