from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from uniform_column import HEIGHT_MM, STRAIN, column, squeezed

from vbsim import measures
from vbsim.checks import InvalidInput
from vbsim.measures.strength import principal_strains


def test_crawford_is_stiffness_times_height_times_a_strain():
    body = column()
    response = squeezed(body)
    found = measures.strength_estimate_crawford(body, response)
    stiffness = measures.stiffness(body, response).value
    assert found.unit == "N"
    assert found.value == pytest.approx(0.0068 * stiffness * HEIGHT_MM)


def test_uniform_strain_reaches_the_effective_strain_everywhere_at_once():
    body = column()
    response = squeezed(body)
    # uniaxial stress: W = E e^2 / 2, so that the effective strain is the axial one
    found = measures.strength_estimate_pistoia(body, response)
    assert found.value == pytest.approx(response.force_n * 0.007 / STRAIN)


def test_uniform_strain_yields_in_compression():
    body = column()
    response = squeezed(body)
    found = measures.strength_estimate_yield(body, response)
    assert found.value == pytest.approx(response.force_n * 0.0084 / STRAIN)


def test_stretched_bone_yields_at_its_lower_limit():
    body = column()
    response = squeezed(body, strain=-STRAIN)
    # upwards, the principal strain along z is tensile and its limit the lower one
    found = measures.strength_estimate_yield(body, response)
    assert abs(found.value) == pytest.approx(abs(response.force_n) * 0.0078 / STRAIN)


def test_bone_inside_cement_does_not_count():
    body = column()
    response = squeezed(body)
    hot = response.displacement_mm.copy()
    hot[2, :, :, :4] *= 10.0  # the points of the cement's third strain tenfold
    response = replace(response, displacement_mm=hot)
    saturation = (np.arange(12) < 6) * np.ones(body.domain.shape)
    filled = replace(body, cements=(SimpleNamespace(saturation=saturation),))
    before = measures.strength_estimate_yield(body, response).value
    after = measures.strength_estimate_yield(filled, response).value
    assert before < 0.2 * after
    assert after == pytest.approx(response.force_n * 0.0084 / STRAIN)


def test_a_body_of_cement_alone_has_no_estimate():
    body = column()
    all_of_it = SimpleNamespace(saturation=np.ones(body.domain.shape))
    tissue = body.tissue._replace(shell=np.zeros(body.domain.shape))
    filled = replace(body, cements=(all_of_it,), tissue=tissue)
    with pytest.raises(InvalidInput, match="no bone outside cement"):
        measures.strength_estimate_yield(filled, squeezed(body))


def test_principal_strains_do_not_depend_on_the_axes():
    rng = np.random.default_rng(7)
    principal = np.sort(rng.normal(size=3))
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    e = turn @ np.diag(principal) @ turn.T
    voigt = [e[0, 0], e[1, 1], e[2, 2], 2 * e[1, 2], 2 * e[0, 2], 2 * e[0, 1]]
    np.testing.assert_allclose(principal_strains(np.array([voigt]))[0], principal, atol=1e-12)
