"""What a filling looks like, on shapes whose answers are known."""

from dataclasses import replace

import numpy as np
import pytest

from vbsim.augmentation import CementFill, Injection
from vbsim.augmentation.describe import (
    circularity,
    describe,
    placed,
    surface_area_mm2,
    surface_points,
)
from vbsim.materials.cement import BoneCementLaw, cement
from vbsim.specimen import CementField

RADIUS_MM, CENTRE_MM = 6.0, np.array([3.0, -2.0, 1.0])


def filled_with(specimen, share):
    """Return the specimen with a given share of its pore space filled."""
    field = CementField(cement("pmma"), BoneCementLaw(), share * specimen.pore_fraction, share)
    return replace(specimen, cements=(field,))


def ball_in(specimen, centre_mm):
    """Return the specimen with a ball of cement about a point of its body frame."""
    x, y, z = specimen.body_axes()
    radius = np.sqrt(
        (x[None, None, :] - centre_mm[0]) ** 2
        + (y[None, :, None] - centre_mm[1]) ** 2
        + (z[:, None, None] - centre_mm[2]) ** 2
    )
    return filled_with(specimen, np.clip(RADIUS_MM - radius + 0.5, 0.0, 1.0))


@pytest.fixture(scope="module")
def ball(body):
    return ball_in(body(1.0), CENTRE_MM)


@pytest.fixture(scope="module")
def values(ball):
    return {q.name: q.value for q in describe(ball, placed_ml=0.0)}


def test_surface_points_lie_on_the_ball(ball):
    radius = np.linalg.norm(surface_points(placed(ball)) - CENTRE_MM, axis=-1)
    # Linear between cell centres of 1 mm across a ramp that is not: 0.1 mm at worst.
    np.testing.assert_allclose(radius, RADIUS_MM, atol=0.12)


def test_area_of_the_ball(ball):
    # Total variation over a ramp one cell wide: 3 % on a ball of six cells.
    area = surface_area_mm2(placed(ball))
    assert area == pytest.approx(4.0 * np.pi * RADIUS_MM**2, rel=0.05)


def test_gaps_above_and_below_the_ball(ball, values):
    frame = ball.anatomy.frame
    x, y = np.meshgrid(np.linspace(-3.0, 9.0, 61), np.linspace(-8.0, 4.0, 61))
    under = RADIUS_MM**2 - (x - CENTRE_MM[0]) ** 2 - (y - CENTRE_MM[1]) ** 2
    top = CENTRE_MM[2] + np.sqrt(np.maximum(under, 0.0))
    bottom = CENTRE_MM[2] - np.sqrt(np.maximum(under, 0.0))
    # The endplates of the made-up vertebra are 0.5 mm thick.
    above = np.where(under > 0, frame.superior_at(x, y) - 0.5 - top, np.inf).min()
    below = np.where(under > 0, bottom - frame.inferior_at(x, y) - 0.5, np.inf).min()
    # Columns of 1 mm, half-filled cells counted whole: half a cell.
    assert values["cement_gap_superior"] == pytest.approx(above, abs=0.5)
    assert values["cement_gap_inferior"] == pytest.approx(below, abs=0.5)
    assert values["cement_contact_superior"] == 0.0


def test_margins_of_the_ball(values):
    # The wall of the made-up vertebra: half depth 13 mm behind; on the left it curves, so that the
    # least distance lies below the straight one at the ball's height.
    assert values["leak_margin_posterior_wall"] == pytest.approx(13.0 + 2.0 - RADIUS_MM, abs=0.3)
    assert values["leak_margin_cortex"] < 18.0 - 3.0 - RADIUS_MM
    assert values["leak_margin_cortex"] == pytest.approx(13.0 - 2.0 - RADIUS_MM, abs=0.4)
    # Foramen at (0, 13, 0); canal an ellipse about (0, 22) whose front is at y = 13.
    foramen = np.linalg.norm(CENTRE_MM - (0.0, 13.0, 0.0)) - RADIUS_MM
    assert values["leak_margin_basivertebral"] == pytest.approx(foramen, abs=0.2)
    assert values["leak_margin_canal"] == pytest.approx(9.1, abs=0.4)


def test_the_posterior_wall_is_the_wall_before_the_canal(body):
    beside = ball_in(body(1.0), (9.0, -2.0, 0.0))
    values = {q.name: q.value for q in describe(beside, placed_ml=0.0)}
    # Left of the ball the wall is 18 - 9 - 6 = 3 mm away, behind it some 6 mm.
    assert values["leak_margin_cortex"] < 3.1
    assert values["leak_margin_posterior_wall"] > 5.0


def test_margins_shrink_as_the_cement_grows(body):
    names = ("leak_margin_posterior_wall", "leak_margin_canal", "leak_margin_basivertebral")
    before = dict.fromkeys(names, np.inf)
    for volume_ml in (1.0, 4.0, 8.0):
        filled = CementFill(volume_ml=volume_ml, distribution="central").apply(body())
        now = {q.name: q.value for q in filled.report}
        assert all(now[name] < before[name] for name in names)
        before = now


