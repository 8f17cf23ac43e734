"""Fields of a stage at the moments that its step recorded (``fields/<stage>-<name>.vtkhdf``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.stored import StoredFields, StoredStudy

__all__ = ["Moments", "moments_of"]

FloatArray = NDArray[np.float64]
Frame = Mapping[str, NDArray[np.float32]]

# What a series calls an array that the stage's file has under another name.
_NAMES = {"saturation": "cement_saturation"}


@dataclass(frozen=True, eq=False)
class Moments:
    """Fields over time on a part of a stage's grid.

    Parameters
    ----------
    path : Path
        File of the series.
    grid : VoxelGrid
        Grid of the stage.
    """

    path: Path
    grid: VoxelGrid

    @cached_property
    def _reader(self) -> Any:
        from vtkmodules.vtkIOHDF import vtkHDFReader

        reader = vtkHDFReader()
        if not reader.CanReadFile(str(self.path)):
            raise InvalidInput(f"{self.path}: not a VTKHDF file")
        reader.SetFileName(str(self.path))
        reader.UpdateInformation()
        return reader

    @cached_property
    def times_s(self) -> FloatArray:
        """Moments, s."""
        times = []
        for index in range(self._reader.GetNumberOfSteps()):
            self._reader.SetStep(index)
            self._reader.Update()
            times.append(float(self._reader.GetTimeValue()))
        return np.array(times)

    def nearest(self, time_s: float) -> int:
        """Return the moment nearest to a time."""
        return int(np.abs(self.times_s - time_s).argmin())

    def frame(self, index: int) -> Frame:
        """Return the arrays of a moment on the stage's whole grid, 0 outside the part it covers."""
        from vtkmodules.util.numpy_support import vtk_to_numpy

        self._reader.SetStep(index)
        self._reader.Update()
        image = self._reader.GetOutput()
        n_x, n_y, n_z = (n - 1 for n in image.GetDimensions())
        start = self.grid.to_local(np.array(image.GetOrigin())) / np.array(self.grid.spacing_mm)
        x, y, z = np.round(start).astype(int)
        window = (slice(z, z + n_z), slice(y, y + n_y), slice(x, x + n_x))
        is_inside = np.abs(start - (x, y, z)).max() < 0.01 and min(x, y, z) >= 0
        if not is_inside or np.any(np.array(self.grid.shape) < [part.stop for part in window]):
            raise InvalidInput(f"{self.path}: does not lie on the grid of its stage")
        found = {}
        data = image.GetCellData()
        for k in range(data.GetNumberOfArrays()):
            name = str(data.GetArrayName(k))
            whole = np.zeros(self.grid.shape, np.float32)
            whole[window] = vtk_to_numpy(data.GetArray(k)).reshape(n_z, n_y, n_x)  # type: ignore[no-untyped-call]
            found[_NAMES.get(name, name)] = whole
        return found

    def at(self, fields: StoredFields, index: int) -> StoredFields:
        """Return the fields of the stage as they were at a moment; the others as at its end."""
        cells = {**fields.cells, **self.frame(index)}
        return StoredFields(fields.name, fields.grid, cells, fields.points)

    @cached_property
    def largest(self) -> Mapping[str, float]:
        """Largest value of every array at any moment, so that a scale can hold them all."""
        most: dict[str, float] = {}
        for index in range(len(self.times_s)):
            for name, values in self.frame(index).items():
                most[name] = max(most.get(name, -np.inf), float(values.max()))
        return most


def moments_of(study: StoredStudy, stage: str, grid: VoxelGrid) -> Moments | None:
    """Return what a stage's last step recorded over time, or None."""
    found = [path for path in study.series if path.stem.startswith(f"{stage}-")]
    return Moments(found[0], grid) if found else None
