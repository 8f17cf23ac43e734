"""Plans and sweeps: counts, shapes of cells, and the way to coarser meshes."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.mesh.hexa import Plan, Sweep
from vbsim.mesh.quality import cell_quality, scaled_jacobian

RADII = (0.0, 0.4, 1.0, 1.3)


def disc(side=8, radii=RADII, n_planes=4):
    """A cylinder of radius 1 whose shell lies outside it."""
    plan = Plan(side, radii)
    place = plan.disc * (1.0 + 0.3 * plan.shell_rank)[:, None]
    planes = [np.column_stack([place, np.full(plan.n_points, z)]) for z in range(n_planes)]
    return Sweep(plan, np.array(planes, dtype=float))


def test_cells_fill_the_cylinder_and_are_well_shaped():
    mesh = disc().mesh()
    assert mesh.n_cells == 3 * (64 + 3 * 32)
    quality = cell_quality(mesh)
    # A circle of 32 chords encloses sin(a) / a of its area.
    chords = np.sin(2 * np.pi / 32) / (2 * np.pi / 32)
    assert quality.volume_mm3.sum() == pytest.approx(3 * np.pi * 1.69 * chords, rel=1e-12)
    assert quality.scaled_jacobian.min() > 0.6


def test_only_the_corners_of_the_square_join_three_cells():
    plan = Plan(8, RADII)
    inner = np.delete(np.arange(plan.n_points), plan.circle(3))
    cells_at = np.bincount(plan.quads.ravel(), minlength=plan.n_points)[inner]
    assert np.count_nonzero(cells_at == 3) == 4
    assert np.count_nonzero(cells_at == 4) == len(inner) - 4


def test_interpolation_keeps_points_and_reproduces_constants():
    below = disc().coarser()
    assert below.sweep.plan.side == 4
    P = below.interpolation.toarray()
    np.testing.assert_allclose(P.sum(axis=1), 1.0)
    np.testing.assert_allclose(P[below.kept], np.eye(P.shape[1]))
    fine = disc().points.reshape(-1, 3)
    np.testing.assert_allclose(below.sweep.points.reshape(-1, 3), fine[below.kept])
    assert np.abs(P @ below.sweep.points.reshape(-1, 3) - fine).max() < 0.15


def test_every_coarse_cell_has_children_of_its_own_volume():
    sweep = disc(n_planes=5)
    below = sweep.coarser()
    fine = np.bincount(below.parent, sweep.mesh().volumes())
    coarse = below.sweep.mesh().volumes()
    assert len(fine) == len(coarse)
    np.testing.assert_allclose(fine, coarse, rtol=0.2)


def test_coarsening_ends_where_the_square_is_odd():
    sizes, sweep = [], disc(side=12)
    while sweep is not None:
        sizes.append(sweep.plan.side)
        below = sweep.coarser()
        sweep = below.sweep if below else None
    assert sizes == [12, 6, 3]


def test_wrong_plans_are_refused():
    with pytest.raises(InvalidInput, match="rising from 0"):
        Plan(4, (0.0, 1.0, 0.5))
    with pytest.raises(InvalidInput, match="points = "):
        Sweep(Plan(4, RADII), np.zeros((3, 7, 3)))


@pytest.mark.parametrize("kind", ["tetra", "wedge"])
def test_regular_cells_score_one(kind):
    from vbsim.mesh.mesh import Mesh

    top = np.sqrt([0.75, 2.0 / 3.0])
    triangle = [(0, 0, 0), (1, 0, 0), (0.5, top[0], 0)]
    if kind == "tetra":
        points = [*triangle, (0.5, top[0] / 3.0, top[1])]
    else:
        points = [*triangle, *((x, y, 2.0) for x, y, _ in triangle)]
    mesh = Mesh(np.array(points, dtype=float), np.arange(len(points))[None], kind)
    assert scaled_jacobian(mesh)[0] == pytest.approx(1.0)
