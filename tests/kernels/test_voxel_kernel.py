"""The parity-sum product against its dense twin, for every kind of material and any grid."""

import numpy as np
import pytest
from voxel_twin import cell_matrix, product

from vbsim.checks import InvalidInput
from vbsim.fem.layout import Layout, Team
from vbsim.fem.operators import VoxelOperator, cell_matrices, constants_table
from vbsim.materials.field import LAMBDA, LAMBDA_MEAN, MU, mean_only, orthotropic

SEED = 11
BONE = orthotropic("bone", (1 / 3, 1 / 3, 1.0), (0.1, 0.1, 0.3), (0.157, 0.157, 0.121))
WALL = mean_only(0.3)
MATERIALS = {
    "isotropic": (MU,),
    "mixture": (BONE, LAMBDA, MU, LAMBDA_MEAN),
    "wall": (WALL,),
    "mixture with wall": (MU, WALL, LAMBDA_MEAN),
    "volumetric": (LAMBDA,),
}
CELLS = [(1.0, 1.0, 1.0), (0.5, 0.7, 1.5)]


def random_operator(units, shape, cell_mm, threads=1):
    rng = np.random.default_rng(SEED)
    moduli = rng.uniform(0.5, 2.0, (len(units), *shape)) * (rng.random(shape) > 0.3)
    moduli = moduli.astype(np.float32)
    layout = Layout(moduli.any(axis=0))
    operator = VoxelOperator(
        units,
        layout.compact_cells(moduli),
        cell_mm,
        layout=layout,
        held=np.zeros((3, layout.n_points), bool),
        team=Team(threads),
    )
    u = rng.normal(size=(3, *layout.point_shape))
    return operator, moduli.astype(float), u


@pytest.mark.parametrize("cell_mm", CELLS)
@pytest.mark.parametrize("name", MATERIALS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (2, 3, 100)])
def test_product_equals_dense_twin(name, cell_mm, shape):
    units = MATERIALS[name]
    operator, moduli, u = random_operator(units, shape, cell_mm)
    h = np.array(cell_mm)[:, None, None, None]
    out = np.empty(operator.shape)
    operator.reactions(operator.layout.compact(u * h), out)
    expected = product(u, moduli, units, cell_mm)
    # round-off of sums of a few hundred terms
    found = operator.layout.dense(out) * h
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("cell_mm", CELLS)
@pytest.mark.parametrize("unit", [BONE, LAMBDA, MU, LAMBDA_MEAN, WALL], ids=lambda unit: unit.name)
def test_cell_matrix_equals_gauss_integration(unit, cell_mm):
    (found,) = cell_matrices(constants_table((unit,), cell_mm))
    h = np.repeat(cell_mm, 8)
    expected = cell_matrix(unit.mean, unit.bending, cell_mm)
    np.testing.assert_allclose(found * np.outer(h, h), expected, atol=1e-13 * expected.max())


def test_product_is_symmetric_and_blind_to_rigid_motion():
    units = MATERIALS["mixture"]
    operator, _, u = random_operator(units, (4, 5, 6), (1.0, 0.5, 2.0))
    u = operator.layout.compact(u)
    v = np.random.default_rng(SEED + 1).normal(size=u.shape)
    Au, Av = np.empty_like(u), np.empty_like(u)
    operator.reactions(u, Au)
    operator.reactions(v, Av)
    assert abs(np.vdot(v, Au) - np.vdot(u, Av)) < 1e-12 * np.linalg.norm(v) * np.linalg.norm(Au)
    z, y, x = operator.layout.index()
    points = np.stack([1.0 * x, 0.5 * y, 2.0 * z], axis=1)
    rigid = np.cross([0.3, -0.2, 0.7], points).T + np.array([[1.0], [2.0], [3.0]])
    covariant = rigid * np.array([[1.0], [0.5], [2.0]])
    operator.reactions(covariant, Au)
    assert np.abs(Au).max() < 1e-12 * np.abs(covariant).max()


def test_threads_change_no_digit():
    units = MATERIALS["mixture"]
    shape = (40, 30, 30)  # large enough to be shared out
    outs = []
    for threads in (1, 2, 3):
        operator, _, u = random_operator(units, shape, (1.0, 1.0, 1.0), threads)
        u = operator.layout.compact(u)
        out = np.empty_like(u)
        energy = operator.product(u, out)
        outs.append((energy, out))
    for energy, out in outs[1:]:
        assert energy == outs[0][0]
        assert np.array_equal(out, outs[0][1])


def test_diagonal_is_that_of_the_product():
    operator, _, _ = random_operator(MATERIALS["mixture"], (2, 3, 2), (1.0, 0.5, 2.0))
    out = np.empty(operator.shape)
    for index in np.ndindex(operator.shape):
        unit = np.zeros(operator.shape)
        unit[index] = 1.0
        operator.reactions(unit, out)
        assert operator.dinv[index] == pytest.approx(1.0 / out[index], rel=1e-6)  # float32


def test_held_components_stay_zero():
    operator, _, u = random_operator(MATERIALS["isotropic"], (3, 3, 3), (1.0, 1.0, 1.0))
    operator.dinv[:, ::3] = 0
    out = np.full(operator.shape, np.nan)
    operator.product(operator.layout.compact(u), out)
    assert not out[:, ::3].any()
    b = np.ones(operator.shape)
    operator.residual(operator.layout.compact(u), b, out)
    assert not out[:, ::3].any()
    assert np.isfinite(out).all()


@pytest.mark.parametrize("fill", [0.05, 0.5, 1.0])
def test_layout_numbers_every_point_and_cell_once(fill):
    solid = np.random.default_rng(SEED).random((5, 7, 300)) < fill  # rows longer than one run
    layout = Layout(solid)
    touched = np.zeros(layout.point_shape, bool)
    for z, y, x in np.ndindex(2, 2, 2):
        touched[z : z + 5, y : y + 7, x : x + 300] |= solid
    z, y, x = layout.index()
    assert np.array_equal(np.stack([z, y, x]), np.stack(np.nonzero(touched)))
    assert layout.n_cells == np.count_nonzero(solid)
    values = np.arange(solid.size, dtype=np.float32).reshape(1, *solid.shape)
    assert np.array_equal(layout.compact_cells(values)[0], values[0][solid])
    field = np.random.default_rng(SEED).random((3, *layout.point_shape)) * touched
    assert np.array_equal(layout.dense(layout.compact(field)), field)
    low = layout.cells.lines[:, 0]
    row = np.repeat(np.arange(5), np.diff(layout.cells.plane))
    assert np.array_equal(np.stack([z, y, x])[:, low], [row, layout.cells.row, layout.cells.x])


def test_only_an_isotropic_part_may_be_reduced():
    unit = BONE._replace(bending=(0.0,) * 9)
    with pytest.raises(InvalidInput, match="isotropic"):
        constants_table((unit,), (1.0, 1.0, 1.0))


def test_more_unit_materials_than_the_buffers_hold_are_refused():
    with pytest.raises(InvalidInput, match="at most 8"):
        random_operator((MU,) * 9, (1, 1, 1), (1.0, 1.0, 1.0))
