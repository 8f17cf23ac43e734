"""Files for other tools lie where the body lies."""

import numpy as np
import pytest
import pyvista as pv
import SimpleITK as sitk  # noqa: N813 - the name its users know

from vbsim.anatomy import Phantom, Vertebra
from vbsim.cli import main
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.study import load_case, run_case
from vbsim.study.fields import write_vti
from vbsim.study.phantoms import phantom_case
from vbsim.study.stored import StoredFields, open_study
from vbsim.views.catalogue import MASKS
from vbsim.views.conversion import convert, write_cells, write_image, write_nifti, write_stl
from vbsim.views.surfaces import isosurface

SEED = 5
TURN = np.linalg.qr(np.random.default_rng(SEED).standard_normal((3, 3)))[0]
MIRROR = np.diag([-1.0, 1.0, 1.0])


def read_stl(path):
    raw = path.read_bytes()
    faces = np.frombuffer(raw[84:], "<f4, (3,3)<f4, <u2".replace("<f4,", "(3,)<f4,", 1))
    assert len(faces) == int(np.frombuffer(raw[80:84], "<u4")[0])
    return faces["f0"].astype(float), faces["f1"].astype(float)


@pytest.mark.parametrize("axes", [np.eye(3), TURN, MIRROR], ids=["plain", "turned", "mirrored"])
def test_an_asymmetric_surface_lies_in_the_world_and_looks_outwards(tmp_path, axes):
    grid = VoxelGrid((6, 5, 4), (1.0, 2.0, 3.0), np.array([10.0, -20.0, 30.0]), axes)
    fraction = np.zeros(grid.shape)
    fraction[4, 1, 3] = 1.0
    write_stl(tmp_path / "a.stl", isosurface(fraction, grid.spacing_mm), grid)
    normals, corners = read_stl(tmp_path / "a.stl")
    expected = grid.to_world([3.5, 3.0, 13.5])
    # Single precision.
    assert corners.reshape(-1, 3).mean(axis=0) == pytest.approx(expected, abs=1e-4)
    outwards = corners.mean(axis=1) - expected
    assert (np.einsum("ij,ij->i", normals, outwards) > 0).all()
    a, b, c = np.moveaxis(corners - expected, 1, 0)
    assert np.einsum("ij,ij->i", a, np.cross(b, c)).sum() > 0


def test_a_field_on_its_own_grid_comes_back_with_its_place(tmp_path):
    grid = VoxelGrid((4, 3, 2), (1.0, 2.0, 3.0), np.array([10.0, -20.0, 30.0]), TURN)
    values = np.random.default_rng(SEED).random(grid.shape)
    write_nifti(tmp_path / "a.nii.gz", values, StoredFields("a", grid, {}, {}))
    image = sitk.ReadImage(str(tmp_path / "a.nii.gz"))
    assert sitk.GetArrayFromImage(image) == pytest.approx(values, rel=1e-6)
    index = (1, 2, 3)
    place = image.TransformIndexToPhysicalPoint(index)
    expected = grid.to_world((np.array(index) + 0.5) * np.array(grid.spacing_mm))
    # The header holds single precision.
    assert place == pytest.approx(expected, abs=1e-3)


@pytest.fixture(params=[np.eye(3), TURN], ids=["plain", "turned"])
def asymmetric(request, tmp_path):
    """A file of fields in which no two voxels are alike, and its grid."""
    grid = VoxelGrid((4, 3, 2), (1.0, 2.0, 3.0), np.array([10.0, -20.0, 30.0]), request.param)
    rng = np.random.default_rng(SEED)
    cells = {name: np.zeros(grid.shape) for name in MASKS}
    cells["body_fraction"] = (rng.random(grid.shape) > 0.4).astype(float)
    cells["vbmd_mg_cm3"] = rng.random(grid.shape)
    cells["stress_mpa"] = rng.random((*grid.shape, 6))
    points = {"displacement_mm": rng.random((*grid.point_shape, 3))}
    write_vti(tmp_path / "a.vti", grid, cells, points)
    return tmp_path / "a.vti", grid, cells, points


