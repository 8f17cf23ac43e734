import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLImageDataReader

from vbsim.mesh import VoxelGrid
from vbsim.study.fields import in_world, write_vti

SEED = 11
# A turn about all three axes.
TURN = np.linalg.qr(np.random.default_rng(SEED).standard_normal((3, 3)))[0]


def read(path):
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(path))
    reader.Update()
    return reader.GetOutput()


def test_a_file_lies_where_its_grid_lies(tmp_path):
    grid = VoxelGrid((2, 3, 4), (1.0, 2.0, 3.0), np.array([10.0, -20.0, 30.0]), TURN)
    number = np.arange(grid.n_cells, dtype=float).reshape(grid.shape)
    place = grid.points()
    write_vti(tmp_path / "a.vti", grid, {"number": number}, {"place_mm": place})
    image = read(tmp_path / "a.vti")
    found = np.array([image.GetPoint(i) for i in range(grid.n_points)])
    # Coordinates are written as text with about 6 digits.
    assert found == pytest.approx(place.reshape(-1, 3), abs=1e-3)
    assert vtk_to_numpy(image.GetPointData().GetArray("place_mm")) == pytest.approx(
        place.reshape(-1, 3), rel=1e-6
    )
    assert np.array_equal(
        vtk_to_numpy(image.GetCellData().GetArray("number")), np.arange(grid.n_cells)
    )


def test_tensors_are_named_and_ordered_as_vtk_has_them(tmp_path):
    grid = VoxelGrid((1, 1, 1), (1.0, 1.0, 1.0))
    voigt = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).reshape(1, 1, 1, 6)
    write_vti(tmp_path / "a.vti", grid, {"stress_mpa": in_world(voigt, grid.axes)}, {})
    array = read(tmp_path / "a.vti").GetCellData().GetArray("stress_mpa")
    named = {array.GetComponentName(i): array.GetComponent(0, i) for i in range(6)}
    # Voigt order is xx yy zz yz xz xy.
    assert named == {"xx": 1.0, "yy": 2.0, "zz": 3.0, "xy": 6.0, "yz": 4.0, "xz": 5.0}


def test_tensors_are_turned_into_world_axes():
    voigt = np.random.default_rng(SEED).standard_normal((2, 3, 4, 6))
    xx, yy, zz, yz, xz, xy = np.moveaxis(voigt, -1, 0)
    tensor = np.moveaxis(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), (0, 1), (-2, -1))
    turned = TURN @ tensor @ TURN.T
    rows, columns = [0, 1, 2, 0, 1, 0], [0, 1, 2, 1, 2, 2]
    # Round-off of a few products of numbers near 1.
    assert in_world(voigt, TURN) == pytest.approx(turned[..., rows, columns], abs=1e-13)


def test_every_field_of_a_stage_is_in_its_file(result):
    image = read(result.folder / "fields" / "augmented.vti")
    cells, points = image.GetCellData(), image.GetPointData()
    names = {cells.GetArrayName(i) for i in range(cells.GetNumberOfArrays())}
    loaded = {"strain", "stress_mpa", "von_mises_mpa", "sed_mpa"}
    plain = {"tissue", "vbmd_mg_cm3", "youngs_modulus_mpa", "cement_fraction", "integrity"}
    plain |= {"cement_saturation", "body_fraction", "arch_fraction", "cap_fraction"}
    plain |= {"radiodensity_hu"}
    assert names == plain | loaded | {f"flexion_{name}" for name in loaded}
    assert {points.GetArrayName(i) for i in range(points.GetNumberOfArrays())} == {
        "displacement_mm",
        "flexion_displacement_mm",
    }


def test_the_cement_in_the_file_is_the_cement_in_the_table(result):
    image = read(result.folder / "fields" / "augmented.vti")
    fraction = vtk_to_numpy(image.GetCellData().GetArray("cement_fraction"))
    volume_ml = fraction.sum(dtype=float) * np.prod(image.GetSpacing()) / 1000.0
    # Fields are written in single precision.
    assert volume_ml == pytest.approx(result.value("augmented", "cement_volume"), rel=1e-5)


def test_the_platen_comes_down_in_the_file(result):
    image = read(result.folder / "fields" / "intact.vti")
    displacement = vtk_to_numpy(image.GetPointData().GetArray("displacement_mm"))
    # 1000 N over the stiffness, downwards: -z in the world of a parametric vertebra.
    expected = -1000.0 / result.value("intact", "stiffness")
    assert displacement[:, 2].min() == pytest.approx(expected, rel=1e-3)
