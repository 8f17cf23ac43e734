"""Every field of a stage in one file that ParaView reads (VTK image data, ``.vti``).

The image carries the grid's place and directions in the world (LPS, mm); vectors and tensors are
written in world axes. Arrays of the first test have plain names, those of every further test start
with its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from vbsim.fem import recovery
from vbsim.fem.response import Response
from vbsim.measures.fields import body_fraction
from vbsim.measures.radiodensity import radiodensity_hu
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.specimen import Specimen

__all__ = ["in_world", "stage_fields", "write_vti"]

FloatArray = NDArray[np.float64]
Fields = dict[str, NDArray[np.generic]]

# VTK's order of a symmetric tensor, as positions in Voigt order xx yy zz yz xz xy.
_VTK_ORDER = (0, 1, 2, 5, 3, 4)
_VTK_NAMES = ("xx", "yy", "zz", "xy", "yz", "xz")


def stage_fields(
    specimen: Specimen,
    responses: Mapping[str, Response],
    failures: Mapping[str, FailureResponse] = MappingProxyType({}),
) -> tuple[Fields, Fields]:
    """Return the cell arrays and the point arrays of a stage, by name, in world axes.

    Parameters
    ----------
    specimen : Specimen
        The stage, potted.
    responses : mapping of str to Response
        Its converged linear responses by test name.
    failures : mapping of str to FailureResponse
        Its responses to strength tests by test name.

    Returns
    -------
    cells : dict
        Scalars ``(n_z, n_y, n_x)`` and tensors ``(n_z, n_y, n_x, 6)`` in VTK's order.
    points : dict
        Vectors ``(n_z + 1, n_y + 1, n_x + 1, 3)``.
    """
    materials = specimen.materials
    cells: Fields = {
        "tissue": specimen.labels(),
        "vbmd_mg_cm3": specimen.vbmd_mg_cm3,
        "youngs_modulus_mpa": specimen.youngs_modulus_mpa,
        "cement_fraction": specimen.cement_fraction,
        "cement_saturation": _saturation(specimen),
        "body_fraction": body_fraction(specimen),
        "arch_fraction": specimen.tissue.arch,
        "cap_fraction": specimen.tissue.cap,
        "radiodensity_hu": radiodensity_hu(specimen),
        "integrity": specimen.integrity,
    }
    points: Fields = {}
    axes = specimen.domain.axes
    for index, (test, response) in enumerate(responses.items()):
        prefix = f"{test}_" if index else ""
        strain = recovery.strain(response.displacement_mm, specimen.domain)
        stress = recovery.stress(strain, materials)
        points[f"{prefix}displacement_mm"] = np.moveaxis(response.displacement_mm, 0, -1) @ axes.T
        shear_halved = strain * np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
        cells[f"{prefix}strain"] = in_world(shear_halved, axes)
        cells[f"{prefix}stress_mpa"] = in_world(stress, axes)
        cells[f"{prefix}von_mises_mpa"] = recovery.von_mises(stress)
        cells[f"{prefix}sed_mpa"] = recovery.energy_density(strain, stress)
    for test, failed in failures.items():
        points[f"{test}_displacement_mm"] = np.moveaxis(failed.displacement_mm, 0, -1) @ axes.T
        cells[f"{test}_inelastic_strain"] = failed.inelastic
        cells[f"{test}_damage"] = failed.damage
    return cells, points


def write_vti(path: Path, grid: VoxelGrid, cells: Fields, points: Fields) -> None:
    """Write arrays on a grid as VTK image data with the grid's place and directions."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkIOXML import vtkXMLImageDataWriter

    n_z, n_y, n_x = grid.shape
    image = vtkImageData()
    image.SetDimensions(n_x + 1, n_y + 1, n_z + 1)
    image.SetSpacing(*grid.spacing_mm)
    image.SetOrigin(*(float(x) for x in grid.origin_mm))
    image.SetDirectionMatrix([float(x) for x in np.ravel(grid.axes)])
    for data, arrays in ((image.GetCellData(), cells), (image.GetPointData(), points)):
        for name, values in arrays.items():
            n_components = values.shape[3] if values.ndim == 4 else 1
            stored = np.float32 if values.dtype.kind == "f" else values.dtype
            flat = np.ascontiguousarray(values.reshape(-1, n_components), dtype=stored)
            array = numpy_to_vtk(flat, deep=True)  # type: ignore[no-untyped-call]
            array.SetName(name)
            for index, component in enumerate(_component_names(n_components)):
                array.SetComponentName(index, component)
            data.AddArray(array)
    writer = vtkXMLImageDataWriter()
    writer.SetFileName(str(path))
    writer.SetInputData(image)
    writer.SetCompressorTypeToLZ4()
    if not writer.Write():
        raise OSError(f"cannot write {path}")


def _saturation(specimen: Specimen) -> FloatArray:
    """Return the share of the pores that cement fills, (n_z, n_y, n_x), 0 to 1."""
    filled = sum((part.saturation for part in specimen.cements), np.zeros(specimen.domain.shape))
    return np.minimum(filled, 1.0)


def _component_names(n_components: int) -> tuple[str, ...]:
    return {3: ("x", "y", "z"), 6: _VTK_NAMES}.get(n_components, ())


def in_world(voigt: FloatArray, axes: FloatArray) -> FloatArray:
    """Turn symmetric tensors from the grid's axes into the world's, in VTK's order.

    Parameters
    ----------
    voigt : (n_z, n_y, n_x, 6) float
        Tensor components (shear not doubled) in Voigt order ``xx yy zz yz xz xy``.
    axes : (3, 3) float
        Columns are the grid's directions.
    """
    if np.array_equal(axes, np.eye(3)):
        return voigt[..., _VTK_ORDER]
    # t_world = Q t Q^T, written as one 6 x 6 map for all voxels.
    pairs = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
    turn = np.empty((6, 6))
    for row, (i, j) in enumerate(pairs):
        for column, (k, m) in enumerate(pairs):
            both = axes[i, k] * axes[j, m] + axes[i, m] * axes[j, k]
            turn[row, column] = both if k != m else 0.5 * both
    result: FloatArray = (voigt @ turn.T)[..., _VTK_ORDER]
    return result