def test_cells_with_material_become_hexahedra_where_they_lie(asymmetric, tmp_path):
    source, grid, cells, points = asymmetric
    write_cells(tmp_path / "a.vtu", source)
    mesh = pv.read(tmp_path / "a.vtu")
    solid = cells["body_fraction"] > 0
    assert set(mesh.celltypes) == {pv.CellType.HEXAHEDRON}
    assert mesh.n_cells == solid.sum()
    at = np.stack(np.nonzero(solid)[::-1], axis=1) + 0.5
    centres = grid.to_world(at * np.array(grid.spacing_mm))
    np.testing.assert_allclose(mesh.cell_centers().points, centres, atol=1e-9)
    # Right-handed corners, in VTK's order.
    np.testing.assert_allclose(mesh.compute_cell_sizes()["Volume"], 6.0, rtol=1e-6)
    for name in ("vbmd_mg_cm3", "stress_mpa"):
        np.testing.assert_array_equal(mesh.cell_data[name], cells[name][solid].astype(np.float32))
    local = grid.to_local(np.asarray(mesh.points)) / np.array(grid.spacing_mm)
    x, y, z = np.round(local).astype(int).T
    expected = points["displacement_mm"][z, y, x].astype(np.float32)
    np.testing.assert_array_equal(mesh.point_data["displacement_mm"], expected)


def test_the_whole_grid_comes_back_from_vtkhdf(asymmetric, tmp_path):
    source, grid, cells, points = asymmetric
    write_image(tmp_path / "a.vtkhdf", source)
    image = pv.read(tmp_path / "a.vtkhdf")
    np.testing.assert_allclose(image.origin, grid.origin_mm)
    np.testing.assert_allclose(image.direction_matrix, grid.axes, atol=1e-12)
    np.testing.assert_allclose(image.spacing, grid.spacing_mm)
    found = np.asarray(image.cell_data["stress_mpa"]).reshape(*grid.shape, 6)
    np.testing.assert_array_equal(found, cells["stress_mpa"].astype(np.float32))
    found = np.asarray(image.point_data["displacement_mm"]).reshape(*grid.point_shape, 3)
    np.testing.assert_array_equal(found, points["displacement_mm"].astype(np.float32))


def test_fields_lie_over_the_image_that_the_case_came_from(tmp_path):
    # Turned axes and a tilt: nothing lines up by luck.
    scan = Phantom(spacing_mm=2.0, orientation="RAI", tilt_deg=(7.0, -5.0, 11.0))
    path = phantom_case(Vertebra(level="L1"), Bone(), scan, tmp_path / "scan")
    case = load_case(path).model_copy(update={"steps": ()})
    case = case.model_copy(update={"mesh": case.mesh.model_copy(update={"spacing_mm": 2.0})})
    study = open_study(run_case(case, tmp_path / "results").folder)
    convert(study, tmp_path / "out", "nifti", ["intact"])
    found = sitk.ReadImage(str(tmp_path / "out" / "intact_vbmd_mg_cm3.nii.gz"))
    scanned = sitk.ReadImage(str(study.case["vertebra"]["image"]))
    assert found.GetSize() == scanned.GetSize()
    assert found.GetDirection() == pytest.approx(scanned.GetDirection(), abs=1e-5)
    body = sitk.ReadImage(str(tmp_path / "out" / "intact_body_fraction.nii.gz"))
    inside = sitk.GetArrayFromImage(body) > 0.9
    ours, theirs = (sitk.GetArrayFromImage(image)[inside] for image in (found, scanned))
    assert inside.sum() > 1000
    # Interpolated twice at the width of a voxel, to the study's grid and back, a random field with
    # a correlation length of 4 mm loses some contrast, not its place.
    assert np.corrcoef(ours, theirs)[0, 1] > 0.8
    mirrored = sitk.GetArrayFromImage(found)[:, :, ::-1][inside]
    assert np.corrcoef(mirrored, theirs)[0, 1] < 0.5


def test_the_command_writes_surfaces_and_replaces_nothing(small_result, tmp_path, capsys):
    words = ["convert", str(small_result.folder), str(tmp_path / "out")]
    assert main(words) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "intact_bone.stl",
        "fractured_bone.stl",
        "augmented_bone.stl",
        "augmented_cement.stl",
    }
    assert main(words) == 2
    assert "left as it is" in capsys.readouterr().err
    assert main([*words, "--to", "step"]) == 2
    assert "stl, nifti, vtu, vtkhdf" in capsys.readouterr().err
