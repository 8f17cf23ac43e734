"""``vbsim solve IMAGE``: what it prints, what it refuses, with which exit code."""

import json
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813

from vbsim.cli import main

E_MPA = 1000.0
SPACING_MM = (0.5, 0.5, 1.0)
LOAD = ("--displacement-mm", "-0.1")
KEYS = [
    "reaction_n",
    "stiffness_n_per_mm",
    "dof",
    "iterations",
    "relative_residual",
    "cpu_s",
    "wall_s",
    "peak_bytes",
]


def solve(capsys, *words):
    code = main(["solve", *(str(word) for word in words)])
    return code, capsys.readouterr()


def save(path, array):
    written = sitk.GetImageFromArray(array)
    written.SetSpacing(SPACING_MM)
    sitk.WriteImage(written, str(path))
    return path


@pytest.fixture
def bar(tmp_path):
    """A bar of 3 x 2 x 8 mm in a wider image."""
    moduli = np.zeros((10, 6, 8), np.float32)
    moduli[1:9, 1:5, 1:7] = E_MPA
    return save(tmp_path / "bar.mha", moduli)


STIFFNESS = E_MPA * 3.0 * 2.0 / 8.0


@pytest.mark.parametrize("suffix", ["nii.gz", "nrrd", "mha"])
def test_json_has_the_keys_in_their_order_and_nothing_else_is_said(bar, capsys, suffix):
    image = bar.with_suffix(f".{suffix}")
    sitk.WriteImage(sitk.ReadImage(str(bar)), str(image))
    code, said = solve(capsys, image, *LOAD, "--bottom", "sliding", "--json")
    assert (code, said.err) == (0, "")
    found = json.loads(said.out)
    assert list(found)[: len(KEYS)] == KEYS
    # to the tolerance of the iteration
    assert found["stiffness_n_per_mm"] == pytest.approx(STIFFNESS, rel=1e-6)
    assert found["reaction_n"] == pytest.approx(0.1 * STIFFNESS, rel=1e-6)
    assert found["displacement_mm"] == -0.1
    # 5 x 7 x 9 points: those of the end planes are held along the axis
    assert found["dof"] == 3 * 5 * 7 * 9 - 2 * 5 * 7
    assert found["peak_bytes"] > 50e6  # the program itself


def test_the_table_says_how_it_was_held_and_what_came(bar, capsys):
    code, said = solve(capsys, bar, *LOAD, "--top", "clamped", "--poisson", "0")
    assert code == 0
    assert "bottom clamped, top clamped, Poisson's ratio 0" in said.out
    words = {line[:30].strip(): line.split() for line in said.out.splitlines()}
    assert words["Reaction (> 0 in compression)"][-2:] == ["75", "N"]
    assert words["Stiffness"][-2:] == ["750", "N/mm"]
    assert words["Voxels that carry load"][-1] == "192"
    assert "192 voxels with material" in said.err


def test_labels_with_a_table_and_an_array_with_a_voxel_size(tmp_path, capsys):
    labels = np.zeros((8, 4, 6), np.uint8)
    labels[:4], labels[4:] = 3, 5
    (tmp_path / "materials.csv").write_text("label,modulus_mpa\n5,500\n")
    np.save(tmp_path / "labels.npy", labels)
    code, said = solve(
        capsys,
        tmp_path / "labels.npy",
        *("--voxel-mm", "0.5,0.5,1.0", "--modulus", "3=1000"),
        *("--material-table", tmp_path / "materials.csv"),
        *("--force-n", "10", "--poisson", "0", "--json"),
    )
    assert code == 0
    # two layers of 4 mm in series
    expected = 6.0 / (4.0 / 1000.0 + 4.0 / 500.0)
    assert json.loads(said.out)["stiffness_n_per_mm"] == pytest.approx(expected, rel=1e-6)


def test_an_axis_of_the_image(bar, capsys):
    words = ("--bottom", "sliding", "--json", "--quiet", "--threads", 1)
    for axis, stiffness in (("x", E_MPA * 8 * 2 / 3), ("y", E_MPA * 8 * 3 / 2)):
        _, said = solve(capsys, bar, *LOAD, *words, "--axis", axis)
        found = json.loads(said.out)["stiffness_n_per_mm"]
        assert found == pytest.approx(stiffness, rel=1e-6)


def test_fields_are_written_on_request(bar, tmp_path, capsys):
    target = tmp_path / "fields.vti"
    code, _ = solve(capsys, bar, *LOAD, "--fields", target, "--quiet")
    assert code == 0
    content = target.read_bytes()
    for name in (b"displacement_mm", b"strain", b"stress_mpa", b"von_mises_mpa", b"sed_mpa"):
        assert b'Name="' + name + b'"' in content


