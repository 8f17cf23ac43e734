from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import InvalidInput

RADIUS_MM, HEIGHT_MM = 15.0, 20.0


def cylinder(slope: float = 0.0, **changed: object) -> BodyFrame:
    """A round body whose upper endplate rises by `slope` towards the back."""
    x = np.arange(-20.0, 20.5, 0.5)
    upper = 0.5 * HEIGHT_MM + slope * np.broadcast_to(x[:, None], (x.size, x.size))
    frame = BodyFrame(
        origin_mm=np.zeros(3),
        axes=np.eye(3),
        x_mm=x,
        y_mm=x,
        superior_mm=upper,
        inferior_mm=np.full((x.size, x.size), -0.5 * HEIGHT_MM),
        outline_mm=np.full((9, 72), RADIUS_MM),
    )
    return replace(frame, **changed)


def turned() -> BodyFrame:
    turn = np.radians(25.0)
    c, s = np.cos(turn), np.sin(turn)
    axes = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
    return cylinder(origin_mm=np.array([3.0, -70.0, 900.0]), axes=axes)


def test_body_and_world_coordinates_undo_each_other() -> None:
    points = np.random.default_rng(3).uniform(-30.0, 30.0, (4, 5, 3))
    frame = turned()
    np.testing.assert_allclose(frame.to_body(frame.to_world(points)), points, atol=1e-12)
    np.testing.assert_allclose(
        frame.to_world([0.0, 0.0, 2.0]), frame.origin_mm + 2 * frame.axes[:, 2]
    )


def test_normalised_height_runs_from_endplate_to_endplate() -> None:
    frame = cylinder(slope=0.1)
    assert frame.normalised_height(0.0, 10.0, -10.0) == pytest.approx(0.0)
    assert frame.normalised_height(0.0, 10.0, 11.0) == pytest.approx(1.0)
    assert frame.normalised_height(0.0, -10.0, 9.0) == pytest.approx(1.0)
    assert frame.normalised_height(0.0, 0.0, 20.0) == pytest.approx(1.5)


def test_normalised_radius_is_one_on_the_wall() -> None:
    frame = cylinder()
    theta = np.linspace(0.0, 2.0 * np.pi, 33)
    x, y = RADIUS_MM * np.cos(theta), RADIUS_MM * np.sin(theta)
    np.testing.assert_allclose(frame.normalised_radius(x, y, 0.0), 1.0, rtol=1e-12)
    np.testing.assert_allclose(frame.normalised_radius(0.5 * x, 0.5 * y, 3.0), 0.5, rtol=1e-12)
    assert frame.normalised_radius(0.0, 0.0, 0.0) == 0.0


def test_wall_radius_interpolates_round_the_body_and_up() -> None:
    outline = np.tile(np.linspace(10.0, 14.0, 5)[:, None], (1, 72))
    frame = cylinder(outline_mm=outline)
    assert frame.wall_radius(0.3, 0.125) == pytest.approx(10.5)
    assert frame.wall_radius(-0.01, 2.0) == pytest.approx(14.0)


def test_single_points_and_arrays_agree() -> None:
    frame = cylinder(slope=0.05)
    y = np.array([-3.1, 0.2, 7.7])
    one_by_one = [float(frame.superior_at(1.0, float(v))) for v in y]
    np.testing.assert_allclose(frame.superior_at(np.ones(3), y), one_by_one, rtol=0)


def test_heights_and_wedge_angle_of_a_plane_wedge() -> None:
    frame = cylinder(slope=0.1)
    # Stations at 5, 50 and 95 % of a depth of 30 mm: y = -13.5, 0, 13.5.
    assert frame.heights() == pytest.approx((18.65, 20.0, 21.35))
    assert frame.wedge_angle_deg() == pytest.approx(np.degrees(np.arctan(0.1)))
    assert cylinder(slope=-0.1).wedge_angle_deg() < 0.0


def test_heights_do_not_see_the_world() -> None:
    assert turned().heights() == pytest.approx((HEIGHT_MM,) * 3)


def test_bounds_hold_the_body() -> None:
    lower, upper = cylinder(slope=0.1).bounds_mm()
    np.testing.assert_allclose(lower, [-RADIUS_MM, -RADIUS_MM, -10.0], atol=1e-9)
    np.testing.assert_allclose(upper, [RADIUS_MM, RADIUS_MM, 11.5], atol=1e-9)


def test_footprint_is_the_widest_end() -> None:
    outline = np.full((9, 72), RADIUS_MM)
    outline[1:-1] = 5.0
    frame = cylinder(outline_mm=outline)
    area = frame.footprint().sum() * 0.25
    # Counting 0.25 mm2 map points: half a point per point of perimeter at most, in practice 1 %.
    assert area == pytest.approx(np.pi * RADIUS_MM**2, rel=0.01)


def test_moved_endplates_leave_the_rest() -> None:
    frame = cylinder()
    lower = frame.with_endplates(frame.superior_mm - 5.0, frame.inferior_mm)
    assert lower.heights() == pytest.approx((HEIGHT_MM - 5.0,) * 3)
    assert frame.heights() == pytest.approx((HEIGHT_MM,) * 3)
    assert lower.outline_mm is frame.outline_mm or np.shares_memory(
        lower.outline_mm, frame.outline_mm
    )


def test_arrays_are_read_only() -> None:
    frame = cylinder()
    with pytest.raises(ValueError, match="read-only"):
        frame.superior_mm[0, 0] = 1.0


def test_holes_and_wrong_shapes_are_refused() -> None:
    hole = np.array(cylinder().superior_mm)
    hole[3, 3] = np.nan
    with pytest.raises(InvalidInput, match="superior_mm"):
        cylinder(superior_mm=hole)
    with pytest.raises(InvalidInput, match="inferior_mm"):
        cylinder(inferior_mm=np.zeros((3, 3)))
