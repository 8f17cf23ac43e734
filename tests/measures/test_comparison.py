import pytest

from vbsim import measures
from vbsim.quantities import Quantity


def rows(**values):
    return [Quantity(name, value, "") for name, value in values.items()]


def by_name(found):
    return {row.name: row.value for row in found}


INTACT = rows(
    height_anterior=25.0, height_anterior_loaded=24.9, shortening_anterior=0.1, stiffness=20e3
)
FRACTURED = rows(
    height_anterior=17.0, height_anterior_loaded=16.7, shortening_anterior=0.3, stiffness=8e3
)


def test_cement_alone_restores_no_height_but_stiffness():
    now = rows(
        height_anterior=17.0, height_anterior_loaded=16.9, shortening_anterior=0.1, stiffness=16e3
    )
    found = by_name(measures.compare(now, intact=INTACT, fractured=FRACTURED))
    assert found["height_restored_anterior_prescribed"] == 0.0
    assert found["height_restored_anterior_loaded"] == pytest.approx(100 * 0.2 / 8.2)
    assert found["height_restored_anterior_computed"] == pytest.approx(100 * 0.2 / 8.2)
    assert found["stiffness_restored"] == pytest.approx(80.0)
    assert found["stiffness_vs_fractured"] == pytest.approx(2.0)
    assert found["height_lost_anterior"] == pytest.approx(32.0)


def test_posture_is_named_as_prescribed():
    now = rows(
        height_anterior=21.0, height_anterior_loaded=20.7, shortening_anterior=0.3, stiffness=8e3
    )
    found = by_name(measures.compare(now, intact=INTACT, fractured=FRACTURED))
    assert found["height_restored_anterior_prescribed"] == pytest.approx(50.0)
    assert found["height_restored_anterior_computed"] == pytest.approx(0.0)
    assert found["height_restored_anterior_loaded"] == pytest.approx(100 * 4.0 / 8.2)


def test_percentage_of_a_height_that_was_not_lost_is_left_out():
    intact, fractured = rows(height_posterior=24.0), rows(height_posterior=23.9)
    found = by_name(measures.compare(fractured, intact=intact, fractured=fractured))
    assert "height_restored_posterior_prescribed" not in found
    assert found["height_lost_posterior"] == pytest.approx(100 * 0.1 / 24.0)


def test_wedge_angle_corrected_is_that_since_the_fracture():
    found = measures.compare(rows(wedge_angle=6.0), fractured=rows(wedge_angle=14.0))
    assert by_name(found) == {"wedge_angle_corrected_prescribed": 8.0}


def test_endplate_stress_change_is_against_intact():
    found = measures.compare(
        rows(endplate_stress_superior=0.6), intact=rows(endplate_stress_superior=0.5)
    )
    assert by_name(found)["endplate_stress_superior_change"] == pytest.approx(20.0)


def test_nothing_to_compare_with_gives_nothing():
    assert measures.compare(INTACT) == ()
