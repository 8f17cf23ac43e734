"""Closed forms and physics of the flow in blocks without anatomy."""

import numpy as np
import pytest
from media import (
    MARROW_PA_S,
    PERMEABILITY_MM2,
    POROSITY,
    RATE_MM3_PER_S,
    cube,
    flow_in,
    oil,
    portion,
    radii,
)

from vbsim.augmentation.injection.medium import Tube
from vbsim.augmentation.injection.outlets import Mouth

VOLUME_MM3 = 1200.0
# Of the order of what flow takes: 2.6 kPa from 2.7 mm to the front.
THRESHOLD_MPA = 5e-3


@pytest.fixture(scope="module")
def ball():
    """Return an even cube with cement given at its centre."""
    medium = cube(25)
    flow = flow_in(medium, oil())
    assert flow.run([portion(VOLUME_MM3)]) == "volume"
    return flow


def front_radii(flow):
    """Return the filled length of 200 rays from the centre, mm."""
    generator = np.random.default_rng(3)
    directions = generator.normal(size=(200, 3))
    directions /= np.linalg.norm(directions, axis=1)[:, None]
    filled = flow._filled()[1:-1, 1:-1, 1:-1]
    steps = (np.arange(400) + 0.5) * 0.03
    medium = flow.medium
    points = directions[:, None] * steps[:, None]
    index = np.floor((points - medium.first_mm) / np.array(medium.spacing_mm)).astype(int)
    index = np.clip(index, 0, filled.shape[0] - 1)
    return filled[index[..., 2], index[..., 1], index[..., 0]].sum(axis=1) * 0.03


def test_the_front_is_a_ball_of_the_right_radius(ball):
    expected = np.cbrt(3.0 * VOLUME_MM3 / (4.0 * np.pi * POROSITY))
    found = front_radii(ball)
    assert found.mean() == pytest.approx(expected, rel=0.01)
    # Partly filled cells show the front to a fraction of a cell in any direction.
    assert np.abs(found - expected).max() < 0.6


def test_the_pressure_is_that_of_radial_flow(ball):
    # p(a) - p(b) = q eta / (4 pi k) (1/a - 1/b) inside the cement.
    ball._find_flow(ball._source(portion(1.0), 0.0), 4)
    r = radii(ball.medium).ravel()
    pressure = ball._pressure[1:-1, 1:-1, 1:-1].ravel()
    near, far = (r > 2.4) & (r < 3.1), (r > 4.4) & (r < 5.1)
    over = RATE_MM3_PER_S * 100.0e-6 / (4.0 * np.pi * PERMEABILITY_MM2)
    expected = over * ((1.0 / r[near]).mean() - (1.0 / r[far]).mean())
    drop = pressure[near].mean() - pressure[far].mean()
    assert drop == pytest.approx(expected, rel=0.01)


def test_volume_is_conserved(ball):
    assert ball.cement_mm3.sum() == pytest.approx(VOLUME_MM3, rel=1e-10)
    assert ball.injected_mm3 == pytest.approx(VOLUME_MM3, rel=1e-10)


def test_the_front_is_sharp(ball):
    filled = ball._filled()[1:-1, 1:-1, 1:-1]
    partly = np.count_nonzero((filled > 0.01) & (filled < 0.99))
    # One layer of cells about a ball: its area over that of a cell, three times at most.
    area = 4.0 * np.pi * np.cbrt(3.0 * VOLUME_MM3 / (4.0 * np.pi * POROSITY)) ** 2
    assert partly < 2.0 * area
    r = radii(ball.medium)
    radius = np.cbrt(3.0 * VOLUME_MM3 / (4.0 * np.pi * POROSITY))
    assert filled[r < radius - 1.5].min() > 0.999
    assert filled[r > radius + 1.5].max() == 0.0


def test_steps_do_not_matter(ball, monkeypatch):
    monkeypatch.setattr("vbsim.augmentation.injection.flow._STEP_CELLS", 0.2)
    finer = flow_in(cube(25), oil())
    finer.run([portion(VOLUME_MM3)])
    assert len(finer.rows) > 1.5 * len(ball.rows)
    moved = np.abs(finer.cement_mm3 - ball.cement_mm3).sum() / VOLUME_MM3
    assert moved < 0.05


