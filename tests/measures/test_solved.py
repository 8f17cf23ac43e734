import numpy as np
import pytest
from uniform_column import HEIGHT_MM, column

from vbsim import measures
from vbsim.fem import Compression, Flexion, LateralBending, solve_modes
from vbsim.fem.linear import respond
from vbsim.materials.field import StiffnessField
from vbsim.measures import Fields

SEED = 20240229


@pytest.fixture(scope="module")
def solved():
    """A column whose moduli vary a hundredfold from voxel to voxel, with stiff caps."""
    body = column(cap_mpa=2500.0)
    scatter = np.random.default_rng(SEED).uniform(0.02, 2.0, body.domain.shape)
    for name, part in body.parts.items():
        if name != "cap":
            body.parts[name] = StiffnessField(part.units, part.moduli * scatter)
    return body, solve_modes(body, lateral="held")


def test_force_through_every_layer_is_that_of_the_platen(solved):
    body, modes = solved
    response = respond(modes, Compression())
    profile = measures.load_profile(body, response)
    # the solver stops at a residual of 1e-9
    np.testing.assert_allclose(profile.force_n.sum(axis=0), response.force_n, rtol=1e-6)
    found = {row.name: row.value for row in measures.load_sharing(body, response)}
    assert abs(found.pop("load_share_imbalance")) < 1e-6
    assert sum(found.values()) == pytest.approx(1.0, rel=1e-12)


def test_caps_make_the_whole_softer_than_the_body(solved):
    body, modes = solved
    response = respond(modes, Compression())
    whole = measures.stiffness(body, response).value
    inner = measures.stiffness_endplate(body, response).value
    assert inner > whole


def test_energy_of_the_mean_strain_stays_below_the_work_of_the_platen(solved):
    body, modes = solved
    for load in (Compression(), Compression(platen="ball_joint", load_offset_mm=(0.0, -2.0))):
        response = respond(modes, load)
        work = measures.strain_energy(body, response)[0].value
        fields = Fields(body, response)
        stored = sum(
            np.vdot(modulus, fields.unit_energies[unit])
            for part in fields.compartments.values()
            for unit, modulus in zip(part.units, part.moduli, strict=True)
        )
        # bending modes hold the rest; a hundredfold scatter leaves them less than a third
        assert 0.67 * work < stored < work


def test_measures_do_not_depend_on_the_force_that_was_solved_for(solved):
    body, modes = solved
    light, heavy = (
        {
            row.name: row.value
            for row in measures.measure(body, respond(modes, Compression(force_n=force)))
        }
        for force in (10.0, 3000.0)
    )
    for name, value in light.items():
        if name != "load_share_imbalance":
            assert heavy[name] == pytest.approx(value, rel=1e-9), name


def test_a_platen_that_tilts_is_not_stiffer_than_a_guided_one(solved):
    body, modes = solved
    guided = respond(modes, Compression())
    tilting = respond(modes, Compression(platen="ball_joint"))
    assert measures.stiffness(body, tilting).value <= measures.stiffness(body, guided).value
    assert measures.platen_tilt(body, guided, standing_load_n=400.0).value == 0.0
    assert measures.platen_tilt(body, tilting, standing_load_n=400.0).value > 0.0


@pytest.mark.parametrize("load", [Flexion(), LateralBending()])
def test_bending_yields_its_stiffness(solved, load):
    body, modes = solved
    response = respond(modes, load)
    found = {row.name: row.value for row in measures.measure(body, response)}
    assert found["bending_stiffness"] > 0.0
    tilt = np.degrees(np.abs(response.motion[1:]).max())
    assert found["bending_stiffness"] * tilt == pytest.approx(load.moment_n_mm)
    assert found["strain_energy"] == pytest.approx(0.5 * load.moment_n_mm * np.radians(tilt))


def test_bending_stiffness_does_not_depend_on_the_axial_force(solved):
    body, modes = solved
    found = [
        measures.bending_stiffness(body, respond(modes, Flexion(moment_n_mm=m, force_n=f))).value
        for m, f in ((7500.0, 0.0), (7500.0, 2000.0), (-500.0, 2000.0))
    ]
    assert found == pytest.approx([found[0]] * 3)


def test_load_in_front_of_the_axis_shortens_the_front_more(solved):
    body, modes = solved
    response = respond(modes, Compression(platen="ball_joint", load_offset_mm=(0.0, -3.0)))
    rows = measures.heights_loaded(body, response, standing_load_n=400.0)
    found = {row.name: row.value for row in rows}
    assert found["shortening_anterior"] > found["shortening_middle"] > found["shortening_posterior"]
    assert found["wedge_angle_loaded"] > 0.0
    assert found["height_middle_loaded"] < HEIGHT_MM
