"""Collapse by mechanics, on coarse voxels: what has to hold whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.fem import Compression, solve
from vbsim.fracture import Collapse, Wedge
from vbsim.kernels.constitutive import slots
from vbsim.specimen import Potting
from vbsim.specimen.deformed import jacobian
from vbsim.specimen.picture import deformed_frame, picture


@pytest.fixture(scope="module")
def intact(coarse_l1):
    return coarse_l1


@pytest.fixture(scope="module")
def collapsed(intact):
    return Collapse(height_loss_percent=20.0).apply(intact)


def told(specimen):
    return {item.name: item.value for item in specimen.report}


def heights(specimen):
    return np.array(specimen.anatomy.frame.heights())


def test_the_loss_asked_for_is_met_and_part_of_it_comes_back(intact, collapsed):
    report = told(collapsed)
    assert report["collapse_loss_loaded"] == pytest.approx(20.0, abs=0.1)
    assert 5.0 < report["collapse_recovered"] < 70.0
    left = 100.0 * (1.0 - heights(collapsed) / heights(intact))
    assert left.max() == pytest.approx(20.0 * (1.0 - report["collapse_recovered"] / 100.0), abs=0.1)
    assert report["height_lost_worst"] == pytest.approx(left.max(), abs=1e-9)


def test_energy_is_spent_and_never_more_than_was_put_in(collapsed):
    steps = collapsed.mechanics.history
    spent = [step.dissipated_n_mm for step in steps]
    assert np.all(np.diff(spent) >= 0.0)
    assert np.all(np.array(spent) <= [step.work_n_mm for step in steps])
    assert told(collapsed)["collapse_energy"] > 0.0
    assert steps[-1].force_n == pytest.approx(0.0, abs=1.0)


def test_no_centre_is_inverted_and_mineral_stays(intact, collapsed):
    body = collapsed.mechanics
    ratio = jacobian(body.displacement_mm, intact.domain)
    assert ratio[intact.tissue.body > 0.0].min() > 0.0
    assert collapsed.bone_mineral_mg == pytest.approx(intact.bone_mineral_mg, rel=1e-9)
    # the picture's volume is that of the deformed voxels, to the error of sampling
    inside = intact.tissue.body
    volume = float(np.vdot(inside, ratio)) * intact.domain.cell_volume_mm3 / 1000.0
    assert collapsed.volume_ml() == pytest.approx(volume, rel=0.06)


def test_crushed_bone_is_damaged_denser_and_softer(intact, collapsed):
    assert collapsed.integrity.min() < 0.5
    inside = collapsed.tissue.trabecular > 0.9
    assert collapsed.vbmd_mg_cm3[inside].mean() > intact.vbmd_mg_cm3[inside].mean()
    stiffness = []
    for stage in (intact, collapsed):
        response = solve(Potting().apply(stage), Compression())
        stiffness.append(response.force_n / response.motion[0])
    assert stiffness[1] < 0.8 * stiffness[0]


def test_a_body_that_was_not_moved_is_its_own_picture(intact, collapsed):
    body = collapsed.mechanics
    still = picture(type(body)(intact, body.reference, body.parts, body.materials))
    for name, part in intact.tissue._asdict().items():
        assert np.allclose(getattr(still.tissue, name), part, rtol=0, atol=1e-12)
    held = intact.tissue.trabecular > 0.0
    assert np.allclose(still.vbmd_mg_cm3[held], intact.vbmd_mg_cm3[held], rtol=1e-9)


def test_a_rigid_move_changes_no_height(intact):
    shift = np.zeros((3, *(n + 1 for n in intact.domain.shape)))
    shift[0], shift[2] = 0.7, -1.3
    frame = intact.anatomy.frame
    moved = deformed_frame(frame, intact, shift)
    assert np.allclose(moved.heights(), frame.heights(), atol=0.05)
    x, y = frame.station_mm(0.5)
    assert np.allclose(moved.superior_at(x, y), frame.superior_at(x - 0.7, y) - 1.3, atol=1e-6)


def test_a_ball_joint_in_front_wedges_the_body(intact):
    step = Collapse(height_loss_percent=12.0, platen="ball_joint", anterior_offset_share=0.2)
    wedge = step.apply(intact)
    anterior, _, posterior = 1.0 - heights(wedge) / heights(intact)
    assert anterior > posterior + 0.02
    assert wedge.anatomy.frame.wedge_angle_deg() > intact.anatomy.frame.wedge_angle_deg() + 1.0
    steps = wedge.mechanics.history
    assert (
        max(abs(step.moment_x_n_mm) for step in steps) < 1e-2 * max(s.force_n for s in steps) * 30
    )


def test_disc_like_pads_dish_the_endplates(intact):
    """Pads press the middle of the endplates in; caps move them as a whole."""
    losses = []
    for kind in ("disc", "pmma"):
        step = Collapse(height_loss_percent=8.0, measured="middle", caps=Potting(kind=kind))
        losses.append(100.0 * (1.0 - heights(step.apply(intact)) / heights(intact)))
    over = [middle - 0.5 * (front + back) for front, middle, back in losses]
    assert over[0] > 1.5 * over[1]
    assert over[0] > 1.0


def test_disc_like_pads_hold_to_a_fifth_of_the_height(intact):
    """Pads are squeezed far beyond what Green's strain bears: one of them gave way before."""
    step = Collapse(height_loss_percent=20.0, caps=Potting(kind="disc"))
    collapsed = step.apply(intact)
    assert told(collapsed)["collapse_loss_loaded"] == pytest.approx(20.0, abs=0.3)
    assert told(collapsed)["corners_inverted"] == 0.0
    part = next(part for part in collapsed.mechanics.parts if part.name == "cap")
    assert part.law.strain == "logarithmic"


def test_rows_of_state_belong_to_their_parts(collapsed):
    body = collapsed.mechanics
    rows = body.state.rows
    kept = body.changed(body.parts[::-1], range(len(body.parts))[::-1])
    for number, part in enumerate(body.parts):
        mirrored = len(body.parts) - 1 - number
        assert np.array_equal(body.state_of(number), kept.state_of(mirrored))
        assert len(body.state_of(number)) == len(part.cells)
    assert rows[:, slots.INELASTIC].max() > 0.1


def test_a_second_fracture_is_refused(intact, collapsed):
    with pytest.raises(InvalidInput, match="intact"):
        Collapse().apply(collapsed)
    with pytest.raises(InvalidInput, match="intact"):
        Collapse().apply(Wedge(grade=1).apply(intact))
