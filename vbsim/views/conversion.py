"""Results as files of other tools: surfaces as STL, fields as NIfTI, VTU or VTKHDF.

All lie in the world (LPS, mm). NIfTI files of a case that came from an image lie on that image's
own grid, so that they can be laid over it; those of a parametric case on the grid of the study.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.io.vtu import write_vtu
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.results import file_written_aside
from vbsim.study.stored import StoredFields, StoredStudy, read_fields
from vbsim.views.catalogue import MASKS
from vbsim.views.surfaces import Surface, stage_surfaces

__all__ = ["KINDS", "convert", "write_cells", "write_image", "write_nifti", "write_stl"]

KINDS = ("stl", "nifti", "vtu", "vtkhdf")
"""What results can be turned into."""

_STL_FACE = np.dtype(
    [("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")]  # 50 bytes, packed
)


def convert(study: StoredStudy, folder: Path, kind: str, stages: Sequence[str] = ()) -> list[Path]:
    """Write a study's stages as files of another tool and return their paths.

    Parameters
    ----------
    study : StoredStudy
        A result with its fields.
    folder : Path
        Where to write; made if it is not there. No file in it is replaced.
    kind : {"stl", "nifti", "vtu", "vtkhdf"}
        ``stl``: surfaces of bone and cement; ``nifti``: every scalar field; ``vtu``: every field on
        the voxels that hold bone, cement or cap, as a mesh of hexahedra; ``vtkhdf``: every field on
        the whole grid.
    stages : sequence of str
        Which stages; all of them if empty.
    """
    if kind not in KINDS:
        raise InvalidInput(f"to = {kind!r}: must be one of {', '.join(KINDS)}")
    reference = _image_of(study) if kind == "nifti" else None
    written = []
    for stage in stages or study.stages:
        for name, write in _parts(study, stage, kind, reference).items():
            path = folder / name
            if path.exists():
                raise InvalidInput(f"{path} exists and is left as it is; name another folder")
            write(path)
            written.append(path)
    return written


def _parts(
    study: StoredStudy, stage: str, kind: str, reference: Any
) -> dict[str, Callable[[Path], None]]:
    """Return what writes each file of a stage, by its name."""
    if kind == "stl":
        fields = study.fields(stage, only=MASKS)
        return {
            f"{stage}_{part}.stl": partial(write_stl, surface=surface, grid=fields.grid)
            for part, surface in stage_surfaces(fields).items()
        }
    if kind == "nifti":
        fields = study.fields(stage)
        return {
            f"{stage}_{name}.nii.gz": partial(
                write_nifti,
                values=values,
                fields=fields,
                reference=reference,
                is_label=name == "tissue",
            )
            for name, values in fields.cells.items()
            if values.ndim == 3
        }
    source = study.field_file(stage)
    write = write_cells if kind == "vtu" else write_image
    return {f"{stage}.{kind}": partial(write, source=source)}


def write_cells(path: Path, source: Path) -> None:
    """Write the voxels of a file of fields that hold material as hexahedra, in the world (VTU)."""
    fields = read_fields(source)
    solid = np.zeros(fields.grid.shape)
    for name in MASKS:
        solid += fields.cells[name]
    kept = np.flatnonzero(solid)
    n_z, n_y, n_x = fields.grid.point_shape
    z, y, x = np.unravel_index(kept, fields.grid.shape)
    ahead = np.array([0, 1, 1 + n_x, n_x])  # VTK's order of a face seen from above
    offsets = np.concatenate([ahead, ahead + n_y * n_x])
    corners = ((z * n_y + y) * n_x + x)[:, None] + offsets
    used, cells = np.unique(corners, return_inverse=True)
    at = np.stack(np.unravel_index(used, (n_z, n_y, n_x))[::-1], axis=1)
    mesh = Mesh(
        fields.grid.to_world(at * np.asarray(fields.grid.spacing_mm)),
        cells.reshape(corners.shape),
        point_data=_rows(fields.points, used),
        cell_data=_rows(fields.cells, kept),
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_written_aside(path) as aside:
        write_vtu(aside, mesh)


def _rows(arrays: Mapping[str, NDArray[Any]], kept: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    return {name: a.reshape(-1, *a.shape[3:])[kept] for name, a in arrays.items()}


def write_image(path: Path, source: Path) -> None:
    """Write a file of fields as VTKHDF image data, with its place and directions."""
    from vtkmodules.vtkIOHDF import vtkHDFWriter
    from vtkmodules.vtkIOXML import vtkXMLImageDataReader

    reader = vtkXMLImageDataReader()
    reader.SetFileName(str(source))
    writer = vtkHDFWriter()
    writer.SetInputConnection(reader.GetOutputPort())
    writer.SetCompressionLevel(4)
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_written_aside(path) as aside:
        writer.SetFileName(str(aside))
        if not writer.Write():
            raise OSError(f"cannot write {path}")


def write_stl(path: Path, surface: Surface, grid: VoxelGrid) -> None:
    """Write a surface as binary STL, in the world.

    Parameters
    ----------
    path : Path
        File to write.
    surface : Surface
        Surface in the grid's axes.
    grid : VoxelGrid
        Where it lies.
    """
    corners = grid.to_world(surface.points_mm)[surface.triangles]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    if np.linalg.det(grid.axes) < 0:  # a mirrored grid turns faces inside out
        corners, across = corners[:, ::-1], -across
    length = np.linalg.norm(across, axis=1, keepdims=True)
    faces = np.zeros(len(corners), _STL_FACE)
    faces["normal"] = across / np.where(length > 0, length, 1.0)
    faces["corners"] = corners
    header = b"vbsim surface, LPS, mm".ljust(80)
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_written_aside(path) as aside:
        aside.write_bytes(header + np.uint32(len(faces)).tobytes() + faces.tobytes())


def write_nifti(
    path: Path,
    values: NDArray[Any],
    fields: StoredFields,
    *,
    reference: Any = None,
    is_label: bool = False,
) -> None:
    """Write a scalar field as a NIfTI image.

    Parameters
    ----------
    path : Path
        File to write, ``.nii`` or ``.nii.gz``.
    values : (n_z, n_y, n_x) array
        The field.
    fields : StoredFields
        Tells where it lies.
    reference : SimpleITK image, optional
        Image on whose grid the field is interpolated, linearly (labels: the nearest voxel's); 0
        outside. By default the field's own grid.
    is_label : bool
        The numbers are names.
    """
    import SimpleITK as sitk  # noqa: N813 - the name its users know

    grid = fields.grid
    kind = np.uint8 if is_label else np.float32
    image = sitk.GetImageFromArray(np.ascontiguousarray(values, dtype=kind))
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.affine()[:3, 3].tolist())
    image.SetDirection(grid.axes.ravel().tolist())
    if reference is not None:
        how = sitk.sitkNearestNeighbor if is_label else sitk.sitkLinear
        image = sitk.Resample(image, reference, sitk.Transform(), how, 0.0, image.GetPixelID())
    path.parent.mkdir(parents=True, exist_ok=True)
    with file_written_aside(path) as aside:
        sitk.WriteImage(image, str(aside))


def _image_of(study: StoredStudy) -> Any:
    """Return the image that a study came from, None for a parametric one."""
    place = study.case.get("vertebra", {}).get("image")
    if place is None:
        return None
    import SimpleITK as sitk  # noqa: N813

    if not Path(place).is_file():
        raise InvalidInput(
            f"{place}: the image of this study is not there any more; its grid is needed"
        )
    return sitk.ReadImage(str(place))
