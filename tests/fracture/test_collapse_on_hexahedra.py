"""Collapse and treatment on hexahedra that fit the body, beside the same on voxels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator

from vbsim.anatomy import Vertebra
from vbsim.augmentation import Balloon, CementFill, Curing, Injection
from vbsim.fem import Compression, solve
from vbsim.fem.equilibrium import FREE, Leg, Status, load
from vbsim.fracture import Collapse, Traction
from vbsim.materials import Bone
from vbsim.mesh.hexa import moved_body
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import inverted_corners
from vbsim.specimen.loading import settings
from vbsim.study.hexa import Hexa

LOSS = 12.0
MESH = Hexa(size_mm=4.0, sampling_mm=2.0)
BALLOON = Balloon(volume_ml=2.5, preload_n=50.0)


@pytest.fixture(scope="module")
def intact():
    """The coarse L1 of the voxel tests, on a grid to sample and a mesh to solve on."""
    vertebra = Vertebra(level="L1")
    grid = MESH.around(vertebra, Potting())
    sampled = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))
    return replace(sampled, mesher=MESH.mesher(vertebra, sampled.anatomy.frame))


@pytest.fixture(scope="module")
def collapsed(intact):
    return Collapse(height_loss_percent=LOSS).apply(intact)


@pytest.fixture(scope="module")
def augmented(collapsed):
    return CementFill(volume_ml=4.0).apply(collapsed)


@pytest.fixture(scope="module")
def expanded(collapsed):
    return BALLOON.apply(collapsed)


@pytest.fixture(scope="module")
def on_voxels(coarse_l1):
    return coarse_l1, Collapse(height_loss_percent=LOSS).apply(coarse_l1)


def told(specimen):
    return {item.name: item.value for item in specimen.report}


def fitted(specimen):
    return specimen.mesher(Potting()).fit(specimen)


def stiffness(body):
    response = solve(body, Compression())
    return response.force_n / response.motion[0]


def test_the_loss_asked_for_is_met_in_equilibrium_and_mineral_stays(intact, collapsed):
    report, steps = told(collapsed), collapsed.mechanics.history
    assert report["collapse_loss_loaded"] == pytest.approx(LOSS, abs=0.1)
    # A pin of this mesh: the wall folds and draws the crushed bone open again.
    assert report["collapse_recovered"] == pytest.approx(24.8, abs=3.0)
    assert max(step.residual for step in steps) < 1e-3
    spent = np.array([step.dissipated_n_mm for step in steps])
    assert np.all(np.diff(spent) >= 0.0)
    assert np.all(spent <= [step.work_n_mm for step in steps])
    assert steps[-1].force_n == pytest.approx(0.0, abs=1.0)
    assert report["corners_inverted"] == 0.0
    assert collapsed.bone_mineral_mg == pytest.approx(intact.bone_mineral_mg, rel=1e-9)


def test_heights_are_those_of_the_moved_endplates(collapsed):
    """The frame samples the grid that the mesh carries along; the mesh has the endplates itself."""
    body = collapsed.mechanics
    mesh = body.reference.domain
    moved = mesh.points + body.displacement_mm.T
    ends = []
    for name in ("superior_endplate", "inferior_endplate"):
        points = moved[mesh.point_sets[name]]
        ends.append(LinearNDInterpolator(points[:, :2], points[:, 2]))
    frame = collapsed.anatomy.frame
    for share in (0.25, 0.5, 0.75):
        x, y = frame.station_mm(share)
        own = ends[0](x, y) - ends[1](x, y)
        seen = frame.superior_at(x, y) - frame.inferior_at(x, y)
        assert np.allclose(seen, own, rtol=0, atol=0.15)


def test_it_breaks_as_on_voxels(intact, collapsed, on_voxels):
    """Coarse cells of both kinds: the wall is a layer of its own here, and part of voxels there."""
    whole, broken = on_voxels
    assert told(collapsed)["collapse_force_peak"] == pytest.approx(
        told(broken)["collapse_force_peak"], rel=0.12
    )
    kept = stiffness(fitted(collapsed)) / stiffness(fitted(intact))
    potted = [Potting().apply(stage) for stage in (whole, broken)]
    assert kept == pytest.approx(stiffness(potted[1]) / stiffness(potted[0]), abs=0.12)
    assert 0.2 < kept < 0.8


def test_the_stage_is_the_same_mesh_where_it_lies_now(intact, collapsed):
    body = collapsed.mechanics
    stage, before = fitted(collapsed), body.reference
    moved = before.domain.points + body.displacement_mm.T
    inside = np.unique(before.domain.cells[before.body.is_body])
    assert np.array_equal(stage.domain.points[inside], moved[inside])
    assert np.array_equal(stage.domain.cells, before.domain.cells)
    assert stage.domain.volumes().min() > 0.0
    assert stage.volume_ml() < before.volume_ml()
    # the picture on the grid has that volume, to the error of sampling
    assert collapsed.volume_ml() == pytest.approx(stage.volume_ml(), rel=0.06)
    assert stage.integrity.min() < 0.6
    assert stage.mechanics is body


def test_a_body_that_was_not_moved_keeps_its_mesh(intact):
    body = fitted(intact).body
    still = moved_body(body, np.zeros_like(body.mesh.points), cap_mm=Potting().thickness_mm)
    inside = np.unique(body.mesh.cells[body.is_body])
    assert np.array_equal(still.mesh.points[inside], body.mesh.points[inside])
    # platens lie at the highest point of the mesh now, not of the body's own map
    assert still.platens_mm == pytest.approx(body.platens_mm, abs=0.03)
    assert inverted_corners(np.zeros((3, body.mesh.n_points)), fitted(intact)) == 0


def test_cement_is_born_without_stress_and_stiffens(collapsed, augmented):
    body = augmented.mechanics
    assert told(augmented)["cement_volume"] == pytest.approx(4.0, rel=1e-4)
    part = next(part for part in body.parts if part.name == "cement")
    J = np.linalg.det(np.reshape(part.birth, (-1, 3, 3)))
    volumes = body.reference.volumes_mm3[part.cells]
    # bone and marrow that cement has taken: about the 4 ml and the bone in between
    filled_ml = float(np.sum(part.weight * J * volumes)) / 1000.0
    assert 4.0 < filled_ml < 5.6
    assert body.history[-1].force_n == pytest.approx(0.0, abs=1.0)
    heights = (stage.anatomy.frame.heights() for stage in (collapsed, augmented))
    assert np.allclose(*heights, atol=0.15)
    assert stiffness(fitted(augmented)) > 1.2 * stiffness(fitted(collapsed))


def test_a_surface_that_debonds_yields_more_to_traction(collapsed, augmented):
    """Pulled, cement with a surface that separates moves more than bonded cement."""
    loose = CementFill(volume_ml=4.0, debonds=True).apply(collapsed)
    whole, skin = (
        {part.name: part for part in stage.mechanics.parts} for stage in (augmented, loose)
    )
    assert "interface" not in whole
    found = np.sort(np.concatenate([skin[name].cells for name in ("cement", "interface")]))
    assert np.array_equal(found, whole["cement"].cells)
    # its normals point away from the middle of the cement
    mesh, at = loose.mechanics.reference.domain, skin["interface"].cells
    away = mesh.centres()[at] - mesh.centres()[found].mean(axis=0)
    outwards = np.einsum("ci,ci->c", away, skin["interface"].law.normal)
    assert np.mean(outwards > 0.0) > 0.85
    moved = []
    for stage in (augmented, loose):
        solver = stage.mechanics.equilibrium(settings())
        before = float(solver.motion[0])
        assert solver.run(Leg("pull", load(-250.0), FREE, FREE, first=0.5)) is Status.DONE
        moved.append(before - float(solver.motion[0]))
    assert moved[1] > 1.5 * moved[0] > 0.0


def test_traction_lifts_the_front_and_stays_on(collapsed):
    held = Traction(force_n=60.0, extension_n_mm=2000.0).apply(collapsed)
    assert 0.05 < told(held)["traction_gain"] < 2.0
    assert held.mechanics.history[-1].force_n == pytest.approx(-60.0, rel=1e-2)


def test_a_balloon_lifts_as_on_voxels(collapsed, expanded, on_voxels):
    report, beside = told(expanded), told(BALLOON.apply(on_voxels[1]))
    assert report["balloon_volume"] == pytest.approx(2.5, rel=1e-3)
    assert report["balloon_gain"] == pytest.approx(beside["balloon_gain"], rel=0.25)
    assert report["balloon_pressure"] == pytest.approx(beside["balloon_pressure"], rel=0.35)
    assert report["balloon_loss"] > 0.0
    assert 0.2 < report["cavity_volume"] < 1.5
    assert expanded.bone_mineral_mg == pytest.approx(collapsed.bone_mineral_mg, rel=1e-9)
    # the preload is still there
    solver = expanded.mechanics.equilibrium(settings())
    assert solver.reaction[0] == pytest.approx(50.0, abs=2.0)
    work, spent = (
        np.array([getattr(step, name) for step in expanded.mechanics.history])
        for name in ("work_n_mm", "dissipated_n_mm")
    )
    assert np.all(spent <= work)


def test_what_the_cavity_takes_the_body_grows_by_or_the_bone_loses(expanded):
    """The volumes of the cells as they lie now, against what mean gradients make of them."""
    body = expanded.mechanics
    mesh, hollow = body.reference.domain, body.hollow
    now = mesh.with_points(mesh.points + body.displacement_mm.T).volumes()
    inside = body.reference.body.is_body
    grown = float((now - mesh.volumes())[inside].sum()) / 1000.0
    lost = float((body.body_volumes_mm3 * (1.0 - hollow)) @ (1.0 - body.growth())) / 1000.0
    cavity = told(expanded)["cavity_volume"]
    begun = float(hollow @ body.volumes_mm3) / 1000.0
    assert grown == pytest.approx(cavity - begun - lost, abs=0.01)
    # and what the picture shows as a hole is as large
    picture = float(expanded.void.sum()) * expanded.domain.cell_volume_mm3 / 1000.0
    assert picture == pytest.approx(cavity, rel=0.15)


def test_cement_fills_the_cavity_and_holds_the_height(expanded):
    filled = CementFill(volume_ml=4.0, distribution="cleft").apply(expanded)
    assert filled.cement_volume_ml == pytest.approx(4.0, rel=1e-3)
    heights = [np.array(stage.anatomy.frame.heights()) for stage in (expanded, filled)]
    assert np.abs(heights[1] - heights[0]).max() < 0.1
    assert told(filled)["height_anterior_under_load"] == pytest.approx(heights[1][0], abs=0.1)
    assert stiffness(fitted(filled)) > 1.2 * stiffness(fitted(expanded))


def test_injection_pressure_lifts_and_leaves_the_bone(collapsed, augmented):
    pressed = CementFill(volume_ml=4.0, injection_pressure_mpa=0.2).apply(collapsed)
    heights = [np.mean(stage.anatomy.frame.heights()) for stage in (augmented, pressed)]
    assert heights[1] > heights[0] + 0.02
    assert pressed.cement_volume_ml == pytest.approx(4.0, rel=5e-3)
    assert pressed.void is None
    assert pressed.mechanics.history[-1].pressure_mpa == 0.0
    assert pressed.mechanics.history[-1].force_n == pytest.approx(0.0, abs=1.0)


def test_cement_injected_into_it_cures_and_bears(collapsed):
    injected = Injection(volume_ml=3.0, outlets="none").apply(collapsed)
    assert injected.cement_volume_ml == pytest.approx(3.0, rel=1e-3)
    hard, soft = (Curing(duration_min=t).apply(injected) for t in (20.0, 3.0))
    assert told(hard)["cement_hardness"] > 0.9
    assert told(soft)["cement_hardness"] < 0.2
    assert stiffness(fitted(hard)) > stiffness(fitted(soft)) > 0.0
