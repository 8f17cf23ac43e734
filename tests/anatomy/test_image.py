import numpy as np
import pytest
from scans import ORIENTATIONS, angles_deg, imaged, load, rewrite, save, scan

from vbsim.anatomy import ImagedVertebra, Vertebra
from vbsim.anatomy.morphometry import body_volume_mm3
from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen

SPACING_MM = 1.5
# A mask knows a surface to half a voxel.
HALF_VOXEL_MM = 0.5 * SPACING_MM
SEED = 3
SMALL = Vertebra(level="T8")
ABOUT_Z = np.diag([-1.0, -1.0, 1.0])
ABOUT_Y = np.diag([-1.0, 1.0, -1.0])


@pytest.fixture(scope="module")
def truth():
    return Vertebra(level="L1").anatomy


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return scan(tmp_path_factory.mktemp("l1"))


@pytest.fixture(scope="module")
def vertebra(files):
    return imaged(files)


def assert_same_body(found, files, truth, voxel_mm=SPACING_MM, off_mm=None):
    frame = found.anatomy.frame
    assert angles_deg(frame.axes, files.axes).max() < 1.0
    assert np.linalg.det(frame.axes) == pytest.approx(1.0)
    assert np.linalg.norm(frame.origin_mm - files.origin_mm) < (off_mm or 0.5 * voxel_mm)
    assert np.allclose(frame.heights(), truth.frame.heights(), atol=0.5 * voxel_mm)
    volume = body_volume_mm3(truth.frame)
    assert 1000.0 * found.body_volume_ml() == pytest.approx(volume, rel=0.01)
    # The frame's own solid against the voxels it was fitted to.
    assert body_volume_mm3(frame) == pytest.approx(1000.0 * found.body_volume_ml(), rel=0.02)


# Body frame --------------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_any_of_the_48_orientations_gives_the_same_body(tmp_path, orientation):
    files = scan(tmp_path, SMALL, orientation=orientation, spacing_mm=1.2, margin_mm=3.0)
    *_, direction = load(files.density)
    letters = ("LR", "PA", "SI")
    toward = [(letters[int(np.abs(axis).argmax())], axis.sum() < 0.0) for axis in direction.T]
    assert "".join(pair[int(back)] for pair, back in toward) == orientation
    assert_same_body(imaged(files, "T8"), files, SMALL.anatomy, voxel_mm=1.2)


def test_the_order_of_storage_changes_nothing(tmp_path, files, vertebra):
    arrays = {name: load(getattr(files, name)) for name in ("density", "labels")}
    order, flip = (2, 0, 1), (1, -1, -1)
    paths = {}
    for name, (array, spacing, origin, direction) in arrays.items():
        far = np.array(array.shape[::-1]) - 1
        start = origin + direction @ (np.where(np.array(flip) < 0, far, 0) * spacing)
        turned = (direction * flip)[:, order]
        moved = array[:: flip[2], :: flip[1], :: flip[0]].transpose(
            [2 - order[2 - k] for k in range(3)]
        )
        paths[name] = save(tmp_path / f"{name}.mha", moved, spacing[list(order)], start, turned)
    other = ImagedVertebra(
        **{"image": paths["density"], "labels": paths["labels"]},
        level="L1",
        body_labels=(1,),
        arch_labels=(2,),
    )
    ours, theirs = vertebra.anatomy.frame, other.anatomy.frame
    # The same voxels: only round-off, and single precision in the NIfTI header, may differ.
    assert np.allclose(ours.axes, theirs.axes, atol=1e-4)
    assert np.allclose(ours.origin_mm, theirs.origin_mm, atol=1e-3)
    assert np.allclose(ours.heights(), theirs.heights(), atol=1e-3)


@pytest.mark.parametrize("level", ["T5", "T9", "L3", "L5"])
def test_thoracic_and_lumbar_bodies_are_found_at_1_mm(tmp_path, level):
    known = Vertebra(level=level)
    files = scan(tmp_path, known, spacing_mm=1.0)
    assert_same_body(imaged(files, level), files, known.anatomy, voxel_mm=1.0)


