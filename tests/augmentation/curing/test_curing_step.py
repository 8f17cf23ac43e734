"""The curing step in a body."""

import numpy as np
import pytest

from vbsim.augmentation import CementFill, Curing
from vbsim.checks import InvalidInput


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


def test_mechanics_stay(cured, filled):
    np.testing.assert_array_equal(cured.youngs_modulus_mpa, filled.youngs_modulus_mpa)


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
