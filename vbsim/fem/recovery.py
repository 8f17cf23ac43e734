"""Strain, stress and energy of every voxel from the displacement of its corners."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.operators import VoxelOperator, mean_constants
from vbsim.kernels.strain import effective
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["strain", "stress", "von_mises", "energy_density", "effective_strain", "gradient_mean"]

FloatArray = NDArray[np.float64]

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def strain(displacement_mm: FloatArray, grid: VoxelGrid) -> FloatArray:
    """Return the mean strain of every voxel.

    Parameters
    ----------
    displacement_mm : (3, n_z + 1, n_y + 1, n_x + 1) float, mm
        Displacement of the points.
    grid : VoxelGrid
        The grid.

    Returns
    -------
    (n_z, n_y, n_x, 6) float
        Voigt ``xx yy zz yz xz xy`` with engineering shear, in the grid's axes.
    """
    gradient = [
        [gradient_mean(u, k, grid.spacing_mm[k]) for k in range(3)] for u in displacement_mm
    ]
    result = np.empty((*grid.shape, 6))
    for row, (i, j) in enumerate(_VOIGT):
        result[..., row] = gradient[i][j] if i == j else gradient[i][j] + gradient[j][i]
    return result


def gradient_mean(u: FloatArray, direction: int, spacing: float) -> FloatArray:
    """Return the mean derivative along x (0), y (1) or z (2) over each cell."""
    for axis in range(3):
        near = tuple(slice(None, -1) if k == axis else slice(None) for k in range(3))
        far = tuple(slice(1, None) if k == axis else slice(None) for k in range(3))
        u = (u[far] - u[near]) / spacing if axis == 2 - direction else 0.5 * (u[far] + u[near])
    return u


def stress(strain_: FloatArray, stiffness: StiffnessField) -> FloatArray:
    """Return the mean stress of every voxel, (n_z, n_y, n_x, 6), MPa.

    Parameters
    ----------
    strain_ : (n_z, n_y, n_x, 6) float
        Mean strain (see `strain`).
    stiffness : StiffnessField
        Stiffness of the whole voxel or of one constituent.
    """
    result = np.zeros_like(strain_)
    for unit, modulus in zip(stiffness.units, stiffness.moduli, strict=True):
        c11, c22, c33, c12, c13, c23, c44, c55, c66 = unit.mean
        C = np.diag([c11, c22, c33, c44, c55, c66])
        C[0, 1] = C[1, 0] = c12
        C[0, 2] = C[2, 0] = c13
        C[1, 2] = C[2, 1] = c23
        result += modulus[..., None] * (strain_ @ C)
    return result


def von_mises(stress_mpa: FloatArray) -> FloatArray:
    """Return von Mises' equivalent of a Voigt stress, (...,), MPa.

    Examples
    --------
    >>> float(von_mises(np.array([0.0, 0.0, -2.0, 0.0, 0.0, 0.0])))
    2.0
    """
    xx, yy, zz, yz, xz, xy = np.moveaxis(stress_mpa, -1, 0)
    normal = (xx - yy) ** 2 + (yy - zz) ** 2 + (zz - xx) ** 2
    return np.asarray(np.sqrt(0.5 * normal + 3.0 * (yz**2 + xz**2 + xy**2)))


def energy_density(strain_: FloatArray, stress_mpa: FloatArray) -> FloatArray:
    """Return the strain energy of the mean strain per volume, (...,), MPa = N mm / mm3.

    The energy of the bending modes is not in it; summed over a body it is a little less than half
    of force times displacement.
    """
    return np.asarray(0.5 * np.einsum("...i,...i->...", strain_, stress_mpa))


def effective_strain(operator: VoxelOperator, covariant: FloatArray) -> NDArray[np.float32]:
    """Return the effective strain of every cell of one unit material, (n_cells,).

    It is ``sqrt(2 w / E)`` with w the energy density at the centre of the cell and E its modulus
    (Pistoia 2002), which does not depend on E; under uniaxial stress it is the strain.

    Parameters
    ----------
    operator : VoxelOperator
        The body, of a single unit material of unit modulus.
    covariant : (3, N) float
        Compact covariant displacement.
    """
    require(len(operator.units) == 1, "units", len(operator.units), "one unit material")
    layout = operator.layout
    constants = mean_constants(operator.table)[0] / float(np.prod(operator.cell_mm))
    out = np.empty(layout.n_cells, np.float32)

    def slab(_: int, start: int, stop: int) -> None:
        effective(covariant, constants, layout.cells, start, min(stop, layout.shape[0]), out)

    operator.team.run(slab, layout.points.plane)
    return out
