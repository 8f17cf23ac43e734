"""Crushable bone at one point: closed forms, frame indifference, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import logm
from scipy.optimize import brentq
from test_laws import NU, STRENGTH, E, Point, isotropic

from vbsim.checks import InvalidInput
from vbsim.kernels.constitutive import logarithmic, slots
from vbsim.materials.density_modulus import transverse_unit
from vbsim.materials.laws import Crushable, crushing
from vbsim.materials.laws.crushable import mapped

SEED = 11
IDEAL = crushing("trabecular").model_copy(
    update={
        "tension": 0.6,
        "crushed_tension": 0.6,
        "first_yield": 1.0,
        "plateau": 1.0,
        "most_damage": 0.0,
        "backbone": 0.0,
        "closing_modulus": 0.0,
    }
)
TRANSVERSE = E * np.array([transverse_unit("kopperdahl_power").mean])


def turn(angle: float, axis: int) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    rows = np.roll(np.array([[1.0, 0.0, 0.0], [0.0, c, -s], [0.0, s, c]]), axis, axis=(0, 1))
    return np.asarray(rows)


def kirchhoff(point: Point, strain: float) -> float:
    """Step to an axial logarithmic strain at free width; return the axial Kirchhoff stress."""

    def gradient(across: float) -> np.ndarray:
        return np.diag(np.exp([across, across, strain]))

    def lateral(across: float) -> float:
        return float(point.ask(gradient(across))[0][0])

    point.across = brentq(lateral, point.across - 0.1, point.across + 0.1, xtol=1e-15)
    return float(point.step(gradient(point.across))[8] * np.exp(strain))


@pytest.mark.parametrize("size", [1e-7, 1e-3, 0.3])
def test_logarithmic_strain_is_that_of_the_matrix_logarithm(size):
    rng = np.random.default_rng(SEED)
    F = np.eye(3) + size * rng.uniform(-1, 1, (3, 3))
    eps, lengths, Q = np.zeros(6), np.zeros(3), np.zeros((3, 3))
    assert logarithmic.strain(F.ravel(), eps, lengths, Q)
    wanted = 0.5 * np.real(logm(F.T @ F))
    voigt = np.array([wanted[0, 0], wanted[1, 1], wanted[2, 2]])
    assert np.allclose(eps[:3], voigt, rtol=0, atol=1e-14)
    shears = 2.0 * np.array([wanted[1, 2], wanted[0, 2], wanted[0, 1]])
    assert np.allclose(eps[3:], shears, rtol=0, atol=1e-14)


def test_an_inverted_voxel_is_reported():
    eps, lengths, Q = np.zeros(6), np.zeros(3), np.zeros((3, 3))
    assert not logarithmic.strain(np.diag([1.0, 1.0, -0.5]).ravel(), eps, lengths, Q)


@pytest.mark.parametrize("constants", [isotropic(), TRANSVERSE], ids=["isotropic", "transverse"])
def test_strengths_and_dissipation_of_the_ideal_law(constants):
    for sign, strength in ((-1.0, STRENGTH), (1.0, 0.6 * STRENGTH)):
        point = Point(Crushable(constants, STRENGTH, IDEAL))
        modulus = float(mapped(constants).modulus_mpa[0])
        for strain in np.linspace(0.0, 0.05, 11)[1:]:
            stress = kirchhoff(point, sign * strain)
        assert abs(stress) == pytest.approx(strength, rel=1e-6)
        plastic = 0.05 - strength / modulus
        assert point.state[slots.DISSIPATED] == pytest.approx(strength * plastic, rel=1e-6)
        if sign < 0:
            assert point.state[slots.INELASTIC] == pytest.approx(plastic, rel=1e-6)


def test_width_under_compression_follows_the_plastic_poisson_ratio():
    for nu in (-0.1, 0.0, 0.3):
        law = Crushable(isotropic(), STRENGTH, IDEAL.model_copy(update={"plastic_poisson": nu}))
        point = Point(law)
        kirchhoff(point, -0.05)
        before = point.across
        kirchhoff(point, -0.06)
        assert point.across - before == pytest.approx(0.01 * nu, abs=1e-9)


def test_the_map_gives_back_a_transversely_isotropic_stiffness():
    found = mapped(TRANSVERSE)
    _, A, _ = Point(Crushable(TRANSVERSE, STRENGTH, IDEAL)).ask(np.eye(3))
    c = TRANSVERSE[0]
    wanted = {(0, 0): c[0], (4, 4): c[1], (8, 8): c[2], (0, 4): c[3], (0, 8): c[4], (4, 8): c[5]}
    for place, constant in {**wanted, (5, 7): c[6], (2, 6): c[7], (1, 3): c[8]}.items():
        assert A[place] == pytest.approx(constant, rel=1e-12)
    assert float(found.modulus_mpa[0]) == pytest.approx(E, rel=1e-12)
    assert 0.0 < float(found.poisson[0]) < 0.5


def elastic_energy(point: Point, F: np.ndarray) -> float:
    """Energy that an isotropic skeleton (Poisson's ratio 0) and its backbone hold, MPa."""
    eps = 0.5 * np.real(logm(F.T @ F))
    own = point.state[slots.OWN : slots.OWN + 6]
    plastic = np.array([[own[0], own[5] / 2, own[4] / 2], [0, own[1], own[3] / 2], [0, 0, own[2]]])
    held = eps - plastic - np.triu(plastic, 1).T
    share = crushing("trabecular").backbone
    left = (1.0 - share) * (1.0 - point.state[slots.DAMAGE])
    return 0.5 * E * (left * float((held**2).sum()) + share * float((eps**2).sum()))


def test_work_is_what_is_stored_and_what_is_dissipated():
    """Along a path of many steps, damage and softening on the way; less than a half percent off."""
    law = Crushable(isotropic(nu=0.0), STRENGTH, crushing("trabecular"))
    point, work, P, F = Point(law), 0.0, np.zeros(9), np.eye(3)
    turns = [(np.diag([0.01, 0.0, -0.2]), 4000), (np.diag([0.0, 0.0, 0.1]), 2000)]
    for way, steps in turns:
        for _ in range(steps):
            after = F + way / steps
            new = point.step(after)
            work += 0.5 * float((P + new) @ (after - F).ravel())
            P, F = new, after
    spent = float(point.state[slots.DISSIPATED])
    assert spent > 0.5 * work
    assert spent + elastic_energy(point, F) == pytest.approx(work, rel=5e-3)


def test_a_rotation_turns_the_stress_and_leaves_the_state():
    rng = np.random.default_rng(SEED)
    law = Crushable(TRANSVERSE, STRENGTH, crushing("trabecular"))
    still, turned = Point(law), Point(law)
    for k in range(6):
        F = np.eye(3) + 0.1 * rng.uniform(-1, 1, (3, 3))
        R = turn(0.5 + k, k % 3)
        P, rotated = still.step(F).reshape(3, 3), turned.step(R @ F).reshape(3, 3)
        assert np.allclose(rotated, R @ P, rtol=0, atol=1e-10 * E)
        assert np.allclose(still.state, turned.state, rtol=0, atol=1e-11)


def test_below_yield_only_the_end_of_a_path_counts():
    law = Crushable(isotropic(), 1e3, crushing("trabecular"))
    rng = np.random.default_rng(SEED)
    end = np.eye(3) + 0.2 * rng.uniform(-1, 1, (3, 3))
    direct, around = Point(law), Point(law)
    for _ in range(5):
        around.step(np.eye(3) + 0.2 * rng.uniform(-1, 1, (3, 3)))
    assert np.allclose(around.step(end), direct.step(end), rtol=0, atol=1e-10 * E)
    assert around.state[slots.DISSIPATED] == 0.0


def test_yield_is_isotropic_where_stiffness_is():
    """Two axes exchanged give the same stress with the axes exchanged."""
    rng = np.random.default_rng(SEED)
    law = Crushable(isotropic(), STRENGTH, crushing("trabecular"))
    swap = np.eye(3)[[2, 0, 1]]
    plain, swapped = Point(law), Point(law)
    for _ in range(5):
        F = np.eye(3) + 0.1 * rng.uniform(-1, 1, (3, 3))
        P = plain.step(F).reshape(3, 3)
        Q = swapped.step(swap @ F @ swap.T).reshape(3, 3)
        assert np.allclose(Q, swap @ P @ swap.T, rtol=0, atol=1e-10 * E)


def test_damage_and_backbone_set_the_unloading_slope():
    """(1 - D)(1 - backbone) E of the skeleton, and the backbone beside it."""
    backbone = 0.05
    update = {"most_damage": 0.6, "damage_rate": 50.0, "backbone": backbone}
    law = Crushable(isotropic(nu=0.0), STRENGTH, IDEAL.model_copy(update=update))
    point = Point(law)
    for strain in np.linspace(0.0, 0.1, 51)[1:]:
        kirchhoff(point, -strain)
    kirchhoff(point, -0.1)  # what is averaged takes effect with the next step
    damage = 0.6 * (1.0 - np.exp(-50.0 * point.state[slots.SOFTENING]))
    high, low = kirchhoff(point, -0.0995), kirchhoff(point, -0.0985)
    slope = ((1.0 - damage) * (1.0 - backbone) + backbone) * E
    assert (low - high) / 0.001 == pytest.approx(slope, rel=1e-6)


def test_what_is_left_at_zero_stress_is_what_the_crushed_tension_holds():
    """Compressed alike from all sides and let go: backbone against the skeleton's tension.

    The ellipse ``A (p - u)^2 + B q^2 = 1`` through uniaxial -1 and +t, with
    ``A (1/3 + u) = 3 B k``, ends at ``p = u + 1 / sqrt(A)``.
    """
    t, k, backbone = 0.2, 0.5, 0.02
    update = {"tension": t, "crushed_tension": t, "backbone": backbone}
    law = Crushable(isotropic(nu=0.0), STRENGTH, IDEAL.model_copy(update=update))
    point = Point(law)
    point.step(np.eye(3) * np.exp(-0.1))
    v = k * (1.0 + t) / (3.0 * (2.0 * k + 1.0 - t))
    A = 1.0 / (v**2 + v / (3.0 * k))
    held = STRENGTH * (v - 1.0 / 3.0 + 1.0 / np.sqrt(A))
    left = held / (backbone * E)  # of each of the three strains, nu = 0
    P = point.step(np.eye(3) * np.exp(-left))
    assert 0.0 < left < 0.1
    assert np.abs(P).max() < 1e-9 * STRENGTH


def test_viscosity_is_a_true_rate():
    law = Crushable(isotropic(), STRENGTH, IDEAL.model_copy(update={"relaxation_s": 2.0}))
    point = Point(law)  # steps of one second
    for strain in (0.03, 0.04, 0.05, 0.06, 0.07, 0.08):
        stress = kirchhoff(point, -strain)
    assert abs(stress) == pytest.approx(STRENGTH * (1.0 + 0.01 * 2.0), rel=1e-6)


def test_closing_pores_stiffen_and_let_go():
    update = {"backbone": 0.01, "closing_modulus": 0.1, "closing_strain": 0.5}
    law = Crushable(isotropic(nu=NU), 1e6, IDEAL.model_copy(update=update))
    point = Point(law)
    P = point.step(np.diag([1.0, 1.0, np.exp(-0.7)]))
    free = Point(Crushable(isotropic(nu=NU), 1e6, IDEAL.model_copy(update={"backbone": 0.01})))
    more = free.step(np.diag([1.0, 1.0, np.exp(-0.7)])) - P
    assert more[8] * np.exp(-0.7) == pytest.approx(0.1 * E * 0.2**2, rel=1e-9)
    assert more[0] == pytest.approx(0.1 * E * 0.2**2, rel=1e-9)


def test_a_stiffness_that_is_not_alike_about_z_is_refused():
    constants = isotropic()
    constants[0, 0] *= 2.0
    with pytest.raises(InvalidInput, match="alike about z"):
        Crushable(constants, STRENGTH, IDEAL).rows()
    with pytest.raises(InvalidInput, match="crushed_tension"):
        Crushable(isotropic(), STRENGTH, IDEAL.model_copy(update={"crushed_tension": 0.7}))
