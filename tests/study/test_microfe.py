"""Axial tests of images: closed forms, equivalences, refusals, fields, memory."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLImageDataReader

from vbsim.checks import InvalidInput, NotConverged
from vbsim.fem import Settings
from vbsim.mesh import VoxelGrid
from vbsim.study.microfe import (
    AxialTest,
    ModulusImage,
    read_materials,
    read_moduli,
    solve_image,
    write_fields,
)
from vbsim.study.microfe.fields import solution_fields

SEED = 3
E_MPA = 1000.0
EDGES_MM = (0.5, 0.6, 0.8)
AXES = {"z": 0, "y": 1, "x": 2}
# Where equations are compared that the iteration solves in another order or form.
TIGHT = Settings(tolerance=1e-10, max_iterations=500)
PISTOIA_STRAIN = 0.007


def image(moduli, edges=(1.0, 1.0, 1.0)):
    return ModulusImage(moduli, VoxelGrid(moduli.shape, edges))


def bar(axis="z", edges=EDGES_MM):
    """A solid bar of 12 cells along the axis; its area, mm2, and length, mm."""
    shape = [5, 4, 6]
    shape[AXES[axis]] = 12
    sizes = np.array(shape) * edges[::-1]
    length = sizes[AXES[axis]]
    return image(np.full(shape, E_MPA), edges), np.prod(sizes) / length, length


def rough(shape=(9, 7, 8), voids=0.15):
    """Struts of very different stiffness."""
    rng = np.random.default_rng(SEED)
    return np.exp(rng.normal(6.0, 1.0, shape)) * (rng.random(shape) > voids)


def turned(moduli, axis):
    """The same body with its z axis along another one."""
    return np.ascontiguousarray(np.swapaxes(moduli, 0, AXES[axis]))


def turned_edges(edges, axis):
    changed = list(edges[::-1])
    changed[0], changed[AXES[axis]] = changed[AXES[axis]], changed[0]
    return tuple(changed[::-1])


def solve(body, settings=TIGHT, **given):
    if "force_n" not in given:
        given.setdefault("displacement_mm", -0.1)
    kept = {"largest_part": given.pop("largest_part", False)}
    return solve_image(body, AxialTest(**given), settings=settings, **kept)


# Closed forms -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", AXES)
def test_a_bar_between_sliding_ends_is_a_spring(axis):
    body, area, length = bar(axis)
    found = solve(body, axis=axis, bottom="sliding")
    stiffness = E_MPA * area / length
    assert found.stiffness_n_per_mm == pytest.approx(stiffness, rel=1e-9)
    assert found.reaction_n == pytest.approx(0.1 * stiffness, rel=1e-9)
    assert found.energy_n_mm == pytest.approx(0.5 * stiffness * 0.1**2, rel=1e-9)
    assert found.apparent_modulus_mpa == pytest.approx(E_MPA, rel=1e-9)
    # A uniform strain reaches the limit everywhere at once. Strain is stored in single precision.
    assert found.failure_load_pistoia_n == pytest.approx(PISTOIA_STRAIN * E_MPA * area, rel=1e-6)
    assert (found.n_cells, found.fill) == (body.grid.n_cells, 1.0)


@pytest.mark.parametrize(("bottom", "top"), [("clamped", "sliding"), ("clamped", "clamped")])
def test_clamped_ends_change_nothing_without_lateral_strain(bottom, top):
    body, area, length = bar()
    found = solve(body, bottom=bottom, top=top, poisson=0.0)
    assert found.stiffness_n_per_mm == pytest.approx(E_MPA * area / length, rel=1e-9)


def test_clamped_ends_stiffen_but_less_than_a_rigid_wall():
    body, area, length = bar()
    free, one, both = (
        solve(body, bottom=bottom, top=top).stiffness_n_per_mm
        for bottom, top in (("sliding", "sliding"), ("clamped", "sliding"), ("clamped", "clamped"))
    )
    poisson = 0.3
    confined = E_MPA * (1 - poisson) / ((1 + poisson) * (1 - 2 * poisson)) * area / length
    assert free < one < both < confined


def test_the_ends_of_a_symmetric_bar_may_change_places():
    body, _, _ = bar()
    lower = solve(body, bottom="clamped", top="sliding")
    upper = solve(body, bottom="sliding", top="clamped")
    assert lower.stiffness_n_per_mm == pytest.approx(upper.stiffness_n_per_mm, rel=1e-9)


def test_layers_are_springs_in_series():
    layers = np.array([100.0, 800.0, 300.0, 50.0])
    body = image(np.broadcast_to(layers[:, None, None], (4, 3, 5)).copy(), (0.5, 0.5, 1.5))
    found = solve(body, poisson=0.0)
    area, height = 3 * 5 * 0.25, 1.5
    assert found.stiffness_n_per_mm == pytest.approx(area / np.sum(height / layers), rel=1e-9)


def test_the_failure_load_is_that_of_the_weakest_two_percent():
    # One layer of a hundred is half as wide: at twice the strain, yet 1 % of the volume only.
    moduli = np.full((100, 2, 2), E_MPA)
    moduli[50, :, 1] = 0.0
    thin = solve(image(moduli), poisson=0.0, bottom="sliding")
    moduli[49:53, :, 1] = 0.0
    thick = solve(image(moduli), poisson=0.0, bottom="sliding")
    whole, half = (PISTOIA_STRAIN * E_MPA * area for area in (4.0, 2.0))
    # Around the notch the strain is not uniform.
    assert thin.failure_load_pistoia_n > 0.8 * whole
    assert thick.failure_load_pistoia_n < 1.2 * half


# Equivalences -------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_turned_image_gives_the_same_numbers(axis):
    ends = {"bottom": "sliding", "top": "clamped"}
    upright = solve(image(rough(), EDGES_MM), **ends)
    body = image(turned(rough(), axis), turned_edges(EDGES_MM, axis))
    lying = solve(body, axis=axis, **ends)
    assert lying.reaction_n == pytest.approx(upright.reaction_n, rel=1e-9)
    assert lying.failure_load_pistoia_n == pytest.approx(upright.failure_load_pistoia_n, rel=1e-6)
    assert lying.work.dof == upright.work.dof


@pytest.mark.parametrize("axis", ["y", "x"])
def test_a_turned_image_gives_the_same_fields(axis):
    upright, points = solution_fields(solve(image(rough(), EDGES_MM), bottom="sliding"))
    body = image(turned(rough(), axis), turned_edges(EDGES_MM, axis))
    lying, lying_points = solution_fields(solve(body, axis=axis, bottom="sliding"))
    place = AXES[axis]
    for name in ("youngs_modulus_mpa", "sed_mpa", "von_mises_mpa"):
        back = np.swapaxes(lying[name], 0, place)
        np.testing.assert_allclose(back, upright[name], atol=1e-6 * upright[name].max())
    order = [0, 1, 2]
    order[2], order[2 - place] = order[2 - place], order[2]
    back = np.swapaxes(lying_points["displacement_mm"], 0, place)[..., order]
    np.testing.assert_allclose(back, points["displacement_mm"], atol=1e-6)
    # xx yy zz are exchanged as the axes are
    back = np.swapaxes(lying["stress_mpa"], 0, place)[..., order]
    scale = np.abs(upright["stress_mpa"]).max()
    np.testing.assert_allclose(back, upright["stress_mpa"][..., :3], atol=1e-5 * scale)


def test_a_force_is_a_displacement_scaled():
    body = image(rough())
    pushed = solve(body, displacement_mm=-0.02)
    loaded = solve(body, force_n=2.5 * pushed.reaction_n)
    assert loaded.displacement_mm == pytest.approx(-0.05, rel=1e-9)
    assert loaded.energy_n_mm == pytest.approx(2.5**2 * pushed.energy_n_mm, rel=1e-9)
    assert loaded.failure_load_pistoia_n == pytest.approx(pushed.failure_load_pistoia_n)
    pulled = solve(body, displacement_mm=0.02)
    assert pulled.reaction_n == -pushed.reaction_n
    assert pulled.failure_load_pistoia_n == pushed.failure_load_pistoia_n


def test_empty_space_around_the_material_changes_nothing():
    alone = solve(image(rough()))
    wide = np.pad(rough(), ((3, 2), (0, 4), (5, 1)))
    found = solve(image(wide))
    assert found.to_dict() | {"cpu_s": 0, "wall_s": 0, "peak_bytes": 0} == alone.to_dict() | {
        "cpu_s": 0,
        "wall_s": 0,
        "peak_bytes": 0,
    }


def test_single_precision_moduli_are_enough():
    double = solve(image(rough()))
    single = solve(image(rough().astype(np.float32)))
    assert single.reaction_n == double.reaction_n  # the solver holds moduli in single precision


def test_loose_parts_are_left_out_and_counted():
    moduli = np.zeros((8, 5, 11))
    moduli[:, :, :4] = E_MPA
    alone = solve(image(moduli))
    moduli[2:4, 2, 6] = E_MPA
    moduli[7, :, 9:] = E_MPA  # at the upper end only
    found = solve(image(moduli))
    assert found.dropped == (2, 12)
    assert found.stiffness_n_per_mm == pytest.approx(alone.stiffness_n_per_mm, rel=1e-9)
    assert found.apparent_modulus_mpa == pytest.approx(alone.apparent_modulus_mpa, rel=1e-9)


def test_the_largest_part_decides_where_the_ends_are():
    moduli = np.zeros((10, 5, 6))
    moduli[2:8, :, :4] = E_MPA
    alone = solve(image(moduli))
    moduli[0, 0, 0] = E_MPA
    moduli[:, 0, 5] = E_MPA
    found = solve(image(moduli), largest_part=True)
    assert found.dropped == (2, 11)
    assert found.reaction_n == alone.reaction_n


# Labels and tables --------------------------------------------------------------------------------


def saved(folder, array):
    path = folder / "image.npy"
    np.save(path, array)
    return path


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float64])
def test_labels_with_a_table_are_an_image_of_moduli(tmp_path, dtype):
    labels = np.random.default_rng(SEED).choice([0, 3, 7], (5, 4, 6), p=[0.2, 0.5, 0.3])
    path = saved(tmp_path, labels.astype(dtype))
    table = tmp_path / "materials.csv"
    table.write_text("name, label, modulus_mpa\nbone, 3, 12000\ncement, 7, 2500.5\nrim, 9, 1\n")
    materials = read_materials(["11=5"], table)
    assert materials == {11: 5.0, 3: 12000.0, 7: 2500.5, 9: 1.0}
    found = read_moduli(path, materials=materials, voxel_mm=(1.0, 2.0, 2.0))
    expected = np.select([labels == 3, labels == 7], [12000.0, 2500.5])
    assert np.array_equal(found.moduli_mpa, expected)
    assert found.grid.spacing_mm == (1.0, 2.0, 2.0)


def test_label_0_may_be_named():
    assert read_materials(["0=10", "1=500"]) == {0: 10.0, 1: 500.0}
    assert read_materials([]) is None


# Refusals -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a * 0, "no voxel has material"),
        (lambda a: a - 500, "lowest modulus"),
        (lambda a: np.where(a > 500, np.nan, a), "NaN"),
        (lambda a: np.where(a > 500, np.inf, a), "infinity"),
        (lambda a: a[None], "4 dimensions"),
        (lambda a: a[0], "2 dimensions"),
        (lambda a: a.astype(complex), "real numbers"),
        (lambda a: a * 1e300, "a modulus in MPa"),
    ],
)
def test_images_that_are_no_moduli(change, message):
    with pytest.raises(InvalidInput, match=message):
        ModulusImage(change(rough()), VoxelGrid((9, 7, 8), (1.0, 1.0, 1.0)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "neither came"),
        ({"displacement_mm": -0.1, "force_n": 10.0}, "both came"),
        ({"force_n": 0.0}, "the load is 0"),
        ({"force_n": float("nan")}, "force_n"),
        ({"force_n": 1.0, "axis": "w"}, "'x', 'y' or 'z'"),
        ({"force_n": 1.0, "top": "glued"}, "'clamped' or 'sliding'"),
        ({"force_n": 1.0, "poisson": 0.5}, "poisson"),
    ],
)
def test_loads_that_are_none(given, message):
    with pytest.raises(InvalidInput, match=message):
        AxialTest(**given)


def test_material_that_joins_no_ends():
    moduli = rough()
    moduli[4] = 0.0
    with pytest.raises(InvalidInput, match="no load path"):
        solve(image(moduli))


def test_voxels_much_longer_than_wide():
    solve(image(rough(), (1.0, 1.0, 3.0)))
    with pytest.raises(InvalidInput, match="within 3:1"):
        solve(image(rough(), (1.0, 1.0, 3.1)))


def test_a_solve_that_does_not_fit_into_memory(monkeypatch):
    from vbsim.study.microfe import solve as module

    monkeypatch.setattr(module, "available_bytes", lambda: 1000)
    with pytest.raises(InvalidInput, match="are free"):
        solve(image(rough()))


def test_an_iteration_that_stops_short():
    with pytest.raises(NotConverged, match="after 2 iterations"):
        solve(image(rough()), settings=Settings(max_iterations=2))


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (["1"], None, "LABEL=MPA"),
        (["one=1"], None, "whole number"),
        (["1=-5"], None, "0 or more"),
        (["1=5", "1=6"], None, "given twice"),
        (["1=5"], "label,modulus_mpa\n1,6\n", "line 2: label 1 is given twice"),
        ([], "label,modulus\n1,6\n", "modulus_mpa"),
        ([], "label,modulus_mpa\n1,\n", "line 2"),
        ([], "label,modulus_mpa\n", "no rows"),
        ([], "", "columns"),
        ([], b"\xff\xfe\x00", "cannot be read"),
        ([], None, "no such file|cannot be read"),
    ],
)
def test_materials_that_are_none(tmp_path, words, text, message):
    table = tmp_path / "materials.csv"
    if isinstance(text, bytes):
        table.write_bytes(text)
    elif text is not None:
        table.write_text(text)
    needs_table = text is not None or not words
    with pytest.raises(InvalidInput, match=message):
        read_materials(words, table if needs_table else None)


def test_labels_without_materials_and_materials_without_labels(tmp_path):
    path = saved(tmp_path, np.ones((3, 3, 3), np.uint8))
    with pytest.raises(InvalidInput, match="look like labels"):
        read_moduli(path, voxel_mm=(1.0, 1.0, 1.0))
    with pytest.raises(InvalidInput, match=r"label 1 without a material.*\[0, 2\]"):
        read_moduli(path, materials={2: 5.0}, voxel_mm=(1.0, 1.0, 1.0))


# Fields and progress ------------------------------------------------------------------------------


def test_fields_are_written_and_read_back(tmp_path):
    # Material in a corner of a wide, turned image: the file covers the material alone.
    moduli = np.zeros((9, 8, 7))
    moduli[2:8, 3:7, 1:4] = E_MPA
    quarter = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    grid = VoxelGrid(moduli.shape, (0.5, 0.5, 1.0), np.array([10.0, 20.0, 30.0]), quarter)
    found = solve(ModulusImage(moduli, grid), axis="y", bottom="sliding", displacement_mm=-0.02)
    write_fields(tmp_path / "out.vti", found)
    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(tmp_path / "out.vti"))
    reader.Update()
    read = reader.GetOutput()
    assert read.GetDimensions() == (4, 5, 7)
    assert read.GetPoint(0) == pytest.approx(grid.to_world([0.5, 1.5, 2.0]))
    strain, length = 0.02 / 2.0, 2.0
    cells = {
        name: vtk_to_numpy(read.GetCellData().GetArray(name))
        for name in ("youngs_modulus_mpa", "strain", "stress_mpa", "von_mises_mpa", "sed_mpa")
    }
    # Image y points along world -x: the only stress is xx. Written in single precision.
    close = {"rtol": 1e-5, "atol": 1e-5 * strain * E_MPA}
    np.testing.assert_allclose(cells["stress_mpa"][:, 0], -strain * E_MPA, **close)
    np.testing.assert_allclose(cells["stress_mpa"][:, 1:], 0.0, **close)
    np.testing.assert_allclose(cells["strain"][:, :3] / strain, [[-1.0, 0.3, 0.3]] * 72, rtol=1e-5)
    np.testing.assert_allclose(cells["von_mises_mpa"], strain * E_MPA, **close)
    np.testing.assert_allclose(cells["sed_mpa"], 0.5 * strain**2 * E_MPA, rtol=1e-5)
    assert np.all(cells["youngs_modulus_mpa"] == E_MPA)
    moved = vtk_to_numpy(read.GetPointData().GetArray("displacement_mm"))
    x = np.array([read.GetPoint(k)[0] for k in range(read.GetNumberOfPoints())])
    np.testing.assert_allclose(moved[:, 0], 0.02 * (x.max() - x) / length, atol=1e-7)


def test_energy_of_the_fields_is_that_of_the_ends_less_the_bending_of_cells():
    found = solve(image(rough()))
    cells, _ = solution_fields(found)
    energy = cells["sed_mpa"].sum(dtype=float)
    assert 0.5 * found.energy_n_mm < energy < found.energy_n_mm
    strained = cells["youngs_modulus_mpa"] > 0
    effective = np.sqrt(2.0 * cells["sed_mpa"][strained] / cells["youngs_modulus_mpa"][strained])
    limit = np.sort(effective)[int(np.ceil(0.98 * strained.sum())) - 1]
    expected = found.reaction_n * PISTOIA_STRAIN / limit
    assert found.failure_load_pistoia_n == pytest.approx(expected, rel=1e-5)


def test_progress_tells_every_iteration_and_ends_at_one():
    told = []
    solution = solve_image(
        image(rough()),
        AxialTest(force_n=1.0),
        progress=lambda doing, done: told.append((doing, done)),
    )
    shares = [done for _, done in told]
    assert told[0] == ("setting up", 0.0)
    assert len(told) == 1 + solution.work.iterations
    assert shares[-1] == 1.0
    assert 0.0 <= min(shares) <= max(shares) <= 1.0


# Memory -------------------------------------------------------------------------------------------

MEASURE = """\
import ctypes, sys
import numpy as np
from scipy import ndimage
from vbsim.fem import Settings, forecast_bytes
from vbsim.mesh import VoxelGrid
from vbsim.study.microfe import AxialTest, ModulusImage, load_kernels, solve_image

