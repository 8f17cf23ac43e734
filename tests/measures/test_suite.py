from dataclasses import replace

import pytest
from uniform_column import column, squeezed, tilted

from vbsim import measures
from vbsim.checks import InvalidInput
from vbsim.fem.response import Status
from vbsim.quantities import DEFINITIONS

UNITS = {"1", "%", "N", "N/mm", "N mm", "N mm/deg", "mm", "deg", "MPa"}


@pytest.fixture(scope="module")
def measured():
    body = column(cap_mpa=2500.0)
    return measures.measure(body, squeezed(body))


def test_compression_yields_every_family_of_measures(measured):
    names = [row.name for row in measured]
    assert len(names) == len(set(names))
    for wanted in (
        "stiffness",
        "stiffness_endplate",
        "standing_load",
        "height_anterior_loaded",
        "wedge_angle_loaded",
        "load_share_cement",
        "endplate_stress_superior_p95",
        "strain_energy",
        "strength_estimate_crawford",
        "strength_estimate_pistoia",
        "strength_estimate_yield",
    ):
        assert wanted in names


def test_every_row_has_a_definition_and_its_unit(measured):
    body = column()
    bent = tilted(squeezed(body), tilt_rad=0.01, moment_n_mm=500.0)
    for row in (*measured, *measures.geometry(body), *measures.measure(body, bent, kind="flexion")):
        assert row.unit == DEFINITIONS[row.name].unit
        assert row.unit in UNITS
        assert len(DEFINITIONS[row.name].text) > 20


def test_what_a_linear_test_says_of_strength_is_called_an_estimate(measured):
    told = [row.name for row in measured if row.name.startswith("strength_")]
    assert len(told) >= 3
    for name in told:
        assert name.startswith("strength_estimate_")
        assert "not a failure load" in DEFINITIONS[name].text


def test_prescribed_heights_say_that_elasticity_restores_none():
    text = DEFINITIONS["height_restored_anterior_prescribed"].text
    assert "linear elasticity alone restores no height" in text


def test_the_standing_load_can_be_given(measured):
    body = column(cap_mpa=2500.0)
    own = measures.measure(body, squeezed(body), standing_load_n=920.0)
    values, doubled = ({row.name: row.value for row in rows} for rows in (measured, own))
    assert doubled["standing_load"] == 920.0
    assert doubled["shortening_middle"] == pytest.approx(2 * values["shortening_middle"])
    assert doubled["strain_energy"] == pytest.approx(4 * values["strain_energy"])
    assert doubled["stiffness"] == values["stiffness"]


def test_a_response_that_has_not_converged_is_not_measured():
    body = column()
    stalled = replace(squeezed(body), status=Status.STALLED)
    with pytest.raises(InvalidInput, match="not measured"):
        measures.measure(body, stalled)


def test_a_kind_without_measures_is_refused():
    body = column()
    with pytest.raises(InvalidInput, match="kind = 'torsion'"):
        measures.measure(body, squeezed(body), kind="torsion")


def test_geometry_names_the_grade_only_against_intact():
    body = column()
    alone = {row.name for row in measures.geometry(body)}
    against = {row.name for row in measures.geometry(body, body.anatomy.frame)}
    assert against - alone == {"genant_grade"}
