"""The interval of a share."""

import pytest

from vbsim.checks import InvalidInput
from vbsim.measures import share_with_interval


def test_the_interval_is_wilsons():
    # Newcombe 1998, table I: 81 of 263, and 15 of 148.
    assert share_with_interval(81, 263)[1:] == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert share_with_interval(15, 148)[1:] == pytest.approx((0.0624, 0.1605), abs=1e-4)


def test_none_and_all_have_an_interval():
    assert share_with_interval(0, 20)[:2] == (0.0, 0.0)
    assert share_with_interval(0, 20)[2] > 0.1
    assert share_with_interval(20, 20)[2] == 1.0


def test_more_than_all_is_refused():
    with pytest.raises(InvalidInput, match="n_with = 5"):
        share_with_interval(5, 4)
