"""Measures of a strength test: the curve's marks, and where the body fails."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vbsim.anatomy import Vertebra
from vbsim.checks import InvalidInput
from vbsim.fem import Compression, Strength, solve
from vbsim.fem.equilibrium import Status
from vbsim.fracture import Collapse, Traction
from vbsim.materials import Bone
from vbsim.measures import failure, failure_regions
from vbsim.measures.failure import offset_strain
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.failure import load_to_failure
from vbsim.specimen.tissue import CapMaterial


@pytest.fixture(scope="module")
def potted():
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=4.0, margin_mm=18.0)
    return Potting().apply(Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=80.0)))


@pytest.fixture(scope="module")
def response(potted):
    return load_to_failure(potted, Strength())


def test_the_test_ends_behind_its_peak(potted, response):
    assert response.status in (Status.STOPPED, Status.DONE)
    assert response.has_peak
    fallen = response.force_n[-1] < 0.9 * response.force_n.max()
    assert fallen == (response.status is Status.STOPPED)
    # what a strength test asks of its equilibria
    assert max(step.residual for step in response.steps) <= 1e-3


def test_the_first_slope_is_the_linear_stiffness(potted, response):
    linear = solve(potted, Compression())
    first = response.steps[0]
    # 0.1 % of apparent strain: no bone yields yet
    assert first.n_yielding == 0
    assert first.force_n / first.axial_mm == pytest.approx(
        linear.force_n / linear.motion[0], rel=1e-3
    )


def test_marks_of_the_curve_are_in_order(potted, response):
    found = {q.name: q.value for q in failure(potted, response)}
    assert found["strength_offset"] < found["strength"] == response.force_n.max()
    assert found["force_at_strain"] <= found["strength"]
    # At least what a body of uniform stress would store, and not much more than that.
    slope = response.force_n[0] / response.steps[0].axial_mm
    elastic = 0.5 * found["strength"] ** 2 / slope / 1000.0
    stored = found["energy_to_strength"] - found["dissipated_to_strength"]
    assert elastic < stored < 1.5 * elastic


def test_regions_part_the_body_and_shares_sum_to_one(potted, response):
    regions = failure_regions(potted)
    count = np.sum([place.astype(int) for place in regions.values()], axis=0)
    np.testing.assert_array_equal(count, (potted.tissue.body > 0.0).astype(int))
    shares = [q.value for q in failure(potted, response) if q.name.startswith("failure_share")]
    assert sum(shares) == pytest.approx(1.0, abs=0.02)  # the rest yields in caps' voxels
    assert min(shares) >= 0.0


def test_a_collapsed_body_is_loaded_on_from_where_mechanics_left_it(potted, response):
    vertebra = Vertebra(level="L1")
    intact = Specimen.from_bone(vertebra, potted.domain, Bone(vbmd_mg_cm3=80.0))
    collapsed_bare = Collapse(height_loss_percent=10.0).apply(intact)
    collapsed = Potting().apply(collapsed_bare)
    again = load_to_failure(collapsed, Strength())
    assert again.start_mm > 0.5  # part of 10 % of 24 mm is left
    assert again.strain[0] == pytest.approx(0.001, rel=1e-6)
    softer = again.force_n[0] / response.force_n[0]
    assert 0.2 < softer < 0.9
    found = {q.name: q.value for q in failure(collapsed, again)}
    assert found.get("energy_to_strength", 0.0) < 5.0
    with pytest.raises(InvalidInput, match="lateral"):
        load_to_failure(collapsed, Strength(lateral="sliding"))
    # A test of a body that is held under tension begins once it is let go: it pushes at once.
    held = Potting().apply(Traction(force_n=200.0).apply(collapsed_bare))
    assert load_to_failure(held, Strength(until_strain=0.02)).force_n[0] > 0.0


def test_the_offset_is_found_on_a_bent_line():
    strain = np.linspace(0.0, 0.03, 31)
    force = np.minimum(100.0 * strain, 1.0 + 10.0 * (strain - 0.01))
    # 100 (e - 0.002) = 1 + 10 (e - 0.01): e = 1.1 / 90
    assert offset_strain(strain, force) == pytest.approx(1.1 / 90.0, rel=1e-9)
    assert offset_strain(strain, 100.0 * strain) is None


def test_a_curve_without_a_peak_has_the_force_at_its_strain(potted, response):
    """Marks of a bilinear curve that goes on rising, by hand."""
    strain = np.linspace(0.001, 0.05, 50)
    force = np.minimum(200e3 * strain, 1600.0 + 20e3 * (strain - 0.008))
    steps = [
        response.steps[0]._replace(axial_mm=20.0 * e, force_n=f, dissipated_n_mm=1000.0 * e)
        for e, f in zip(strain, force, strict=True)
    ]
    rising = replace(
        response, steps=tuple(steps), height_mm=20.0, start_mm=0.0, start_dissipated_n_mm=0.0
    )
    assert not rising.has_peak
    found = {q.name: q.value for q in failure(potted, rising)}
    assert found["strength_definition"] == 2
    assert found["strength"] == found["force_at_strain"] == pytest.approx(1600.0 + 20e3 * 0.011)
    assert found["strain_at_strength"] == 0.019
    # a triangle and a trapezium
    work = 20.0 * (0.5 * 1600.0 * 0.008 + 0.011 * (1600.0 + 0.5 * 220.0))
    assert found["energy_to_strength"] == pytest.approx(work / 1000.0, rel=1e-9)
    assert found["dissipated_to_strength"] == pytest.approx(0.019)
    # 200e3 (e - 0.002) = 1600 + 20e3 (e - 0.008)
    assert found["strength_offset"] == pytest.approx(200e3 * (1840.0 / 180e3 - 0.002))


def test_between_pads_a_rising_curve_has_the_offset_force(potted, response):
    rising = replace(
        response, steps=response.steps[: response.peak + 1], height_mm=0.5 * response.height_mm
    )
    assert rising.strain[-1] > 0.019
    stiff = {q.name: q.value for q in failure(potted, rising)}
    padded = {
        q.name: q.value
        for q in failure(replace(potted, cap=CapMaterial("disc", 8.0, 0.45)), rising)
    }
    assert (stiff["strength_definition"], padded["strength_definition"]) == (2, 3)
    assert padded["strength"] == padded["strength_offset"] == stiff["strength_offset"]


def test_the_offset_ignores_gaps_that_close():
    strain = np.array([0.0, 0.002, 0.004, 0.012, 0.02, 0.03])
    force = np.array([0.0, 20.0, 220.0, 1020.0, 1020.0, 1020.0])
    # steepest: 100 000 a unit of strain through 0.0018
    assert offset_strain(strain, force) == pytest.approx(0.0018 + 0.0102 + 0.002)
    assert offset_strain(strain[:4], force[:4]) is None
