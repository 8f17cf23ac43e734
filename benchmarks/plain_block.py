"""Stiffness of a plain block, clamped below and above, with one unit material or with three."""

from __future__ import annotations

import numpy as np

from vbsim.fem.layout import Layout, Team
from vbsim.fem.multigrid import held_components
from vbsim.fem.operators import VoxelOperator
from vbsim.kernels import runs
from vbsim.materials.field import LAMBDA, MU, StiffnessField, orthotropic

# Any numbers that differ: what they are does not change the work.
_BONE = orthotropic("bone", (0.6, 0.6, 1.0), (0.3, 0.2, 0.3), (0.3, 0.3, 0.25))


def operator_of(edge: int, n_units: int, *, threads: int) -> VoxelOperator:
    """Return the operator of a cube of ``edge^3`` cells."""
    if n_units == 1:
        units = StiffnessField.isotropic(np.ones((1, 1, 1)), 0.3).units
    else:
        units = (_BONE, LAMBDA, MU)
    layout = Layout(np.ones((edge,) * 3, bool))
    flags = np.zeros(layout.point_shape, np.uint8)
    flags[[0, -1]] = runs.HELD_X | runs.HELD_Y | runs.HELD_Z
    moduli = np.full((n_units, layout.n_cells), 1000.0, np.float32)
    return VoxelOperator(
        units,
        moduli,
        (1.0, 1.0, 1.0),
        layout=layout,
        held=held_components(layout, flags),
        team=Team(threads),
    )
