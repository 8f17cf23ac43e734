"""Plain blocks between platens: bodies without anatomy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid


class Ends(NamedTuple):
    lower: np.ndarray
    upper: np.ndarray
    pivot_mm: np.ndarray


@dataclass(frozen=True)
class Block:
    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends | None


def block(materials, spacing_mm=(1.0, 1.0, 1.0)):
    """The whole grid between its lowest and highest point plane."""
    grid = VoxelGrid(materials.shape, spacing_mm)
    index = np.arange(grid.n_points).reshape(grid.point_shape)
    n_z, n_y, n_x = materials.shape
    h_x, h_y, h_z = spacing_mm
    pivot = np.array([0.5 * n_x * h_x, 0.5 * n_y * h_y, n_z * h_z])
    return Block(grid, materials, Ends(index[0].ravel(), index[-1].ravel(), pivot))
