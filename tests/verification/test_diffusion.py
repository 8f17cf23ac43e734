"""Closed forms and convergence orders of scalar diffusion."""

import numpy as np
import pytest

from vbsim.checks import NotConverged
from vbsim.fem.diffusion import MOST_ITERATIONS, Diffusion

SEED = 7
# Conductance that holds a cell at a value, against 1 of the others.
HOLD = 1e6


def centres(n, *, length=1.0):
    return (np.arange(n) + 0.5) * length / n


def solve_held(mobility, spacing, held, value, source, factors=(1.0, 1.0, 1.0)):
    """Solve with the values of some cells given."""
    balance = Diffusion(mobility.shape, spacing)
    sink = HOLD * held
    balance.set(mobility, sink=sink, factors=factors)
    u, _ = balance.solve(np.where(held, sink * value, source), np.where(held, value, 0.0))
    for _ in range(2):  # the residual is measured against the large forces that hold the cells
        rest = np.where(held, sink * value, source) - balance.product(u)
        u = u + balance.solve(rest)[0]
    return u


def manufactured(n):
    """Return the largest error of a smooth solution with graded, anisotropic conductivity."""
    shape = (n, n + 2, n + 4)
    h = 1.0 / n
    z, y, x = np.meshgrid(*(centres(m, length=m * h) for m in shape), indexing="ij")
    u = np.sin(2.0 * x) * np.cos(3.0 * y) * np.exp(0.7 * z)
    k = 1.0 + 0.5 * x + 0.3 * y * z
    c_x, c_y, c_z = 0.6, 0.7, 1.0
    u_x = 2.0 * np.cos(2.0 * x) * np.cos(3.0 * y) * np.exp(0.7 * z)
    u_y = -3.0 * np.sin(2.0 * x) * np.sin(3.0 * y) * np.exp(0.7 * z)
    u_z = 0.7 * u
    laplace = k * (-4.0 * c_x - 9.0 * c_y + 0.49 * c_z) * u
    source = -(laplace + 0.5 * c_x * u_x + 0.3 * z * c_y * u_y + 0.3 * y * c_z * u_z)
    held = np.ones(shape, bool)
    held[1:-1, 1:-1, 1:-1] = False
    found = solve_held(k, (h, h, h), held, u, source * h**3, (c_x, c_y, c_z))
    return float(np.abs(found - u).max())


def test_manufactured_solution_has_order_2():
    coarse, fine = manufactured(8), manufactured(16)
    assert np.log2(coarse / fine) > 1.8


def radial(n):
    """Return the largest error of Darcy flow between two spheres, relative to the drop."""
    inner, outer = 0.3, 1.0
    h = 1.05 * outer / n
    z, y, x = np.meshgrid(*([centres(2 * n, length=2 * n * h) - n * h] * 3), indexing="ij")
    r = np.sqrt(x**2 + y**2 + z**2)
    exact = (1.0 / r - 1.0 / outer) / (1.0 / inner - 1.0 / outer)
    held = (r < inner) | (r > outer)
    found = solve_held(np.ones(r.shape), (h, h, h), held, exact, np.zeros(r.shape))
    return float(np.abs(found - exact).max())


def test_radial_darcy_flow_has_order_2():
    coarse, fine = radial(10), radial(20)
    assert fine < 0.01
    # Which cells the spheres hold changes with the grid: the order is 2 up to that.
    assert np.log2(coarse / fine) > 1.6


def test_point_source_has_the_pressure_of_the_lattice():
    # A source in one cell: u = 0.252731 q / (k h) (Watson 1939), less what a far sphere adds.
    n, h = 40, 0.5
    z, y, x = np.meshgrid(*([centres(2 * n + 1, length=(2 * n + 1) * h)] * 3), indexing="ij")
    middle = (n + 0.5) * h
    r = np.sqrt((x - middle) ** 2 + (y - middle) ** 2 + (z - middle) ** 2)
    far = r > 0.95 * middle
    source = np.zeros(r.shape)
    source[n, n, n] = 1.0
    exact = 1.0 / (4.0 * np.pi * np.where(r > 0.0, r, 1.0))
    u = solve_held(np.ones(r.shape), (h, h, h), far, exact, source)
    assert u[n, n, n] == pytest.approx(0.252731 / h, rel=1e-3)


def test_layers_in_series_and_side_by_side_are_exact():
    # Two layers across the flow and two along it: harmonic and arithmetic mean.
    for axis, expected in ((2, 2.0 / (1.0 / 3.0 + 1.0 / 700.0)), (1, 0.5 * (3.0 + 700.0))):
        k = np.full((4, 8, 8), 3.0)
        k[(slice(None),) * axis + (slice(4, None),)] = 700.0
        source, sink = np.zeros(k.shape), np.zeros(k.shape)
        # Half a cell of conductance to a face held at 1 on one side and at 0 on the other.
        sink[:, :, 0], sink[:, :, -1] = 2.0 * k[:, :, 0], 2.0 * k[:, :, -1]
        source[:, :, 0] = sink[:, :, 0]
        balance = Diffusion(k.shape, (1.0, 1.0, 1.0))
        balance.set(k, sink=sink)
        u, _ = balance.solve(source, tolerance=1e-12)
        flux = float((sink * u)[:, :, -1].sum()) / (4 * 8)
        assert 8.0 * flux == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("contrast", [1.0, 1e6])
def test_cycles_depend_neither_on_contrast_nor_on_size(contrast):
    cycles = []
    for n in (12, 24):
        generator = np.random.default_rng(SEED)
        axis = centres(n)
        z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
        k = np.where((x - 0.5) ** 2 + (y - 0.5) ** 2 + (z - 0.4) ** 2 < 0.09, 1.0, contrast)
        balance = Diffusion(k.shape, (1.0 / n,) * 3)
        balance.set(k * generator.lognormal(0.0, 0.5, k.shape), sink=np.where(z > 0.95, 1.0, 0.0))
        source = np.zeros(k.shape)
        source[n // 3, n // 2, n // 2] = 1.0
        cycles.append(balance.solve(source)[1].iterations)
    assert max(cycles) <= 60


def test_what_enters_leaves():
    k = np.random.default_rng(SEED).lognormal(0.0, 2.0, (7, 9, 8))
    sink = np.zeros(k.shape)
    sink[:, -1] = 3.0
    balance = Diffusion(k.shape, (1.0, 1.0, 1.0))
    balance.set(k, sink=sink)
    source = np.zeros(k.shape)
    source[3, 2, 4] = 5.0
    u, _ = balance.solve(source, tolerance=1e-10)
    assert float((sink * u).sum()) == pytest.approx(5.0, rel=1e-7)


def test_a_box_without_a_way_out_is_reported():
    balance = Diffusion((4, 4, 4), (1.0, 1.0, 1.0))
    balance.set(np.ones((4, 4, 4)))
    source = np.zeros((4, 4, 4))
    source[1, 1, 1] = 1.0
    with pytest.raises(NotConverged, match="residual"):
        balance.solve(source)
    assert MOST_ITERATIONS > 60
