"""Reduction: a prescribed share of the loss undone, as far as the cleft leaves it mobile."""

import warnings
from itertools import pairwise

import numpy as np
import pytest

from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.fracture import Biconcave, Cleft, Crush, Reduction, Wedge
from vbsim.fracture.reduction import mobile_share
from vbsim.specimen import Potting

# Sums over a body of amounts and shares carried by differences of cumulative sums.
ROUND_OFF = 1e-9


@pytest.fixture(scope="module", params=[Wedge, Biconcave, Crush], ids=lambda s: s.__name__)
def fractured(request, block_specimen):
    return request.param(grade=2, cleft=Cleft()).apply(block_specimen)


def heights(specimen):
    return np.array(specimen.anatomy.frame.heights())


def void_sum(specimen):
    return float(specimen.void.sum())


def reported(specimen, name):
    return {quantity.name: quantity.value for quantity in specimen.report}[name]


@pytest.mark.parametrize("fraction", [0.1, 0.35, 0.6])
def test_every_height_regains_its_share(fraction, fractured, block_specimen):
    reduced = Reduction(fraction=fraction).apply(fractured)
    gained = (heights(reduced) - heights(fractured)) / (
        heights(block_specimen) - heights(fractured)
    )
    assert np.allclose(gained, fraction, atol=1e-6)
    assert reported(reduced, "height_restored_prescribed") == pytest.approx(100.0 * fraction)


def test_more_reduction_opens_more(fractured):
    stages = [Reduction(fraction=f).apply(fractured) for f in (0.0, 0.2, 0.4, 0.6)]
    for less, more in pairwise(stages):
        assert np.all(heights(more) > heights(less))
        assert void_sum(more) > void_sum(less)
        assert more.volume_ml() > less.volume_ml()


def test_none_is_the_identity(fractured):
    same = Reduction(fraction=0.0).apply(fractured)
    assert np.array_equal(heights(same), heights(fractured))
    for name in ("vbmd_mg_cm3", "vbmd_intact_mg_cm3", "integrity", "void"):
        assert np.array_equal(getattr(same, name), getattr(fractured, name))
    for now, before in zip(same.tissue, fractured.tissue, strict=True):
        assert np.array_equal(now, before)
    assert same.name == "reduced"


def test_mineral_is_conserved_and_bone_does_not_heal(fractured):
    reduced = Reduction(fraction=0.5).apply(fractured)
    assert reported(reduced, "bone_mineral_conserved") == pytest.approx(1.0, abs=1e-6)
    assert reduced.vbmd_mg_cm3.min() >= 0.0
    assert reduced.integrity.min() >= fractured.integrity.min() - ROUND_OFF
    weight = fractured.tissue.body.sum(), reduced.tissue.body.sum()
    mean = [
        float((s.integrity * s.tissue.body).sum()) / w
        for s, w in zip((fractured, reduced), weight, strict=True)
    ]
    assert mean[1] <= mean[0] + ROUND_OFF


def test_the_body_gains_what_opens_and_what_is_drawn_out(fractured):
    reduced = Reduction(fraction=0.5).apply(fractured)
    lifted = 0.5 * fractured.fracture.loss_mm
    gained = (
        (reduced.tissue.body + reduced.void) - (fractured.tissue.body + fractured.void)
    ).sum() * fractured.domain.spacing_mm[2]
    # Columns at the wall are not full of bone.
    held = fractured.tissue.body.max(axis=0)
    assert gained == pytest.approx(float((lifted * held).sum()), rel=0.05)


def test_fractions_stay_fractions(fractured):
    reduced = Reduction(fraction=0.6).apply(fractured)
    total = reduced.tissue.body + reduced.void
    assert min(part.min() for part in (*reduced.tissue, reduced.void)) >= 0.0
    assert total.max() <= 1.0 + ROUND_OFF


def test_bone_around_the_cleft_keeps_the_halves_joined(fractured):
    reduced = Reduction(fraction=0.6).apply(fractured)
    layer = int(np.argmax(reduced.void.sum(axis=(1, 2))))
    assert reduced.void[layer].max() > 0.8
    # Bone all around: more of this layer is still bone than is open.
    assert reduced.tissue.body[layer].sum() > reduced.void[layer].sum()


def test_what_is_immobile_is_not_reduced(fractured):
    mobile = mobile_share(fractured.fracture)
    assert mobile == pytest.approx(0.615)
    with pytest.warns(PhysicsWarning, match=r"the cleft leaves 6\d% mobile"):
        most = Reduction(fraction=0.9).apply(fractured)
    assert reported(most, "height_restored_prescribed") == pytest.approx(100.0 * mobile)
    with pytest.warns(PhysicsWarning, match="leaves 0% mobile"):
        again = Reduction(fraction=0.2).apply(most)
    assert np.array_equal(heights(again), heights(most))
    assert again.name == "reduced_2"


def test_two_steps_make_one(fractured):
    once = Reduction(fraction=0.5).apply(fractured)
    twice = Reduction(fraction=0.2).apply(Reduction(fraction=0.3).apply(fractured))
    assert np.allclose(heights(once), heights(twice), atol=1e-9)
    # A voxel half cleft, half bone does not know which half is which: the second step stretches
    # a little of the void with the bone.
    assert void_sum(once) == pytest.approx(void_sum(twice), rel=0.01)


def test_a_smaller_cleft_leaves_less_mobile(block_specimen):
    small = Cleft(anteroposterior_mm=8.0, transverse_mm=10.0)
    record = Wedge(grade=2, cleft=small).apply(block_specimen).fracture
    assert 0.0 < mobile_share(record) < 0.3


def test_a_fixed_fracture_is_refused(block_specimen):
    with pytest.raises(InvalidInput, match="no cleft and is fixed"):
        Reduction(fraction=0.2).apply(Wedge(grade=2).apply(block_specimen))


def test_an_intact_body_is_refused(block_specimen):
    with pytest.raises(InvalidInput, match="no fracture"):
        Reduction(fraction=0.2).apply(block_specimen)


def test_a_potted_specimen_is_refused(fractured):
    with pytest.raises(InvalidInput, match="before the potting"):
        Reduction(fraction=0.2).apply(Potting().apply(fractured))


@pytest.mark.parametrize("fraction", [-0.1, 1.1, float("nan")])
def test_a_fraction_is_a_fraction(fraction):
    with warnings.catch_warnings(), pytest.raises(InvalidInput):
        Reduction(fraction=fraction)
