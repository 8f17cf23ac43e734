"""What steps recorded over time, as files: a table, and fields at moments (VTKHDF, temporal).

The fields are VTK image data with the grid's place and directions in the world; ParaView and
PyVista step through the moments.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from vbsim.specimen.series import Series

__all__ = ["write_table", "write_vtkhdf"]


def write_table(path: Path, series: Series) -> None:
    """Write the table of a series, one row a time step; a number keeps every digit."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(series.columns)
        for row in zip(*series.columns.values(), strict=True):
            writer.writerow([repr(float(number)) for number in row])


def write_vtkhdf(path: Path, series: Series) -> None:
    """Write the fields of a series at all its moments into one file."""
    from vtkmodules.vtkIOHDF import vtkHDFWriter

    writer = vtkHDFWriter()
    writer.SetFileName(str(path))
    writer.SetWriteAllTimeSteps(True)
    writer.SetCompressionLevel(4)
    source = _moments(series)
    writer.SetInputConnection(source.GetOutputPort())
    if not writer.Write():
        raise OSError(f"cannot write {path}")


def _moments(series: Series) -> Any:
    """Return a VTK source that offers the images of a series moment by moment."""
    from vtkmodules.util.vtkAlgorithm import VTKPythonAlgorithmBase
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkCommonExecutionModel import vtkStreamingDemandDrivenPipeline as Pipeline

    n_z, n_y, n_x = series.domain.shape
    times = [float(t) for t in series.times_s]

    class Moments(VTKPythonAlgorithmBase):
        def __init__(self) -> None:
            super().__init__(  # type: ignore[no-untyped-call]
                nInputPorts=0, nOutputPorts=1, outputType="vtkImageData"
            )

        def RequestInformation(self, _request: Any, _inputs: Any, outputs: Any) -> int:  # noqa: N802
            info = outputs.GetInformationObject(0)
            info.Set(Pipeline.TIME_STEPS(), times, len(times))
            info.Set(Pipeline.TIME_RANGE(), [times[0], times[-1]], 2)
            info.Set(Pipeline.WHOLE_EXTENT(), [0, n_x, 0, n_y, 0, n_z], 6)
            return 1

        def RequestData(self, _request: Any, _inputs: Any, outputs: Any) -> int:  # noqa: N802
            info = outputs.GetInformationObject(0)
            now = times[0]
            if info.Has(Pipeline.UPDATE_TIME_STEP()):
                now = info.Get(Pipeline.UPDATE_TIME_STEP())
            index = int(np.argmin(np.abs(np.array(times) - now)))
            image = vtkImageData.GetData(outputs)
            _fill(image, series, index)
            return 1

    return Moments()


def _fill(image: Any, series: Series, index: int) -> None:
    from vtkmodules.util.numpy_support import numpy_to_vtk

    grid = series.domain
    n_z, n_y, n_x = grid.shape
    image.SetDimensions(n_x + 1, n_y + 1, n_z + 1)
    image.SetSpacing(*grid.spacing_mm)
    image.SetOrigin(*(float(x) for x in grid.origin_mm))
    image.SetDirectionMatrix([float(x) for x in np.ravel(grid.axes)])
    for name, values in series.fields.items():
        flat = np.ascontiguousarray(values[index].reshape(-1), dtype=np.float32)
        array = numpy_to_vtk(flat, deep=True)  # type: ignore[no-untyped-call]
        array.SetName(name)
        image.GetCellData().AddArray(array)
