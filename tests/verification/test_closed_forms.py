"""Closed forms and convergence orders of the voxel solver (rows V1, V2, V3, V10)."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block

from vbsim.fem.krylov import ConjugateGradients
from vbsim.fem.layout import Layout, Team
from vbsim.fem.linear import Settings, solve_modes
from vbsim.fem.multigrid import Multigrid, held_components, mark_active
from vbsim.fem.operators import VoxelOperator
from vbsim.materials.field import LAMBDA, MU, StiffnessField, lame, orthotropic

TIGHT = Settings(tolerance=1e-11)


def held_boundary(shape):
    fixed = np.ones((3, *(n + 1 for n in shape)), bool)
    fixed[:, 1:-1, 1:-1, 1:-1] = False
    return fixed


def solve_held(units, moduli, cell_mm, fixed, prescribed, force, tolerance):
    """Displacement with prescribed values at `fixed` components and nodal forces elsewhere."""
    h = np.array(cell_mm)[:, None, None, None]
    moduli = moduli.astype(np.float32)
    layout = Layout(moduli.any(axis=0))
    flags = (fixed * np.array([1, 2, 4])[:, None, None, None]).sum(axis=0).astype(np.uint8)
    operator = VoxelOperator(
        units,
        layout.compact_cells(moduli),
        cell_mm,
        layout=layout,
        held=held_components(layout, flags),
        team=Team(1),
    )
    mark_active(layout, flags)
    x = layout.compact(np.where(fixed, prescribed, 0.0) * h)
    solver = ConjugateGradients(operator, Multigrid(operator, moduli, flags))
    outcome = solver.solve(x, layout.compact(force / h), tolerance=tolerance)
    assert outcome.converged
    return layout.dense(x) / h


@pytest.mark.parametrize("cell_mm", [(1.0, 1.0, 1.0), (0.5, 0.8, 1.5)])
@pytest.mark.parametrize(
    "unit",
    [
        StiffnessField.isotropic(np.ones((1, 1, 1)), 0.3).units[0],
        orthotropic("bone", (0.3, 0.4, 1.0), (0.1, 0.1, 0.3), (0.16, 0.15, 0.12)),
    ],
    ids=["isotropic", "orthotropic"],
)
def test_v1_patch(unit, cell_mm):
    shape = (7, 5, 6)
    z, y, x = np.meshgrid(*(np.arange(n + 1.0) for n in shape), indexing="ij")
    points = np.stack([x * cell_mm[0], y * cell_mm[1], z * cell_mm[2]])
    gradient = np.array([[0.1, 0.2, -0.3], [0.05, -0.4, 0.15], [0.25, 0.1, 0.3]])
    exact = np.einsum("ij,jzyx->izyx", gradient, points)
    fixed = held_boundary(shape)
    u = solve_held((unit,), np.full((1, *shape), 7.0), cell_mm, fixed, exact, 0 * exact, 1e-12)
    # solver tolerance x 10, as the row asks
    assert np.abs(u - exact).max() < 1e-11 * np.abs(exact).max()


def test_v2_coaxial_column_shares_by_stiffness():
    modulus = np.full((9, 8, 8), 200.0)
    modulus[:, 2:6, 3:7] = 3000.0
    body = block(StiffnessField.isotropic(modulus, 0.3), (0.5, 1.0, 2.0))
    modes = solve_modes(body, lateral="sliding", settings=TIGHT)
    expected = (200.0 * 48 + 3000.0 * 16) * 0.5 / 18.0
    assert modes.stiffness[0, 0] == pytest.approx(expected, rel=1e-8)


def test_v3_series_column_adds_compliances():
    layers = np.array([100.0, 2000.0, 50.0, 50.0, 700.0, 2500.0, 10.0])
    body = block(StiffnessField.isotropic(np.ones((7, 4, 5)) * layers[:, None, None], 0.0))
    modes = solve_modes(body, settings=TIGHT)
    assert modes.stiffness[0, 0] == pytest.approx(20.0 / (1.0 / layers).sum(), rel=1e-8)


def manufactured(n):
    """Errors in u and in stress for a smooth field in a graded isotropic unit cube."""
    poisson, cell = 0.3, 1.0 / n

    def u_exact(x, y, z):
        return np.stack(
            [
                np.sin(2 * x) * np.cos(y) * z,
                x * np.sin(1.5 * y) * np.sin(z),
                np.cos(x) * y * np.sin(2 * z),
            ]
        )

    def modulus(x, y, z):
        return 2.0 + np.sin(3 * x) + y * z

    def gradient(x, y, z, step=1e-5):
        columns = []
        for shift in np.eye(3) * step:
            ahead = u_exact(x + shift[0], y + shift[1], z + shift[2])
            behind = u_exact(x - shift[0], y - shift[1], z - shift[2])
            columns.append((ahead - behind) / (2 * step))
        return np.stack(columns, axis=1)

    def stress(x, y, z):
        g = gradient(x, y, z)
        eps = 0.5 * (g + np.swapaxes(g, 0, 1))
        lam, mu = lame(modulus(x, y, z), poisson)
        trace = np.trace(eps)
        return lam * trace * np.eye(3)[:, :, None, None, None] + 2 * mu * eps

    def body_force(x, y, z, step=1e-3):
        total = 0.0
        for k, shift in enumerate(np.eye(3) * step):
            ahead = stress(x + shift[0], y + shift[1], z + shift[2])[:, k]
            behind = stress(x - shift[0], y - shift[1], z - shift[2])[:, k]
            total = total - (ahead - behind) / (2 * step)
        return total

    nodes = np.arange(n + 1) * cell
    centres = (np.arange(n) + 0.5) * cell
    z, y, x = np.meshgrid(nodes, nodes, nodes, indexing="ij")
    zc, yc, xc = np.meshgrid(centres, centres, centres, indexing="ij")
    exact = u_exact(x, y, z)
    force = np.zeros_like(exact)
    share = body_force(xc, yc, zc) * cell**3 / 8
    for k in np.ndindex(2, 2, 2):
        force[:, k[0] : k[0] + n, k[1] : k[1] + n, k[2] : k[2] + n] += share
    lam, mu = lame(modulus(xc, yc, zc), poisson)
    moduli = np.stack([lam, mu])
    u = solve_held((LAMBDA, MU), moduli, (cell,) * 3, held_boundary((n,) * 3), exact, force, 1e-10)
    from vbsim.fem import recovery
    from vbsim.mesh import VoxelGrid

    grid = VoxelGrid((n,) * 3, (cell,) * 3)
    found = recovery.stress(recovery.strain(u, grid), StiffnessField((LAMBDA, MU), moduli))
    tensor = stress(xc, yc, zc)
    wanted = np.stack([tensor[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))])
    return (
        np.sqrt(np.mean((u - exact) ** 2)),
        np.sqrt(np.mean((np.moveaxis(found, -1, 0) - wanted) ** 2)),
    )


def test_v10_manufactured_solution_converges():
    coarse, fine = manufactured(8), manufactured(16)
    order_u, order_stress = np.log2(np.array(coarse) / np.array(fine))
    assert order_u > 1.8
    assert order_stress > 0.8


def test_iterations_do_not_grow_with_the_mesh():
    # One vertebra-like body sampled at three spacings: soft core, stiff thin wall, voids.
    counts = []
    for n in (16, 32, 64):
        z, y, x = np.meshgrid(*((np.arange(n) + 0.5) / n * 2 - 1 for _ in range(3)), indexing="ij")
        radius = np.hypot(x, y / 0.8)
        core = 200.0 * np.exp(0.5 * np.sin(9 * x) * np.cos(8 * y + 1) * np.sin(7 * z))
        modulus = np.where(radius > 0.85, 3000.0, core)
        modulus[np.abs(z) > 0.75] = 2500.0
        modulus[radius > 0.95] = 0.0
        modes = solve_modes(block(StiffnessField.isotropic(modulus), (2.0 / n,) * 3))
        counts.append(modes.report.iterations[0])
    middle = counts[1]
    assert max(abs(count - middle) for count in counts) <= 0.3 * middle, counts
