import numpy as np
import pytest
from uniform_column import CAP_MM, HEIGHT_MM, STRAIN, column, squeezed, tilted

from vbsim import measures

TOTAL_MM = HEIGHT_MM + 2 * CAP_MM


def test_stiffness_counts_the_caps_and_endplate_stiffness_does_not():
    body = column()
    response = squeezed(body)
    whole = measures.stiffness(body, response)
    inner = measures.stiffness_endplate(body, response)
    assert (whole.name, whole.unit) == ("stiffness", "N/mm")
    assert whole.value == pytest.approx(response.force_n / (STRAIN * TOTAL_MM))
    # exact for a linear field: trilinear sampling reproduces it to round-off
    assert inner.value == pytest.approx(whole.value * TOTAL_MM / HEIGHT_MM, rel=1e-12)


def test_stiffness_is_that_of_three_parallel_bars():
    body = column()
    # E A / L of each third: 4 x 10 mm2
    expected = (2000.0 + 200.0 + 1000.0) * 40.0 / TOTAL_MM
    assert measures.stiffness(body, squeezed(body)).value == pytest.approx(expected)


def test_bending_stiffness_is_moment_over_tilt():
    body = column()
    response = tilted(squeezed(body), tilt_rad=np.radians(0.5), moment_n_mm=1500.0)
    found = measures.bending_stiffness(body, response)
    assert found.unit == "N mm/deg"
    assert found.value == pytest.approx(3000.0)


def test_platen_tilt_scales_with_the_standing_load():
    body = column()
    response = tilted(squeezed(body), tilt_rad=np.radians(0.5), moment_n_mm=0.0)
    found = measures.platen_tilt(body, response, standing_load_n=0.5 * response.force_n)
    assert found.value == pytest.approx(0.25)
