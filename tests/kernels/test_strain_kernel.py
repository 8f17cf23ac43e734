"""Effective strain on compact cells against strain and energy over the whole box."""

import numpy as np
import pytest
from test_voxel_kernel import random_operator

from vbsim.checks import InvalidInput
from vbsim.fem import recovery
from vbsim.fem.operators import mean_constants
from vbsim.kernels.strain import effective
from vbsim.materials.field import LAMBDA, MU, StiffnessField
from vbsim.mesh import VoxelGrid

ISOTROPIC = StiffnessField.isotropic(np.ones((1, 1, 1)), 0.3).units
CELL_MM = (0.5, 0.7, 1.5)


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 2, 5), (2, 3, 100)])
def test_effective_strain_is_that_of_the_energy_of_the_mean_strain(shape):
    operator, moduli, u = random_operator(ISOTROPIC, shape, CELL_MM)
    h = np.array(CELL_MM)[:, None, None, None]
    found = recovery.effective_strain(operator, operator.layout.compact(u * h))
    strain = recovery.strain(u, VoxelGrid(shape, CELL_MM))
    unit = StiffnessField(ISOTROPIC, np.ones_like(moduli))
    energy = recovery.energy_density(strain, recovery.stress(strain, unit))
    expected = np.sqrt(2.0 * energy)[moduli[0] > 0]
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # stored in single precision
    slow = np.empty_like(found)
    constants = mean_constants(operator.table)[0] / np.prod(CELL_MM)
    getattr(effective, "py_func", effective)(
        operator.layout.compact(u * h), constants, operator.layout.cells, 0, shape[0], slow
    )
    np.testing.assert_allclose(slow, found, rtol=1e-6)


def test_effective_strain_of_a_mixture_has_no_meaning():
    operator, _, u = random_operator((LAMBDA, MU), (2, 2, 2), CELL_MM)
    with pytest.raises(InvalidInput, match="one unit material"):
        recovery.effective_strain(operator, operator.layout.compact(u))
