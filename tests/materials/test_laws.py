"""Contract of every law, and closed forms of one voxel."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.kernels import constitutive
from vbsim.kernels.constitutive import slots
from vbsim.materials.density_modulus import transverse_unit
from vbsim.materials.field import lame, membrane_xy
from vbsim.materials.laws import (
    Crushable,
    Elastic,
    Interface,
    Quadric,
    Softening,
    Surface,
    bond,
    crushing,
)

SEED = 3
E, NU, STRENGTH = 200.0, 0.3, 1.5


def isotropic(E_mpa: float = E, nu: float = NU) -> np.ndarray:
    lam, mu = (float(part) for part in lame(E_mpa, nu))
    return np.array([[lam + 2 * mu] * 3 + [lam] * 3 + [mu] * 3])


BONE_LIKE = Quadric(
    isotropic(),
    STRENGTH,
    Surface(tension=(0.67, 0.67, 0.67)),
    Softening(0.7, 0.003, 0.01, 0.5, 0.0, 0.02, 0.5, 0.05),
)
LAWS = {
    "elastic": Elastic(isotropic()),
    "elastic that rotates": Elastic(isotropic(), "green"),
    "elastic that is squeezed": Elastic(isotropic(), "logarithmic"),
    "bone-like quadric": BONE_LIKE,
    "fabric quadric": Quadric(
        isotropic() * [0.4, 0.4, 1.0, 0.4, 0.4, 0.4, 0.6, 0.6, 0.4],
        STRENGTH,
        Surface((0.55, 0.55, 1.0), (0.4, 0.4, 0.67), (0.4, 0.4, 0.3)),
    ),
    "crushable": Crushable(isotropic(), STRENGTH, crushing("trabecular")),
    "crushable, transversely isotropic": Crushable(
        E * np.array([transverse_unit("kopperdahl_power").mean]),
        STRENGTH,
        crushing("shell").model_copy(update={"relaxation_s": 0.5}),
    ),
    "cement": Crushable(isotropic(2200.0, 0.33), 90.0, crushing("cement")),
    "brittle cement": Crushable(isotropic(3000.0, 0.3), 20.0, crushing("brittle_cement")),
    "interface": Interface(isotropic(2200.0, 0.33), np.array([[0.36, -0.48, 0.8]]), 1.0, bond()),
    "membrane": Quadric(np.array([membrane_xy(0.3).mean]) * 1000.0, 45.0),
}


class Point:
    """One point with a law, stepped through deformation gradients."""

    def __init__(self, law: Crushable | Elastic | Quadric) -> None:
        self.law, self.params = law.code, law.rows()[0]
        self.state = np.zeros(max(law.n_state, slots.OWN))
        self.across = 0.0

    def ask(self, F: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        P, A, new = np.zeros(9), np.zeros((9, 9)), np.zeros_like(self.state)
        flag = constitutive.respond(
            self.law, np.ascontiguousarray(F).ravel(), self.params, self.state, 1.0, P, A, new
        )
        assert flag == 0
        return P, A, new

    def step(self, F: np.ndarray) -> np.ndarray:
        P, _, self.state = self.ask(F)
        self.state[slots.SOFTENING] = self.state[slots.INELASTIC]
        return P

    def uniaxial(self, strain: float) -> float:
        """Step to an axial strain at free width; return the axial stress."""
        across = self.across
        for _ in range(60):
            F = np.diag([1 + across, 1 + across, 1 + strain])
            P, A, _ = self.ask(F)
            if abs(P[0]) < 1e-12:
                break
            across -= P[0] / (A[0, 0] + A[0, 4])
        self.across = across
        return float(self.step(F)[8])


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_tangent_is_the_derivative_of_the_stress(law):
    rng = np.random.default_rng(SEED)
    for size in (0.001, 0.01, 0.05):
        point = Point(law)
        point.step(np.eye(3) + size * rng.standard_normal((3, 3)))
        F = np.eye(3) + size * rng.standard_normal((3, 3))
        _, A, _ = point.ask(F)
        difference = np.zeros((9, 9))
        for b in range(9):
            # a central difference of 1e-6 leaves about 1e-8
            high, low = F.copy().ravel(), F.copy().ravel()
            high[b] += 1e-6
            low[b] -= 1e-6
            difference[:, b] = (point.ask(high)[0] - point.ask(low)[0]) / 2e-6
        assert np.abs(difference - A).max() <= 1e-6 * np.abs(A).max()


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_dissipation_never_falls(law):
    rng = np.random.default_rng(SEED)
    point, last = Point(law), 0.0
    for _ in range(100):
        point.step(np.eye(3) + 0.02 * rng.standard_normal((3, 3)))
        assert point.state[slots.DISSIPATED] >= last
        last = point.state[slots.DISSIPATED]


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_tangent_at_rest_is_the_elastic_stiffness(law):
    _, A, _ = Point(law).ask(np.eye(3))
    c = law.constants_mpa[0]
    assert A[0, 0] == pytest.approx(c[0], rel=1e-12)
    assert A[8, 8] == pytest.approx(c[2], rel=1e-12, abs=1e-9)
    assert A[0, 8] == pytest.approx(c[4], rel=1e-12, abs=1e-9)
    assert A[5, 7] == pytest.approx(c[6], rel=1e-12, abs=1e-9)


@pytest.mark.parametrize("name", ["elastic that rotates", "elastic that is squeezed"])
def test_a_rotation_leaves_the_rotating_law_without_stress(name):
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    point = Point(LAWS[name])
    F = np.eye(3) + 0.01 * np.arange(9.0).reshape(3, 3)
    assert np.abs(point.ask(turn)[0]).max() < 1e-12 * E
    turned = point.ask(turn @ F)[0].reshape(3, 3)
    assert np.allclose(turned, turn @ point.ask(F)[0].reshape(3, 3), rtol=0, atol=1e-10 * E)


def test_only_the_logarithmic_strain_bears_a_large_squeeze():
    """Uniaxial stress: P = E ln(l) / l; Saint Venant-Kirchhoff gives way at a stretch of 0.58."""
    soft, rotating = (Point(LAWS[f"elastic that {name}"]) for name in ("is squeezed", "rotates"))
    strains = [-0.1, -0.3, -0.5, -0.7]
    found = [soft.uniaxial(strain) for strain in strains]
    wanted = [E * np.log(1.0 + strain) / (1.0 + strain) for strain in strains]
    assert found == pytest.approx(wanted, rel=1e-9)
    weaker = [rotating.uniaxial(strain) for strain in strains]
    assert weaker[3] > weaker[2] > -40.0


def test_ideal_plasticity_yields_at_its_strength_in_compression_and_tension():
    law = Quadric(isotropic(), STRENGTH, Surface(tension=(0.67, 0.67, 0.67)))
    for sign, strength in ((-1.0, STRENGTH), (1.0, 0.67 * STRENGTH)):
        point = Point(law)
        for strain in np.linspace(0.0, 0.02, 9)[1:]:
            stress = point.uniaxial(sign * strain)
        assert abs(stress) == pytest.approx(strength, rel=1e-6)
        plastic = 0.02 - strength / E
        assert point.state[slots.DISSIPATED] == pytest.approx(strength * plastic, rel=1e-6)


def test_kappa_is_the_plastic_strain_of_compression():
    law = Quadric(isotropic(), STRENGTH)
    point = Point(law)
    point.uniaxial(-0.02)
    assert point.state[slots.INELASTIC] == pytest.approx(0.02 - STRENGTH / E, rel=1e-9)


def test_damage_lowers_the_unloading_slope():
    """V15: after yield the voxel unloads with (1 - D) E."""
    law = Quadric(isotropic(), STRENGTH, softening=Softening(most_damage=0.6, damage_strain=0.02))
    point = Point(law)
    for strain in np.linspace(0.0, 0.03, 31)[1:]:
        point.uniaxial(-strain)
    point.uniaxial(-0.03)  # what is averaged takes effect with the next step
    kappa = point.state[slots.SOFTENING]
    assert kappa == pytest.approx(0.03 - STRENGTH / E, rel=1e-6)
    damage = 0.6 * (1.0 - np.exp(-kappa / 0.02))
    high, low = point.uniaxial(-0.0295), point.uniaxial(-0.0285)
    assert (high - low) / -0.001 == pytest.approx((1.0 - damage) * E, rel=1e-6)
    assert point.state[slots.DAMAGE] == pytest.approx(damage, rel=1e-9)


def test_softening_leaves_the_residual_strength():
    law = Quadric(
        isotropic(), STRENGTH, softening=Softening(residual=0.5, onset=0.01, strain=0.005)
    )
    point = Point(law)
    stresses = [abs(point.uniaxial(-strain)) for strain in np.linspace(0.0, 0.1, 201)[1:]]
    assert max(stresses) == pytest.approx(STRENGTH, rel=1e-9)
    assert stresses[-1] == pytest.approx(0.5 * STRENGTH, rel=1e-4)  # exp(-14) is left
