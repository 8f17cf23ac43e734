"""What must hold for any vertebra, fracture and cement, whatever the numbers are."""

from __future__ import annotations

import numpy as np
import pytest

import vbsim as vb
from vbsim.augmentation import DISTRIBUTIONS
from vbsim.fracture import Cleft
from vbsim.materials.cement import cement_names
from vbsim.measures import stiffness

SPACING_MM = 2.0  # coarse: signs and symmetries do not wait for a fine grid
DRAWN = tuple(name for name in DISTRIBUTIONS if name != "image")


def specimen(spacing_mm=SPACING_MM, level="L1", **bone):
    vertebra = vb.Vertebra(level=level)
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    return vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=65, **bone))


def axial(stage, **load):
    potted = vb.Potting().apply(stage)
    return stiffness(potted, vb.solve(potted, vb.Compression(**load))).value


@pytest.fixture(scope="module")
def intact():
    return specimen()


@pytest.fixture(scope="module")
def fractured(intact):
    return vb.Wedge(grade=2, cleft=Cleft()).apply(intact)


@pytest.fixture(scope="module")
def broken(fractured):
    return axial(fractured)


def filled(stage, volume_ml, distribution="bipedicular", cement="pmma"):
    return vb.CementFill(volume_ml=volume_ml, distribution=distribution, cement=cement).apply(stage)


def test_fracture_softens_and_stays_in_equilibrium(intact, fractured, broken):
    assert broken < axial(intact)
    response = vb.solve(vb.Potting().apply(fractured), vb.Compression())
    assert response.equilibrium_error < 1e-7


@pytest.mark.parametrize("distribution", DRAWN)
def test_more_cement_is_stiffer(fractured, broken, distribution):
    found = [axial(filled(fractured, ml, distribution)) for ml in (2.0, 4.0)]
    assert broken < found[0] < found[1]


@pytest.mark.parametrize("cement", [name for name in cement_names() if name != "silicone"])
def test_every_cement_stiffer_than_bone_stiffens(fractured, broken, cement):
    assert axial(filled(fractured, 4.0, cement=cement)) > broken


def test_silicone_in_bone_softens():
    # Without a cleft: there it would fill a void, and anything is stiffer than a void.
    crushed = vb.Crush(grade=1).apply(specimen())
    assert axial(filled(crushed, 4.0, "central", "silicone")) < axial(crushed)


def test_no_cement_is_the_fractured_bone(fractured, broken):
    assert axial(filled(fractured, 0.0)) == broken


def test_all_cement_is_a_column_of_it(intact):
    # Bone everywhere replaced by one isotropic material, caps of nearly the same: E A / H of the
    # body, within what the waist and the bowls of the endplates do to a column.
    fill = vb.CementFill(volume_ml=1.0, distribution="central")
    most = fill.largest_volume_ml(intact)
    full = axial(filled(intact, most, "central"))
    composite = 0.61 * 2200.0
    frame = intact.anatomy.frame
    column = composite * intact.volume_ml() * 1000.0 / np.mean(frame.heights()) ** 2
    caps = 2500.0 * 1000.0 / 20.0
    assert full == pytest.approx(1.0 / (1.0 / column + 1.0 / caps), rel=0.25)
    assert full > axial(intact)


def test_mirrored_bone_mirrors_the_two_sides(fractured):
    # Without a random field the bone is symmetric, and each side is the other's mirror image.
    even = vb.Wedge(grade=2).apply(specimen(heterogeneity_sd=0.0))
    left = vb.Potting().apply(filled(even, 3.0, "unipedicular_left"))
    right = vb.Potting().apply(filled(even, 3.0, "unipedicular_right"))
    np.testing.assert_allclose(left.cement_fraction, right.cement_fraction[:, :, ::-1], atol=1e-9)
    loads = [vb.solve(stage, vb.Compression(platen="ball_joint")) for stage in (left, right)]
    assert loads[0].motion[0] == pytest.approx(loads[1].motion[0], rel=1e-3)
    assert loads[0].motion[2] == pytest.approx(-loads[1].motion[2], rel=1e-3)


def test_a_finer_grid_changes_intact_stiffness_little():
    coarse, fine = (axial(specimen(spacing_mm=h)) for h in (1.0, 0.5))
    assert fine == pytest.approx(coarse, rel=0.03)


def test_units_a_taller_and_wider_vertebra_scales_as_area_over_height():
    # E A / H with the same density: plan x 0.9 takes 19 % of the area away; the wall's share goes
    # with the circumference, so the loss lies between 10 and 19 %.
    adult = axial(specimen())
    vertebra = vb.Vertebra(level="L1", plan_scale=0.9)
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=SPACING_MM)
    small = axial(vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=65)))
    assert 0.80 < small / adult < 0.92
