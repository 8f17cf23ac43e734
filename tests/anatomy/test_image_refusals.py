"""Every file and every parameter that cannot be a vertebra is refused, and named."""

import re
import shutil

import numpy as np
import pytest
import SimpleITK
from scans import imaged, load, rewrite, save, scan

from vbsim.anatomy import ImagedVertebra, Vertebra
from vbsim.checks import InvalidInput

SMALL = Vertebra(level="T5")


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return scan(tmp_path_factory.mktemp("original"), SMALL, spacing_mm=2.0, file_format="mha")


@pytest.fixture
def files(original, tmp_path):
    copies = {name: tmp_path / getattr(original, name).name for name in ("density", "labels")}
    for name, path in copies.items():
        shutil.copy(getattr(original, name), path)
    return original._replace(**copies)


def refuse(files, path, message, **given):
    """The message names the file and says what is wrong."""
    with pytest.raises(InvalidInput, match=re.escape(message)) as caught:
        _ = imaged(files, "T5", **given).anatomy
    assert str(path) in str(caught.value)


# Files -------------------------------------------------------------------------------------------


def test_a_missing_file(files):
    files.labels.unlink()
    refuse(files, files.labels, "no such file")


def test_a_folder(files, tmp_path):
    refuse(files._replace(density=tmp_path), tmp_path, "must be an image file")


def test_a_file_of_another_kind(files, tmp_path):
    text = tmp_path / "density.csv"
    text.write_text("1,2,3")
    refuse(files._replace(density=text), text, "suffix '.csv': must be an image file: .nii")


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "nrrd", "mha"])
def test_a_file_that_is_no_image(files, tmp_path, suffix):
    text = tmp_path / f"text.{suffix}"
    text.write_text("this is not an image\n" * 40)
    refuse(files._replace(density=text), text, "cannot be read as an image")


@pytest.mark.parametrize("suffix", ["nii", "nii.gz", "nrrd", "mha"])
def test_a_truncated_file(files, tmp_path, suffix):
    cut = tmp_path / f"cut.{suffix}"
    save(cut, *load(files.density))
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    refuse(files._replace(density=cut), cut, "cannot be read as an image")


def test_a_picture_and_a_series(files, tmp_path):
    flat = tmp_path / "flat.mha"
    SimpleITK.WriteImage(SimpleITK.Image(8, 8, SimpleITK.sitkFloat32), str(flat))
    refuse(files._replace(density=flat), flat, "2 dimensions: must be one volume of 3 dimensions")
    series = tmp_path / "series.nii.gz"
    volume = SimpleITK.Image(8, 8, 8, SimpleITK.sitkFloat32)
    SimpleITK.WriteImage(SimpleITK.JoinSeries([volume, volume]), str(series))
    refuse(files._replace(density=series), series, "4 dimensions")


def test_a_colour_image(files, tmp_path):
    colour = tmp_path / "colour.mha"
    SimpleITK.WriteImage(SimpleITK.Image([8, 8, 8], SimpleITK.sitkVectorUInt8, 3), str(colour))
    refuse(files._replace(density=colour), colour, "3 values per voxel: must be one value")


@pytest.mark.parametrize(
    "matrix", ["1 0 0 0.4 1 0 0 0 1", "1 0 0 1 0 0 0 0 1", "2 0 0 0 1 0 0 0 1"]
)
def test_a_sheared_singular_or_scaled_affine(files, tmp_path, matrix):
    bent = tmp_path / "bent.mha"
    image = SimpleITK.GetImageFromArray(load(files.density)[0])
    SimpleITK.WriteImage(image, str(bent))
    straight, wanted = b"TransformMatrix = 1 0 0 0 1 0 0 0 1", f"TransformMatrix = {matrix}"
    content = bent.read_bytes()
    assert straight in content
    bent.write_bytes(content.replace(straight, wanted.encode()))
    refuse(files._replace(density=bent), bent, "an invertible affine with square axes")


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_voxel_sizes_in_metres_or_micrometres(files, factor):
    for path in (files.density, files.labels):
        array, spacing, origin, direction = load(path)
        save(path, array, spacing * factor, origin * factor, direction)
    refuse(files, files.labels, "metres or micrometres?")


def test_a_body_too_small_or_too_large(files):
    for path in (files.density, files.labels):
        array, spacing, origin, direction = load(path)
        save(path, array, spacing * 0.5, origin, direction)
    refuse(files, files.labels, "must be 2 to 150 cm3")


# Labels ------------------------------------------------------------------------------------------


def test_labels_that_are_not_whole_numbers(files):
    rewrite(files, labels=lambda a: a.astype(np.float32) * 0.5)
    refuse(files, files.labels, "label 0.5: must be whole numbers")


def test_whole_numbers_in_a_file_of_floats_are_accepted(files, original):
    rewrite(files, labels=lambda a: a.astype(np.float64))
    assert imaged(files, "T5").body_volume_ml() == imaged(original, "T5").body_volume_ml()


def test_a_label_that_is_absent(files):
    refuse(files, files.labels, "label 5, 6 of the body is absent: must be one of those present: "
           "1, 2", body_labels=(5, 6))  # fmt: skip
    refuse(files, files.labels, "label 12 of the vertebra is absent", scheme="verse")