def test_the_largest_part(bar, capsys):
    moduli = sitk.GetArrayFromImage(sitk.ReadImage(str(bar)))
    moduli[0, 0, 0] = E_MPA
    save(bar, moduli)
    code, said = solve(capsys, bar, *LOAD, "--quiet")
    assert code == 2
    assert "--largest-part" in said.err
    code, said = solve(capsys, bar, *LOAD, "--largest-part", "--json")
    assert code == 0
    assert json.loads(said.out)["dropped_cells"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "exactly one of displacement_mm and force_n"),
        ((*LOAD, "--force-n", "5"), "exactly one of displacement_mm and force_n"),
        (("--force-n", "0"), "the load is 0"),
        ((*LOAD, "--axis", "w"), "axis = 'w'"),
        ((*LOAD, "--top", "glued"), "top = 'glued'"),
        ((*LOAD, "--poisson", "0.7"), "poisson = 0.7"),
        ((*LOAD, "--modulus", "1:5"), "LABEL=MPA"),
        ((*LOAD, "--modulus", "7=5"), "label 1000"),
        ((*LOAD, "--material-table", "none.csv"), "none.csv"),
        ((*LOAD, "--voxel-mm", "0.1"), "this file tells its voxel size"),
        ((*LOAD, "--voxel-mm", "0,1,1"), "--voxel-mm '0,1,1'"),
        ((*LOAD, "--tolerance", "2"), "tolerance"),
        ((*LOAD, "--fields", "out.vtu"), ".vti"),
        ((*LOAD, "--fields", "/nowhere/out.vti"), "no folder /nowhere"),
    ],
)
def test_words_that_are_refused(bar, capsys, words, message):
    code, said = solve(capsys, bar, *words)
    assert code == 2
    assert said.out == ""
    assert message in said.err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a * 0, "no voxel has material"),
        (lambda a: -a, "lowest modulus -1000 MPa"),
        (lambda a: np.where(a > 0, np.float32("nan"), a), "NaN"),
        (lambda a: (a > 0).astype(np.uint8), "look like labels"),
        (lambda a: np.where(np.arange(10)[:, None, None] == 4, 0, a), "no load path"),
    ],
)
def test_images_that_are_refused(bar, capsys, change, message):
    save(bar, change(sitk.GetArrayFromImage(sitk.ReadImage(str(bar)))))
    code, said = solve(capsys, bar, *LOAD, "--quiet")
    assert code == 2
    assert message in said.err
    assert str(bar) in said.err


def test_files_that_are_refused(tmp_path, bar, capsys):
    image = sitk.ReadImage(str(bar))
    sitk.WriteImage(sitk.JoinSeries([image, image]), str(tmp_path / "series.nii.gz"))
    np.save(tmp_path / "flat.npy", np.ones((4, 4)))
    np.save(tmp_path / "good.npy", np.ones((4, 4, 4)))
    (tmp_path / "text.npy").write_text("no array")
    for name, words, message in (
        ("missing.nii.gz", (), "no such file"),
        ("missing.npy", ("--voxel-mm", "1"), "no such file"),
        ("series.nii.gz", (), "4 dimensions"),
        ("flat.npy", ("--voxel-mm", "1"), "(4, 4)"),
        ("good.npy", (), "given with --voxel-mm"),
        ("text.npy", ("--voxel-mm", "1"), "cannot be read as an array"),
    ):
        code, said = solve(capsys, tmp_path / name, *LOAD, *words)
        assert (code, message in said.err) == (2, True), said.err
        assert name in said.err


def test_voxels_of_a_few_micrometres_are_none_of_metres(bar, capsys):
    image = sitk.ReadImage(str(bar))
    for edge, expected in ((0.006, 0), (3.9e-5, 2)):
        image.SetSpacing((edge, edge, edge))
        sitk.WriteImage(image, str(bar))
        code, said = solve(capsys, bar, "--force-n", "1", "--quiet")
        assert code == expected
    assert "metres" in said.err


def test_a_solve_that_stops_short_exits_with_3(bar, capsys):
    code, said = solve(capsys, bar, *LOAD, "--max-iterations", "1", "--quiet")
    assert code == 3
    assert said.out == ""
    assert "relative residual" in said.err


def test_nothing_but_the_log_is_said_where_there_is_no_terminal(bar):
    words = [sys.executable, "-c", "import sys; from vbsim.cli import main; sys.exit(main())"]
    done = subprocess.run(
        [*words, "solve", str(bar), *LOAD], capture_output=True, text=True, check=True
    )
    assert "iteration" not in done.stderr
    assert "degrees of freedom" in done.stderr
