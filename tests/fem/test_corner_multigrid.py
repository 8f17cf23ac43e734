"""Two grids for second-order cells: groups and sweeps beside dense ones, and few iterations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blocks import Ends
from solids import cut, distorted
from test_assembled import ORTHOTROPIC
from test_meshed import TIGHT, cylinder, same_modes

from vbsim.fem import meshed, solve_modes
from vbsim.fem.assembled import assemble
from vbsim.fem.corner_multigrid import corner_interpolation, tied_groups
from vbsim.fem.linear import Settings
from vbsim.kernels import grouping
from vbsim.materials.field import StiffnessField
from vbsim.mesh.elements import ELEMENTS

KINDS = {"tet10": 6, "hex20": 1, "wedge15": 2}


def of_second_order(name, size=(4, 4), wall=0.05):
    """The thin-walled cylinder of hexahedra in cells of second order."""
    body = cylinder(*size, wall=wall)
    element = ELEMENTS[name]
    mesh = cut(body.domain, element.shape.name)
    z = mesh.points[:, 2]
    ends = Ends(np.flatnonzero(z == z.min()), np.flatnonzero(z == z.max()), body.ends.pivot_mm)
    field = StiffnessField(
        body.materials.units, np.repeat(body.materials.moduli, KINDS[name], axis=1)
    )
    return replace(body, domain=mesh, element=element, materials=field, ends=ends, sweep=None)


@pytest.fixture(scope="module")
def small():
    """A small stiffness with held components, and its groups."""
    mesh = cut(distorted((2, 2, 2), (2.0, 2.0, 0.2), 0.02), "tetra10")
    constants = np.tile(ORTHOTROPIC, (mesh.n_cells, 1))
    matrix = assemble(mesh, ELEMENTS["tet10"], constants)
    free = np.random.default_rng(0).uniform(size=(mesh.n_points, 3)) > 0.1
    return mesh, matrix, free.astype(float), tied_groups(matrix)


def test_every_point_is_in_one_group_and_the_strongest_tie_inside_one(small):
    mesh, matrix, _, groups = small
    assert np.array_equal(np.sort(groups[groups >= 0]), np.arange(mesh.n_points))
    assert (groups[:, 1:] >= 0).any()
    dense = matrix.to_scipy().toarray().reshape(mesh.n_points, 3, mesh.n_points, 3)
    size = np.linalg.norm(dense, axis=(1, 3))
    strength = size / np.sqrt(np.outer(size.diagonal(), size.diagonal()))
    np.fill_diagonal(strength, 0.0)
    pair = np.unravel_index(np.argmax(strength), strength.shape)
    assert any(np.isin(pair, group).all() for group in groups)
    for group in groups[groups[:, 1] >= 0]:
        members = group[group >= 0]
        assert strength[np.ix_(members, members)].max() > 0.3


@pytest.mark.parametrize("backward", [False, True])
def test_a_sweep_solves_one_group_after_the_other(small, backward):
    mesh, matrix, free, groups = small
    pattern = matrix.pattern
    rows = (pattern.start, pattern.column, matrix.values)
    inverse = np.empty((len(groups), 9, 9))
    grouping.group_inverses(*rows, free, groups, inverse)
    random = np.random.default_rng(1)
    b = random.normal(size=(mesh.n_points, 3))
    x = random.normal(size=b.shape)
    found = x.copy()
    grouping.sweep_groups(*rows, groups, inverse, b, backward, found)
    dense, expected = matrix.to_scipy().toarray(), x.ravel().copy()
    for group in groups[::-1] if backward else groups:
        members = group[group >= 0]
        own = (3 * members[:, None] + np.arange(3)).ravel()
        own = own[free.ravel()[own] > 0]
        r = b.ravel()[own] - dense[own] @ expected
        expected[own] += np.linalg.solve(dense[np.ix_(own, own)], r)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-9, atol=1e-12)
    assert np.array_equal(found[free == 0], x[free == 0])


@pytest.mark.parametrize("name", KINDS)
def test_corners_carry_fields_that_are_linear(name):
    mesh = of_second_order(name).domain
    corners, up = corner_interpolation(mesh, ELEMENTS[name].shape.edges)
    assert len(corners) < 0.35 * mesh.n_points
    np.testing.assert_allclose(up @ mesh.points[corners], mesh.points, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "lateral"),
    [("tet10", "held"), ("tet10", "sliding"), ("hex20", "sliding"), ("wedge15", "held")],
)
def test_iterations_give_what_factorisation_gives(name, lateral, monkeypatch):
    body = of_second_order(name)
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", 10**6)
    expected = solve_modes(body, lateral=lateral, settings=TIGHT)
    monkeypatch.setattr(meshed, "_DIRECT_POINTS", body.domain.n_points - 1)
    found = solve_modes(body, lateral=lateral, settings=TIGHT)
    assert max(found.report.iterations) > 5
    same_modes(found, expected)


def test_a_thin_wall_costs_few_iterations(monkeypatch):
    """Smoothed point by point, the thinner wall would take 202, not 24."""
    settings = Settings(tolerance=1e-8, threads=1)
    counts = []
    for wall in (0.05, 0.02):
        body = of_second_order("tet10", (8, 5), wall)
        monkeypatch.setattr(meshed, "_DIRECT_POINTS", body.domain.n_points - 1)
        counts.append(solve_modes(body, motions=1, settings=settings).report.iterations[0])
    assert counts[1] < 1.5 * counts[0]
    assert counts[1] < 60
