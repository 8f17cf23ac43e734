"""The cleft: a gap of its own volume, at its place, from which no mineral is lost."""

import numpy as np
import pytest

from vbsim.fracture import Cleft, Crush, Wedge


@pytest.fixture(scope="module")
def plan(block_source):
    return Cleft().lay_out(block_source.anatomy.frame)


@pytest.fixture(scope="module", params=["upper", "middle", "lower"])
def cleaved(request, block_specimen):
    return Wedge(grade=2, band=request.param, cleft=Cleft()).apply(block_specimen)


def test_the_void_has_the_volume_of_the_lens(cleaved, plan):
    volume_ml = float(cleaved.void.sum()) * cleaved.domain.cell_volume_mm3 / 1000.0
    # 1 - r^4 over an ellipse is two thirds of its area; columns of 2 mm sample it by midpoints.
    assert volume_ml == pytest.approx(2.0 / 3.0 * plan.area_mm2 * 3.0 / 1000.0, rel=0.02)


def test_the_void_lies_inside_bone(cleaved):
    frame, (x, y, z) = cleaved.anatomy.frame, cleaved.body_axes()
    held = cleaved.void > 0.0
    at = frame.normalised_height(x, y[:, None], z[:, None, None])[held]
    assert at.min() > 0.0
    assert at.max() < 1.0
    # A voxel of 2 mm with its centre 2 mm under the endplate holds nothing but body.
    depth = frame.superior_at(x, y[:, None]) - z[:, None, None]
    filled = (cleaved.tissue.body + cleaved.void)[held & (depth > 2.0)]
    assert filled.min() > 0.999


def test_it_lies_in_front_and_above_by_default(block_specimen):
    specimen = Wedge(grade=2, cleft=Cleft()).apply(block_specimen)
    _, y, z = specimen.body_axes()
    weight = specimen.void / specimen.void.sum()
    front, back = specimen.anatomy.frame.sagittal_extent_mm()
    assert (weight.sum(axis=(0, 2)) * y).sum() < 0.5 * (front + back)
    heights = specimen.anatomy.frame.normalised_height(
        np.zeros(1), np.full(1, front + 0.4 * (back - front)), (weight.sum(axis=(1, 2)) * z).sum()
    )
    assert heights[0] > 0.5


def test_heights_do_not_depend_on_the_cleft(block_specimen):
    with_cleft, without = (
        Wedge(grade=2, cleft=cleft).apply(block_specimen).anatomy.frame.heights()
        for cleft in (Cleft(), None)
    )
    assert np.allclose(with_cleft, without, atol=1e-12)


def test_bone_gives_way_by_packing_closer(block_specimen):
    with_cleft, without = (
        Crush(grade=1, cleft=cleft).apply(block_specimen) for cleft in (Cleft(), None)
    )
    beside = with_cleft.void.sum(axis=0) > 0.5
    mean = [
        np.average(s.vbmd_mg_cm3[:, beside], weights=s.tissue.trabecular[:, beside])
        for s in (with_cleft, without)
    ]
    assert mean[0] > 1.05 * mean[1]
    assert with_cleft.tissue.body.sum() < without.tissue.body.sum()


def test_its_size_follows_the_body_unless_given(block_source):
    frame = block_source.anatomy.frame
    own = Cleft(anteroposterior_mm=10.0, transverse_mm=20.0).lay_out(frame)
    assert (own.semi_y_mm, own.semi_x_mm) == (5.0, 10.0)
    usual = Cleft().lay_out(frame)
    assert usual.semi_x_mm == pytest.approx(0.5 * 0.55 * 36.0)
