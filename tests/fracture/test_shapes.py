"""What a shape is asked by, and what it refuses."""

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.fracture import Biconcave, Cleft, Crush, Wedge
from vbsim.fracture.shapes import target_heights
from vbsim.specimen import Potting


@pytest.fixture(scope="module")
def frame(block_source):
    return block_source.anatomy.frame


def lost(step, frame):
    return 1.0 - np.array(target_heights(step, frame)) / np.array(frame.heights())


@pytest.mark.parametrize(("grade", "worst"), [(1, 0.22), (2, 0.32), (3, 0.48)])
@pytest.mark.parametrize("shape", [Wedge, Biconcave, Crush])
def test_a_grade_is_the_middle_of_its_class(shape, grade, worst, frame):
    assert lost(shape(grade=grade), frame).max() == pytest.approx(worst)


def test_three_heights_are_met_as_given(block_specimen):
    step = Wedge(height_anterior_mm=15.0, height_middle_mm=17.0, height_posterior_mm=21.0)
    found = step.apply(block_specimen).anatomy.frame.heights()
    assert np.allclose(found, (15.0, 17.0, 21.0), atol=0.01)


def test_heights_left_out_follow_the_pattern(frame):
    anterior = frame.heights().anterior_mm
    by_height = Wedge(height_anterior_mm=anterior * (1.0 - 0.32))
    assert np.allclose(target_heights(by_height, frame), target_heights(Wedge(grade=2), frame))


def test_more_loss_makes_a_thicker_band(block_specimen):
    thickness = [
        {q.name: q.value for q in Crush(grade=g).apply(block_specimen).report}["band_thickness"]
        for g in (1, 2, 3)
    ]
    assert thickness == sorted(thickness)
    assert thickness[0] >= 5.0
    loss = 0.48 * np.max(block_specimen.anatomy.frame.heights())
    assert thickness[2] > loss


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"grade": 2, "height_anterior_mm": 15.0},
        {"grade": 4},
        {"grade": 0},
        {"height_anterior_mm": -3.0},
        {"grade": 1, "band": "top"},
        {"grade": 1, "band_modulus_factor": 0.0},
        {"grade": 1, "cleft": {"thickness_mm": 0.0}},
        {"grade": 1, "cleft": {"width_mm": 3.0}},
        {"grade": 1, "height_mm": 12.0},
    ],
    ids=lambda given: "-".join(given) or "nothing",
)
def test_parameters_that_contradict_are_refused(given):
    with pytest.raises(InvalidInput):
        Wedge(**given)


@pytest.mark.parametrize(
    ("step", "says"),
    [
        (Wedge(height_anterior_mm=30.0), "height_anterior_mm = 30.0: must be above 0 and at most"),
        (Wedge(height_anterior_mm=22.0), "nothing is lost"),
        (Wedge(height_anterior_mm=20.0, height_middle_mm=12.0), "another shape"),
        (Biconcave(height_middle_mm=18.5, height_anterior_mm=14.0), "another shape"),
        (
            Crush(height_anterior_mm=15.0, height_middle_mm=15.0, height_posterior_mm=22.0),
            "another shape",
        ),
        (Crush(height_anterior_mm=6.0), "compaction band"),
        (Crush(grade=3, cleft=Cleft(thickness_mm=9.0)), "thinner cleft"),
        (Wedge(grade=2, cleft=Cleft(anteroposterior_mm=40.0)), "outer wall"),
        (Wedge(grade=2, cleft=Cleft(centre_fraction=0.05)), "outer wall"),
    ],
    ids=lambda part: part.replace(" ", "_") if isinstance(part, str) else None,
)
def test_what_does_not_fit_the_body_is_refused_with_the_reason(step, says, block_specimen):
    with pytest.raises(InvalidInput, match=says):
        step.apply(block_specimen)


def test_a_potted_specimen_is_refused(block_specimen):
    with pytest.raises(InvalidInput, match="before the potting"):
        Crush(grade=1).apply(Potting().apply(block_specimen))
