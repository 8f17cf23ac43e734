"""Measures on fitted meshes agree with those of voxels, and with equilibrium."""

from __future__ import annotations

from functools import cache

import pytest
from fitting import fitted_stages, stages

import vbsim as vb
from vbsim import measures
from vbsim.fem import Flexion, Settings

TIGHT = Settings(tolerance=1e-10, threads=1)


@cache
def measured(index, kind):
    """Every measure of one stage: fitted, or voxels."""
    body = fitted_stages()[index] if kind == "fitted" else vb.Potting().apply(stages()[index])
    response = vb.solve(body, vb.Compression(), settings=TIGHT)
    return {q.name: q.value for q in measures.measure(body, response)}


def test_intact_stiffness_is_that_of_voxels():
    fitted, voxels = measured(0, "fitted"), measured(0, "voxels")
    for name in ("stiffness", "stiffness_endplate"):
        assert fitted[name] == pytest.approx(voxels[name], rel=0.07)


def test_measures_have_the_same_names():
    assert list(measured(2, "fitted")) == list(measured(2, "voxels"))


@pytest.mark.parametrize("index", [0, 1, 2])
def test_load_through_mid_height_is_the_platen_force(index):
    found = measured(index, "fitted")
    assert abs(found["load_share_imbalance"]) < 1e-7
    shares = [v for k, v in found.items() if k.startswith("load_share_") and "imb" not in k]
    assert sum(shares) == pytest.approx(1.0)
    assert found["load_share_trabecular"] == pytest.approx(
        measured(index, "voxels")["load_share_trabecular"], abs=0.12
    )


def test_cement_stiffens_and_carries_load():
    gains = []
    for kind in ("fitted", "voxels"):
        broken, filled = measured(1, kind), measured(2, kind)
        gains.append(filled["stiffness"] / broken["stiffness"])
        assert filled["load_share_cement"] > 0.3
    # 4 ml leave a gap of crushed bone under the upper endplate.
    assert gains[0] > 1.1
    assert gains[0] == pytest.approx(gains[1], rel=0.1)


def test_intact_estimates_agree():
    fitted, voxels = measured(0, "fitted"), measured(0, "voxels")
    for name in ("strength_estimate_yield", "endplate_stress_superior", "height_middle_loaded"):
        assert fitted[name] == pytest.approx(voxels[name], rel=0.2)


def test_bending_is_measured_too():
    body = fitted_stages()[0]
    response = vb.solve(body, Flexion(), settings=TIGHT)
    found = {q.name: q.value for q in measures.measure(body, response, kind="flexion")}
    assert found["bending_stiffness"] > 0
    assert response.equilibrium_error < 1e-6
