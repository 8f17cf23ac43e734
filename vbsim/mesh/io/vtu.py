"""Meshes as VTK unstructured grids (``.vtu``), for ParaView and PyVista."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.mesh import SHAPES, Mesh

__all__ = ["read_vtu", "write_vtu"]

# Numbers of the kinds of cell in VTK.
_VTK = {
    "hexahedron": 12,
    "hexahedron20": 25,
    "tetra": 10,
    "tetra10": 24,
    "wedge": 13,
    "wedge15": 26,
}
_COMPONENTS = {3: ("x", "y", "z"), 6: ("xx", "yy", "zz", "xy", "yz", "xz")}


def write_vtu(path: str | Path, mesh: Mesh) -> None:
    """Write a mesh with its data; floating arrays in single precision, sets as masks.

    Arrays of six components are symmetric tensors in VTK's order ``xx yy zz xy yz xz``.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    grid, points, cells = vtkUnstructuredGrid(), vtkPoints(), vtkCellArray()
    points.SetData(numpy_to_vtk(np.ascontiguousarray(mesh.points), deep=True))  # type: ignore[no-untyped-call]
    grid.SetPoints(points)
    n_nodes = mesh.cells.shape[1]
    offsets = np.arange(0, mesh.cells.size + 1, n_nodes, dtype=np.int64)
    flat = np.ascontiguousarray(mesh.cells.ravel(), dtype=np.int64)
    cells.SetData(
        numpy_to_vtkIdTypeArray(offsets, deep=True),  # type: ignore[no-untyped-call]
        numpy_to_vtkIdTypeArray(flat, deep=True),  # type: ignore[no-untyped-call]
    )
    grid.SetCells(_VTK[mesh.kind], cells)
    marks = {name: _mask(members, mesh.n_cells) for name, members in mesh.cell_sets.items()}
    point_marks = {name: _mask(members, mesh.n_points) for name, members in mesh.point_sets.items()}
    for data, arrays in (
        (grid.GetCellData(), {**mesh.cell_data, **marks}),
        (grid.GetPointData(), {**mesh.point_data, **point_marks}),
    ):
        for name, values in arrays.items():
            stored = np.float32 if values.dtype.kind == "f" else values.dtype
            array = numpy_to_vtk(np.ascontiguousarray(values, dtype=stored), deep=True)  # type: ignore[no-untyped-call]
            array.SetName(name)
            n_components = values.shape[1] if values.ndim == 2 else 1
            for index, component in enumerate(_COMPONENTS.get(n_components, ())):
                array.SetComponentName(index, component)
            data.AddArray(array)
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(grid)
    writer.SetCompressorTypeToLZ4()
    if not writer.Write():
        raise OSError(f"cannot write {path}")


def _mask(members: NDArray[np.int64], n: int) -> NDArray[np.uint8]:
    mask = np.zeros(n, np.uint8)
    mask[members] = 1
    return mask


def read_vtu(path: str | Path) -> Mesh:
    """Read a mesh of one kind of solid cell with its data.

    Raises
    ------
    InvalidInput
        If the file cannot be read, or its cells are of several kinds or of none that is known.
    """
    from vtkmodules.util.numpy_support import vtk_to_numpy
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridReader

    reader = vtkXMLUnstructuredGridReader()
    if not reader.CanReadFile(str(path)):
        raise InvalidInput(f"{path}: not a readable VTK unstructured grid (.vtu)")
    reader.SetFileName(str(path))
    reader.Update()
    grid = reader.GetOutput()
    number = {v: k for k, v in _VTK.items()}
    kinds = {grid.GetCellType(k) for k in range(grid.GetNumberOfCells())}
    if len(kinds) != 1 or next(iter(kinds)) not in number:
        raise InvalidInput(
            f"{path}: cells of one kind are needed, one of {', '.join(_VTK)}; "
            f"found VTK types {sorted(kinds)}"
        )
    kind = number[next(iter(kinds))]
    flat = vtk_to_numpy(grid.GetCells().GetConnectivityArray())  # type: ignore[no-untyped-call]

    def arrays(data: object) -> dict[str, NDArray[np.generic]]:
        return {
            data.GetArrayName(k): vtk_to_numpy(data.GetArray(k))  # type: ignore[attr-defined, no-untyped-call]
            for k in range(data.GetNumberOfArrays())  # type: ignore[attr-defined]
        }

    return Mesh(
        vtk_to_numpy(grid.GetPoints().GetData()).astype(np.float64),  # type: ignore[no-untyped-call]
        flat.reshape(-1, SHAPES[kind].n_nodes).astype(np.int32),
        kind,
        cell_data=arrays(grid.GetCellData()),
        point_data=arrays(grid.GetPointData()),
    )