def test_a_subregion_that_is_absent(files, tmp_path):
    parts = save(tmp_path / "parts.nrrd", *load(files.labels))
    given = {"vertebra_label": 1, "subregions": parts}
    refuse(files, parts, "label 49, 50 of the body is absent: must be one of those present: 1",
           **given)  # fmt: skip


def test_an_empty_label_map(files):
    rewrite(files, labels=lambda a: 0 * a)
    refuse(files, files.labels, "must be one of those present: none")


def test_image_and_labels_of_different_shape(files):
    array, *place = load(files.labels)
    save(files.labels, array[:-1], *place)
    refuse(files, files.labels, f"on the grid of {files.density}")


@pytest.mark.parametrize("change", ["shift", "turn", "spacing"])
def test_image_and_labels_in_different_places(files, change):
    array, spacing, origin, direction = load(files.labels)
    if change == "shift":
        origin = origin + np.array([0.3, 0.0, 0.0])
    elif change == "turn":
        direction = direction @ np.diag([-1.0, -1.0, 1.0])
    else:
        spacing = spacing * 1.01
    save(files.labels, array, spacing, origin, direction)
    refuse(files, files.labels, "on the same grid as the image")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_vertebra_cut_off_by_the_image(files, axis):
    array = load(files.labels)[0]
    inside = np.flatnonzero((array == 1).any(axis=tuple(k for k in range(3) if k != axis)))
    window = [slice(None)] * 3
    window[axis] = slice(int(inside[0]) + 2, None)
    rewrite(files, array=lambda a: a[tuple(window)], labels=lambda a: a[tuple(window)])
    refuse(files, files.labels, "touches the border of the image")
    whole = {"vertebra_label": 3}
    rewrite(files, labels=lambda a: np.where(a > 0, 3, 0).astype(np.uint8))
    refuse(files, files.labels, "touches the border of the image", **whole)


def test_two_large_parts(files):
    def twice(array):
        return np.concatenate([array, array])

    rewrite(files, array=twice, labels=twice)
    refuse(files, files.labels, "2 separate parts of the vertebral body")
    rewrite(files, labels=lambda a: np.where(a > 0, 3, 0).astype(np.uint8))
    refuse(files, files.labels, "2 large parts", vertebra_label=3)


def test_a_whole_vertebra_without_a_canal(files):
    def fill_canal(array):
        bone = array > 0
        behind = np.maximum.accumulate(bone, axis=1)
        before = np.maximum.accumulate(bone[:, ::-1], axis=1)[:, ::-1]
        return (behind & before).astype(np.uint8)

    rewrite(files, labels=fill_canal)
    refuse(files, files.labels, "no canal", vertebra_label=1)


# Density -----------------------------------------------------------------------------------------


def test_hounsfield_units_without_a_calibration(files):
    rewrite(files, array=lambda a: np.where(a < 30.0, -1000.0, a))
    refuse(
        files, files.density, "lowest value -1000: must be above -950 mg/cm3; this looks like HU"
    )
    line = {"slope_mg_cm3_per_hu": 0.8}
    assert imaged(files, "T5", calibration=line).anatomy.level == "T5"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a / 1000.0, "a file in g/cm3 needs slope_mg_cm3_per_hu = 1000"),
        (lambda a: a * 10.0, "mg/cm3 inside the vertebral body: must be below 3000"),
        (lambda a: a - 500.0, "must be above -300 mg/cm3 in bone"),
        (lambda a: np.full_like(a, 1500.0), "mean of the vertebral body 1.5e+03 mg/cm3"),
        (lambda a: np.full_like(a, np.nan), "NaN or infinity in the vertebral body"),
        (lambda a: a * np.inf, "NaN or infinity in the vertebral body"),
    ],
)
@pytest.mark.filterwarnings("ignore:All-NaN:RuntimeWarning")
def test_densities_that_cannot_be_mg_per_cm3(files, change, message):
    rewrite(files, array=change)
    refuse(files, files.density, message)


# Parameters --------------------------------------------------------------------------------------

FILES = {"image": "density.nii.gz", "labels": "labels.nii.gz", "level": "L1"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "'verse' or 'totalsegmentator', unless vertebra_label or body_labels"),
        ({"scheme": "spider"}, "'verse' or 'totalsegmentator'"),
        ({"scheme": "verse", "vertebra_label": 4}, "left out beside a scheme"),
        ({"scheme": "verse", "body_labels": (1,)}, "left out beside a scheme"),
        ({"body_labels": (1,), "subregions": "parts.nii"}, "which picks the vertebra"),
        ({"body_labels": (1, 2), "arch_labels": (2,)}, "other numbers than body_labels"),
        ({"body_labels": (0,)}, "greater than or equal to 1"),
        ({"body_labels": (1,), "level": "L6"}, "did you mean 'L5'"),
        ({"body_labels": (1,), "front_back": "back"}, "'auto', 'as_header' or 'flipped'"),
        ({"body_labels": (1,), "calibration": {}}, "slope_mg_cm3_per_hu"),
        ({"body_labels": (1,), "calibration": {"slope_mg_cm3_per_hu": -1.0}}, "greater than 0"),
        ({"body_labels": (1,), "spacing": 1.0}, "Extra inputs"),
    ],
)
def test_parameters_that_contradict(given, message):
    with pytest.raises(InvalidInput, match=re.escape(message)):
        ImagedVertebra(**{**FILES, **given})
