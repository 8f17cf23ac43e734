"""Real CT of two vertebrae: the frame, the volume and the refusals."""

import numpy as np
import pytest
from shared_data import shared

from vbsim.anatomy import ImagedVertebra
from vbsim.anatomy.image.reading import read_labels
from vbsim.anatomy.morphometry import body_volume_mm3
from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen

SLOPE = {"slope_mg_cm3_per_hu": 0.8}


@pytest.fixture(scope="module")
def spinefe():
    vertebra = ImagedVertebra(
        image=shared("spinefe_verse004_L2", "density.nii.gz"),
        labels=shared("spinefe_verse004_L2", "labels.nii.gz"),
        level="L2",
        body_labels=(1, 2),
        arch_labels=(3, 4),
    )
    # By its header the spinous process lies in front of the body.
    with pytest.warns(PhysicsWarning, match="arch lies in front"):
        _ = vertebra.anatomy
    return vertebra


def tptbox(level="L3", **given):
    given = {"subregions": shared("tptbox_ct_L3", "labels_subregion.nii.gz"), **given}
    return ImagedVertebra(
        image=shared("tptbox_ct_L3", "ct.nii.gz"),
        labels=shared("tptbox_ct_L3", "labels_vertebra.nii.gz"),
        level=level,
        scheme="verse",
        **{"calibration": SLOPE, **given},
    )


def test_spinefe_volume_and_density_are_the_files_own(spinefe):
    assert spinefe.body_volume_ml() == pytest.approx(33.646)  # 22553 + 11093 voxels of 1 mm3
    grid = VoxelGrid.around(spinefe, spacing_mm=1.0)
    specimen = Specimen.from_bone(spinefe, grid, Bone())
    assert specimen.volume_ml() == pytest.approx(33.646, rel=0.005)
    body = specimen.tissue.body
    mean = float((body * specimen.vbmd_mg_cm3).sum() / body.sum())
    assert mean == pytest.approx(110.3, rel=0.005)
    assert body_volume_mm3(spinefe.anatomy.frame) == pytest.approx(33646.0, rel=0.02)


def test_spinefe_front_is_front(spinefe):
    bone = spinefe._bone
    labels = bone.labels
    centres = spinefe.anatomy.frame.to_body(bone.grid.centres())
    arch = centres[np.isin(labels, (3, 4))]
    assert arch[:, 1].mean() > 30.0
    assert abs(arch[:, 0].mean()) < 2.0
    assert centres[labels == 6][:, 2].mean() > 12.0  # upper cap
    assert centres[labels == 5][:, 2].mean() < -12.0  # lower cap
    # Upstream aligned the image with the body: its axes are ours within a few degrees.
    assert np.allclose(spinefe.axes, np.diag([-1.0, -1.0, 1.0]), atol=np.sin(np.radians(3.0)))


def test_spinefe_endplates_lie_on_the_bone(spinefe):
    frame = spinefe.anatomy.frame
    # 26 slices of 1 mm hold the inside of the body, 30 its rims.
    assert all(25.0 < height < 30.0 for height in frame.heights())
    bone = spinefe._bone
    body = frame.to_body(bone.grid.centres()[bone.body])
    x, y, z = body.T
    height, radius = frame.normalised_height(x, y, z), frame.normalised_radius(x, y, z)
    # Voxel centres: all but the specks of the surface lie between the maps and inside the wall.
    assert np.mean((height > 0.0) & (height < 1.0)) > 0.97
    assert np.mean(radius < 1.0) > 0.97


def test_spinefe_own_grid_is_the_published_voxel_model(spinefe):
    own = ImagedVertebra(**{**spinefe.model_dump(), "align": False})
    with pytest.warns(PhysicsWarning, match="arch lies in front"):
        grid = own.own_grid()
    labels = own.own_labels()
    assert np.array_equal(grid.axes, np.diag([-1.0, -1.0, 1.0]))
    counts = np.bincount(labels.ravel())[1:]
    assert counts.tolist() == [22553, 11093, 7761, 12343, 7015, 6425]
    density = own.measured_vbmd(grid)
    assert density[np.isin(labels, (1, 2))].mean() == pytest.approx(110.3, abs=0.05)
    assert np.argwhere(labels == 6)[:, 0].min() > np.argwhere(labels == 5)[:, 0].max()


def test_spinefe_landmarks_are_those_of_an_l2(spinefe):
    marks = spinefe.anatomy.landmarks
    for pedicle in (marks.pedicle_left, marks.pedicle_right):
        # Published means of the level: 8.25 wide, 15.0 tall.
        assert pedicle.width_mm == pytest.approx(8.25, abs=2.5)
        assert pedicle.height_mm == pytest.approx(15.0, abs=2.5)
        assert pedicle.isthmus_mm[2] > 0.0
    assert marks.canal_width_mm == pytest.approx(23.8, abs=4.0)
    assert marks.canal_centre_mm[1] > marks.basivertebral_mm[1]


def test_tptbox_reads_through_permuted_axes():
    vertebra = tptbox()
    assert vertebra.body_volume_ml() == pytest.approx(11632 * 1.5**3 / 1000.0)
    # Its header is right: left, back and up are the world's within the turn of the patient.
    assert np.allclose(vertebra.axes, np.eye(3), atol=np.sin(np.radians(8.0)))
    grid = VoxelGrid.around(vertebra, spacing_mm=1.0)
    parts, density = vertebra.sample(grid), vertebra.measured_vbmd(grid)
    volume = parts["trabecular"].sum() * grid.cell_volume_mm3
    assert volume == pytest.approx(11632 * 1.5**3, rel=0.005)
    bone = vertebra._bone
    mineral = bone.density[bone.body].sum() * bone.grid.cell_volume_mm3
    resampled = (parts["trabecular"] * density).sum() * grid.cell_volume_mm3
    assert resampled == pytest.approx(mineral, rel=0.005)


def test_tptbox_left_is_left():
    vertebra = tptbox()
    assert np.all(np.diag(tptbox(align=False).own_grid().axes) > 0.9)
    parts, vertebrae = read_labels(vertebra.subregions), read_labels(vertebra.labels)
    centres = vertebra.anatomy.frame.to_body(parts.grid.centres())
    for transverse_process, sign in ((43, 1.0), (44, -1.0)):
        here = (parts.array == transverse_process) & (vertebrae.array == 22)
        assert sign * centres[here][:, 0].mean() > 20.0


def test_one_label_per_vertebra_is_cut_where_the_subregions_are():
    whole = tptbox(subregions=None)
    assert whole.body_volume_ml() == pytest.approx(tptbox().body_volume_ml(), rel=0.02)
    heights = np.array(whole.anatomy.frame.heights())
    assert np.allclose(heights, tptbox().anatomy.frame.heights(), atol=0.75)


@pytest.mark.parametrize("level", ["L2", "L4"])
def test_tptbox_cut_neighbours_are_refused(level):
    for given in ({}, {"subregions": None}):
        with pytest.raises(InvalidInput, match="touches the border of the image"):
            _ = tptbox(level, **given).anatomy


def test_tptbox_in_hounsfield_units_is_refused():
    with pytest.raises(InvalidInput, match="looks like HU"):
        _ = tptbox(calibration=None).anatomy
