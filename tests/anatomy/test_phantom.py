import numpy as np
import pytest
from scans import ORIENTATIONS, load, scan

from vbsim.anatomy import Phantom, Vertebra, write_phantom
from vbsim.anatomy.morphometry import body_volume_mm3
from vbsim.checks import InvalidInput
from vbsim.data import value

SEED = 7


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return scan(tmp_path_factory.mktemp("plain"), spacing_mm=1.0)


def test_there_are_48_orientations():
    assert len(set(ORIENTATIONS)) == 48
    assert {Phantom(orientation=name.lower()).orientation for name in ORIENTATIONS} == set(
        ORIENTATIONS
    )


@pytest.mark.parametrize("orientation", ["LPX", "LP", "LLS", "LAP", "", "LPSS"])
def test_an_orientation_that_is_none_is_refused(orientation):
    with pytest.raises(InvalidInput, match="one of L or R"):
        Phantom(orientation=orientation)


def test_labels_hold_the_volume_of_the_body(plain):
    labels, spacing, *_ = load(plain.labels)
    truth = body_volume_mm3(Vertebra(level="L1").anatomy.frame)
    # Rounding to whole voxels on a turned grid: errors of 6000 surface voxels cancel.
    assert (labels == 1).sum() * spacing.prod() == pytest.approx(truth, rel=0.01)
    assert (labels == 2).any()


def test_density_is_bone_inside_and_soft_tissue_outside(plain):
    density, *_ = load(plain.density)
    assert np.median(density) == pytest.approx(value("images.phantom.soft_tissue_mg_cm3"))
    assert (np.abs(density - 100.0) < 1e-3).sum() > 15000
    assert density.max() <= value("bone.shell.mineral_mg_cm3")


def test_a_density_field_is_scanned_as_it_is(tmp_path):
    vertebra, phantom = Vertebra(level="T8"), Phantom(spacing_mm=2.0, has_arch=False)
    grid = phantom.grid(vertebra)
    field = np.random.default_rng(SEED).uniform(50.0, 150.0, grid.shape)
    files = write_phantom(vertebra, tmp_path, phantom=phantom, vbmd_mg_cm3=field)
    density, *_ = load(files.density)
    core = vertebra.sample(grid)["trabecular"] > 1.0 - 1e-12
    assert core.sum() > 200
    assert np.allclose(density[core], field[core], rtol=1e-6)
    with pytest.raises(InvalidInput, match="vbmd_mg_cm3"):
        write_phantom(vertebra, tmp_path, phantom=phantom, vbmd_mg_cm3=field[:-1])


def test_noise_and_blur_are_what_was_asked(tmp_path):
    clean = load(scan(tmp_path / "a").density)[0]
    noisy = load(scan(tmp_path / "b", noise_sd_mg_cm3=30.0, seed=SEED).density)[0]
    again = load(scan(tmp_path / "c", noise_sd_mg_cm3=30.0, seed=SEED).density)[0]
    other = load(scan(tmp_path / "d", noise_sd_mg_cm3=30.0, seed=SEED + 1).density)[0]
    assert np.array_equal(noisy, again)
    assert not np.array_equal(noisy, other)
    # 60 000 voxels: the standard deviation is known to 0.3 %.
    assert (noisy - clean).std() == pytest.approx(30.0, rel=0.02)
    blurred = load(scan(tmp_path / "e", blur_mm=3.0).density)[0]
    # The margin of soft tissue is wider than the blur, so nothing flows out.
    assert blurred.mean() == pytest.approx(clean.mean(), rel=1e-4)
    assert blurred.max() < 0.8 * clean.max()


@pytest.mark.parametrize("file_format", ["nii.gz", "nii", "nrrd", "mha"])
def test_every_format_holds_the_same(tmp_path, plain, file_format):
    files = scan(tmp_path, spacing_mm=1.0, file_format=file_format)
    for ours, theirs in ((files.density, plain.density), (files.labels, plain.labels)):
        here, there = load(ours), load(theirs)
        assert np.array_equal(here[0], there[0])
        for a, b in zip(here[1:], there[1:], strict=True):
            # NIfTI keeps the header in single precision.
            assert np.allclose(a, b, atol=1e-4)


def test_the_true_pose_is_told(plain):
    labels, spacing, origin, direction = load(plain.labels)
    index = np.argwhere(labels == 1).mean(axis=0)[::-1]
    centroid = origin + direction @ (index * spacing)
    body = (centroid - plain.origin_mm) @ plain.axes
    # The frame's origin is the centroid of the sections, half a millimetre from the solid's.
    assert np.abs(body).max() < 0.5
