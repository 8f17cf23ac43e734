"""Results as files of other tools: surfaces as STL, fields as NIfTI images.

Both lie in the world (LPS, mm). NIfTI files of a case that came from an image lie on that image's
own grid, so that they can be laid over it; those of a parametric case on the grid of the study.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.results import file_written_aside
from vbsim.study.stored import StoredFields, StoredStudy
from vbsim.views.catalogue import MASKS
from vbsim.views.surfaces import Surface, stage_surfaces

__all__ = ["KINDS", "convert", "write_nifti", "write_stl"]

KINDS = ("stl", "nifti")
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
    kind : {"stl", "nifti"}
        ``stl``: surfaces of bone and cement; ``nifti``: every scalar field.
    stages : sequence of str
        Which stages; all of them if empty.
    """
    if kind not in KINDS:
        raise InvalidInput(f"to = {kind!r}: must be one of {', '.join(KINDS)}")
    reference = _image_of(study) if kind == "nifti" else None
    written = []
    for stage in stages or study.stages:
        if kind == "stl":
            fields = study.fields(stage, only=MASKS)
            parts: dict[str, Any] = {
                f"{stage}_{n}.stl": s for n, s in stage_surfaces(fields).items()
            }
        else:
            fields = study.fields(stage)
            parts = {
                f"{stage}_{name}.nii.gz": (values, name)
                for name, values in fields.cells.items()
                if values.ndim == 3
            }
        for name, part in parts.items():
            path = folder / name
            if path.exists():
                raise InvalidInput(f"{path} exists and is left as it is; name another folder")
            if kind == "stl":
                write_stl(path, part, fields.grid)
            else:
                write_nifti(
                    path, part[0], fields, reference=reference, is_label=part[1] == "tissue"
                )
            written.append(path)
    return written


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
