"""Real cement from a label map lands where its affine says."""

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (the package's own convention)

from vbsim.augmentation import CementFill, FromImage
from vbsim.checks import InvalidInput

RADIUS_MM, CENTRE_MM = 9.0, (2.0, -1.0, 0.5)


def centroid(specimen):
    x, y, z = specimen.body_axes()
    fraction = specimen.cement_fraction
    return [
        np.average(axis, weights=fraction.sum(axis=other))
        for axis, other in ((x, (0, 1)), (y, (0, 2)), (z, (1, 2)))
    ]


def write_own(path, specimen, mask):
    """Write a mask on the specimen's own grid."""
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    grid = specimen.domain
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.to_world(0.5 * np.array(grid.spacing_mm)).tolist())
    image.SetDirection(np.asarray(grid.axes).ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


def test_own_volume_fills_the_pores_of_the_label(body, ball_path):
    specimen = body()
    filled = CementFill(distribution=FromImage(path=ball_path, label=3)).apply(specimen)
    inside = filled.cement_fraction > 0.0
    pores = specimen.pore_fraction[inside].mean()
    ball_ml = 4.0 / 3.0 * np.pi * RADIUS_MM**3 / 1000.0
    # A ball drawn with voxels of 0.7 mm, cut by nothing: 3 %.
    assert filled.cement_volume_ml == pytest.approx(ball_ml * pores, rel=0.03)
    np.testing.assert_allclose(centroid(filled), CENTRE_MM, atol=0.15)


def test_a_volume_asked_grows_or_shrinks_it_in_place(body, ball_path):
    for volume_ml in (1.0, 2.0):
        fill = CementFill(volume_ml=volume_ml, distribution=FromImage(path=ball_path, label=3))
        filled = fill.apply(body())
        assert filled.cement_volume_ml == pytest.approx(volume_ml, rel=1e-9)
        np.testing.assert_allclose(centroid(filled), CENTRE_MM, atol=0.15)


def test_round_trip_of_another_distribution(body, tmp_path):
    specimen = body(1.0)
    first = CementFill(volume_ml=4.0).apply(specimen)
    path = write_own(tmp_path / "own.mha", specimen, first.cements[0].saturation >= 0.5)
    again = CementFill(volume_ml=4.0, distribution=FromImage(path=path)).apply(specimen)
    difference = np.abs(again.cement_fraction - first.cement_fraction).sum()
    # Only the partial cells of the surface are lost in a binary map.
    assert difference < 0.1 * first.cement_fraction.sum()
    own = CementFill(distribution=FromImage(path=path)).apply(specimen)
    assert own.cement_volume_ml == pytest.approx(4.0, rel=0.03)


def test_the_body_frame_can_be_the_place(body, make_block_specimen, tmp_path):
    specimen = body()
    image = sitk.GetImageFromArray(np.ones((9, 9, 9), dtype=np.uint8))
    image.SetOrigin((-4.0 + 5.0, -4.0, -4.0))  # a cube of 9 mm about (5, 0, 0) of the body frame
    path = tmp_path / "cube.nrrd"
    sitk.WriteImage(image, str(path))
    shape = FromImage(path=path, space="body")
    for target in (specimen, make_block_specimen(1.5, tilt_deg=20.0)):
        filled = CementFill(distribution=shape).apply(target)
        np.testing.assert_allclose(centroid(filled), (5.0, 0.0, 0.0), atol=0.1)


def test_wrong_files_are_refused(body, ball_path, tmp_path):
    missing = FromImage(path=Path("nowhere.nii"))
    with pytest.raises(InvalidInput, match=r"path = .*nowhere.nii.* existing file"):
        CementFill(distribution=missing).apply(body())
    text = tmp_path / "text.nii"
    text.write_text("no image")
    with pytest.raises(InvalidInput, match="cannot be read as an image"):
        CementFill(distribution=FromImage(path=text)).apply(body())
    with pytest.raises(InvalidInput, match=r"label = 9: .*\[3\]"):
        CementFill(distribution=FromImage(path=ball_path, label=9)).apply(body())


def test_cement_outside_the_body_is_refused(body, tmp_path):
    path = write_own(tmp_path / "far.nii.gz", body(), np.ones((4, 4, 4), dtype=bool))
    with pytest.raises(InvalidInput, match="pores to fill"):
        CementFill(distribution=FromImage(path=path)).apply(body())
