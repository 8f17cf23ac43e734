import shutil

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from vbsim.cli import main

CASE = """\
name = "from images"
[vertebra]
level = "L1"
image = "density.nii.gz"
labels = "labels.nii.gz"
body_labels = [1]
arch_labels = [2]
[mesh]
spacing_mm = 3.0
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A good pair of images."""
    folder = tmp_path_factory.mktemp("pair")
    assert main(["phantom", str(folder / "ph"), "--spacing-mm", "2.0"]) == 0
    return folder / "ph"


@pytest.fixture
def folder(pair, tmp_path):
    for name in ("density.nii.gz", "labels.nii.gz"):
        shutil.copy(pair / name, tmp_path / name)
    (tmp_path / "case.toml").write_text(CASE)
    return tmp_path


def change(folder, name, how):
    """Replace the array of an image; place and spacing stay."""
    path = folder / f"{name}.nii.gz"
    old = sitk.ReadImage(str(path))
    new = sitk.GetImageFromArray(how(sitk.GetArrayFromImage(old)))
    new.CopyInformation(old)
    sitk.WriteImage(new, str(path))


def rewrite(folder, name, how):
    path = folder / f"{name}.nii.gz"
    sitk.WriteImage(how(sitk.ReadImage(str(path))), str(path))


def in_case(folder, old, new):
    text = (folder / "case.toml").read_text()
    assert old in text
    (folder / "case.toml").write_text(text.replace(old, new))


def doubled(labels):
    """Split the body in two halves of equal size."""
    result = labels.copy()
    middle = np.argwhere(labels == 1).mean(axis=0).astype(int)
    result[:, :, middle[2] - 1 : middle[2] + 2] = 0
    return result


def cut_off(folder):
    """Crop both images through the body."""
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "labels.nii.gz")))
    middle = int(np.argwhere(labels == 1).mean(axis=0)[0])
    for name in ("density", "labels"):
        rewrite(folder, name, lambda image: image[:, :, middle:])


def not_finite(folder):
    # Not in NIfTI, whose reader turns NaN into 0.
    image = sitk.ReadImage(str(folder / "density.nii.gz"))
    array = sitk.GetArrayFromImage(image)
    spoilt = sitk.GetImageFromArray(np.where(array > 100.0, np.nan, array))
    spoilt.CopyInformation(image)
    sitk.WriteImage(spoilt, str(folder / "density.mha"))
    in_case(folder, '"density.nii.gz"', '"density.mha"')


def shifted(image):
    image.SetOrigin([x + 100.0 for x in image.GetOrigin()])
    return image


WRONG = {
    "no such image": (lambda f: (f / "density.nii.gz").unlink(), "vertebra", "density.nii.gz"),
    "no such labels": (lambda f: (f / "labels.nii.gz").unlink(), "vertebra", "labels.nii.gz"),
    "not an image": (
        lambda f: (f / "density.nii.gz").write_bytes(b"not gzip"),
        "vertebra",
        "density.nii.gz",
    ),
    "truncated image": (
        lambda f: (f / "density.nii.gz").write_bytes((f / "density.nii.gz").read_bytes()[:2000]),
        "vertebra",
        "density.nii.gz",
    ),
    "image without a suffix": (
        lambda f: in_case(f, '"density.nii.gz"', '"case.toml"'),
        "vertebra",
        "case.toml",
    ),
    "labels elsewhere": (lambda f: rewrite(f, "labels", shifted), "vertebra", "grid"),
    "labels of another size": (
        lambda f: rewrite(f, "labels", lambda image: image[1:, :, :]),
        "vertebra",
        "grid",
    ),
    "no such label": (
        lambda f: in_case(f, "body_labels = [1]", "body_labels = [7]"),
        "vertebra",
        "7",
    ),
    "empty labels": (lambda f: change(f, "labels", np.zeros_like), "vertebra", "1"),
    "two bodies": (lambda f: change(f, "labels", doubled), "vertebra", "part"),
    "cut-off vertebra": (cut_off, "vertebra", "border"),
    "hounsfield units": (
        lambda f: change(f, "density", lambda a: (a - 1000.0) * 10.0),
        "vertebra",
        "mg/cm3",
    ),
    "density in g/cm3": (lambda f: change(f, "density", lambda a: a / 1000.0), "vertebra", "mg"),
    "nan in the image": (not_finite, "vertebra", "NaN"),
    "colour image": (
        lambda f: rewrite(f, "density", lambda image: sitk.Compose(image, image)),
        "vertebra",
        "",
    ),
    "label twice": (
        lambda f: in_case(f, "arch_labels = [2]", "arch_labels = [1]"),
        "vertebra.arch_labels",
        "other numbers",
    ),
    "two ways to name labels": (
        lambda f: in_case(f, "body_labels", 'scheme = "verse"\nbody_labels'),
        "vertebra",
        "left out",
    ),
    "own grid": (
        lambda f: in_case(f, "[mesh]", "align = false\n[mesh]"),
        "vertebra.align",
        "must be true in a study",
    ),
    "calibration without its unit": (
        lambda f: in_case(f, "[mesh]", "calibration = { slope = 0.8 }\n[mesh]"),
        "vertebra.calibration.slope",
        "did you mean slope_mg_cm3_per_hu?",
    ),
    "unknown scheme": (
        lambda f: in_case(f, "body_labels = [1]\narch_labels = [2]", 'scheme = "vers"'),
        "vertebra.scheme",
        "did you mean verse?",
    ),
}


def test_the_good_pair_is_accepted(folder, capsys):
    assert main(["inspect", str(folder / "case.toml")]) == 0


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_image_is_refused_with_its_place(folder, capsys, name):
    spoil, place, words = WRONG[name]
    spoil(folder)
    capsys.readouterr()
    code = main(["run", str(folder / "case.toml"), "--results", str(folder / "results")])
    said = capsys.readouterr()
    assert code == 2
    message = said.err.splitlines()[-1]
    assert message.startswith(f"error: {place}")
    assert words in message
    assert not list(folder.glob("results/*"))
