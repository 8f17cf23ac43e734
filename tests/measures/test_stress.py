import numpy as np
import pytest
from uniform_column import BONE_MPA, CEMENT_MPA, DEPTH_MM, SHELL_MPA, WIDTH_MM, column, squeezed

from vbsim import measures
from vbsim.measures.stress import weighted_percentile


def test_mean_endplate_stress_is_force_over_area():
    body = column(cap_mpa=2500.0)
    response = squeezed(body)
    found = {
        row.name: row
        for row in measures.endplate_stress(body, response, standing_load_n=3 * response.force_n)
    }
    # the body's own part of the force at equal strain: all of it, as the caps lie above and below
    for end in ("superior", "inferior"):
        row = found[f"endplate_stress_{end}"]
        assert row.unit == "MPa"
        assert row.value == pytest.approx(3 * response.force_n / (WIDTH_MM * DEPTH_MM))


def test_high_percentile_is_that_of_the_stiffest_third():
    body = column(cap_mpa=2500.0)
    response = squeezed(body)
    rows = measures.endplate_stress(body, response, standing_load_n=response.force_n)
    found = {row.name: row.value for row in rows}
    ratio = found["endplate_stress_superior_p95"] / found["endplate_stress_superior"]
    assert ratio == pytest.approx(3 * CEMENT_MPA / (CEMENT_MPA + BONE_MPA + SHELL_MPA))


def test_percentile_by_weight():
    values, weights = np.array([1.0, 5.0, 2.0]), np.array([1.0, 1.0, 8.0])
    assert weighted_percentile(values, weights, 90.0) == 2.0
    assert weighted_percentile(values, weights, 91.0) == 5.0
    assert weighted_percentile(values, weights, 0.0) == 1.0
