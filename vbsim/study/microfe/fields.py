"""Fields of a solved image, in the axes of the image: made on request only, they fill the box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.fem import recovery
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.fields import in_world, write_vti
from vbsim.study.microfe.solution import ImageSolution, Solved

__all__ = ["solution_fields", "write_fields"]

Single = NDArray[np.float32]

_SLAB_CELLS = 500_000  # what is recovered at a time, so that double precision stays small


def write_fields(path: Path, solution: ImageSolution) -> None:
    """Write displacement, strain, stress and energy of a solution as VTK image data.

    The file covers the box around what carries load and lies in the world where the image lies.
    """
    cells, points = solution_fields(solution)
    write_vti(path, solution.solved.grid, dict(cells), dict(points))


def solution_fields(solution: ImageSolution) -> tuple[dict[str, Single], dict[str, Single]]:
    """Return the cell arrays and the point arrays of a solution, by name, in world axes.

    Returns
    -------
    cells : dict
        Scalars ``(n_z, n_y, n_x)`` and tensors ``(n_z, n_y, n_x, 6)`` in VTK's order, 0 in voids.
    points : dict
        Vectors ``(n_z + 1, n_y + 1, n_x + 1, 3)``.
    """
    solved = solution.solved
    grid = solved.grid
    moduli = np.swapaxes(solved.layout.dense_cells(solved.moduli_mpa), 0, solved.axis)
    u = _displacement(solved)
    cells = {
        name: np.zeros((*grid.shape, *shape), np.float32)
        for name, shape in (
            ("youngs_modulus_mpa", ()),
            ("strain", (6,)),
            ("stress_mpa", (6,)),
            ("von_mises_mpa", ()),
            ("sed_mpa", ()),
        )
    }
    cells["youngs_modulus_mpa"][...] = moduli
    for slab in _slabs(grid.shape):
        part = moduli[slab]
        n_z, n_y, n_x = part.shape
        strain = recovery.strain(
            u[:, slab.start : slab.stop + 1], VoxelGrid((n_z, n_y, n_x), grid.spacing_mm)
        )
        strain[part == 0] = 0.0  # corners of a void that touch material move
        stress = recovery.stress(strain, StiffnessField.isotropic(part, solution.test.poisson))
        shear_halved = strain * np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
        cells["strain"][slab] = in_world(shear_halved, grid.axes)
        cells["stress_mpa"][slab] = in_world(stress, grid.axes)
        cells["von_mises_mpa"][slab] = recovery.von_mises(stress)
        cells["sed_mpa"][slab] = recovery.energy_density(strain, stress)
    world = np.moveaxis(u, 0, -1) @ grid.axes.T
    return cells, {"displacement_mm": world.astype(np.float32)}


def _displacement(solved: Solved) -> NDArray[np.float64]:
    """Return the displacement (x, y, z) over the box in the axes of the image, (3, Z, Y, X)."""
    u = solved.layout.dense(solved.displacement_mm)
    order = [0, 1, 2]
    order[2], order[2 - solved.axis] = order[2 - solved.axis], order[2]
    return np.swapaxes(u, 1, 1 + solved.axis)[order] if solved.axis else u


def _slabs(shape: tuple[int, int, int]) -> Iterator[slice]:
    n_z, n_y, n_x = shape
    step = max(_SLAB_CELLS // (n_y * n_x), 1)
    for start in range(0, n_z, step):
        yield slice(start, min(start + step, n_z))
