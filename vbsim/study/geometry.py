"""Surfaces and lines of a stage in one file: endplates, wall and needles (VTK poly data, ``.vtp``).

Fields say what a voxel holds; this file says where the body frame has the endplates, which is what
heights are measured on. Points are in the world (LPS, mm); the cell array ``part`` tells lines and
faces apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput

if TYPE_CHECKING:
    from vbsim.anatomy.frame import BodyFrame
    from vbsim.augmentation.approach import NeedlePath
    from vbsim.study.case import Case
    from vbsim.study.pipeline import Stage

__all__ = ["Geometry", "Part", "Surfaces", "body_surfaces", "needles_of", "read_vtp", "write_vtp"]

FloatArray = NDArray[np.float64]

_ANGLES, _RINGS, _LAYERS = 96, 20, 16


class Part(IntEnum):
    """What a cell of the file belongs to."""

    SUPERIOR_ENDPLATE = 0
    INFERIOR_ENDPLATE = 1
    WALL = 2
    NEEDLE = 3


class Surfaces(NamedTuple):
    """Quadrilaterals of one part.

    Attributes
    ----------
    points_mm : (n_points, 3) float array
        World coordinates, mm.
    quads : (n_quads, 4) int array
        Corners, counter-clockwise seen from outside the body.
    """

    points_mm: FloatArray
    quads: NDArray[np.int64]


class Geometry(NamedTuple):
    """What a file of endplates, wall and needles holds.

    Attributes
    ----------
    points_mm : (n_points, 3) float array
        World coordinates, mm.
    lines : (n_lines, 2) int array
        Entry and tip of every needle.
    faces : (n_faces, 4) int array
        Corners of every face.
    face_parts : (n_faces,) int array
        What each face belongs to, by `Part`.
    """

    points_mm: FloatArray
    lines: NDArray[np.int64]
    faces: NDArray[np.int64]
    face_parts: NDArray[np.int64]


def body_surfaces(frame: BodyFrame) -> dict[Part, Surfaces]:
    """Return endplates and wall of a body frame as quadrilaterals in the world."""
    theta = np.arange(_ANGLES) * (2.0 * np.pi / _ANGLES)
    rho = np.linspace(0.0, 1.0, _RINGS + 1)[:, None]
    found = {}
    for part, height in ((Part.SUPERIOR_ENDPLATE, 1.0), (Part.INFERIOR_ENDPLATE, 0.0)):
        radius = rho * frame.wall_radius(theta, height)
        at = frame.superior_at if height else frame.inferior_at
        x, y = radius * np.cos(theta), radius * np.sin(theta)
        quads = _quads(_RINGS, _ANGLES)
        found[part] = _placed(frame, (x, y, at(x, y)), quads if height else quads[:, ::-1])
    height_ = np.linspace(0.0, 1.0, _LAYERS + 1)[:, None]
    radius = frame.wall_radius(theta, height_)
    x, y = radius * np.cos(theta), radius * np.sin(theta)
    low, high = frame.inferior_at(x, y), frame.superior_at(x, y)
    wall = (x, y, low + height_ * (high - low))
    found[Part.WALL] = _placed(frame, wall, _quads(_LAYERS, _ANGLES)[:, ::-1])
    return found


def needles_of(case: Case, stage: Stage) -> tuple[NeedlePath, ...]:
    """Return the needles of every filling up to a stage, in body coordinates."""
    from vbsim.augmentation import needle_paths

    fills = [step for step in case.steps[: stage.n_steps] if step.kind in ("cement", "injection")]
    return tuple(needle for fill in fills for needle in needle_paths(stage.bare, fill))


def write_vtp(path: Path, frame: BodyFrame, needles: Sequence[NeedlePath] = ()) -> None:
    """Write endplates, wall and needles of a stage.

    Parameters
    ----------
    path : Path
        File to write.
    frame : BodyFrame
        Shape of the body at this stage.
    needles : sequence of NeedlePath
        Needles, in body coordinates.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkIOXML import vtkXMLPolyDataWriter

    surfaces = body_surfaces(frame)
    ends = [np.array([needle.entry_mm, needle.tip_mm]) for needle in needles]
    points = [frame.to_world(end) for end in ends] + [s.points_mm for s in surfaces.values()]
    starts = np.cumsum([0] + [len(part) for part in points])
    lines = [np.array([start, start + 1])[None] for start in starts[: len(ends)]]
    quads = [s.quads + at for s, at in zip(surfaces.values(), starts[len(ends) :], strict=False)]
    parts = [Part.NEEDLE] * len(ends) + [p for p, s in surfaces.items() for _ in s.quads]

    body = vtkPolyData()
    where = vtkPoints()
    where.SetDataTypeToDouble()
    where.SetData(numpy_to_vtk(np.concatenate(points), deep=True))  # type: ignore[no-untyped-call]
    body.SetPoints(where)
    for cells, put in ((lines, body.SetLines), (quads, body.SetPolys)):
        if not cells:
            continue
        corners = np.concatenate(cells)
        ids = numpy_to_vtkIdTypeArray(corners.ravel(), deep=True)  # type: ignore[no-untyped-call]
        array = vtkCellArray()
        array.SetData(corners.shape[1], ids)
        put(array)
    kind = numpy_to_vtk(np.array(parts, np.uint8), deep=True)  # type: ignore[no-untyped-call]
    kind.SetName("part")
    body.GetCellData().AddArray(kind)
    writer = vtkXMLPolyDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(body)
    if not writer.Write():
        raise OSError(f"cannot write {path}")


def read_vtp(path: Path) -> Geometry:
    """Return endplates, wall and needles as `write_vtp` wrote them."""
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

    reader = vtkXMLPolyDataReader()
    if not path.is_file() or not reader.CanReadFile(str(path)):
        raise InvalidInput(f"{path}: not VTK poly data (.vtp)")
    reader.SetFileName(str(path))
    reader.Update()
    body = reader.GetOutput()
    part = body.GetCellData().GetArray("part")
    if body.GetNumberOfPoints() == 0 or part is None:
        raise InvalidInput(f"{path}: damaged, or without the cell array 'part'")
    connected = [
        vtk_to_numpy(cells.GetConnectivityArray()).astype(np.int64).reshape(-1, size)  # type: ignore[no-untyped-call]
        for cells, size in ((body.GetLines(), 2), (body.GetPolys(), 4))
    ]
    parts = vtk_to_numpy(part).astype(np.int64)  # type: ignore[no-untyped-call]
    points = vtk_to_numpy(body.GetPoints().GetData()).astype(np.float64)  # type: ignore[no-untyped-call]
    return Geometry(points, connected[0], connected[1], parts[len(connected[0]) :])


def _quads(n_rows: int, n_around: int) -> NDArray[np.int64]:
    """Return the cells of a grid of points that closes around its second axis."""
    row, column = np.meshgrid(np.arange(n_rows), np.arange(n_around), indexing="ij")
    after = (column + 1) % n_around
    corners = (row, column), (row + 1, column), (row + 1, after), (row, after)
    return np.stack([r * n_around + c for r, c in corners], axis=-1).reshape(-1, 4)


def _placed(frame: BodyFrame, body_mm: Sequence[FloatArray], quads: NDArray[np.int64]) -> Surfaces:
    points = np.stack(np.broadcast_arrays(*body_mm), axis=-1).reshape(-1, 3)
    return Surfaces(frame.to_world(points), quads)
