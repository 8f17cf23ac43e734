"""Assembly against its dense twin; the patch test on distorted cells of every kind (row V1)."""

from __future__ import annotations

import assembly_twin
import numpy as np
import pytest
from solids import cut, distorted, on_boundary

from vbsim.checks import InvalidInput, NotConverged
from vbsim.fem.assembled import Pattern, Rows, assemble
from vbsim.fem.kept import KeptCells
from vbsim.fem.statics import (
    Static,
    elastic_matrices,
    isotropic_constants,
    solve_static,
    strains,
    stresses,
)
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.order import brick

EVERY = pytest.mark.parametrize("element", ELEMENTS.values(), ids=ELEMENTS)
SIZE = (1.0, 1.2, 0.9)
ORTHOTROPIC = np.array([5.0, 4.0, 6.0, 1.5, 1.2, 1.7, 1.1, 1.3, 0.9])


def full_matrices(n_cells):
    """Positive definite elastic matrices without any symmetry of the material."""
    random = np.random.default_rng(3).normal(size=(n_cells, 6, 6))
    return random @ random.transpose(0, 2, 1) + 6.0 * np.eye(6)


@EVERY
@pytest.mark.parametrize("material", ["orthotropic", "full"])
def test_assembly_equals_its_twin(element, material):
    mesh = cut(distorted((2, 2, 1), SIZE, 0.05), element.shape.name)
    scale = np.random.default_rng(2).uniform(0.5, 2.0, mesh.n_cells)
    constants = scale[:, None] * ORTHOTROPIC
    if material == "full":
        constants = full_matrices(mesh.n_cells).reshape(-1, 36)
    K = assemble(mesh, element, constants).to_scipy().toarray()
    twin = assembly_twin.dense(mesh, element, elastic_matrices(constants))
    np.testing.assert_allclose(K, twin, rtol=0, atol=1e-12 * np.abs(twin).max())


def test_threads_change_no_digit_and_memory_is_used_again():
    mesh, element = brick((17, 17, 17), (1.0, 1.0, 1.0)), ELEMENTS["hex8i"]
    constants = np.random.default_rng(4).uniform(1.0, 3.0, (mesh.n_cells, 1)) * ORTHOTROPIC
    one = assemble(mesh, element, constants, rows=Rows(mesh.n_points, 1))
    three = assemble(mesh, element, constants, rows=Rows(mesh.n_points, 3))
    assert np.array_equal(one.values, three.values)
    values = one.values
    again = assemble(mesh, element, 2.0 * constants, into=one)
    assert again.values is values
    np.testing.assert_allclose(again.values, 2.0 * three.values, rtol=1e-12, atol=1e-12)


@EVERY
@pytest.mark.parametrize("material", ["orthotropic", "full"])
def test_kept_cells_give_the_matrix_for_other_moduli(element, material):
    mesh = cut(distorted((3, 2, 2), SIZE, 0.05), element.shape.name)
    constants = np.tile(ORTHOTROPIC, (mesh.n_cells, 1))
    if material == "full":
        constants = full_matrices(mesh.n_cells).reshape(-1, 36)
    matrix = assemble(mesh, element, constants)
    kept = KeptCells(mesh, element, constants, matrix.pattern, matrix.rows)
    factor = np.random.default_rng(6).uniform(0.0, 3.0, mesh.n_cells)
    matrix.values[...] = np.nan  # nothing of it may be read
    kept.refill(factor, matrix)
    wanted = assemble(mesh, element, factor[:, None] * constants).values
    np.testing.assert_allclose(matrix.values, wanted, rtol=0, atol=1e-13 * np.abs(wanted).max())
    assert kept.n_bytes >= 72 * matrix.pattern.place.size


def test_kept_cells_belong_to_their_pattern_and_change_no_digit_with_threads():
    mesh, element = brick((17, 17, 17), (1.0, 1.0, 1.0)), ELEMENTS["hex8i"]
    constants = isotropic_constants(1.0, 0.3, mesh.n_cells)
    factor = np.random.default_rng(7).uniform(1.0, 3.0, mesh.n_cells)
    found = []
    for threads in (1, 3):
        matrix = assemble(mesh, element, constants, rows=Rows(mesh.n_points, threads))
        kept = KeptCells(mesh, element, constants, matrix.pattern, matrix.rows)
        kept.refill(factor, matrix)
        found.append(matrix.values)
    assert np.array_equal(*found)
    with pytest.raises(InvalidInput, match="into = 'another pattern'"):
        kept.refill(factor, assemble(mesh, element, constants))


