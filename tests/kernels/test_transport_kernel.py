"""The front's kernels against their slow twin."""

import numpy as np
import pytest
import transport_twin

from vbsim.fem.diffusion import Diffusion, pad
from vbsim.kernels import transport

SEED = 11


def problem():
    generator = np.random.default_rng(SEED)
    shape = (5, 6, 7)
    is_open = generator.uniform(size=shape) > 0.1
    mobility = generator.lognormal(0.0, 1.0, shape) * is_open
    leak = np.where(generator.uniform(size=shape) > 0.85, 0.5, 0.0) * is_open
    source = np.zeros(shape)
    source[2, 3, 3] = 4.0
    is_open[2, 3, 3] = True
    mobility[2, 3, 3] = 1.0
    balance = Diffusion(shape, (1.0, 1.0, 1.0))
    balance.set(mobility, sink=leak + 1e-3 * is_open)
    pressure, _ = balance.solve(source)
    capacity = 0.9 * is_open
    held = capacity * (generator.uniform(size=shape) > 0.5)
    waiting = 0.05 * is_open * (generator.uniform(size=shape) > 0.8)
    entered = generator.uniform(size=shape)
    padded = [pad(a) for a in (pressure, leak, source, capacity, held, waiting, entered)]
    return balance.faces, padded


def stepped(kernel):
    faces, (pressure, leak, source, capacity, held, waiting, entered) = problem()
    fluid = transport.Fluid(capacity, held, waiting, entered)
    cells = np.flatnonzero(capacity.ravel() > 0.0)
    order = cells[np.argsort(-pressure.ravel()[cells], kind="stable")]
    leaked, arriving, age = (np.zeros_like(held) for _ in range(3))
    kernel(order, pressure, faces, leak, source, 3.0, fluid, arriving, age, leaked)
    return fluid, leaked, arriving


def test_a_step_is_the_twins():
    fluid, leaked, _ = stepped(transport.advance)
    faces, (pressure, leak, source, capacity, held, waiting, entered) = problem()
    expected = transport_twin.advance(
        pressure, faces[:3], leak, source, 3.0, capacity, held, waiting, entered
    )
    for ours, theirs in zip(
        (fluid.held, fluid.waiting, fluid.entered, leaked), expected, strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)
    assert leaked.sum() > 0.0


def test_plain_python_gives_the_same():
    compiled, plain = stepped(transport.advance), stepped(transport.advance.py_func)
    for ours, theirs in zip((*compiled[0], compiled[1]), (*plain[0], plain[1]), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-14)


def test_nothing_is_lost_and_no_cell_is_overfull():
    _, (_, _, source, capacity, held, waiting, _) = problem()
    before = held.sum() + waiting.sum() + source.sum()
    fluid, leaked, arriving = stepped(transport.advance)
    after = fluid.held.sum() + fluid.waiting.sum() + leaked.sum()
    assert after == pytest.approx(before, rel=1e-14)
    assert (fluid.held <= capacity * (1.0 + 1e-14)).all()
    assert not arriving.any()


def test_shear_rate_of_plug_flow_is_the_capillaries():
    # Unit velocity along x through permeability k and porosity phi: 4 v / sqrt(8 k phi).
    shape, k, phi = (1, 1, 6), 0.02, 0.9
    balance = Diffusion(shape, (2.0, 1.0, 1.0))
    sink, source = np.zeros(shape), np.zeros(shape)
    sink[0, 0, -1], source[0, 0, 0] = 5.0, 1.0
    balance.set(np.full(shape, 0.3), sink=sink)
    pressure, _ = balance.solve(source, tolerance=1e-12)
    for kernel in (transport.shear_rate, transport.shear_rate.py_func):
        rate = np.zeros_like(balance.faces.sink)
        kernel(
            pad(pressure),
            balance.faces,
            np.array([1.0, 2.0, 2.0]),
            pad(np.full(shape, k)),
            np.array([1.0, 1.0, 1.0]),
            pad(np.full(shape, phi)),
            rate,
        )
        np.testing.assert_allclose(rate[1, 1, 2:-2], 4.0 / np.sqrt(8.0 * k * phi), rtol=1e-6)


def test_a_tube_fills_from_where_cement_enters():
    entering, room = np.array([0.0, 3.0, 0.0, 1.0]), np.array([1.0, 1.0, 1.0, 0.5])
    for kernel in (transport.carry, transport.carry.py_func):
        held = np.array([0.0, 0.5, 0.0, 0.0])
        out = kernel(entering, room, held)
        np.testing.assert_allclose(held, [0.0, 1.0, 1.0, 0.5])
        assert out == pytest.approx(2.0)


def test_marrow_at_the_front_resists_as_the_twins():
    faces, (pressure, _, _, capacity, held, waiting, entered) = problem()
    held[:, 2] *= 0.4
    generator = np.random.default_rng(SEED)
    permeability, threshold, most = (
        pad(generator.lognormal(0.0, 1.0, (5, 6, 7))) for _ in range(3)
    )
    threshold[3] = 0.0
    shares = np.array([1.0, 0.6, 2.0])
    expected = transport_twin.soft_solid(
        pressure, faces[:3], shares, permeability, capacity, held, threshold, most
    )
    fluid = transport.Fluid(capacity, held, waiting, entered)
    for kernel in (transport.soft_solid, transport.soft_solid.py_func):
        found = np.ones_like(held)
        kernel(pressure, faces, shares, permeability, fluid, threshold, most, found)
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)
    resisting = expected[expected > 0.0]
    assert 20 < len(resisting) < np.count_nonzero(capacity)
    assert 0 < np.isin(resisting, most).sum() < len(resisting)
