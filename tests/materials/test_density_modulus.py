from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from vbsim.data import names
from vbsim.materials.density_modulus import (
    LawName,
    bone_volume_fraction,
    density_law,
    isotropic_unit,
    transverse_unit,
    yield_stress_mpa,
)
from vbsim.materials.field import StiffnessField, UnitStiffness

LAWS = get_args(LawName)

# Printed to 1 MPa in the reference tables.
HALF_A_DIGIT_MPA = 0.55


def full_matrix(unit: UnitStiffness) -> np.ndarray:
    c11, c22, c33, c12, c13, c23, c44, c55, c66 = unit.mean
    matrix = np.diag([c11, c22, c33, c44, c55, c66])
    matrix[:3, :3] += [[0, c12, c13], [c12, 0, c23], [c13, c23, 0]]
    return matrix


@pytest.mark.parametrize(
    ("law", "modulus_mpa"),
    [
        ("kopperdahl_power", 266),
        ("kopperdahl_linear", 288),
        ("morgan", 285),
        ("kopperdahl_keaveny", 267),
        ("keaveny", 196),
        ("fabric", 286),
    ],
)
def test_worked_values_at_100_mg_cm3(law: LawName, modulus_mpa: float) -> None:
    found = density_law(law).youngs_modulus_mpa(100.0)
    assert found == pytest.approx(modulus_mpa, abs=HALF_A_DIGIT_MPA)


@pytest.mark.parametrize(
    ("law", "column"),
    [
        ("kopperdahl_power", (101, 155, 210, 266, 322, 435, 550)),
        ("kopperdahl_linear", (94, 159, 224, 288, 353, 482, 611)),
        ("morgan", (68, 129, 201, 285, 379, 594, 841)),
        ("fabric", (65, 125, 199, 286, 384, 611, 878)),
    ],
)
def test_cross_check_table(law: LawName, column: tuple[float, ...]) -> None:
    vbmd = np.array([40.0, 60.0, 80.0, 100.0, 120.0, 160.0, 200.0])
    found = density_law(law).youngs_modulus_mpa(vbmd)
    np.testing.assert_allclose(found, column, atol=HALF_A_DIGIT_MPA)


def test_yield_stress_table() -> None:
    found = yield_stress_mpa(np.array([40.0, 100.0, 200.0]))
    np.testing.assert_allclose(found, [0.43, 1.52, 3.99], atol=0.0055)  # printed to 0.01


@pytest.mark.parametrize("law", LAWS)
def test_modulus_rises_with_density(law: LawName) -> None:
    modulus = density_law(law).youngs_modulus_mpa(np.linspace(5.0, 1200.0, 200))
    assert np.all(np.diff(modulus) > 0)


@pytest.mark.parametrize("law", LAWS)
def test_negative_density_is_no_bone(law: LawName) -> None:
    at = density_law(law).youngs_modulus_mpa(np.array([-200.0, 0.0]))
    assert np.isfinite(at).all()
    assert at[0] == at[1]


def test_every_law_of_the_data_file_is_offered() -> None:
    assert set(LAWS) == set(names("bone.laws"))


@pytest.mark.parametrize("law", LAWS)
def test_units_are_positive_definite_with_axial_modulus_one(law: LawName) -> None:
    for unit in (transverse_unit(law), isotropic_unit(0.3), isotropic_unit(0.0)):
        stiffness = full_matrix(unit)
        assert np.linalg.eigvalsh(stiffness).min() > 0
        assert 1.0 / np.linalg.inv(stiffness)[2, 2] == pytest.approx(1.0, rel=1e-12)
        field = StiffnessField((unit,), np.full((1, 1, 1, 1), 7.0))
        assert field.axial_modulus_mpa()[0, 0, 0] == pytest.approx(7.0, rel=1e-12)


def test_transverse_ratios() -> None:
    compliance = np.linalg.inv(full_matrix(transverse_unit("kopperdahl_power")))
    assert 1 / compliance[0, 0] == pytest.approx(0.333)
    assert 1 / compliance[5, 5] == pytest.approx(0.121)
    assert 1 / compliance[4, 4] == pytest.approx(0.157)
    assert -compliance[0, 1] / compliance[0, 0] == pytest.approx(0.381)
    assert -compliance[0, 2] / compliance[0, 0] == pytest.approx(0.104)


def test_transverse_ratios_are_alike_all_around_the_axis() -> None:
    # Transverse isotropy needs G_xy = E_t / (2 (1 + nu_xy)); the published ratios are rounded to
    # three digits, which leaves 0.4 %.
    compliance = np.linalg.inv(full_matrix(transverse_unit("kopperdahl_power")))
    across = 1 / compliance[0, 0] / (2 * (1 - compliance[0, 1] / compliance[0, 0]))
    assert 1 / compliance[5, 5] == pytest.approx(across, rel=5e-3)


def test_fabric_worked_example() -> None:
    # BV/TV 0.087 with fabric 0.9, 0.9, 1.2: E3 286, E1 152, G13 70, G12 51 MPa
    axial = density_law("fabric").youngs_modulus_mpa(0.087 * 1150)
    compliance = np.linalg.inv(full_matrix(transverse_unit("fabric"))) / axial
    found = [1 / compliance[i, i] for i in (2, 0, 4, 5)]
    np.testing.assert_allclose(found, [286, 152, 70, 51], atol=HALF_A_DIGIT_MPA)


def test_bone_volume_fraction_is_bounded() -> None:
    found = bone_volume_fraction(np.array([-50.0, 0.0, 115.0, 5000.0]))
    np.testing.assert_allclose(found, [0.0, 0.0, 0.1, 1.0], atol=1e-15)