def test_uniform_cement_is_even_and_a_corner_is_not(body):
    specimen = body()
    x, y, z = specimen.body_axes()
    uniform = filled_with(specimen, np.full(specimen.domain.shape, 0.4))
    values = {q.name: q.value for q in describe(uniform, placed_ml=0.0)}
    assert values["cement_evenness"] == pytest.approx(1.0, abs=1e-12)
    corner = (x[None, None, :] > 0) & (y[None, :, None] > 3) & (z[:, None, None] > 3)
    one = filled_with(specimen, corner * 1.0)
    values = {q.name: q.value for q in describe(one, placed_ml=0.0)}
    assert values["cement_evenness"] == pytest.approx(0.0, abs=1e-12)
    assert values["cement_left_share"] == 1.0


def test_fill_by_region_is_the_share_of_pores_there(body):
    specimen = body()
    x, _, _ = specimen.body_axes()
    share = np.broadcast_to(np.where(x > 0.0, 0.6, 0.2), specimen.domain.shape)
    found = {q.name: q.value for q in describe(filled_with(specimen, share), placed_ml=0.0)}
    assert found["cement_fill_left"] == pytest.approx(60.0, abs=1e-6)
    assert found["cement_fill_right"] == pytest.approx(20.0, abs=1e-6)
    for one, other in (("front", "back"), ("upper", "lower")):
        assert 35.0 < found[f"cement_fill_{one}"] < 45.0
        assert 35.0 < found[f"cement_fill_{other}"] < 45.0


def test_regions_compare_drawn_imaged_and_injected_cement(body, ball_path):
    tip = (6.0, -4.0, 0.0)
    fills = {
        "imaged": CementFill(distribution={"kind": "image", "path": ball_path, "label": 3}),
        "drawn": CementFill(volume_ml=3.0, distribution="unipedicular_left"),
        "injected": Injection(volume_ml=3.0, side="left", outlets="none", tip_left=tip),
    }
    for step in fills.values():
        found = {q.name: q.value for q in step.apply(body()).report}
        assert found["cement_fill_left"] > found["cement_fill_right"] >= 0.0
        assert 0.0 < found["cement_evenness"] < 1.0
        assert {"cement_contact_superior", "cement_contact_inferior"} <= set(found)


def test_a_drop_can_be_described(body):
    filled = CementFill(volume_ml=0.001, distribution="central").apply(body())
    assert all(np.isfinite(q.value) for q in filled.report)


def test_no_cement_reports_only_volumes(body):
    filled = CementFill(volume_ml=0.0).apply(body())
    assert {q.name: q.value for q in filled.report} == {
        "cement_volume": 0.0,
        "cement_volume_placed": 0.0,
        "filling_fraction": 0.0,
        "filling_fraction_intact": 0.0,
    }


def test_both_bases_of_the_filling_fraction(body):
    specimen = replace(body(), volume_intact_ml=2.0 * body().volume_ml())
    filled = CementFill(filling_fraction_percent=12.0).apply(specimen)
    values = {q.name: q.value for q in filled.report}
    assert values["filling_fraction"] == pytest.approx(12.0)
    assert values["filling_fraction_intact"] == pytest.approx(6.0)
    unknown = CementFill(volume_ml=1.0).apply(replace(specimen, volume_intact_ml=None))
    assert "filling_fraction_intact" not in {q.name for q in unknown.report}


def test_an_imaged_body_keeps_its_outer_layer(body):
    specimen = body(1.0)
    imaged = replace(specimen, anatomy=replace(specimen.anatomy, origin="image"))
    column = CementFill(volume_ml=3.0, distribution="column")
    filled = column.apply(imaged)
    frame = imaged.anatomy.frame
    x, y, z = imaged.body_axes()
    top = frame.superior_at(x[None, :], y[:, None])
    # 1 mm stays bone, and the cell that its surface cuts is filled in part.
    near = np.abs(z[:, None, None] - top) < 0.5
    assert filled.cement_fraction[near].max() == 0.0
    values = {q.name: q.value for q in filled.report}
    assert values["cement_gap_superior"] <= 0.5
    assert values["leak_margin_cortex"] > 0.5


def test_circularity_of_discs():
    axis = np.arange(40) - 19.5
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")

    def ball(at, radius):
        return np.clip(radius - np.sqrt((x - at) ** 2 + y**2 + z**2) + 0.5, 0.0, 1.0)

    one = circularity(ball(0.0, 8.0), (1.0, 1.0, 1.0))
    assert one == pytest.approx(1.0, abs=0.03)
    # Two discs in two of the three sections, and the gap between them in the third: none.
    two = ball(-10.0, 7.0) + ball(10.0, 7.0)
    assert circularity(two, (1.0, 1.0, 1.0)) == pytest.approx(0.5, abs=0.03)
    rough = np.round(ball(0.0, 8.0))
    assert circularity(rough, (1.0, 1.0, 1.0)) > 0.85


def test_shares_of_front_and_sections_of_shapes(make_block_specimen):
    bone = make_block_specimen(2.0)

    def told(shape):
        filled = CementFill(volume_ml=2.0, distribution=shape).apply(bone)
        return {q.name: q.value for q in filled.report}

    assert told("anterior")["cement_front_share"] > 0.9
    assert told("posterolateral")["cement_front_share"] < 0.2
    assert told("central")["cement_circularity"] > told("bipedicular")["cement_circularity"]
