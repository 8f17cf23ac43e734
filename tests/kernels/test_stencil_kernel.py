"""The diffusion kernels against their slow twin."""

import numpy as np
import pytest
from stencil_twin import matrix

from vbsim.fem.diffusion import Diffusion, pad
from vbsim.kernels import stencil

SEED = 4
SPACING = (1.0, 0.8, 1.3)
SHARES = (0.8 * 1.3 / 1.0, 1.0 * 1.3 / 0.8, 1.0 * 0.8 / 1.3)


def problem(shape=(4, 5, 6)):
    generator = np.random.default_rng(SEED)
    mobility = np.exp(generator.normal(0.0, 2.0, shape)) * (generator.uniform(size=shape) > 0.15)
    sink = generator.uniform(size=shape) * (generator.uniform(size=shape) > 0.5) + 1e-3
    return mobility, sink, generator


@pytest.mark.parametrize("shape", [(4, 5, 6), (1, 7, 2), (1, 1, 9)])
def test_the_product_is_the_twins(shape):
    mobility, sink, generator = problem(shape)
    u = generator.normal(size=shape)
    balance = Diffusion(shape, SPACING)
    balance.set(mobility, sink=sink)
    expected = (matrix(mobility, SHARES, sink) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(balance.product(u), expected, rtol=1e-12, atol=1e-12)


def test_the_solution_is_the_twins():
    mobility, sink, generator = problem()
    source = generator.normal(size=mobility.shape)
    balance = Diffusion(mobility.shape, SPACING)
    balance.set(mobility, sink=sink)
    u, solved = balance.solve(source, tolerance=1e-12)
    expected = np.linalg.solve(matrix(mobility, SHARES, sink), source.ravel())
    # The condition of the box (contrasts of 1e5) times the tolerance.
    np.testing.assert_allclose(u.ravel(), expected, rtol=1e-6, atol=1e-8 * np.abs(expected).max())
    assert solved.relative_residual <= 1e-12


def test_the_cycle_is_symmetric_and_positive():
    mobility, sink, generator = problem((6, 5, 9))
    balance = Diffusion(mobility.shape, SPACING)
    balance.set(mobility, sink=sink)
    held = balance._hierarchy
    finest = int(held.starts[1])
    inside = pad(np.ones(mobility.shape)).ravel() > 0
    results, sides = [], []
    for _ in range(2):
        side = np.zeros(finest, np.float32)
        side[inside] = generator.normal(size=inside.sum())
        held.b[:finest] = side
        stencil.cycle(held)
        sides.append(side.astype(float))
        results.append(held.u[:finest].astype(float))
    forth, back = sides[0] @ results[1], sides[1] @ results[0]
    assert sides[0] @ results[0] > 0.0
    # Single precision.
    assert forth == pytest.approx(back, rel=1e-4, abs=1e-4 * abs(sides[0] @ results[0]))


def test_plain_python_gives_the_same():
    mobility, sink, generator = problem((3, 4, 5))
    u = pad(generator.normal(size=mobility.shape))
    balance = Diffusion(mobility.shape, SPACING)
    balance.set(mobility, sink=sink)
    plain = stencil.Faces(*(np.zeros_like(face) for face in balance.faces))
    stencil.conductances.py_func(pad(mobility), np.array(SHARES), plain)
    for ours, theirs in zip(plain[:3], balance.faces[:3], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)
    out, expected = np.zeros_like(u), np.zeros_like(u)
    stencil.product.py_func(balance.faces, u, out)
    stencil.product(balance.faces, u, expected)
    np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-12)
