"""Platen tests on meshes: the same numbers as voxels on the same cells, by every solver."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from blocks import Ends, block
from test_assembled import ORTHOTROPIC

from vbsim.fem import meshed, solve_modes
from vbsim.fem.linear import Settings
from vbsim.materials.field import LAMBDA, MU, StiffnessField, UnitStiffness
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.hexa import Plan, Sweep
from vbsim.mesh.order import brick

TIGHT = Settings(tolerance=1e-11, threads=1)
UNIT = UnitStiffness("bone", tuple(ORTHOTROPIC), tuple(ORTHOTROPIC))


@dataclass(frozen=True)
class Meshed:
    domain: Any
    element: Any
    materials: StiffnessField
    ends: Ends
    sweep: Any = None


def as_mesh(voxels, element="hex8"):
    """The body of voxels as a mesh of bricks."""
    n_z, n_y, n_x = voxels.domain.shape
    h = voxels.domain.spacing_mm
    mesh = brick((n_x, n_y, n_z), (n_x * h[0], n_y * h[1], n_z * h[2]))
    field = voxels.materials
    moduli = StiffnessField(field.units, field.moduli.reshape(len(field.units), -1))
    return Meshed(mesh, ELEMENTS[element], moduli, voxels.ends)


@pytest.mark.parametrize("lateral", ["held", "lower_held", "sliding"])
def test_bricks_are_voxels(lateral):
    """Plain trilinear cells are what the matrix-free solver multiplies with."""
    random = np.random.default_rng(0).uniform(1.0, 9.0, (2, 5, 4, 3)).astype(np.float32)
    voxels = block(StiffnessField((LAMBDA, MU), random), (1.0, 1.2, 0.8))
    expected = solve_modes(voxels, lateral=lateral, settings=TIGHT)
    found = solve_modes(as_mesh(voxels), lateral=lateral, settings=TIGHT)
    scale = np.abs(expected.stiffness).max()
    np.testing.assert_allclose(found.stiffness, expected.stiffness, atol=1e-7 * scale)
    np.testing.assert_allclose(
        found.reactions_n, expected.reactions_n, atol=1e-6 * np.abs(expected.reactions_n).max()
    )
    moved = expected.displacement_mm.reshape(3, 3, -1)
    np.testing.assert_allclose(found.displacement_mm, moved, atol=1e-6 * np.abs(moved).max())


def cylinder(side=12, n_planes=13, seed=1, wall=0.05):
    """A short cylinder of random moduli with a thin stiff shell, as a sweep."""
    plan = Plan(side, (0.0, 0.3, 0.65, 1.0, 1.05))
    place = plan.disc * 6.0 * (1.0 + wall * plan.shell_rank)[:, None]
    heights = np.linspace(0.0, 10.0, n_planes)
    planes = [np.column_stack([place, np.full(plan.n_points, z)]) for z in heights]
    sweep = Sweep(plan, np.array(planes))
    moduli = 100.0 * np.exp(np.random.default_rng(seed).normal(0.0, 0.4, sweep.n_cells))
    moduli[np.tile(plan.is_shell, sweep.n_layers)] = 5000.0
    n = plan.n_points
    mesh = sweep.mesh()
    ends = Ends(np.arange(n), mesh.n_points - n + np.arange(n), np.array([0.0, 0.0, 10.0]))
    field = StiffnessField((UNIT,), moduli[None])
    return Meshed(mesh, ELEMENTS["hex8i"], field, ends, sweep)


def same_modes(found, expected):
    scale = np.abs(expected.stiffness).max()
    np.testing.assert_allclose(found.stiffness, expected.stiffness, atol=1e-8 * scale)
    moved = expected.displacement_mm
    np.testing.assert_allclose(found.displacement_mm, moved, atol=1e-6 * np.abs(moved).max())


@pytest.mark.parametrize("lateral", ["held", "sliding"])
@pytest.mark.parametrize("solver", ["multigrid", "aggregation"])
def test_iterations_give_what_factorisation_gives(solver, lateral, monkeypatch):
    body = cylinder(8, 9)
    expected = solve_modes(body, lateral=lateral, settings=TIGHT)
    assert max(expected.report.iterations) <= 2
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", 10)
    if solver == "aggregation":
        pytest.importorskip("pyamg")
        body = replace(body, sweep=None)
    found = solve_modes(body, lateral=lateral, settings=TIGHT)
    assert max(found.report.iterations) > 5
    same_modes(found, expected)


def test_multigrid_needs_no_more_iterations_on_a_finer_mesh(monkeypatch):
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", 10)
    settings = Settings(tolerance=1e-8, threads=1)
    counts = [
        solve_modes(cylinder(n, n + 1), motions=1, settings=settings).report.iterations[0]
        for n in (8, 16)
    ]
    assert counts[1] < 1.3 * counts[0]


def test_a_thin_wall_costs_few_iterations(monkeypatch):
    """Smoothed point by point, the thinner wall would take three times as many: 134, not 22."""
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", 10)
    settings = Settings(tolerance=1e-8, threads=1)
    counts = [
        solve_modes(cylinder(8, 9, wall=wall), motions=1, settings=settings).report.iterations[0]
        for wall in (0.05, 0.02)
    ]
    assert counts[1] < 2 * counts[0]


def test_threads_change_no_digit(monkeypatch):
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", 10)
    body = cylinder(16, 25)
    one, two = (
        solve_modes(body, motions=1, settings=Settings(tolerance=1e-8, threads=t)) for t in (1, 2)
    )
    assert np.array_equal(one.displacement_mm, two.displacement_mm)


def test_platens_are_in_equilibrium():
    modes = solve_modes(cylinder(), settings=TIGHT)
    lower, upper = modes.reactions_n[:, 0], modes.reactions_n[:, 1]
    assert np.abs(lower + upper).max() < 1e-8 * np.abs(upper).max()
    assert np.linalg.eigvalsh(modes.stiffness).min() > 0


def test_one_factorisation_serves_every_motion(monkeypatch):
    made = []

    class Counted(meshed.Factorisation):
        def __init__(self, matrix):
            made.append(matrix.shape)
            super().__init__(matrix)

    monkeypatch.setattr(meshed, "Factorisation", Counted)
    voxels = block(StiffnessField.isotropic(np.full((3, 3, 3), 100.0), 0.3))
    found = solve_modes(as_mesh(voxels), lateral="held", settings=TIGHT)
    assert len(found.report.iterations) == 3
    assert len(made) == 1