def test_power_law_in_pores_follows_the_radial_closed_form():
    # eta = K f (4 v / sqrt(8 k phi))^(n-1), v = q / (4 pi r^2), dp/dr = -eta v / k.
    n, k_cement = 0.5, 100.0
    rheology = oil(k_cement, n)
    flow = flow_in(cube(25), rheology)
    flow.run([portion(VOLUME_MM3)])
    flow._find_flow(flow._source(portion(1.0), 0.0), 12)
    r = radii(flow.medium).ravel()
    pressure = flow._pressure[1:-1, 1:-1, 1:-1].ravel()
    near, far = (r > 2.4) & (r < 3.1), (r > 4.4) & (r < 5.1)

    def drop_from(at):
        way = np.linspace(at, 6.0, 400)
        v = RATE_MM3_PER_S / (4.0 * np.pi * way**2)
        rate = 4.0 * v / np.sqrt(8.0 * PERMEABILITY_MM2 * POROSITY)
        slope = k_cement * rheology.tube_factor * rate ** (n - 1.0) * 1e-6 * v / PERMEABILITY_MM2
        return np.trapezoid(slope, way)

    expected = np.mean([drop_from(a) for a in r[near]]) - np.mean([drop_from(a) for a in r[far]])
    # The flow in a cell is the mean of its faces': first seen near the source.
    assert pressure[near].mean() - pressure[far].mean() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("threshold_mpa", [0.0, THRESHOLD_MPA])
def test_a_mirrored_medium_mirrors_the_fill(threshold_mpa):
    generator = np.random.default_rng(5)
    spread = generator.lognormal(0.0, 0.7, (15, 15, 15))
    fills = []
    for turn in (1, -1):
        there = spread[:, :, ::turn].copy()
        medium = cube(
            15, permeability=PERMEABILITY_MM2 * there, threshold_mpa=threshold_mpa / there
        )
        flow = flow_in(medium, oil())
        flow.run([portion(400.0)])
        fills.append(flow.cement_mm3)
    # The solver's tolerance: sums run the other way.
    np.testing.assert_allclose(fills[1][:, :, ::-1], fills[0], atol=2e-3)


@pytest.fixture(scope="module")
def gel():
    """Return the same ball in marrow that holds together, every cell alike."""
    flow = flow_in(cube(25, threshold_mpa=THRESHOLD_MPA), oil())
    assert flow.run([portion(VOLUME_MM3)]) == "volume"
    return flow


def test_marrow_that_gives_way_everywhere_alike_leaves_the_ball(ball, gel):
    expected = np.cbrt(3.0 * VOLUME_MM3 / (4.0 * np.pi * POROSITY))
    assert front_radii(gel).mean() == pytest.approx(expected, rel=0.01)
    assert np.abs(front_radii(gel) - expected).max() < 0.6
    assert gel.cement_mm3.sum() == pytest.approx(VOLUME_MM3, rel=1e-10)


def test_the_front_stands_under_the_pressure_that_displaces_marrow(ball, gel):
    # p(a) = threshold + q eta / (4 pi k) (1/a - 1/b) with the front at b.
    for flow in (ball, gel):
        flow._find_flow(flow._source(portion(1.0), 0.0), 4)
    near = radii(ball.medium) < 5.1
    higher = (gel._pressure - ball._pressure)[1:-1, 1:-1, 1:-1][near]
    # The front is a staircase: a cell with two or three full neighbours counts each of them.
    assert higher.mean() == pytest.approx(THRESHOLD_MPA, rel=0.05)
    assert higher.std() < 0.05 * THRESHOLD_MPA


def ragged(viscosity_pa_s):
    """Return the mean square radius in uneven marrow over that of a ball."""
    generator = np.random.default_rng(8)
    threshold = THRESHOLD_MPA * generator.lognormal(0.0, 1.0, (21, 21, 21))
    flow = flow_in(cube(21, threshold_mpa=threshold), oil(viscosity_pa_s))
    flow.run([portion(800.0)])
    assert flow.cement_mm3.sum() == pytest.approx(800.0, rel=1e-10)
    ball = 0.6 * np.cbrt(3.0 * 800.0 / (4.0 * np.pi * POROSITY)) ** 2
    return (flow.cement_mm3 * radii(flow.medium) ** 2).sum() / 800.0 / ball


def test_thin_cement_follows_soft_marrow_and_thick_cement_fills_a_ball():
    thin, middle, thick = (ragged(eta) for eta in (50.0, 200.0, 5000.0))
    assert thin > middle + 0.05
    assert middle > thick + 0.05
    assert thick == pytest.approx(1.0, abs=0.03)


