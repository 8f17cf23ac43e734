"""The loss field: targets met as they are measured, smooth and nowhere negative."""

from dataclasses import replace

import numpy as np
import pytest

from vbsim.anatomy.frame import Heights
from vbsim.checks import InvalidInput
from vbsim.fracture.losses import losses_for, pattern

KINDS = ("wedge", "biconcave", "crush")


@pytest.fixture(scope="module")
def frame(block_source):
    return block_source.anatomy.frame


@pytest.fixture(scope="module", params=KINDS)
def losses(request, frame):
    shape = pattern(request.param)
    heights = np.array(frame.heights()) * (1.0 - 0.32 * np.array(shape.shares))
    return losses_for(frame, shape, Heights(*heights))


def grid(frame):
    return np.meshgrid(frame.x_mm, frame.y_mm)


def test_heights_measured_on_the_moved_frame_are_the_targets(losses, frame):
    shares = np.array(losses.pattern.shares)
    wanted = np.array(frame.heights()) * (1.0 - 0.32 * shares)
    # Corrected by fixed point until 1e-9 or no further gain.
    assert np.allclose(losses.moved().heights(), wanted, atol=1e-8)


def test_the_lower_endplate_stays_in_place(losses, frame):
    assert np.array_equal(losses.moved().inferior_mm, frame.inferior_mm)


def test_no_place_rises_and_none_overshoots(losses, frame):
    field = losses(*grid(frame))
    assert field.min() >= 0.0
    # The rim lies 5 % of the depth beyond the stations, where the end slope carries on.
    assert losses.worst_mm() <= 1.08 * losses.midline_mm.max()


def test_left_and_right_sink_alike(losses, frame):
    field = losses(*grid(frame))
    assert np.allclose(field, field[:, ::-1], atol=1e-12)


def test_the_loss_is_smooth_over_the_body(losses, frame):
    field, inside = losses(*grid(frame)), frame.footprint()
    step = frame.x_mm[1] - frame.x_mm[0]
    slope = np.abs(np.diff(field, axis=0))[inside[1:]] / step
    # The steepest pattern rises from its apex at 60 % to the back at 95 % of the 26 mm of depth;
    # a monotone cubic is at most three times, here less than twice as steep as its chord.
    assert slope.max() < 2.0 * losses.midline_mm.max() / (0.35 * 26.0)


def test_the_apex_of_a_biconcave_body_lies_behind_its_middle(frame):
    shape = pattern("biconcave")
    heights = np.array(frame.heights()) * (1.0 - 0.32 * np.array(shape.shares))
    losses = losses_for(frame, shape, Heights(*heights))
    front, back = frame.sagittal_extent_mm()
    y = np.linspace(front, back, 201)
    apex = (y[np.argmax(losses(np.zeros_like(y), y))] - front) / (back - front)
    assert 0.5 < apex < 0.75
    rim, middle = losses([16.0, 0.0], [0.0, 0.0])
    assert rim < 0.5 * middle


def test_nothing_sinks_far_behind_the_body(losses, frame):
    _, back = frame.sagittal_extent_mm()
    assert losses([0.0], [2.0 * back]) == 0.0


def test_a_coarse_map_that_cannot_hold_the_targets_is_refused(frame):
    # Between points 12 mm apart the middle station sinks with what lies in front of and behind it.
    coarse = replace(
        frame,
        x_mm=frame.x_mm[::24],
        y_mm=frame.y_mm[::24],
        superior_mm=frame.superior_mm[::24, ::24],
        inferior_mm=frame.inferior_mm[::24, ::24],
    )
    high = np.array(coarse.heights())
    with pytest.raises(InvalidInput, match="less abruptly"):
        losses_for(coarse, pattern("biconcave"), Heights(high[0] - 9.0, high[1], high[2] - 9.0))