moduli = np.full((60, 60, 60), 1000.0, np.float32)
if sys.argv[1] == "porous":
    noise = np.random.default_rng(0).standard_normal((96,) * 3, dtype=np.float32)
    field = ndimage.gaussian_filter(noise, 4.0, mode="wrap")
    moduli = np.where(field < np.quantile(field, 0.2), np.float32(1000.0), np.float32(0.0))
    del noise, field
load_kernels()
moduli = [ModulusImage(moduli, VoxelGrid(moduli.shape, (1.0, 1.0, 1.0)))]
ctypes.CDLL(None).malloc_trim(0)
status = open("/proc/self/status").read()
before = int(status.partition("VmRSS:")[2].split()[0]) * 1024
open("/proc/self/clear_refs", "w").write("5")
found = solve_image(moduli.pop(), AxialTest(force_n=1.0), settings=Settings(tolerance=1e-3))
status = open("/proc/self/status").read()
used = int(status.partition("VmHWM:")[2].split()[0]) * 1024 - before
layout = found.solved.layout
box = int(np.prod(layout.point_shape))
print(used, forecast_bytes(
    layout.n_points, layout.n_cells, box_points=box, motions=1, keeps_fields=False
), found.work.dof)
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
@pytest.mark.parametrize(("kind", "allowed"), [("full", 100), ("porous", 130)])
def test_the_process_grows_by_what_was_forecast(kind, allowed):
    words = [sys.executable, "-c", MEASURE, kind]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    used, forecast, dof = (int(word) for word in done.stdout.split())
    assert forecast == pytest.approx(used, rel=0.15)
    assert used / dof < allowed
