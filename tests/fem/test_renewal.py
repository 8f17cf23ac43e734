"""Other moduli on a body that is set up: the same answer as from scratch, for less work."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import block

from vbsim.checks import InvalidInput
from vbsim.fem.krylov import ConjugateGradients
from vbsim.fem.layout import Team
from vbsim.fem.problem import PlatenProblem
from vbsim.materials.field import StiffnessField

SEED = 8


def waisted() -> np.ndarray:
    rng = np.random.default_rng(SEED)
    moduli = rng.uniform(100.0, 300.0, (13, 12, 14))
    moduli[3:9, :2] = 0.0
    return moduli


def solved(problem: PlatenProblem, start=None):
    solver = ConjugateGradients(problem.operator, problem.multigrid)
    return problem.solve(solver, 0, tolerance=1e-9, limit=100, start_mm=start)


def problem_of(moduli: np.ndarray) -> PlatenProblem:
    return PlatenProblem(block(StiffnessField.isotropic(moduli)), "held", Team(1))


def test_a_renewed_problem_is_the_one_made_from_scratch():
    first, second = waisted(), waisted()
    second[5:8, 4:9, 4:9] = 2000.0
    renewed, fresh = problem_of(first), problem_of(second)
    solved(renewed)
    renewed.renew(StiffnessField.isotropic(second))
    (field, outcome), (expected, wanted) = solved(renewed), solved(fresh)
    assert outcome == wanted
    np.testing.assert_array_equal(field, expected)


def test_after_a_small_change_the_last_solution_is_a_good_start():
    first, second = waisted(), waisted()
    second[6, 6, 6] *= 1.5
    problem = problem_of(first)
    field, cold = solved(problem)
    start = problem.operator.layout.dense(field)  # cells of 1 mm: covariant is mm
    problem.renew(StiffnessField.isotropic(second))
    again, warm = solved(problem, start)
    assert warm.iterations <= 0.8 * cold.iterations
    np.testing.assert_allclose(again, solved(problem_of(second))[0], atol=1e-7)


def test_a_void_where_there_was_material_is_refused():
    moduli = waisted()
    problem = problem_of(moduli)
    moduli[0, 5, 5] = 0.0
    with pytest.raises(InvalidInput, match="voxels without material"):
        problem.renew(StiffnessField.isotropic(moduli))


def test_other_unit_materials_are_refused():
    problem = problem_of(waisted())
    with pytest.raises(InvalidInput, match="units"):
        problem.renew(StiffnessField.isotropic(waisted(), 0.4))
