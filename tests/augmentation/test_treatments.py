"""Treatments by mechanics, on coarse voxels: balloon, cement, traction, settling."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.augmentation import Balloon, CementFill, Curing, Injection, Settling
from vbsim.checks import InvalidInput
from vbsim.fem.equilibrium import FREE, Leg, Status, load
from vbsim.fracture import Cleft, Collapse, Traction, Wedge
from vbsim.specimen.deformed import jacobian
from vbsim.specimen.loading import settings, under_load


@pytest.fixture(scope="module")
def intact(coarse_l1):
    return coarse_l1


@pytest.fixture(scope="module")
def collapsed(intact):
    return Collapse(height_loss_percent=15.0).apply(intact)


@pytest.fixture(scope="module")
def expanded(collapsed):
    return Balloon(volume_ml=2.5, preload_n=50.0).apply(collapsed)


@pytest.fixture(scope="module")
def filled(expanded):
    return CementFill(volume_ml=3.0, distribution="cleft").apply(expanded)


def told(specimen):
    return {item.name: item.value for item in specimen.report}


def heights(specimen):
    return np.array(specimen.anatomy.frame.heights())


def test_a_balloon_reaches_its_volume_and_lifts_the_endplate(collapsed, expanded):
    report = told(expanded)
    assert report["balloon_volume"] == pytest.approx(2.5, rel=1e-3)
    assert 0.2 < report["balloon_pressure"] < 2.8
    assert report["balloon_gain"] > 0.3
    assert report["balloon_loss"] > 0.0
    assert heights(expanded)[0] > heights(collapsed)[0]


def test_what_the_cavity_takes_the_body_grows_by_or_the_bone_loses(collapsed, expanded):
    """Volumes add up: growth of the body = cavity less what the bone around it has lost."""
    before, after = collapsed.mechanics, expanded.mechanics
    cell_ml = after.reference.domain.cell_volume_mm3 / 1000.0
    inside = after.bare.tissue.body
    volumes = [
        float(np.vdot(inside, jacobian(body.displacement_mm, body.reference.domain))) * cell_ml
        for body in (before, after)
    ]
    cavity = float(np.vdot(after.cavity, jacobian(after.displacement_mm, after.reference.domain)))
    assert told(expanded)["cavity_volume"] == pytest.approx(cavity * cell_ml, rel=1e-9)
    bone = inside * (1.0 - after.cavity)
    lost = float(np.vdot(bone, 1.0 - jacobian(after.displacement_mm, after.reference.domain)))
    whole = float(inside.sum()) * cell_ml
    assert volumes[1] == pytest.approx(
        whole - lost * cell_ml - float(after.cavity.sum()) * cell_ml + cavity * cell_ml, rel=1e-9
    )


def test_the_preload_still_acts_after_the_balloon(expanded):
    solver = expanded.mechanics.equilibrium(settings())
    assert solver.reaction[0] == pytest.approx(50.0, abs=2.0)


def test_cement_is_placed_whole_and_born_without_stress(expanded, filled):
    assert filled.cement_volume_ml == pytest.approx(3.0, rel=1e-3)
    body = filled.mechanics
    part = body.parts[-1]
    assert part.name == "cement"
    assert part.birth is not None
    # taken in as it stands, it changes no force of the body
    before = expanded.mechanics
    same = before.changed(
        [*before.parts, part._replace(birth=before.gradient().reshape(-1, 9)[part.cells])],
        [*range(len(before.parts)), None],
        materials=body.materials,
    )
    reactions = [b.equilibrium(settings()).reaction for b in (before, same)]
    assert reactions[1] == pytest.approx(reactions[0], abs=0.5)


def test_cement_keeps_the_height_when_the_preload_goes(expanded, filled):
    assert np.abs(heights(filled) - heights(expanded)).max() < 0.3
    assert told(filled)["height_anterior_under_load"] == pytest.approx(heights(filled)[0], abs=0.1)


def test_cement_shrinks_as_far_as_the_bone_lets_it(expanded, filled):
    step = CementFill(volume_ml=3.0, distribution="cleft", shrinkage_percent=3.0)
    volumes = []
    for stage in (filled, step.apply(expanded)):
        body = stage.mechanics
        ratio = jacobian(body.displacement_mm, body.reference.domain)
        volumes.append(float(np.vdot(body.cements[0].fraction, ratio)))
    assert 0.97**3 - 0.01 < volumes[1] / volumes[0] < 0.99


def test_a_surface_that_debonds_yields_more_to_traction(expanded):
    """Pulled, cement with a surface that separates moves no less than bonded cement."""
    moved, names = [], []
    for debonds in (False, True):
        step = CementFill(volume_ml=3.0, distribution="cleft", debonds=debonds)
        body = step.apply(expanded).mechanics
        names.append({part.name for part in body.parts})
        solver = body.equilibrium(settings())
        assert solver.run(Leg("pull", load(-250.0), FREE, FREE, first=0.5)) is Status.DONE
        moved.append(-float(solver.motion[0]))
    assert "interface" not in names[0]
    assert "interface" in names[1]
    assert moved[1] > moved[0]


def test_injection_pressure_lifts(collapsed):
    plain, pressed = (
        CementFill(volume_ml=3.0, distribution="central", injection_pressure_mpa=p).apply(collapsed)
        for p in (0.0, 0.4)
    )
    assert heights(pressed).mean() > heights(plain).mean() + 0.01
    # the bone that was pressed on is still there, and so is no more cement than was injected
    bone = [float(stage.tissue.trabecular.sum()) for stage in (plain, pressed)]
    assert bone[1] == pytest.approx(bone[0], rel=0.04)
    assert pressed.void is None
    assert pressed.cement_volume_ml == pytest.approx(3.0, rel=5e-3)


def test_settling_takes_height_and_less_with_every_cycle(filled):
    settled = Settling(load_n=400.0, cycles=3).apply(filled)
    report = told(settled)
    assert report["settled_anterior"] >= -1e-3
    assert abs(report["settled_last_cycle"]) <= max(abs(report["settled_anterior"]), 1e-3)
    assert settled.name == "settled"
    assert settled.cement_volume_ml == pytest.approx(filled.cement_volume_ml, rel=1e-2)


def test_traction_opens_a_cleft_first(intact):
    """The same loads lift a wedge with a cleft more than one without."""
    gains = []
    for cleft in (None, Cleft()):
        broken = Wedge(grade=2, cleft=cleft).apply(intact)
        held = Traction(force_n=100.0, extension_n_mm=2000.0).apply(broken)
        gains.append(told(held)["traction_gain"])
    assert 0.0 < gains[0] < gains[1]


def test_what_needs_mechanics_or_a_fracture_says_so(intact):
    with pytest.raises(InvalidInput, match="shrinkage_percent"):
        CementFill(volume_ml=1.0, shrinkage_percent=1.0).apply(intact)
    with pytest.raises(InvalidInput, match="debonds"):
        CementFill(volume_ml=1.0, debonds=True).apply(intact)
    with pytest.raises(InvalidInput, match="fractured"):
        Traction().apply(intact)


def test_cement_injected_into_a_body_under_mechanics_cures_and_bears(expanded):
    """The whole chain: collapse, balloon, injection, curing, then load."""
    injected = Injection(volume_ml=3.0, outlets="none").apply(expanded)
    assert injected.cement_volume_ml == pytest.approx(3.0, rel=1e-3)
    assert len(injected.mechanics.cements) == 1
    hard = Curing(duration_min=20.0).apply(injected)
    found = told(hard)
    assert hard.name == "cured"
    assert found["cement_hardness"] > 0.9
    # Cement that shrinks between bone draws the endplates together, by less than it shrinks.
    drop = heights(injected) - heights(hard)
    assert 0.0 < drop.mean() < 0.01 * heights(hard).mean()
    assert hard.cement_volume_ml == pytest.approx(3.0, rel=0.02)
    settled = Settling(cycles=1, load_n=300.0).apply(hard)
    assert settled.name == "settled"
    soft = Curing(duration_min=3.0).apply(injected)
    assert told(soft)["cement_hardness"] < 0.2

    def sinks(specimen):
        return (heights(specimen) - under_load(specimen.mechanics, 300.0).heights()).mean()

    assert sinks(soft) > sinks(hard) > 0.0
