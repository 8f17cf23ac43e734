"""The bonded surface of cement at one point: closed forms of separation, contact and friction."""

from __future__ import annotations

import numpy as np
import pytest
from test_crushable import turn
from test_laws import Point, isotropic

from vbsim.checks import InvalidInput
from vbsim.kernels.constitutive import slots
from vbsim.materials.laws import Interface, bond

E, NU = 2200.0, 0.33
STIFF = E * (1 - NU) / ((1 + NU) * (1 - 2 * NU))
MU = E / (2 * (1 + NU))
HELD = bond().model_copy(update={"fading_mm": 1e9})  # never fades
AXIS = np.array([[0.0, 0.0, 1.0]])


def surface(held=HELD, normal=AXIS, width_mm=1.0):
    return Point(Interface(isotropic(E, NU), normal, width_mm, held))


def pulled(point, strain):
    """Kirchhoff stress across the surface at an axial logarithmic strain, sides held."""
    return float(point.step(np.diag([1.0, 1.0, np.exp(strain)]))[8] * np.exp(strain))


def sheared(strain, slip):
    """Logarithmic strain of an axial part and a shear in xz, as a stretch."""
    values, axes = np.linalg.eigh(
        np.array([[0.0, 0.0, slip / 2], [0.0, 0.0, 0.0], [slip / 2, 0.0, strain]])
    )
    return axes @ np.diag(np.exp(values)) @ axes.T


def test_it_separates_at_its_strength_and_takes_pressure_again_once_shut():
    point = surface()
    limit = HELD.tension_mpa
    assert pulled(point, 0.5 * limit / STIFF) == pytest.approx(0.5 * limit, rel=1e-6)
    assert pulled(point, 0.01) == pytest.approx(limit, rel=1e-6)
    assert point.state[slots.DISSIPATED] == pytest.approx(limit * (0.01 - limit / STIFF), rel=1e-6)
    assert pulled(point, 0.005) == pytest.approx(0.0, abs=1e-9)  # open: no stress
    assert pulled(point, -0.001) == pytest.approx(-0.001 * STIFF, rel=1e-6)


def test_what_has_separated_does_not_hold_again():
    point = surface(bond())
    opened = 20.0 * bond().fading_mm  # width 1 mm
    pulled(point, opened)
    assert pulled(point, opened + 1e-3) == pytest.approx(0.0, abs=1e-6)
    assert point.state[slots.DAMAGE] == pytest.approx(1.0, abs=1e-6)
    assert pulled(point, 2e-3) == pytest.approx(0.0, abs=1e-6)


def test_the_energy_of_separation_does_not_depend_on_the_voxel():
    """Tension x fading length per area: strains of a voxel are openings over its width."""
    spent = []
    for width in (0.5, 2.0):
        point = surface(bond(), width_mm=width)
        for opening in np.linspace(0.0, 8.0 * bond().fading_mm, 2001)[1:]:
            pulled(point, opening / width)
        spent.append(point.state[slots.DISSIPATED] * width)
    # steps of 4e-3 fading lengths, softening one step behind
    assert spent == pytest.approx([bond().tension_mpa * bond().fading_mm] * 2, rel=0.01)


def test_shear_is_held_by_cohesion_and_by_friction_under_pressure():
    for pressure in (0.0, 10.0):
        point = surface()
        normal = -pressure / STIFF
        point.step(sheared(normal, 0.0))
        for slip in np.linspace(0.0, 0.02, 21):
            P = point.step(sheared(normal, slip)).reshape(3, 3)
        limit = HELD.shear_mpa + HELD.friction * pressure
        assert P[0, 2] == pytest.approx(limit, rel=0.02)  # strains of 2 %
        assert point.state[slots.INELASTIC] == pytest.approx(0.02 - limit / MU, rel=1e-3)


def test_below_its_strength_only_the_end_of_a_path_counts():
    rng = np.random.default_rng(5)
    direct, around = surface(), surface()
    size = 0.1 * HELD.tension_mpa / E
    end = np.eye(3) + size * rng.standard_normal((3, 3))
    for _ in range(5):
        around.step(np.eye(3) + size * rng.standard_normal((3, 3)))
    np.testing.assert_allclose(around.step(end), direct.step(end), rtol=0, atol=1e-12 * E)
    assert around.state[slots.DISSIPATED] == 0.0


def test_a_rotation_turns_the_stress_and_leaves_the_state():
    rng = np.random.default_rng(5)
    normal = np.array([[0.6, 0.0, 0.8]])
    still, turned = surface(bond(), normal), surface(bond(), normal)
    for k in range(6):
        F = np.eye(3) + 0.02 * rng.uniform(-1, 1, (3, 3))
        R = turn(0.5 + k, k % 3)
        P, rotated = still.step(F).reshape(3, 3), turned.step(R @ F).reshape(3, 3)
        np.testing.assert_allclose(rotated, R @ P, rtol=0, atol=1e-10 * E)
        np.testing.assert_allclose(still.state, turned.state, rtol=0, atol=1e-10)


def test_what_is_no_surface_is_refused():
    with pytest.raises(InvalidInput, match="unit length"):
        Interface(isotropic(E, NU), 2.0 * AXIS, 1.0, HELD)
    uneven = isotropic(E, NU)
    uneven[0, 0] *= 1.1
    with pytest.raises(InvalidInput, match="isotropic"):
        Interface(uneven, AXIS, 1.0, HELD)
