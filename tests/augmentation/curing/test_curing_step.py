"""The curing step in a body."""

import numpy as np
import pytest

from vbsim import Compression, Potting, measures, solve
from vbsim.augmentation import CementFill, Curing
from vbsim.augmentation.curing import Kinetics
from vbsim.checks import InvalidInput
from vbsim.fem.loads import Strength
from vbsim.specimen.failure import load_to_failure


@pytest.fixture(scope="module")
def filled(make_block_specimen):
    bone = make_block_specimen(2.0)
    return CementFill(volume_ml=4.0, distribution="central").apply(bone)


@pytest.fixture(scope="module")
def cured(filled):
    return Curing().apply(filled)


def told(specimen):
    return {q.name: q.value for q in specimen.report}


def test_heat_is_accounted_for(cured, filled):
    found = told(cured)
    assert found["energy_error"] < 1e-3
    # 4 ml of 1150 kg/m3 with 1e5 J/kg at the conversion reached.
    full = filled.cement_volume_ml * 1e-6 * 1150.0 * 1e5
    assert found["heat_released"] == pytest.approx(
        full * (found["conversion_final"] - 1e-3), rel=0.01
    )
    assert 0.8 < found["conversion_final"] < 1.0
    assert 3.5 * 0.8 < found["cement_shrinkage"] < 3.5


def test_it_is_hottest_in_the_cement(cured):
    found = told(cured)
    assert found["temperature_peak_cement"] > found["temperature_peak_interface"] > 37.0
    assert found["temperature_peak_interface"] > found["temperature_peak_canal"] >= 37.0
    assert cured.name == "cured"
    assert "set after" in cured.history[-1]


def test_criteria_are_side_by_side_and_ordered(cured):
    found = told(cured)
    # 47 C for 1 min is 16 CEM43: longer at less counts as well.
    assert found["necrosis_cem43_16"] >= found["necrosis_47c_1min"]
    assert found["necrosis_cem43_16"] >= found["necrosis_cem43_240"]
    assert found["necrosis_canal_cem43_16"] >= 0.0


def test_cement_that_has_cured_is_as_stiff_as_the_librarys(cured, filled):
    ratio = cured.youngs_modulus_mpa / np.maximum(filled.youngs_modulus_mpa, 1e-9)
    has_bone = filled.youngs_modulus_mpa > 0.0
    assert (ratio[has_bone] <= 1.0 + 1e-12).all()
    assert told(cured)["cement_hardness"] > 0.97
    without = has_bone & (filled.cement_fraction == 0.0)
    np.testing.assert_array_equal(ratio[without], 1.0)


def potted(specimen):
    return Potting().apply(specimen)


def test_half_cured_cement_is_soft(filled):
    # Stopped on the way: the modulus follows the conversion of each voxel.
    early = Curing(duration_min=5.0).apply(filled)
    (filling,) = early.cements
    final = Kinetics.model_validate("borzacchiello_1").final_conversion(37.0)
    (series,) = early.series
    conversion = series.fields["conversion"][-1]
    inside = conversion > 0.0
    expected = np.clip((conversion[inside] / final - 0.5) / 0.5, 1e-3, 1.0)
    corner = np.rint(
        filled.domain.to_local(series.domain.origin_mm) / np.array(filled.domain.spacing_mm)
    ).astype(int)[::-1]
    window = tuple(slice(a, a + n) for a, n in zip(corner, series.domain.shape, strict=True))
    np.testing.assert_allclose(filling.hardness[window][inside], expected, atol=1e-5)
    assert told(early)["cement_hardness"] < 0.97
    soft, hard = (
        measures.stiffness(body, solve(body, Compression())).value
        for body in (potted(early), potted(filled))
    )
    assert soft < hard


def test_shrinkage_counts_from_when_it_sets(cured):
    (filling,) = cured.cements
    most = 1.0 - np.cbrt(1.0 - 0.035)
    assert 0.3 * most < filling.shrinkage[cured.cement_fraction > 0.3].mean() < 0.7 * most
    assert told(cured)["cement_shrinkage_since_set"] == pytest.approx(
        100.0 * np.average(filling.shrinkage, weights=cured.cement_fraction)
    )


def test_shrinkage_strains_the_bone_before_any_load(cured, filled):
    # Free to follow, the body is drawn together; the load to come finds it so.
    test = Strength(until_strain=0.02, drop=0.9)
    shrunk, plain = (load_to_failure(potted(s), test) for s in (cured, filled))
    assert shrunk.start_mm > 0.0 == plain.start_mm
    assert shrunk.force_n.max() == pytest.approx(plain.force_n.max(), rel=0.2)


def test_series(cured):
    (series,) = cured.series
    assert series.name == "curing"
    assert series.times_s[0] == 0.0
    assert series.times_s[-1] == pytest.approx(1200.0)
    conversion = series.columns["conversion_mean"]
    assert (np.diff(conversion) >= 0.0).all()
    temperature = series.fields["temperature_c"]
    assert temperature.shape == (len(series.times_s), *series.domain.shape)
    peak = told(cured)["temperature_peak_cement"]
    assert series.fields["temperature_peak_c"][-1].max() == pytest.approx(peak, abs=0.5)


def test_later_seeds_set_later_and_blood_cools(filled, cured):
    late = told(Curing(seed_conversion=1e-4).apply(filled))
    assert late["setting_time"] > told(cured)["setting_time"] + 50.0
    cooled = told(Curing(perfusion_per_s=0.01).apply(filled))
    assert cooled["temperature_peak_interface"] < told(cured)["temperature_peak_interface"]


def test_what_cannot_be_is_refused(make_block_specimen):
    with pytest.raises(InvalidInput, match="after a step that places cement"):
        Curing().apply(make_block_specimen(2.0))
    with pytest.raises(InvalidInput, match="one of borzacchiello_1, borzacchiello_2, li"):
        Curing(kinetics="quick")
    with pytest.raises(InvalidInput, match="seed_conversion"):
        Curing(seed_conversion=0.0)
