"""Richardson's value, order and error bar."""

from __future__ import annotations

import math

import pytest

from vbsim.checks import InvalidInput
from vbsim.study import read_case
from vbsim.study.convergence import Solved, converge, extrapolate

CASE = {"name": "c", "vertebra": {"level": "T5"}, "bone": {"vbmd_mg_cm3": 80.0}}


def series(values, ratio=2.0):
    return [Solved(ratio**-k, 0, value) for k, value in enumerate(values)]


@pytest.mark.parametrize("order", [1.0, 2.0, 3.0])
def test_a_power_of_the_size_is_found(order):
    limit, found, error = extrapolate(series([7.0 + 2.0 * 2.0 ** (-order * k) for k in range(4)]))
    assert limit == pytest.approx(7.0)
    assert found == pytest.approx(order)
    assert error > 0


@pytest.mark.parametrize("values", [[1.0, 2.0, 1.5], [1.0, 1.1, 1.3]])
def test_what_does_not_settle_has_no_limit(values):
    limit, order, error = extrapolate(series(values))
    assert math.isnan(limit)
    assert math.isnan(order)
    assert error == pytest.approx(300.0 * abs(values[2] - values[1]) / values[2])


def test_both_meshes_of_an_intact_body_agree():
    found = converge(read_case(CASE), [4.0, 3.0, 2.25])
    assert [s.kind for s in found] == ["voxels", "hexa"]
    finest = [s.solved[-1].stiffness_n_per_mm for s in found]
    assert finest[1] == pytest.approx(finest[0], rel=0.1)
    assert found[0].solved[0].n_dof < found[0].solved[-1].n_dof


def test_sizes_must_fall_evenly():
    for sizes in ([2.0, 1.0], [1.0, 2.0, 4.0], [4.0, 2.0, 1.5]):
        with pytest.raises(InvalidInput, match="sizes"):
            converge(read_case(CASE), sizes)