def roundness(viscosity_pa_s):
    generator = np.random.default_rng(6)
    k = PERMEABILITY_MM2 * generator.lognormal(0.0, 1.0, (21, 21, 21))
    flow = flow_in(cube(21, permeability=k), oil(viscosity_pa_s), marrow_pa_s=1.0)
    flow.run([portion(800.0)])
    r = radii(flow.medium)
    spread = np.sqrt((flow.cement_mm3 * r**2).sum() / 800.0)
    return spread, flow.rows[-1]["pressure_tip_mpa"]


def test_more_viscosity_more_pressure_and_a_rounder_fill():
    thin, middle, thick = (roundness(eta) for eta in (0.05, 1.0, 50.0))
    assert thin[1] < middle[1] < thick[1]
    # A ball has the least mean square distance of all shapes of its volume.
    assert thin[0] > middle[0] > thick[0]


def leaking(radius_mm=1.0, viscosity_pa_s=100.0, threshold_mpa=0.0):
    channel = Tube(np.array([12.5, 0.0, 0.0]), np.array([7.5, 0.0, 0.0]), radius_mm)
    medium = cube(25, threshold_mpa=threshold_mpa)
    drain = medium.drain * 1e-9  # marrow passes, but hardly
    drain[drain > 0.0] = 1e-1
    flow = flow_in(
        medium._replace(drain=drain),
        oil(viscosity_pa_s),
        mouths=[Mouth("cortical_defect", "paravertebral", channel, 2.0)],
    )
    flow.run([portion(4000.0, tip=(6.0, 0.0, 0.0))])
    return flow


def test_cement_leaks_through_a_hole_and_the_books_balance():
    flow = leaking()
    leaked = flow.ways.leaked_ml()
    assert leaked["paravertebral"] > 0.05
    assert sum(leaked.values()) == leaked["paravertebral"]
    total = flow.cement_mm3.sum() + flow.ways.leaked_mm3.sum()
    assert total == pytest.approx(flow.injected_mm3, rel=1e-10)
    series = [row["leaked_ml"] for row in flow.rows]
    assert series[0] == 0.0
    assert series == sorted(series)


def test_a_wider_hole_leaks_more():
    assert leaking(1.5).ways.leaked_mm3.sum() > leaking(0.6).ways.leaked_mm3.sum()


def test_marrow_that_resists_all_cements_alike_favours_leaks_of_thin_ones():
    def ratio(threshold_mpa):
        thin, thick = (leaking(1.0, eta, threshold_mpa) for eta in (50.0, 500.0))
        for flow in (thin, thick):
            total = flow.cement_mm3.sum() + flow.ways.leaked_mm3.sum()
            assert total == pytest.approx(flow.injected_mm3, rel=1e-10)
        return thin.ways.leaked_mm3.sum() / thick.ways.leaked_mm3.sum()

    # Ten times the viscosity all but cancels in a liquid.
    assert ratio(0.0) < 1.5
    assert ratio(THRESHOLD_MPA) > 1.5 * ratio(0.0)


def test_the_pressure_limit_slows_the_flow_and_then_stops_it():
    thick = oil(400.0)
    free = flow_in(cube(15), thick, gauge=11)
    free.run([portion(300.0)])
    peak = max(row["pressure_mpa"] for row in free.rows)
    slowed = flow_in(cube(15), thick, gauge=11, pressure_mpa=0.5 * peak)
    assert slowed.run([portion(300.0)]) == "volume"
    assert max(row["pressure_mpa"] for row in slowed.rows) <= 0.5 * peak * 1.01
    assert slowed.time_s > 1.5 * free.time_s
    stopped = flow_in(cube(15), thick, gauge=11, pressure_mpa=0.005 * peak)
    assert stopped.run([portion(300.0)]) == "pressure"
    assert stopped.injected_mm3 == 0.0


def test_a_full_body_ends_under_pressure():
    medium = cube(6)
    drain = np.where(medium.drain > 0.0, 1.0, 0.0)
    flow = flow_in(medium._replace(drain=drain), oil())
    assert flow.run([portion(2.0 * POROSITY * 6**3)]) == "pressure"
    assert flow.cement_mm3.sum() <= POROSITY * 6**3 * (1.0 + 1e-6)
    assert MARROW_PA_S < 1.0