def test_product_is_that_of_the_matrix():
    mesh, element = distorted((3, 2, 2), SIZE, 0.05), ELEMENTS["hex8"]
    A = assemble(mesh, element, isotropic_constants(1.0, 0.3, mesh.n_cells))
    x = np.random.default_rng(5).normal(size=A.shape)
    y = np.empty_like(x)
    energy = A.product(x, y)
    np.testing.assert_allclose(y.ravel(), A.to_scipy() @ x.ravel(), rtol=1e-12, atol=1e-13)
    assert energy == pytest.approx(float(x.ravel() @ y.ravel()))


def test_pattern_lists_every_neighbour_once_in_order():
    mesh = brick((2, 2, 2), (1.0, 1.0, 1.0))
    pattern = Pattern(mesh.cells, mesh.n_points)
    for p in range(mesh.n_points):
        row = pattern.column[pattern.start[p] : pattern.start[p + 1]]
        expected = np.unique(mesh.cells[(mesh.cells == p).any(axis=1)])
        np.testing.assert_array_equal(row, expected)


@EVERY
def test_v1_patch(element):
    """A linear displacement is reproduced to round-off, with the stress that belongs to it."""
    mesh = cut(distorted((3, 3, 2), SIZE, 0.08), element.shape.name)
    gradient = np.array([[1.0, 0.4, -0.3], [0.2, -0.7, 0.1], [0.5, 0.3, 0.6]]) * 1e-3
    exact = mesh.points @ gradient.T
    held = np.repeat(on_boundary(mesh, SIZE)[:, None], 3, axis=1)
    constants = np.tile(ORTHOTROPIC, (mesh.n_cells, 1))
    forces = np.zeros_like(exact)
    found = solve_static(Static(mesh, element, constants, held, exact, forces)).displacement
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-10 * np.abs(exact).max())
    strain = strains(mesh, element, found, constants=constants)
    g = gradient
    shear = [g[1, 2] + g[2, 1], g[0, 2] + g[2, 0], g[0, 1] + g[1, 0]]
    expected = np.broadcast_to([*np.diag(g), *shear], strain.shape)
    np.testing.assert_allclose(strain, expected, rtol=0, atol=1e-10 * np.abs(g).max())


@EVERY
def test_free_thermal_expansion_leaves_no_stress(element):
    mesh = cut(distorted((2, 2, 2), SIZE, 0.05), element.shape.name)
    constants = isotropic_constants(1000.0, 0.3, mesh.n_cells)
    initial = np.tile([1e-3, 1e-3, 1e-3, 0.0, 0.0, 0.0], (mesh.n_cells, 1))
    held, zero = np.zeros((mesh.n_points, 3), bool), np.zeros((mesh.n_points, 3))
    held[mesh.points[:, 0] == 0.0, 0] = True
    held[mesh.points[:, 1] == 0.0, 1] = True
    held[mesh.points[:, 2] == 0.0, 2] = True
    found = solve_static(Static(mesh, element, constants, held, zero, zero, initial))
    np.testing.assert_allclose(found.displacement, 1e-3 * mesh.points, atol=1e-12)
    strain = strains(mesh, element, found.displacement, constants=constants, initial_strain=initial)
    assert np.abs(stresses(strain, constants, initial)).max() < 1e-9


def test_what_is_not_held_is_refused():
    mesh = brick((1, 1, 1), (1.0, 1.0, 1.0))
    zero = np.zeros((8, 3))
    constants = isotropic_constants(1000.0, 0.3, 1)
    with pytest.raises(NotConverged, match="not held"):
        solve_static(Static(mesh, ELEMENTS["hex8"], constants, zero != 0, zero, zero + 1.0))


def test_wrong_cells_and_constants_are_refused():
    mesh = brick((1, 1, 1), (1.0, 1.0, 1.0))
    with pytest.raises(InvalidInput, match="tetra cells"):
        assemble(mesh, ELEMENTS["tet4"], np.ones((1, 9)))
    with pytest.raises(InvalidInput, match=r"of shape \(1, 9\)"):
        assemble(mesh, ELEMENTS["hex8"], np.ones((2, 9)))


def test_a_cell_without_material_has_the_strain_of_its_corners():
    mesh = distorted((2, 1, 1), (2.0, 1.0, 1.0), 0.2)
    constants = np.tile([3.0, 3.0, 3.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], (2, 1))
    constants[1] = 0.0
    u = 0.01 * np.random.default_rng(2).normal(size=mesh.points.shape)
    plain = strains(mesh, ELEMENTS["hex8"], u)
    found = strains(mesh, ELEMENTS["hex8i"], u, constants=constants)
    assert found[1] == pytest.approx(plain[1])
    assert np.abs(found[0] - plain[0]).max() > 1e-3
