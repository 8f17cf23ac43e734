"""The smoother's blocks against dense inverses, and its step against the plain formula."""

from __future__ import annotations

import numpy as np

from vbsim.fem.assembled import assemble
from vbsim.kernels import blocks
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.hexa import Plan, Sweep


def thin_ring():
    """Stiffness of two layers of a plan with a thin outermost ring, held at three components."""
    plan = Plan(2, (0.0, 1.0, 1.02))
    place = plan.disc * (1.0 + 0.02 * plan.shell_rank)[:, None]
    planes = [np.column_stack([place, np.full(plan.n_points, z)]) for z in (0.0, 0.5, 1.1)]
    sweep = Sweep(plan, np.array(planes))
    mesh = sweep.mesh()
    constants = np.tile([3.0, 3, 3, 1, 1, 1, 1, 1, 1], (mesh.n_cells, 1))
    matrix = assemble(mesh, ELEMENTS["hex8"], constants)
    free = np.ones((mesh.n_points, 3))
    outermost = int(plan.circle(2)[0])
    free[outermost, 1] = free[0, :2] = 0.0
    return sweep, matrix, free


def test_a_step_solves_every_point_or_pair_exactly():
    sweep, matrix, free = thin_ring()
    partner = sweep.partners()
    n = len(partner)
    inverse, across = np.zeros((2, n, 3, 3))
    pattern = matrix.pattern
    blocks.block_inverses(
        pattern.start, pattern.column, matrix.values, free, partner, inverse, across
    )
    random = np.random.default_rng(0)
    r, d, x = random.normal(size=(3, n, 3))
    expected_d, expected_x = 0.3 * d, x.copy()
    dense = matrix.to_scipy().toarray()
    for p in range(n):
        points = np.unique([p, partner[p]])
        at = (3 * points[:, None] + np.arange(3)).ravel()
        at = at[free.ravel()[at] > 0]
        solved = np.zeros(3 * n)
        solved[at] = np.linalg.solve(dense[np.ix_(at, at)], r.ravel()[at])
        expected_d[p] += 0.7 * solved.reshape(n, 3)[p]
    expected_x += expected_d
    rows, steps = np.array([0, n]), np.array([0.7, 0.3])
    blocks.sweep(inverse, across, partner, r, steps, rows, d, x)
    np.testing.assert_allclose(d, expected_d, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(x, expected_x, rtol=1e-10, atol=1e-12)


def test_partners_face_each_other_across_the_outermost_ring():
    sweep, *_ = thin_ring()
    partner, place = sweep.partners(), sweep.points.reshape(-1, 3)
    paired = partner != np.arange(len(partner))
    assert np.array_equal(partner[partner], np.arange(len(partner)))
    assert np.count_nonzero(paired) == 3 * 2 * sweep.plan.around
    apart = np.linalg.norm(place - place[partner], axis=1)[paired]
    np.testing.assert_allclose(apart, 0.02, rtol=1e-9)
