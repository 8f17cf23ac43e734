from __future__ import annotations

import numpy as np
import pytest

from vbsim.anatomy.frame import BodyFrame
from vbsim.anatomy.morphometry import (
    body_volume_mm3,
    cross_section_areas_mm2,
    endplate_areas_mm2,
    fracture_shape,
    genant_grade,
    height_loss,
)

RADIUS_MM, HEIGHT_MM = 16.0, 20.0
# Stations at 5, 50 and 95 % of the depth, y from the centre.
STATIONS_MM = 2.0 * RADIUS_MM * (np.array([0.05, 0.5, 0.95]) - 0.5)


def body(losses_percent: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> BodyFrame:
    """A cylinder that has lost given percentages of height at the three stations."""
    x = np.arange(-20.0, 20.2, 0.4)
    profile = np.interp(x, STATIONS_MM, HEIGHT_MM * (1.0 - np.array(losses_percent) / 100.0))
    upper = np.repeat(profile[:, None], x.size, axis=1) - 0.5 * HEIGHT_MM
    lower = np.full((x.size, x.size), -0.5 * HEIGHT_MM)
    return BodyFrame(np.zeros(3), np.eye(3), x, x, upper, lower, np.full((5, 360), RADIUS_MM))


def test_intact_body_has_lost_nothing() -> None:
    assert height_loss(body(), body()) == pytest.approx((0.0, 0.0, 0.0))
    assert genant_grade(body(), body()) == 0
    assert fracture_shape(body(), body()) == "none"


def test_losses_are_percent_of_the_intact_height_at_the_same_place() -> None:
    loss = height_loss(body((30.0, 20.0, 4.0)), body())
    assert loss == pytest.approx((30.0, 20.0, 4.0))
    assert loss.worst_percent == pytest.approx(30.0)


@pytest.mark.parametrize(
    ("percent", "grade"),
    [(19.9, 0), (20.0, 1), (24.9, 1), (25.0, 2), (39.9, 2), (40.0, 2), (40.1, 3), (60.0, 3)],
)
def test_grades_follow_the_limits(percent: float, grade: int) -> None:
    assert genant_grade(body((percent, 0.6 * percent, 0.0)), body()) == grade
    assert genant_grade(body((0.0, percent, 0.0)), body()) == grade


def test_growth_is_no_fracture() -> None:
    assert genant_grade(body((-30.0, -10.0, 0.0)), body()) == 0


@pytest.mark.parametrize(
    ("losses", "shape"),
    [
        ((32.0, 19.2, 2.4), "wedge"),
        ((8.0, 32.0, 3.2), "biconcave"),
        ((22.0, 22.0, 17.6), "crush"),
        ((30.0, 36.0, 33.0), "crush"),
        ((15.0, 9.0, 1.0), "none"),
    ],
)
def test_shapes_are_named(losses: tuple[float, float, float], shape: str) -> None:
    assert fracture_shape(body(losses), body()) == shape


def test_volume_and_areas_of_a_cylinder() -> None:
    area = np.pi * RADIUS_MM**2
    # A constant radius and height leave only the rule for r dr, which is exact for a straight line.
    assert body_volume_mm3(body()) == pytest.approx(area * HEIGHT_MM, rel=1e-12)
    assert endplate_areas_mm2(body()) == pytest.approx((area, area))


def test_volume_of_a_cone_with_a_tilted_lid() -> None:
    base, top, slope = 16.0, 8.0, 0.2
    x = np.arange(-20.0, 20.2, 0.4)
    tilted = np.repeat((10.0 + slope * x)[:, None], x.size, axis=1)
    lower = np.full_like(tilted, -10.0)
    outline = np.repeat(np.linspace(base, top, 65)[:, None], 360, axis=1)
    frame = BodyFrame(np.zeros(3), np.eye(3), x, x, tilted, lower, outline)
    # The tilt is odd in y and drops out: a frustum of height 20.
    frustum = np.pi * 20.0 / 3.0 * (base**2 + base * top + top**2)
    # 64 steps along s with a parabolic area: 1 / (6 * 64^2) of (base - top)^2, below 1e-4.
    assert body_volume_mm3(frame) == pytest.approx(frustum, rel=1e-4)
    assert endplate_areas_mm2(frame) == pytest.approx((np.pi * top**2, np.pi * base**2))
    assert cross_section_areas_mm2(frame).shape == (65,)
