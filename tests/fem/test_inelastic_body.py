"""Forces and tangent of a body with laws against slow twins and finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block
from inelastic_twin import forces_of, gradient_of

from vbsim.fem.equilibrium.body import InelasticBody
from vbsim.fem.layout import Team
from vbsim.kernels import constitutive
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Crushable, Elastic, Quadric, Softening, Surface, crushing

SEED = 11
SPACING = (1.0, 1.5, 0.8)


def mixed(shape=(4, 3, 5), *, births=False):
    """Cells of one or two constituents with holes; laws of small and of finite strain."""
    rng = np.random.default_rng(SEED)
    modulus = np.exp(rng.normal(5.0, 0.5, shape)) * (rng.random(shape) > 0.15)
    body = block(StiffnessField.isotropic(modulus, 0.3), SPACING)
    constants = body.materials.mean_constants().reshape(-1, 9)
    cells = np.flatnonzero(modulus)
    some, others = cells[::2], cells[1::2]
    softening = Softening(0.7, 0.01, 0.1, 0.5, 0.0, 0.05, 0.5, 0.05)
    gradient = np.eye(3).ravel() + 0.05 * rng.standard_normal((len(others), 9))
    parts = [
        Part("bone", some, Quadric(constants[some], 1.0, Surface(), softening), 0.6),
        Part(
            "bone",
            others,
            Elastic(constants[others], strain="green"),
            1.0,
            gradient if births else None,
        ),
        Part("wall", some, Elastic(0.4 * constants[some])),
    ]
    return body, Constituents.join(parts)


def crushed(shape=(4, 3, 5), *, births=False):
    """Cells in which constituents of the logarithmic strain share it, with others beside them."""
    body = mixed(shape)[0]
    constants = body.materials.mean_constants().reshape(-1, 9)
    cells = np.flatnonzero(constants[:, 0])
    some, others = cells[::2], cells[1::2]
    rng = np.random.default_rng(SEED)
    gradient = np.eye(3).ravel() + 0.05 * rng.standard_normal((len(some), 9))
    parts = [
        Part("bone", some, Crushable(constants[some], 1.0, crushing("trabecular")), 0.6),
        Part("bone", others, Elastic(constants[others], strain="green")),
        Part("wall", some, Crushable(0.3 * constants[some], 2.0, crushing("shell"))),
        Part(
            "cement",
            some,
            Crushable(0.1 * constants[some], 5.0, crushing("cement")),
            1.0,
            gradient if births else None,
        ),
    ]
    return body, Constituents.join(parts)


def trial(made, size):
    rng = np.random.default_rng(SEED)
    return size * rng.standard_normal(made.free.shape) * made.spacing_mm[:, None]


@pytest.mark.parametrize("make", [mixed, crushed])
def test_the_mean_strain_sees_the_laws_alone(make):
    body, made = make()
    inelastic = InelasticBody(body, made, "held", Team(1))
    rng = np.random.default_rng(SEED)
    # An affine field has no bending modes: what is left are the laws.
    gradient = 0.02 * rng.standard_normal((3, 3))
    z, y, x = np.indices(tuple(n + 1 for n in body.domain.shape))
    points = np.stack([x * SPACING[0], y * SPACING[1], z * SPACING[2]])
    displacement = np.einsum("ij,jzyx->izyx", gradient, points)
    u = inelastic.gather(displacement) * inelastic.spacing_mm[:, None]
    out = np.zeros_like(u)
    assert inelastic.forces(u, 1.0, 0.0, out) == 0
    expected = np.zeros_like(displacement)
    for entry, cell in enumerate(made.cell):
        at = np.unravel_index(cell, body.domain.shape)
        F = np.eye(3) + gradient_of(displacement, at, SPACING)
        P, A, new = np.zeros(9), np.zeros((9, 9)), np.zeros(made.n_state)
        flag = constitutive.respond(
            made.law[entry], F.ravel(), made.params[entry], np.zeros(made.n_state), 1.0, P, A, new
        )
        assert flag == 0
        forces_of(made.weight[entry] * P.reshape(3, 3), at, SPACING, expected)
    found = inelastic.spread(out * inelastic.spacing_mm[:, None])
    # moduli are single precision in the linear part, which cancels
    np.testing.assert_allclose(found, expected, atol=1e-6 * np.abs(expected).max())


@pytest.mark.parametrize("make", [mixed, crushed])
@pytest.mark.parametrize("births", [False, True])
@pytest.mark.parametrize("pressure", [0.0, 2.0])
def test_the_product_is_the_derivative_of_the_forces(make, births, pressure):
    body, made = make(births=births)
    share = np.zeros(body.domain.shape)
    share[1, 1, 1:4] = 0.7
    inelastic = InelasticBody(body, made, "held", Team(1), cavity=share)
    u = trial(inelastic, 0.01)
    p = trial(inelastic, 1.0)[:, ::-1].copy()
    step = 1e-7
    force = [np.zeros_like(u) for _ in range(2)]
    for sign, out in zip((1.0, -1.0), force, strict=True):
        inelastic.forces(u + sign * step * p, 1.0, pressure, out)
    inelastic.forces(u, 1.0, pressure, np.zeros_like(u))
    product = np.zeros_like(u)
    inelastic.product(p, product)
    difference = (force[0] - force[1]) / (2.0 * step)
    # tangents are kept in single precision
    np.testing.assert_allclose(product, difference, atol=1e-5 * np.abs(product).max())


def test_cells_that_turn_inside_out_are_counted():
    body, made = crushed()
    inelastic = InelasticBody(body, made, "held", Team(1))
    z = np.indices(tuple(n + 1 for n in body.domain.shape))[0]
    displacement = np.zeros((3, *z.shape))
    displacement[2] = -2.0 * SPACING[2] * z
    u = inelastic.gather(displacement) * inelastic.spacing_mm[:, None]
    refused = inelastic.forces(u, 1.0, 0.0, np.zeros_like(u))
    assert refused == len(np.unique(made.cell[made.law == constitutive.CRUSHABLE]))


def test_forces_of_bending_modes_stay_when_their_modulus_changes():
    body, made = mixed()
    inelastic = InelasticBody(body, made, "held", Team(1))
    u = trial(inelastic, 0.003)
    before, after = np.zeros_like(u), np.zeros_like(u)
    inelastic.forces(u, 1.0, 0.0, before)
    rng = np.random.default_rng(SEED)
    inelastic.resist(rng.random(len(inelastic.resisting)).astype(np.float32), u)
    inelastic.forces(u, 1.0, 0.0, after)
    np.testing.assert_allclose(after, before, atol=1e-6 * np.abs(before).max())


def test_forces_do_not_depend_on_threads():
    rng = np.random.default_rng(SEED)
    shape = (24, 24, 24)
    body = block(StiffnessField.isotropic(np.exp(rng.normal(5.0, 0.5, shape)), 0.3))
    constants = body.materials.mean_constants().reshape(-1, 9)
    made = Constituents.join([Part("bone", np.arange(len(constants)), Quadric(constants, 1.0))])
    found = []
    for threads in (1, 2):
        inelastic = InelasticBody(body, made, "held", Team(threads))
        u = trial(inelastic, 0.01)
        out, product = np.zeros_like(u), np.zeros_like(u)
        inelastic.forces(u, 1.0, 0.0, out)
        inelastic.product(u, product)
        found.append((out, product))
    np.testing.assert_array_equal(found[0][0], found[1][0])
    np.testing.assert_array_equal(found[0][1], found[1][1])


def test_the_cavity_grows_by_its_gradient():
    body, made = mixed()
    share = np.zeros(body.domain.shape)
    share[1:3, 1, 1:4] = 1.0
    inelastic = InelasticBody(body, made, "held", Team(1), cavity=share)
    held = share[np.asarray(body.materials.moduli[0] > 0)].sum() * np.prod(SPACING)
    gradient, other = np.zeros(inelastic.free.shape), np.zeros(inelastic.free.shape)
    assert inelastic.cavity(np.zeros_like(gradient), other) == pytest.approx(held, rel=1e-12)
    u, p = trial(inelastic, 0.02), trial(inelastic, 1.0)[:, ::-1].copy()
    high, low = (inelastic.cavity(u + s * 1e-6 * p, other) for s in (1.0, -1.0))
    inelastic.cavity(u, gradient)
    assert (high - low) / 2e-6 == pytest.approx(float((gradient * p).sum()), rel=1e-6)
