"""Iteration counts over contrasts, voids, shells, shapes of grids and of voxels."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block

from vbsim.fem import Settings, solve_modes
from vbsim.fem.layout import Layout
from vbsim.fem.problem import PlatenProblem, Team
from vbsim.materials.field import StiffnessField

SETTINGS = Settings(tolerance=1e-8, threads=1, max_iterations=100)
SEED = 5


def iterations(moduli: np.ndarray, cell_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)) -> int:
    body = block(StiffnessField.isotropic(moduli), cell_mm)
    return solve_modes(body, settings=SETTINGS, motions=1).report.iterations[0]


def axes(n: int) -> list[np.ndarray]:
    return list(np.meshgrid(*((np.arange(n) + 0.5) / n * 2 - 1 for _ in range(3)), indexing="ij"))


def sphere(n: int, contrast: float) -> np.ndarray:
    z, y, x = axes(n)
    return np.where(x**2 + y**2 + z**2 < 0.4, contrast, 1.0)


def shell(n: int, contrast: float) -> np.ndarray:
    """A round column in a wall about one voxel thick, with end plates of the same; void around."""
    _, y, x = axes(n)
    radius, h = np.hypot(x, y), 2.0 / n
    moduli = np.where(radius < 1 - h, 1.0, 0.0)
    moduli[(radius < 1 - h) & (radius > 1 - 2.5 * h)] = contrast
    moduli[[0, -1]] = np.where(radius[0] < 1 - h, contrast, 0.0)
    return moduli


@pytest.mark.parametrize("shape", [(24, 24, 24), (23, 19, 29), (8, 8, 61), (61, 8, 8), (7, 31, 11)])
def test_a_homogeneous_block_of_any_shape_takes_few_iterations(shape):
    assert iterations(np.ones(shape)) <= 8


@pytest.mark.parametrize("cell_mm", [(1, 1, 3), (3, 1, 1), (1, 3, 1), (3, 3, 1), (1, 2, 3)])
def test_so_do_voxels_of_any_edges_within_three_to_one(cell_mm):
    assert iterations(np.ones((16, 16, 16)), cell_mm) <= 10


# Bounds: 1.4 times the counts of 2026, which were 22 and 27 (stiff), 8 (soft), 19 and 30 (shell).
@pytest.mark.parametrize(
    ("make", "contrast", "most"), [(sphere, 1e6, 38), (sphere, 1e-6, 12), (shell, 1e6, 42)]
)
def test_contrasts_of_a_million_do_and_refinement_adds_little(make, contrast, most):
    coarse, fine = (iterations(make(n, contrast)) for n in (24, 48))
    assert fine <= most
    # Over twice the resolution; what is under a dozen has nothing to grow from.
    assert fine <= max(1.6 * coarse, 12)


def test_stretches_of_a_row_tell_a_body_from_a_porous_structure():
    solid = np.zeros((3, 4, 300), bool)
    solid[:2, 1] = True  # longer than a run, which is cut
    assert Layout(solid).stretches == 1.0
    solid[0, 1, 100] = False
    assert Layout(solid).stretches == 1.5


def test_gaps_change_the_plan_of_the_cycle_and_surface_alone_does_not():
    porous = np.random.default_rng(SEED).random((16, 16, 16)) < 0.4
    porous[:, 7:9, 7:9] = True  # joins the ends
    column = sphere(16, 0.0) == 0.0
    column[:, 6:10, 6:10] = True
    plans = [
        PlatenProblem(
            block(StiffnessField.isotropic(solid.astype(float)), (1.0, 1.0, 1.0)), "held", Team(1)
        ).multigrid.plan
        for solid in (porous, column)
    ]
    assert plans[0].correction > 1.0
    assert plans[1].correction == 1.0
