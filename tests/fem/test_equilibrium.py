"""Non-linear equilibrium on blocks: the linear limit, closed forms, Newton's order, paths."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block

from vbsim.fem import Compression, solve
from vbsim.fem.equilibrium import (
    FREE,
    Equilibrium,
    EquilibriumSettings,
    Leg,
    Status,
    load,
    move,
)
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Quadric, Softening, Surface

SEED = 7
FINE = EquilibriumSettings(tolerance=1e-8)
PLASTIC = Softening(slope=0.5)


def rough(shape=(8, 6, 7)):
    rng = np.random.default_rng(SEED)
    modulus = np.exp(rng.normal(5.0, 0.7, shape)) * (rng.random(shape) > 0.05)
    return block(StiffnessField.isotropic(modulus, 0.3))


def plastic(body, strength_mpa, softening=PLASTIC, surface=None):
    """Every cell of a body yields at a strength."""
    cells = np.flatnonzero(body.materials.moduli.any(axis=0))
    constants = body.materials.mean_constants().reshape(-1, 9)[cells]
    law = Quadric(constants, strength_mpa, surface or Surface(), softening)
    return Constituents.join([Part("bone", cells, law)])


@pytest.mark.parametrize("rotates", [False, True])
def test_a_small_load_gives_the_linear_response(rotates):
    body = rough()
    test = Equilibrium(body, Constituents.elastic(body.materials, rotates=rotates), settings=FINE)
    assert test.run(Leg("load", move(1e-5), first=1.0, largest=1.0)) is Status.DONE
    linear = solve(body, Compression(force_n=test.reaction[0]))
    # moduli are float32 in the linear kernel: 1e-7
    assert test.history[-1].force_n / 1e-5 == pytest.approx(
        linear.force_n / linear.motion[0], rel=1e-5
    )


def test_laws_at_rest_are_as_stiff_as_the_linear_body():
    body = rough()
    test = Equilibrium(body, plastic(body, 1e3), settings=FINE)
    test.run(Leg("load", move(0.01), first=1.0, largest=1.0))
    linear = solve(body, Compression())
    assert test.reaction[0] / 0.01 == pytest.approx(linear.force_n / linear.motion[0], rel=1e-6)
    assert test.history[-1].dissipated_n_mm == 0.0


def test_a_ball_joint_carries_no_moment_and_tilts_as_the_linear_one():
    body = rough()
    test = Equilibrium(body, plastic(body, 1e3), settings=FINE, load_line_mm=(1.0, -0.5))
    test.run(Leg("load", load(50.0), FREE, FREE, first=1.0, largest=1.0))
    linear = solve(
        body,
        Compression(platen="ball_joint", load_offset_mm=(1.0, -0.5), force_n=50.0),
    )
    assert test.reaction == pytest.approx([50.0, 0.0, 0.0], abs=1e-5)
    assert test.motion[1:] == pytest.approx(linear.motion[1:], rel=1e-5)


def test_a_uniform_column_follows_its_law():
    E, strength = 200.0, 1.5
    body = block(StiffnessField.isotropic(np.full((6, 3, 3), E), 0.3))
    test = Equilibrium(body, plastic(body, strength), lateral="sliding", settings=FINE)
    test.run(Leg("load", move(0.12), first=0.1, largest=0.1))
    rows = list(test.history)
    hardening = 0.5 * strength
    for row in rows:
        strain = row.axial_mm / 6.0
        expected = min(
            E * strain, strength + E * hardening / (E + hardening) * (strain - strength / E)
        )
        assert row.force_n / 9.0 == pytest.approx(expected, rel=1e-6)
    test.run(Leg("unload", load(0.0)))
    plastic_strain = 0.02 - rows[-1].force_n / 9.0 / E
    assert test.motion[0] / 6.0 == pytest.approx(plastic_strain, rel=1e-6)
    assert test.history[-1].work_n_mm == pytest.approx(
        test.history[-1].dissipated_n_mm,
        rel=2e-2,  # trapezoids of ten steps
    )


def test_newton_converges_quadratically_where_the_tangent_is_smooth():
    """Fully plastic and loaded on: the number of right digits doubles with every iteration."""
    body = rough()
    counts = []
    for tolerance in (1e-3, 1e-6, 1e-12):
        settings = EquilibriumSettings(tolerance=tolerance, krylov_tolerance=1e-10)
        test = Equilibrium(body, plastic(body, 0.4, Softening(0.3, 0.02)), settings=settings)
        test.run(Leg("load", move(0.4), first=0.1, largest=0.1))
        counts.append(test.history[-1].newton)
    first, second, third = counts
    assert second - first <= 2
    assert third - second <= 2
