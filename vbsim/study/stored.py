"""A finished study read back from its folder: what views, reports and conversions start from."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.results import SUMMARY, Row

__all__ = ["StoredFields", "StoredStudy", "open_study", "read_fields", "field_names"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class StoredFields:
    """Fields of one stage as its file holds them, in world axes.

    Parameters
    ----------
    name : str
        Stage.
    grid : VoxelGrid
        Where the voxels lie.
    cells : mapping of str to array
        ``(n_z, n_y, n_x)`` scalars, ``(n_z, n_y, n_x, n)`` vectors and tensors (VTK's order).
    points : mapping of str to array
        The same at the points, ``(n_z + 1, n_y + 1, n_x + 1, ...)``.
    """

    name: str
    grid: VoxelGrid
    cells: Mapping[str, Array]
    points: Mapping[str, Array]


@dataclass(frozen=True, eq=False)
class StoredStudy:
    """A result folder.

    Parameters
    ----------
    folder : Path
        Where it lies.
    summary : mapping
        Content of ``summary.json``.
    rows : tuple of Row
        The tidy table.
    """

    folder: Path
    summary: Mapping[str, Any]
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """Name of the case."""
        return str(self.summary["name"])

    @property
    def stages(self) -> tuple[str, ...]:
        """Stages in their order."""
        return tuple(str(stage["name"]) for stage in self.summary["stages"])

    @cached_property
    def case(self) -> Mapping[str, Any]:
        """The resolved case as plain data; empty where the folder has none."""
        path = self.folder / "case.resolved.toml"
        return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Content of ``provenance.json``; empty where the folder has none."""
        path = self.folder / "provenance.json"
        found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return dict(found)

    @property
    def figures(self) -> tuple[Path, ...]:
        """Pictures that the run drew, by name."""
        return tuple(sorted((self.folder / "figures").glob("*.png")))

    @property
    def histories(self) -> tuple[Path, ...]:
        """Histories by name: of loads (``histories/*.csv``) and of steps (``series/*.csv``)."""
        found = [self.folder.glob(f"{place}/*.csv") for place in ("histories", "series")]
        return tuple(sorted(path for paths in found for path in paths))

    @property
    def series(self) -> tuple[Path, ...]:
        """Time series of fields, ``fields/<name>.vtkhdf``, by name."""
        return tuple(sorted((self.folder / "fields").glob("*.vtkhdf")))

    def field_file(self, stage: str) -> Path:
        """Return the file of a stage's fields.

        Raises
        ------
        InvalidInput
            If there is no such stage, or its fields were not kept.
        """
        if stage not in self.stages:
            raise InvalidInput(f"stage = {stage!r}: must be one of {', '.join(self.stages)}")
        path = self.folder / "fields" / f"{stage}.vti"
        if not path.is_file():
            raise InvalidInput(f"{path}: no such file; the fields of {stage} were not kept")
        return path

    def geometry_file(self, stage: str) -> Path | None:
        """Return the file of a stage's endplates and needles, or None if it was not written."""
        path = self.folder / "geometry" / f"{stage}.vtp"
        return path if path.is_file() else None

    def fields(self, stage: str, only: Collection[str] | None = None) -> StoredFields:
        """Return the fields of a stage (see `read_fields`)."""
        return read_fields(self.field_file(stage), only=only)

    def value(self, stage: str, quantity: str, test: str | None = None) -> float | None:
        """Return the first number of the table that fits, or None."""
        for row in self.rows:
            if (row.stage, row.quantity) == (stage, quantity) and test in (None, row.test):
                return row.value
        return None


def open_study(folder: str | Path) -> StoredStudy:
    """Return the study that an earlier run left in a folder.

    Raises
    ------
    InvalidInput
        If the folder holds no result, or one that cannot be read.
    """
    folder = Path(folder)
    path = folder / SUMMARY
    if not path.is_file():
        inside = sorted(part.parent.name for part in folder.glob(f"*/{SUMMARY}"))
        hint = f"; it holds results: {', '.join(inside[:5])}" if inside else ""
        raise InvalidInput(f"{folder}: not the folder of a result (no {SUMMARY}){hint}")
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
        rows = tuple(Row(**measure) for measure in summary["measures"])
        study = StoredStudy(folder, summary, rows)
        if not (study.name and study.stages):
            raise ValueError("no stage")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"{path}: damaged ({error})") from None
    return study


def field_names(path: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the cell arrays and of the point arrays in a file of fields."""
    reader = _reader(path)
    reader.UpdateInformation()
    cells, points = reader.GetCellDataArraySelection(), reader.GetPointDataArraySelection()
    return tuple(
        tuple(chosen.GetArrayName(i) for i in range(chosen.GetNumberOfArrays()))
        for chosen in (cells, points)
    )  # type: ignore[return-value]


def read_fields(path: Path, *, only: Collection[str] | None = None) -> StoredFields:
    """Return what a file of fields holds, as it was computed (in single precision).

    Parameters
    ----------
    path : Path
        VTK image data as `vbsim.study.fields.write_vti` writes it.
    only : collection of str, optional
        Arrays to read; all of them by default. Names that are not there are passed over.
    """
    reader = _reader(path)
    reader.UpdateInformation()
    if only is not None:
        for chosen in (reader.GetCellDataArraySelection(), reader.GetPointDataArraySelection()):
            for index in range(chosen.GetNumberOfArrays()):
                name = chosen.GetArrayName(index)
                chosen.SetArraySetting(name, int(name in only))
    reader.Update()
    image = reader.GetOutput()
    n_x, n_y, n_z = image.GetDimensions()
    if min(n_x, n_y, n_z) < 2:
        raise InvalidInput(f"{path}: damaged, or not VTK image data with cells")
    turn = image.GetDirectionMatrix()
    axes = np.array([[turn.GetElement(i, j) for j in range(3)] for i in range(3)])
    shape = (n_z - 1, n_y - 1, n_x - 1)
    grid = VoxelGrid(shape, image.GetSpacing(), np.array(image.GetOrigin()), axes)
    return StoredFields(
        path.stem,
        grid,
        _arrays(image.GetCellData(), grid.shape),
        _arrays(image.GetPointData(), grid.point_shape),
    )


def _reader(path: Path) -> Any:
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    reader = vtkXMLImageDataReader()
    if not path.is_file() or not reader.CanReadFile(str(path)):
        raise InvalidInput(f"{path}: not VTK image data (.vti)")
    reader.SetFileName(str(path))
    return reader


def _arrays(data: Any, shape: tuple[int, int, int]) -> dict[str, Array]:
    from vtkmodules.util.numpy_support import vtk_to_numpy

    found = {}
    for index in range(data.GetNumberOfArrays()):
        array = data.GetArray(index)
        values = vtk_to_numpy(array)  # type: ignore[no-untyped-call]
        inner = values.shape[1:]
        found[str(array.GetName())] = values.reshape(*shape, *inner)
    return found
