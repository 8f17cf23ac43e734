"""Series come back from their files as they were written."""

import csv

import numpy as np
import pyvista as pv
from vtkmodules.vtkIOHDF import vtkHDFReader

from vbsim.mesh import VoxelGrid
from vbsim.specimen.series import Series
from vbsim.study.series import write_table, write_vtkhdf

SEED = 2


def series():
    generator = np.random.default_rng(SEED)
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    grid = VoxelGrid((2, 3, 4), (1.0, 1.0, 1.5), np.array([5.0, -6.0, 7.0]), turn)
    times = np.array([0.0, 2.5, 30.0])
    fields = {"temperature_c": generator.normal(size=(3, 2, 3, 4)).astype(np.float32)}
    columns = {"time_s": np.array([0.0, 0.1]), "leaked_ml": np.array([0.0, 1.0 / 3.0])}
    return Series("curing", columns, grid, times, fields)


def test_the_table_keeps_every_digit(tmp_path):
    write_table(tmp_path / "a.csv", series())
    with (tmp_path / "a.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["leaked_ml"]) for row in rows] == [0.0, 1.0 / 3.0]
    assert list(rows[0]) == ["time_s", "leaked_ml"]


def test_pyvista_reads_a_series_moment_by_moment(tmp_path):
    written = series()
    write_vtkhdf(tmp_path / "a.vtkhdf", written)
    reader = pv.get_reader(tmp_path / "a.vtkhdf")
    for index in (0, 2, 1):
        reader.reader.SetStep(index)
        image = reader.read()
        assert isinstance(image, pv.ImageData)
        found = np.asarray(image.cell_data["temperature_c"]).reshape(2, 3, 4)
        np.testing.assert_array_equal(found, written.fields["temperature_c"][index])


def test_fields_come_back_at_every_moment(tmp_path):
    written = series()
    write_vtkhdf(tmp_path / "a.vtkhdf", written)
    reader = vtkHDFReader()
    reader.SetFileName(str(tmp_path / "a.vtkhdf"))
    reader.UpdateInformation()
    assert reader.GetNumberOfSteps() == len(written.times_s)
    for index, now in enumerate(written.times_s):
        reader.SetStep(index)
        reader.Update()
        assert reader.GetTimeValue() == now
        image = pv.wrap(reader.GetOutput())
        assert image.dimensions == (5, 4, 3)
        np.testing.assert_allclose(image.origin, (5.0, -6.0, 7.0))
        np.testing.assert_allclose(image.spacing, (1.0, 1.0, 1.5))
        np.testing.assert_allclose(image.direction_matrix, written.domain.axes, atol=1e-12)
        found = np.asarray(image.cell_data["temperature_c"]).reshape(2, 3, 4)
        np.testing.assert_array_equal(found, written.fields["temperature_c"][index])
