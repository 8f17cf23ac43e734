"""The stored factor of the band gives the stiffness loss it was calibrated on."""

import pytest

from vbsim import data
from vbsim.fracture.calibration import calibrate_band_factor, calibration_specimen, crushed_ratio


def test_the_stored_factor_gives_the_published_ratio():
    factor = data.value("fracture.band.modulus_factor")
    wanted = data.value("fracture.calibration.stiffness_ratio")
    ratio = crushed_ratio(calibration_specimen(spacing_mm=1.0), factor)
    # The factor is stored with two digits; the published scatter is +/- 0.18.
    assert ratio == pytest.approx(wanted, abs=0.01)


def test_a_calibration_finds_the_factor_that_meets_the_ratio():
    found = calibrate_band_factor(spacing_mm=3.0, tolerance=1e-2)
    wanted = data.value("fracture.calibration.stiffness_ratio")
    # The ratio changes by about 0.2 per unit of the factor's logarithm.
    assert found.stiffness_ratio == pytest.approx(wanted, abs=0.005)
    assert 0.0 < found.modulus_factor < 1.0
