"""What every distribution must do, whatever its shape."""

import re
from dataclasses import replace

import numpy as np
import pytest

from vbsim.augmentation import CementFill
from vbsim.checks import InvalidInput
from vbsim.materials.density_modulus import bone_volume_fraction

# 0.1 % is promised; the level is the bracketed root of a continuous function, exact to round-off.
PROMISED = 1e-3
ROUND_OFF = 1e-9


@pytest.mark.parametrize(
    ("spacing_mm", "volume_ml"), [(1.0, 4.0), (1.5, 1.0), (1.5, 4.0), (1.5, 8.0)]
)
def test_volume_placed_is_volume_asked(distribution, specimen_for, spacing_mm, volume_ml):
    specimen = specimen_for(distribution, spacing_mm)
    filled = CementFill(volume_ml=volume_ml, distribution=distribution).apply(specimen)
    assert filled.cement_volume_ml == pytest.approx(volume_ml, rel=PROMISED)
    assert filled.cement_volume_ml == pytest.approx(volume_ml, rel=ROUND_OFF)
    report = {q.name: q.value for q in filled.report}
    assert report["cement_volume"] == report["cement_volume_placed"] == filled.cement_volume_ml


def test_cement_stays_in_the_pores_of_the_body(distribution, specimen_for):
    specimen = specimen_for(distribution)
    (cement,) = CementFill(volume_ml=5.0, distribution=distribution).apply(specimen).cements
    bvtv = bone_volume_fraction(specimen.vbmd_mg_cm3)
    pore = specimen.tissue.trabecular * (1.0 - bvtv)
    pore = pore if specimen.void is None else pore + specimen.void
    assert cement.fraction.min() >= 0.0
    assert np.all(cement.fraction <= pore + 1e-12)  # one product and one quotient of round-off
    assert np.all(cement.fraction[pore == 0.0] == 0.0)
    assert cement.saturation.min() >= 0.0
    assert cement.saturation.max() == 1.0


def test_inside_is_full_and_only_the_surface_is_fractional(distribution, specimen_for):
    specimen = specimen_for(distribution, 1.0)
    (cement,) = CementFill(volume_ml=5.0, distribution=distribution).apply(specimen).cements
    partial = (cement.saturation > 0.0) & (cement.saturation < 1.0)
    # 5 ml of a compact shape have some 1500 mm2 of surface and 5000 cells of 1 mm; a lobulated one
    # has twice that. A diffuse cloud would be partial everywhere.
    assert 0.0 < cement.fraction[partial].sum() < 0.35 * cement.fraction.sum()


def test_larger_volume_contains_the_smaller(distribution, specimen_for):
    specimen = specimen_for(distribution)
    before = np.zeros(specimen.domain.shape)
    for volume_ml in (0.5, 2.0, 4.0, 6.0):
        fill = CementFill(volume_ml=volume_ml, distribution=distribution)
        (cement,) = fill.apply(specimen).cements
        assert np.all(cement.fraction >= before - 1e-12)
        before = cement.fraction


def test_zero_volume_changes_nothing_but_the_name(distribution, specimen_for):
    specimen = specimen_for(distribution)
    filled = CementFill(volume_ml=0.0, distribution=distribution).apply(specimen)
    assert filled.name == "augmented"
    assert filled.cements == ()
    assert filled.cement_volume_ml == 0.0
    np.testing.assert_array_equal(filled.materials.moduli, specimen.materials.moduli)
    assert filled.materials.units == specimen.materials.units


def test_too_much_is_refused_with_the_largest_that_fits(distribution, specimen_for):
    specimen = specimen_for(distribution)
    with pytest.raises(InvalidInput, match="volume_ml") as refusal:
        CementFill(volume_ml=40.0, distribution=distribution).apply(specimen)
    largest = float(re.search(r"at most ([\d.]+) ml", str(refusal.value)).group(1))
    fill = CementFill(volume_ml=largest, distribution=distribution)
    assert fill.largest_volume_ml(specimen) == largest
    assert fill.apply(specimen).cement_volume_ml == pytest.approx(largest, rel=ROUND_OFF)
    with pytest.raises(InvalidInput):
        CementFill(volume_ml=largest + 0.001, distribution=distribution).apply(specimen)


def test_same_parameters_give_the_same_cement(distribution, specimen_for):
    specimen = specimen_for(distribution)
    first, second = (
        CementFill(volume_ml=3.0, distribution=distribution).apply(specimen).cements[0].fraction
        for _ in range(2)
    )
    np.testing.assert_array_equal(first, second)


def test_gaps_are_kept(distribution, specimen_for):
    specimen = specimen_for(distribution, 1.0)
    name = distribution if isinstance(distribution, str) else distribution["kind"]
    table = dict(CementFill(volume_ml=1.0, distribution=distribution).distribution)
    table |= {"endplate_gap_mm": 3.0, "wall_gap_mm": 2.0}
    filled = CementFill(volume_ml=4.0, distribution=table).apply(specimen)
    report = {q.name: q.value for q in filled.report}
    assert filled.cement_volume_ml == pytest.approx(4.0, rel=ROUND_OFF), name
    # Gaps are drawn by partial volume: the surface of half filling lies within half a cell.
    assert report["cement_gap_superior"] >= 2.5
    assert report["cement_gap_inferior"] >= 2.5
    assert report["leak_margin_cortex"] >= 1.4


def test_a_turned_grid_is_refused(distribution, specimen_for):
    specimen = specimen_for(distribution)
    turned = specimen.domain.__class__(
        specimen.domain.shape,
        specimen.domain.spacing_mm,
        specimen.domain.origin_mm,
        np.asarray(specimen.domain.axes)[:, [1, 2, 0]],
    )
    with pytest.raises(InvalidInput, match="aligned"):
        CementFill(volume_ml=1.0, distribution=distribution).apply(replace(specimen, domain=turned))
