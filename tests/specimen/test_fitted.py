"""Meshes that fit: shape, volume, layers, and what is sampled onto them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fitting import fitted_stages, fitter, stages

import vbsim as vb
from vbsim.anatomy.morphometry import body_volume_mm3
from vbsim.checks import InvalidInput
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.quality import scaled_jacobian
from vbsim.specimen.specimen import TissueLabel


@pytest.mark.parametrize("level", ["T5", "T9", "L1", "L5"])
@pytest.mark.parametrize("size_mm", [1.5, 2.0])
def test_intact_bodies_have_good_cells_and_their_own_volume(level, size_mm):
    intact, _, _ = stages(level, 2.0)
    body = fitter(intact, size_mm).mesh(intact)
    assert scaled_jacobian(body.mesh).min() >= 0.5
    volume = body.mesh.volumes()[body.is_body].sum()
    assert volume == pytest.approx(body_volume_mm3(intact.anatomy.frame), rel=0.01)


@pytest.mark.parametrize("shape", [vb.Wedge, vb.Biconcave, vb.Crush])
@pytest.mark.parametrize("grade", [1, 2, 3])
@pytest.mark.parametrize("level", ["T6", "L3"])
def test_fractured_bodies_keep_cells_and_volume(level, shape, grade):
    """The same cells with moved points; volume that of the compacted voxels."""
    intact, _, _ = stages(level, 1.5)
    fit = fitter(intact, 2.0)
    broken = shape(grade=grade).apply(intact)
    before, after = fit.mesh(intact), fit.mesh(broken)
    np.testing.assert_array_equal(before.mesh.cells, after.mesh.cells)
    np.testing.assert_array_equal(before.regions, after.regions)
    assert scaled_jacobian(after.mesh).min() >= 0.3
    volume = after.mesh.volumes()[after.is_body].sum() / 1000.0
    assert volume == pytest.approx(broken.volume_ml(), rel=0.01)


def test_the_steepest_bodies_keep_good_cells_at_1_mm():
    """Of 13 levels and 9 shapes the deepest bowl of L3 shears cells most."""
    intact, _, _ = stages("L3", 1.5)
    broken = vb.Biconcave(grade=3).apply(intact)
    after = fitter(intact, 1.0).mesh(broken)
    assert scaled_jacobian(after.mesh).min() >= 0.3
    volume = after.mesh.volumes()[after.is_body].sum() / 1000.0
    assert volume == pytest.approx(broken.volume_ml(), rel=0.01)


def test_moved_endplate_is_that_of_the_fractured_frame():
    _, fractured, _ = fitted_stages()
    mesh, frame = fractured.domain, fractured.anatomy.frame
    inside = mesh.points[mesh.point_sets["superior_endplate"]]
    gap = inside[:, 2] - frame.superior_at(inside[:, 0], inside[:, 1])
    assert np.abs(gap).max() < 0.05


def test_reduction_draws_the_mesh_out_as_it_does_the_voxels():
    intact, _, _ = stages()
    broken = vb.Wedge(grade=2, cleft={"thickness_mm": 3.0}).apply(intact)
    reduced = vb.Reduction(fraction=0.25).apply(broken)
    fit = fitter(intact, 3.0)
    heights = []
    for stage in (broken, reduced):
        mesh = fit.mesh(stage).mesh
        top = mesh.points[mesh.point_sets["superior_endplate"]]
        frame = stage.anatomy.frame
        assert np.abs(top[:, 2] - frame.superior_at(top[:, 0], top[:, 1])).max() < 0.05
        heights.append(top[:, 2].mean())
    assert heights[1] > heights[0] + 0.3


def test_walls_and_plates_have_their_thickness():
    intact, _, _ = fitted_stages()
    volume, regions = intact.volumes_mm3, intact.body.regions
    voxels = intact.source
    for region, share in (
        (Region.SHELL, voxels.tissue.shell),
        (Region.ENDPLATE, voxels.tissue.endplate),
    ):
        expected = share.sum() * voxels.domain.cell_volume_mm3
        assert volume[regions == region].sum() == pytest.approx(expected, rel=0.03)


def test_cement_is_neither_lost_nor_made():
    _, _, augmented = fitted_stages()
    placed = float((augmented.cement_fraction * augmented.volumes_mm3).sum()) / 1000.0
    assert placed == pytest.approx(4.0, rel=0.02)
    assert np.count_nonzero(augmented.labels() == TissueLabel.CEMENT) > 10


def test_compartments_sum_to_the_whole_and_stay_in_their_cells():
    for stage in fitted_stages():
        total = sum(part.moduli for part in stage.compartments.values())
        np.testing.assert_allclose(total, stage.materials.moduli)
        assert (stage.youngs_modulus_mpa > 0).all()
        cap = stage.compartments["cap"].axial_modulus_mpa()
        np.testing.assert_allclose(cap[stage.tissue.cap > 0], 2500.0)
        shell = stage.compartments["shell"].axial_modulus_mpa()
        assert shell[stage.tissue.shell == 0].max() == 0.0


def test_uniform_bone_is_sampled_exactly():
    intact, _, _ = fitted_stages()
    voxels = intact.source.compartment_stiffness()["trabecular"].axial_modulus_mpa()
    inside = intact.source.tissue.trabecular == 1.0
    core = intact.compartments["trabecular"].axial_modulus_mpa()[intact.tissue.trabecular > 0]
    assert core.min() >= 0.99 * voxels[inside].min()
    assert core.max() <= 1.01 * voxels[inside].max()


def test_what_cannot_be_fitted_is_refused():
    intact, _, _ = stages()
    with pytest.raises(InvalidInput, match="without caps before fitting"):
        fitter(intact, 3.0).fit(vb.Potting().apply(intact))
    with pytest.raises(InvalidInput, match="size_mm = 9"):
        fitter(intact, 9.0)


def test_layers_at_cement_are_thinner_where_asked_and_nothing_else_changes():
    intact, fractured, augmented = stages()
    plain = fitter(intact, 3.0)
    fine = dataclasses.replace(plain, cement_layer_mm=1.0)
    np.testing.assert_array_equal(
        fine.fit(fractured).domain.points, plain.fit(fractured).domain.points
    )
    before, after = plain.fit(augmented), fine.fit(augmented)
    n = after.body.layout.plan.n_cells
    height = after.domain.points[:, 2].reshape(-1, after.body.layout.plan.n_points).mean(axis=1)
    filled = after.cement_fraction.reshape(-1, n).max(axis=1) > 0.02
    assert filled.any()
    # A fracture crushes the parts of a layer by different shares.
    assert np.diff(height)[filled].max() <= 1.25
    assert after.domain.n_cells > before.domain.n_cells
    assert scaled_jacobian(after.domain).min() >= 0.3
    assert after.volume_ml() == pytest.approx(augmented.volume_ml(), rel=0.01)
    cement = [float(np.vdot(s.cement_fraction, s.volumes_mm3)) for s in (before, after)]
    assert cement[1] == pytest.approx(cement[0], rel=0.03)


def test_the_middle_layers_hold_mid_height_however_layers_are_cut():
    intact, _, _ = stages()
    layout = fitter(intact, 3.0).layout
    for parts in (1, 2, 3):
        cut = layout.divided(np.array([parts] + [1] * (layout.n_core - 1)))
        first = cut.n_cap + cut.n_plates
        low, high = cut.core[cut.middle[0] - first], cut.core[cut.middle[-1] - first + 1]
        assert low < 0.5 < high
        assert cut.n_core == layout.n_core + parts - 1