SHAPES = {
    "as tall as deep": Vertebra(
        level="L2",
        endplate_depth_superior_mm=26.0,
        endplate_depth_inferior_mm=26.0,
        height_anterior_mm=27.0,
        height_posterior_mm=27.0,
    ),
    "wedge": Vertebra(level="T12", height_anterior_mm=14.0, height_posterior_mm=24.0),
    "biconcave": Vertebra(level="L1", concavity_superior_mm=5.0, concavity_inferior_mm=4.0),
    "crush": Vertebra(level="L2", height_anterior_mm=12.0, height_posterior_mm=13.0),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("labels", ["parts", "one label"])
def test_slender_and_collapsed_bodies_are_found(tmp_path, shape, labels):
    known = SHAPES[shape]
    files = scan(tmp_path, known, spacing_mm=1.0)
    if labels == "parts":
        # The parametric origin is the centroid of the sections: a wedge's solid has another.
        assert_same_body(imaged(files, known.level), files, known.anatomy, voxel_mm=1.0, off_mm=1.0)
        return
    rewrite(files, labels=lambda a: (a > 0).astype(np.uint8))
    frame = imaged(files, known.level, vertebra_label=1).anatomy.frame
    assert angles_deg(frame.axes, files.axes).max() < 1.0
    # The cut through the pedicles' roots blurs the back rim by another half voxel.
    assert np.allclose(frame.heights(), known.anatomy.frame.heights(), atol=1.0)


def test_noise_and_blur_of_the_scan_leave_the_frame_alone(tmp_path, vertebra):
    noisy = imaged(scan(tmp_path, noise_sd_mg_cm3=40.0, blur_mm=1.5, seed=SEED))
    assert np.array_equal(noisy.anatomy.frame.heights(), vertebra.anatomy.frame.heights())


def test_thick_slices_are_read_to_half_a_slice(tmp_path, truth):
    files = scan(tmp_path, spacing_mm=(0.7, 0.7, 2.5))
    frame = imaged(files).anatomy.frame
    assert np.allclose(frame.heights(), truth.frame.heights(), atol=0.5 * 2.5)
    # One slice over the depth of the body is 4 deg.
    assert angles_deg(frame.axes, files.axes).max() < 2.0


def test_endplate_maps_and_outline_follow_the_bone(vertebra, truth):
    frame, known = vertebra.anatomy.frame, truth.frame
    x, y = (grid.ravel() for grid in np.meshgrid(np.arange(-14, 15, 2.0), np.arange(-9, 10, 2.0)))
    for ours, theirs in (
        (frame.superior_at, known.superior_at),
        (frame.inferior_at, known.inferior_at),
    ):
        # The known map lies about another origin; the mean difference is that shift.
        off = ours(x, y) - theirs(x, y)
        assert np.abs(off - off.mean()).max() < HALF_VOXEL_MM
    theta = np.arange(0.0, 2.0 * np.pi, 0.1)
    for height in (0.2, 0.5, 0.8):
        off = frame.wall_radius(theta, height) - known.wall_radius(theta, height)
        assert np.abs(off).max() < HALF_VOXEL_MM


def test_landmarks_lie_where_the_phantom_has_them(vertebra, truth):
    found, known = vertebra.anatomy.landmarks, truth.landmarks
    # Edges of canal and pedicles are known to a voxel on either side.
    assert found.canal_width_mm == pytest.approx(known.canal_width_mm, abs=2 * SPACING_MM)
    assert found.canal_depth_mm == pytest.approx(known.canal_depth_mm, abs=2 * SPACING_MM)
    for ours, theirs in (
        (found.pedicle_left, known.pedicle_left),
        (found.pedicle_right, known.pedicle_right),
    ):
        assert ours.width_mm == pytest.approx(theirs.width_mm, abs=SPACING_MM)
        assert ours.height_mm == pytest.approx(theirs.height_mm, abs=SPACING_MM)
        assert (
            np.linalg.norm(
                np.cross(np.subtract(ours.isthmus_mm, theirs.isthmus_mm), theirs.direction)
            )
            < SPACING_MM
        )
    assert found.pedicle_left.isthmus_mm[0] > 0.0 > found.pedicle_right.isthmus_mm[0]
    assert np.allclose(found.basivertebral_mm, known.basivertebral_mm, atol=SPACING_MM)


# Front and back, up and down ---------------------------------------------------------------------


def test_labels_win_over_a_header_turned_about_the_height(tmp_path, vertebra):
    turned = imaged(rewrite(scan(tmp_path), turn=ABOUT_Z))
    with pytest.warns(PhysicsWarning, match="arch lies in front"):
        frame = turned.anatomy.frame
    assert np.allclose(frame.axes, ABOUT_Z @ vertebra.axes, atol=1e-4)
    assert np.allclose(frame.heights(), vertebra.anatomy.frame.heights(), atol=1e-3)


def test_the_header_can_be_told_to_win(files, vertebra):
    for sense, sign in (("as_header", 1.0), ("flipped", -1.0)):
        axes = imaged(files, front_back=sense).axes
        assert np.allclose(axes[:, 1], sign * vertebra.axes[:, 1], atol=1e-9)
        assert np.allclose(axes[:, 2], vertebra.axes[:, 2], atol=1e-9)
        assert np.linalg.det(axes) == pytest.approx(1.0)
    below = imaged(files, up_down="flipped").axes
    # Turned over, the endplates swap: their fits differ by what the mask leaves open.
    assert below[:, 2] @ vertebra.axes[:, 2] < -0.999


def test_without_an_arch_the_header_decides_and_says_so(tmp_path, vertebra):
    files = scan(tmp_path, has_arch=False)
    bare = imaged(files, arch_labels=())
    with pytest.warns(PhysicsWarning, match="header decides front and back"):
        frame = bare.anatomy.frame
    # A bare body shows its midline less well than one with an arch.
    assert angles_deg(frame.axes, files.axes).max() < 2.0
    flipped = imaged(files, arch_labels=(), front_back="flipped").anatomy.frame
    assert flipped.heights().anterior_mm == pytest.approx(frame.heights().posterior_mm, abs=0.5)
    expected = Vertebra(level="L1").anatomy.landmarks
    found = imaged(files, arch_labels=(), front_back="as_header").anatomy.landmarks
    # Of the level, scaled by the body's width, which a mask knows to a voxel on either side.
    assert found.canal_width_mm == pytest.approx(expected.canal_width_mm, rel=0.08)
    assert found.pedicle_left.height_mm == pytest.approx(expected.pedicle_left.height_mm, rel=0.08)


def _with_neighbours(array):
    # L1 is 20 in VerSe; T12 above and L2 below as blocks at the ends of the image's z.
    labels = np.where(array > 0, 20, 0).astype(np.uint8)
    labels[-2:, :4, :4], labels[:2, :4, :4] = 19, 21
    return labels


def test_neighbours_win_over_a_header_that_is_upside_down(tmp_path, vertebra):
    upright = rewrite(scan(tmp_path / "a", margin_mm=12.0), labels=_with_neighbours)
    assert np.allclose(imaged(upright, scheme="verse").axes, vertebra.axes, atol=0.01)
    over = rewrite(upright, turn=ABOUT_Y)
    with pytest.warns(PhysicsWarning, match="neighbouring vertebrae contradict"):
        axes = imaged(over, scheme="verse").axes
    assert np.allclose(axes, ABOUT_Y @ vertebra.axes, atol=0.01)


def test_a_vertebra_scanned_on_its_side_is_told_up_by_its_arch(tmp_path, vertebra):
    side = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    files = rewrite(scan(tmp_path), turn=side)
    with pytest.warns(PhysicsWarning, match="slope of the arch"):
        axes = imaged(files).axes
    assert np.allclose(axes, side @ vertebra.axes, atol=1e-3)
    bare = imaged(rewrite(files, labels=lambda a: np.where(a == 1, a, 0)), arch_labels=())
    with pytest.raises(InvalidInput, match="up_down"):
        _ = bare.anatomy


# Ways to name the labels -------------------------------------------------------------------------


def test_one_label_for_the_whole_vertebra_is_cut_at_the_back_wall(tmp_path, truth, vertebra):
    files = rewrite(scan(tmp_path), labels=lambda a: np.where(a > 0, 20, 0).astype(np.uint8))
    whole = imaged(files, scheme="verse")
    assert np.allclose(whole.anatomy.frame.heights(), truth.frame.heights(), atol=HALF_VOXEL_MM)
    # The roots of the pedicles in front of the plane through the back rim count as body.
    assert whole.body_volume_ml() == pytest.approx(vertebra.body_volume_ml(), rel=0.06)
    own = imaged(files, vertebra_label=20)
    assert own.body_volume_ml() == whole.body_volume_ml()
    renamed = rewrite(files, labels=lambda a: np.where(a > 0, 31, 0).astype(np.uint8))
    assert imaged(renamed, scheme="totalsegmentator").body_volume_ml() == whole.body_volume_ml()


def test_a_second_map_names_the_parts(tmp_path, vertebra):
    files = scan(tmp_path)
    parts = tmp_path / "parts.nii.gz"
    array, *place = load(files.labels)
    save(parts, np.select([array == 1, array == 2], [50, 41]).astype(np.uint8), *place)
    rewrite(files, labels=lambda a: np.where(a > 0, 20, 0).astype(np.uint8))
    known = imaged(files, scheme="verse", subregions=parts)
    assert known.body_volume_ml() == vertebra.body_volume_ml()
    assert np.allclose(known.axes, vertebra.axes, atol=1e-6)
    own = imaged(files, vertebra_label=20, subregions=parts, body_labels=(50,), arch_labels=(41,))
    assert np.allclose(own.axes, vertebra.axes, atol=1e-6)


def test_islands_are_dropped_with_a_warning(tmp_path, vertebra):
    def speckle(array):
        array[1, 1, 1:4] = 1
        return array

    files = rewrite(scan(tmp_path), labels=speckle)
    with pytest.warns(PhysicsWarning, match="1 islands of the vertebral body dropped, 3 voxels"):
        volume = imaged(files).body_volume_ml()
    assert volume == vertebra.body_volume_ml()


def test_hounsfield_units_and_a_line_give_the_same_density(tmp_path, vertebra):
    files = rewrite(scan(tmp_path), array=lambda a: (a - 5.0) / 0.8 - 0.0)
    line = {"slope_mg_cm3_per_hu": 0.8, "intercept_mg_cm3": 5.0}
    grid = VoxelGrid.around(vertebra, spacing_mm=2.0)
    calibrated = imaged(files, calibration=line).measured_vbmd(grid)
    assert np.allclose(calibrated, vertebra.measured_vbmd(grid), atol=1e-3)


# Sampling ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing_mm", [0.8, 1.0, 1.5, 2.0, 4.0])
def test_resampling_keeps_volume_and_mineral(vertebra, spacing_mm):
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    fraction = vertebra.sample(grid)["trabecular"]
    density = vertebra.measured_vbmd(grid)
    assert 0.0 <= fraction.min() <= fraction.max() <= 1.0
    bone = vertebra._bone
    volume = bone.body.sum() * bone.grid.cell_volume_mm3
    mineral = bone.density[bone.body].sum() * bone.grid.cell_volume_mm3
    assert fraction.sum() * grid.cell_volume_mm3 == pytest.approx(volume, rel=0.005)
    assert (fraction * density).sum() * grid.cell_volume_mm3 == pytest.approx(mineral, rel=0.005)


def test_soft_tissue_never_leaks_into_the_bone(tmp_path):
    def split_levels(array):
        inside = load(files.labels)[0] == 1
        return np.where(inside, 150.0, -800.0)

    files = scan(tmp_path)
    vertebra = imaged(rewrite(files, array=split_levels))
    for spacing_mm in (0.7, 1.5, 3.0):
        grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
        assert np.allclose(vertebra.measured_vbmd(grid), 150.0, atol=1e-6)


def test_cells_that_nest_in_voxels_average_them_exactly(vertebra):
    bone = vertebra._bone
    grid = bone.grid
    n_z, n_y, n_x = (n // 2 for n in grid.shape)
    coarse = VoxelGrid(
        (n_z, n_y, n_x), tuple(2.0 * h for h in grid.spacing_mm), grid.origin_mm, grid.axes
    )
    blocks = bone.body[: 2 * n_z, : 2 * n_y, : 2 * n_x].reshape(n_z, 2, n_y, 2, n_x, 2)
    expected = blocks.mean(axis=(1, 3, 5))
    assert np.allclose(vertebra.sample(coarse)["trabecular"], expected, atol=1e-12)


def test_the_whole_measured_body_is_trabecular_and_the_arch_is_kept_on_request(files, vertebra):
    grid = VoxelGrid.around(vertebra, spacing_mm=2.0)
    parts = vertebra.sample(grid)
    assert not parts["shell"].any()
    assert not parts["endplate"].any()
    assert not parts["arch"].any()
    kept = imaged(files, include_arch=True)
    assert kept.bounds_mm()[1, 1] > vertebra.bounds_mm()[1, 1] + 20.0
    wide = VoxelGrid.around(kept, spacing_mm=2.0)
    arch = kept.sample(wide)["arch"]
    bone = kept._bone
    volume = bone.arch.sum() * bone.grid.cell_volume_mm3
    assert arch.sum() * wide.cell_volume_mm3 == pytest.approx(volume, rel=0.005)
    y = kept.anatomy.frame.to_body(wide.centres())[..., 1]
    assert (arch * y).sum() / arch.sum() > 20.0


def test_a_specimen_is_made_from_it(vertebra):
    grid = VoxelGrid.around(vertebra, spacing_mm=2.0)
    specimen = Specimen.from_bone(vertebra, grid, Bone())
    assert specimen.anatomy.origin == "image"
    assert specimen.is_aligned
    assert specimen.volume_ml() == pytest.approx(vertebra.body_volume_ml(), rel=0.005)


def test_the_own_grid_carries_the_files_bit_by_bit(files, vertebra):
    own = imaged(files, align=False)
    grid = own.own_grid()
    assert np.allclose(own.axes, vertebra.axes, atol=1e-6)
    for k in range(3):
        assert np.abs(grid.axes.T @ own.axes)[k].argmax() == k
        assert grid.axes[:, k] @ own.axes[:, k] > 0.0
    density, spacing, origin, direction = load(files.density)
    labels = load(files.labels)[0]
    index = (grid.centres() - origin) @ direction / spacing
    i, j, k = np.moveaxis(np.rint(index).astype(int), -1, 0)
    assert np.allclose(index, np.rint(index), atol=1e-3)
    assert np.array_equal(own.measured_vbmd(grid), density[k, j, i])
    assert np.array_equal(own.own_labels(), labels[k, j, i])
    assert np.array_equal(own.sample(grid)["trabecular"], labels[k, j, i] == 1)
    with pytest.raises(InvalidInput, match="own_grid"):
        own.sample(VoxelGrid.around(own, spacing_mm=2.0))
    with pytest.raises(InvalidInput, match="align"):
        vertebra.own_grid()


def test_a_copy_with_other_parameters_forgets_what_was_computed(files, vertebra):
    assert vertebra.anatomy is vertebra.anatomy
    flipped = vertebra.model_copy(update={"front_back": "flipped"})
    assert flipped.axes[:, 1] @ vertebra.axes[:, 1] < -0.99


def test_the_own_grid_is_reordered_for_any_orientation(tmp_path):
    for orientation in ("LPS", "SAR", "IRP"):
        files = scan(tmp_path, orientation=orientation, spacing_mm=2.0)
        own = imaged(files, align=False)
        grid = own.own_grid()
        assert np.linalg.det(grid.axes) == pytest.approx(1.0)
        assert np.all(np.diag(grid.axes.T @ own.axes) > 0.9)
        y = own.anatomy.frame.to_body(grid.centres())[..., 1]
        assert y[own.own_labels() == 2].mean() > y[own.own_labels() == 1].mean() + 20.0
