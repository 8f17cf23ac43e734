"""Closed surfaces of what voxels hold: bone, posterior elements, cement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from vbsim.anatomy.image.labels import refuse_cut
from vbsim.anatomy.image.reading import read_labels
from vbsim.checks import require
from vbsim.mesh import surface as closed
from vbsim.study.stored import StoredFields

__all__ = ["Surface", "isosurface", "label_surface", "stage_surfaces"]

FloatArray = NDArray[np.float64]

# Steps of a label map are smoothed over this many of its largest voxel edges.
_SMOOTHED = 0.7


class Surface(NamedTuple):
    """A surface of triangles in the grid's own axes.

    Attributes
    ----------
    points_mm : (n_points, 3) float array
        Coordinates from the grid's outer corner, mm.
    normals : (n_points, 3) float array
        Unit vectors, outwards.
    triangles : (n_triangles, 3) int array
        Corners, counter-clockwise seen from outside.
    """

    points_mm: FloatArray
    normals: FloatArray
    triangles: NDArray[np.int64]


def isosurface(
    fraction: NDArray[np.floating], spacing_mm: tuple[float, float, float], level: float = 0.5
) -> Surface | None:
    """Return the closed surface where a fraction, given at the voxels' centres, crosses a level.

    Parameters
    ----------
    fraction : (n_z, n_y, n_x) array
        Larger inside; outside the box it counts as 0, so that the surface is closed.
    spacing_mm : tuple of float
        Voxel size (x, y, z), mm.
    level : float
        Value of the surface.

    Returns
    -------
    Surface or None
        None where nothing reaches the level.
    """
    from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
    from vtkmodules.vtkCommonDataModel import vtkImageData
    from vtkmodules.vtkFiltersCore import vtkFlyingEdges3D

    padded = np.pad(np.asarray(fraction, dtype=np.float32), 1)
    n_z, n_y, n_x = padded.shape
    image = vtkImageData()
    image.SetDimensions(n_x, n_y, n_z)
    image.SetSpacing(*spacing_mm)
    image.SetOrigin(*(-0.5 * h for h in spacing_mm))
    image.GetPointData().SetScalars(numpy_to_vtk(padded.ravel(), deep=True))  # type: ignore[no-untyped-call]
    contour = vtkFlyingEdges3D()
    contour.SetInputData(image)
    contour.SetValue(0, level)
    contour.ComputeNormalsOn()
    contour.ComputeScalarsOff()
    contour.Update()
    found = contour.GetOutput()
    if not found.GetNumberOfPolys():
        return None
    points = vtk_to_numpy(found.GetPoints().GetData()).astype(np.float64)  # type: ignore[no-untyped-call]
    normals = vtk_to_numpy(found.GetPointData().GetNormals()).astype(np.float64)  # type: ignore[no-untyped-call]
    faces = vtk_to_numpy(found.GetPolys().GetConnectivityArray())  # type: ignore[no-untyped-call]
    return Surface(points, normals, _outwards(points, faces.reshape(-1, 3).astype(np.int64)))


def label_surface(path: Path, labels: Sequence[int]) -> closed.Surface:
    """Return the closed surface of some labels of a label map, in the world (LPS, mm).

    Parameters
    ----------
    path : Path
        Label map: NIfTI, NRRD or MetaImage.
    labels : sequence of int
        Labels that count as inside; of separate pieces the largest is taken.

    Raises
    ------
    InvalidInput
        If a label is not there, or what is labelled is cut off by the image.
    """
    volume = read_labels(path)
    present = np.unique(volume.array)
    present = present[present != 0]
    for number in labels:
        require(
            number in present, "label", number, f"in {path}: {', '.join(map(str, present[:40]))}"
        )
    pieces, n_pieces = label(np.isin(volume.array, labels))
    largest = np.argmax(np.bincount(pieces.ravel(), minlength=n_pieces + 1)[1:]) + 1
    inside = pieces == largest
    refuse_cut(inside, path, name="labelled region")
    spacing = volume.grid.spacing_mm
    sigma = [_SMOOTHED * max(spacing) / h for h in spacing[::-1]]
    window = tuple(slice(max(int(at.min()) - 4, 0), int(at.max()) + 5) for at in np.nonzero(inside))
    part = volume.crop(window)
    soft = gaussian_filter(inside[window].astype(np.float64), sigma)
    # At this level as many voxels are inside as before: smoothing alone would shrink what is round.
    n = soft.size - int(inside.sum())
    found = isosurface(
        soft, spacing, float(np.partition(soft.ravel(), (n - 1, n))[n - 1 : n + 1].mean())
    )
    require(found is not None, "label", list(labels), f"more than a few voxels of {path}")
    assert found is not None
    triangles = found.triangles
    if np.linalg.det(part.grid.axes) < 0.0:
        triangles = triangles[:, ::-1].copy()
    return closed.Surface(part.grid.to_world(found.points_mm), triangles)


def stage_surfaces(fields: StoredFields) -> dict[str, Surface]:
    """Return the surfaces of a stage by name: ``bone``, ``cement``, in the grid's axes.

    Bone is body and posterior elements together; cement is where pores are at least half full.
    """
    cells, spacing = fields.cells, fields.grid.spacing_mm
    bone = np.minimum(cells["body_fraction"] + cells["arch_fraction"], 1.0)
    parts = {"bone": bone, "cement": cells["cement_saturation"] * cells["body_fraction"]}
    found = {name: isosurface(part, spacing) for name, part in parts.items()}
    return {name: surface for name, surface in found.items() if surface is not None}


def _outwards(points: FloatArray, faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the faces turned so that their volume is positive."""
    a, b, c = (points[faces[:, k]] for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum()
    return faces if volume > 0 else faces[:, ::-1]
