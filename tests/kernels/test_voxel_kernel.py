"""The parity-sum product against its dense twin, for every kind of material and any grid."""

import numpy as np
import pytest
from voxel_twin import cell_matrix, product

from vbsim.fem.operators import Team, VoxelOperator, cell_matrices, constants_table
from vbsim.materials.field import LAMBDA, LAMBDA_MEAN, MU, orthotropic

SEED = 11
BONE = orthotropic("bone", (1 / 3, 1 / 3, 1.0), (0.1, 0.1, 0.3), (0.157, 0.157, 0.121))
MATERIALS = {
    "isotropic": (MU,),
    "mixture": (BONE, LAMBDA, MU, LAMBDA_MEAN),
    "volumetric": (LAMBDA,),
}
CELLS = [(1.0, 1.0, 1.0), (0.5, 0.7, 1.5)]


def random_operator(units, shape, cell_mm, threads=1, dtype=np.float64):
    rng = np.random.default_rng(SEED)
    moduli = rng.uniform(0.5, 2.0, (len(units), *shape)) * (rng.random(shape) > 0.3)
    fixed = np.zeros((3, *(n + 1 for n in shape)), bool)
    operator = VoxelOperator(units, moduli.astype(dtype), cell_mm, fixed=fixed, team=Team(threads))
    u = rng.normal(size=operator.shape)
    return operator, moduli, u


@pytest.mark.parametrize("cell_mm", CELLS)
@pytest.mark.parametrize("name", MATERIALS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (2, 3, 100)])
def test_product_equals_dense_twin(name, cell_mm, shape):
    units = MATERIALS[name]
    operator, moduli, u = random_operator(units, shape, cell_mm)
    h = np.array(cell_mm)[:, None, None, None]
    out = np.empty_like(u)
    operator.reactions(u * h, out)
    expected = product(u, moduli, units, cell_mm)
    # round-off of sums of a few hundred terms
    np.testing.assert_allclose(out * h, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.mark.parametrize("cell_mm", CELLS)
@pytest.mark.parametrize("unit", [BONE, LAMBDA, MU, LAMBDA_MEAN], ids=lambda unit: unit.name)
def test_cell_matrix_equals_gauss_integration(unit, cell_mm):
    (found,) = cell_matrices(constants_table((unit,), cell_mm))
    h = np.repeat(cell_mm, 8)
    expected = cell_matrix(unit.mean, unit.bending, cell_mm)
    np.testing.assert_allclose(found * np.outer(h, h), expected, atol=1e-13 * expected.max())


def test_product_is_symmetric_and_blind_to_rigid_motion():
    units = MATERIALS["mixture"]
    operator, _, u = random_operator(units, (4, 5, 6), (1.0, 0.5, 2.0))
    v = np.random.default_rng(SEED + 1).normal(size=u.shape)
    Au, Av = np.empty_like(u), np.empty_like(u)
    operator.reactions(u, Au)
    operator.reactions(v, Av)
    assert abs(np.vdot(v, Au) - np.vdot(u, Av)) < 1e-12 * abs(np.vdot(u, Au))
    z, y, x = np.meshgrid(*(np.arange(n) for n in u.shape[1:]), indexing="ij")
    points = np.stack([1.0 * x, 0.5 * y, 2.0 * z])
    spin = np.cross([0.3, -0.2, 0.7], np.moveaxis(points, 0, -1))
    rigid = np.moveaxis(spin, -1, 0) + np.array([1.0, 2.0, 3.0])[:, None, None, None]
    covariant = rigid * np.array([1.0, 0.5, 2.0])[:, None, None, None]
    operator.reactions(covariant, Au)
    assert np.abs(Au).max() < 1e-12 * np.abs(covariant).max()


def test_threads_change_no_digit():
    units = MATERIALS["mixture"]
    shape = (40, 30, 30)  # large enough to be shared out
    outs = []
    for threads in (1, 2, 3):
        operator, _, u = random_operator(units, shape, (1.0, 1.0, 1.0), threads)
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
        inverse = 1.0 / out[index] if out[index] > 0 else 0.0
        assert operator.dinv[index] == pytest.approx(inverse, rel=1e-12)


def test_fixed_and_empty_points_stay_zero():
    operator, _, u = random_operator(MATERIALS["isotropic"], (3, 3, 3), (1.0, 1.0, 1.0))
    out = np.full(operator.shape, np.nan)
    operator.product(u, out)
    assert not out[operator.dinv == 0].any()
    b = np.ones(operator.shape)
    operator.residual(u, b, out)
    assert not out[operator.dinv == 0].any()
