"""Needles go through the pedicles into the body."""

import numpy as np
import pytest

from vbsim.augmentation import Approach, Bipedicular, CementFill, Unipedicular, needle_paths
from vbsim.checks import InvalidInput


@pytest.fixture
def anatomy(body):
    return body().anatomy


def angle_deg(needle):
    """Return the angle to the sagittal plane, towards the midline."""
    direction = needle.direction
    sign = 1.0 if needle.side == "left" else -1.0
    return np.degrees(np.arctan2(-sign * direction[0], -direction[1]))


@pytest.mark.parametrize("side", ["left", "right"])
def test_transpedicular_needle_runs_through_the_pedicle(anatomy, side):
    needle = Approach().path(anatomy, side)
    pedicle = getattr(anatomy.landmarks, f"pedicle_{side}")
    to_isthmus = np.subtract(pedicle.isthmus_mm, needle.tip_mm)
    away = to_isthmus - needle.direction * (to_isthmus @ needle.direction)
    assert np.linalg.norm(away) < 1e-9
    assert needle.entry_mm[1] > pedicle.isthmus_mm[1] > needle.tip_mm[1]


def test_parapedicular_needle_passes_along_the_outer_wall_of_the_pedicle(anatomy):
    pedicle = anatomy.landmarks.pedicle_left
    needle = Approach(route="parapedicular").path(anatomy, "left")
    way = (pedicle.isthmus_mm[1] - needle.tip_mm[1]) / needle.direction[1]
    at_isthmus = np.array(needle.tip_mm) + way * needle.direction
    assert at_isthmus[0] == pytest.approx(pedicle.isthmus_mm[0] + 0.5 * pedicle.width_mm)


def test_tip_lies_in_the_anterior_third_at_mid_height(anatomy):
    front, back = anatomy.frame.sagittal_extent_mm()
    for needle in Bipedicular().needles(anatomy):
        x, y, z = needle.tip_mm
        assert front < y < front + (back - front) / 3.0
        height = anatomy.frame.normalised_height([x], [y], [z])[0]
        assert height == pytest.approx(0.5, abs=0.05)


def test_two_needles_mirror_each_other(anatomy):
    left, right = Bipedicular().needles(anatomy)
    np.testing.assert_allclose(np.array(left.tip_mm) * (-1, 1, 1), right.tip_mm, atol=1e-12)
    np.testing.assert_allclose(np.array(left.entry_mm) * (-1, 1, 1), right.entry_mm, atol=1e-12)
    assert left.tip_mm[0] > 0.0 > right.tip_mm[0]


def test_a_needle_alone_converges_more_than_one_of_two(anatomy):
    one_of_two = Approach().path(anatomy, "left")
    alone = Approach().path(anatomy, "left", alone=True)
    assert angle_deg(alone) > angle_deg(one_of_two)
    assert 20.0 <= angle_deg(alone) <= 30.0  # published lumbar range
    assert abs(alone.tip_mm[0]) < abs(one_of_two.tip_mm[0])


def test_a_needle_of_two_converges_more_than_its_pedicle(anatomy):
    direction = anatomy.landmarks.pedicle_left.direction
    own = np.degrees(np.arctan2(-direction[0], -direction[1]))
    assert angle_deg(Approach().path(anatomy, "left")) >= own + 3.0 - 1e-9


def test_the_angle_given_is_the_angle_taken(anatomy):
    needle = Approach(convergence_deg=17.0).path(anatomy, "right")
    assert angle_deg(needle) == pytest.approx(17.0)


@pytest.mark.parametrize("tip", [(0.0, -40.0, 0.0), (0.0, 0.0, 12.0), (25.0, 0.0, 0.0)])
def test_a_tip_outside_the_body_is_refused(body, tip):
    fill = CementFill(volume_ml=2.0, distribution=Unipedicular(tip=tip))
    with pytest.raises(InvalidInput, match=r"tip .*inside the body"):
        fill.apply(body())


def test_the_tip_given_places_the_cement(body):
    specimen = body()
    x, y, z = specimen.body_axes()
    tip = (6.0, -2.0, 3.0)
    shape = Unipedicular(tip=tip, withdrawal_mm=0.0)
    filled = CementFill(volume_ml=1.0, distribution=shape).apply(specimen)
    fraction = filled.cement_fraction
    centre = [
        np.average(axis, weights=fraction.sum(axis=other))
        for axis, other in ((x, (0, 1)), (y, (0, 2)), (z, (1, 2)))
    ]
    # A ball of 6 mm radius on cells of 1.5 mm, in bone whose density varies by 15 %.
    np.testing.assert_allclose(centre, tip, atol=0.2)


def test_needles_are_there_for_display(body):
    specimen = body()
    two = needle_paths(specimen, CementFill(volume_ml=1.0))
    assert [needle.side for needle in two] == ["left", "right"]
    assert needle_paths(specimen, CementFill(volume_ml=1.0, distribution="central")) == ()


def test_the_name_of_a_route_is_enough():
    assert Bipedicular(approach="parapedicular").approach == Approach(route="parapedicular")
