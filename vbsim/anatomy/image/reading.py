"""Image files as arrays in the world frame: read, checked, calibrated."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.checks import InvalidInput, Parameters
from vbsim.data import value
from vbsim.mesh.voxels import VoxelGrid

__all__ = [
    "Calibration",
    "Volume",
    "check_density",
    "check_same_grid",
    "read_labels",
    "read_volume",
]

FloatArray = NDArray[np.float64]

SUFFIXES = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")
# Directions in a NIfTI header are rounded to float32; two files of one scan may differ that much.
_DIRECTION_TOLERANCE = 1e-3
_MISALIGNED_VOXELS = 0.02


class Calibration(Parameters):
    """Line from the image's numbers to bone density."""

    slope_mg_cm3_per_hu: float = Field(
        gt=0.0, le=5000.0, description="Density per unit of the image, mg/cm3 per HU."
    )
    intercept_mg_cm3: float = Field(
        0.0, ge=-500.0, le=500.0, description="Density at 0 HU, mg/cm3."
    )

    def apply(self, image: NDArray[Any]) -> FloatArray:
        """Return the density of image values, mg/cm3."""
        return np.asarray(self.slope_mg_cm3_per_hu * image + self.intercept_mg_cm3)


@dataclass(frozen=True, eq=False)
class Volume:
    """An image and where it lies.

    Parameters
    ----------
    path : Path
        File it came from; named in every message.
    array : (n_z, n_y, n_x) array
        Values as they are in the file.
    grid : VoxelGrid
        Its voxels in the world; the axes are those of the file and may be left-handed.
    """

    path: Path
    array: NDArray[Any]
    grid: VoxelGrid

    def crop(self, window: tuple[slice, ...]) -> Volume:
        """Return the part inside a window ``[z, y, x]`` of slices with given starts."""
        array = self.array[window]
        corner = np.array([part.start for part in window][::-1]) * np.array(self.grid.spacing_mm)
        n_z, n_y, n_x = array.shape
        origin = self.grid.to_world(corner)
        grid = VoxelGrid((n_z, n_y, n_x), self.grid.spacing_mm, origin, self.grid.axes)
        return Volume(self.path, array, grid)


class _Header(NamedTuple):
    spacing_mm: FloatArray
    first_mm: FloatArray
    direction: FloatArray


def read_volume(path: Path, *, limits: str = "voxel_size_mm") -> Volume:
    """Read a three-dimensional scalar image, NIfTI, NRRD or MetaImage.

    Parameters
    ----------
    path : Path
        The file.
    limits : str
        Name in ``images.limits`` of the voxel sizes that are allowed.

    Raises
    ------
    InvalidInput
        Naming the file: missing or unreadable, not an image, not three-dimensional, more than one
        value per voxel, a sheared or singular affine, or a voxel size that cannot be in mm.
    """
    _refuse_name(path)
    image = _load(path)
    _refuse_truncated(path, image)
    if image.GetDimension() != 3:
        _refuse(path, f"{image.GetDimension()} dimensions", "one volume of 3 dimensions")
    if image.GetNumberOfComponentsPerPixel() != 1:
        count = image.GetNumberOfComponentsPerPixel()
        _refuse(path, f"{count} values per voxel", "one value per voxel")
    header = _Header(
        np.array(image.GetSpacing()),
        np.array(image.GetOrigin()),
        np.reshape(image.GetDirection(), (3, 3)),
    )
    grid = _grid(path, header, image.GetSize(), value(f"images.limits.{limits}"))
    return Volume(path, _array(image), grid)


def read_labels(path: Path, *, limits: str = "voxel_size_mm") -> Volume:
    """Read a label map: whole numbers only, whatever number type the file uses."""
    volume = read_volume(path, limits=limits)
    array = volume.array
    if not np.issubdtype(array.dtype, np.integer):
        whole = np.isfinite(array) & (array == np.rint(array))
        if not whole.all():
            first = float(array[~whole][0])
            _refuse(path, f"label {first:g}", "whole numbers: a label map, not a density image")
        array = array.astype(np.int32)
    return Volume(path, array, volume.grid)


def check_same_grid(image: Volume, labels: Volume) -> None:
    """Refuse two files whose voxels do not coincide."""
    ours, theirs = image.grid, labels.grid
    if ours.shape != theirs.shape:
        _refuse(
            labels.path,
            f"{theirs.shape[::-1]} voxels (x, y, z)",
            f"on the grid of {image.path}, which has {ours.shape[::-1]}",
        )
    corners = np.array(np.meshgrid(*[(0.0, float(n)) for n in ours.shape[::-1]])).reshape(3, -1).T
    here = ours.to_world(corners * np.array(ours.spacing_mm))
    there = theirs.to_world(corners * np.array(theirs.spacing_mm))
    apart = float(np.linalg.norm(here - there, axis=1).max())
    if apart > _MISALIGNED_VOXELS * max(ours.spacing_mm):
        _refuse(
            labels.path,
            f"its affine puts voxels {apart:.3g} mm away from those of {image.path}",
            "on the same grid as the image; resample one onto the other",
        )


def check_density(path: Path, body: FloatArray, *, lowest_in_hu: float | None) -> None:
    """Refuse values that cannot be bone density in mg/cm3.

    Parameters
    ----------
    path : Path
        The image file.
    body : (n,) array
        Density of the voxels of the vertebral body, mg/cm3.
    lowest_in_hu : float or None
        Lowest value of an image without calibration: air tells HU from mg/cm3. None if calibrated.
    """
    limit = {name: value(f"images.limits.{name}_mg_cm3") for name in ("body_low", "body_high")}
    lowest_image = value("images.limits.lowest_image_mg_cm3")
    least_mean, most_mean = value("images.limits.body_mean_mg_cm3")
    if not np.isfinite(body).all():
        _refuse(path, "NaN or infinity in the vertebral body", "finite everywhere in the bone")
    if lowest_in_hu is not None and lowest_in_hu < lowest_image:
        _refuse(
            path,
            f"lowest value {lowest_in_hu:g}",
            f"above {lowest_image:g} mg/cm3; this looks like HU, which needs a calibration "
            "(slope_mg_cm3_per_hu, intercept_mg_cm3)",
        )
    low, high, mean = float(np.percentile(body, 1)), float(body.max()), float(body.mean())
    if low < limit["body_low"]:
        _refuse(
            path,
            f"1 % of the vertebral body is below {low:.4g} mg/cm3",
            f"above {limit['body_low']:g} mg/cm3 in bone",
        )
    if high > limit["body_high"]:
        _refuse(
            path,
            f"{high:.4g} mg/cm3 inside the vertebral body",
            f"below {limit['body_high']:g} mg/cm3; metal, cement or another unit",
        )
    if not least_mean <= mean <= most_mean:
        hint = "; a file in g/cm3 needs slope_mg_cm3_per_hu = 1000" if mean < least_mean else ""
        _refuse(
            path,
            f"mean of the vertebral body {mean:.3g} mg/cm3",
            f"between {least_mean:g} and {most_mean:g} mg/cm3{hint}",
        )


def _refuse(path: Path, found: str, allowed: str) -> None:
    raise InvalidInput(f"{path}: {found}: must be {allowed}")


def _refuse_name(path: Path) -> None:
    if not path.exists():
        raise InvalidInput(f"{path}: no such file")
    if not path.is_file():
        _refuse(path, "a folder", "an image file")
    if not path.name.lower().endswith(SUFFIXES):
        _refuse(path, f"suffix {path.suffix!r}", "an image file: " + ", ".join(SUFFIXES))


def _load(path: Path) -> Any:
    # SimpleITK takes longer to import than the rest of the package together.
    import SimpleITK as sitk  # noqa: N813

    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        text = str(error).strip()
        if "orthonormal" in text or "determinant" in text:
            _refuse(path, "sheared or singular affine", "an invertible affine with square axes")
        reason = text.splitlines()[-1].removeprefix("sitk::ERROR: ").removeprefix("ITK ERROR: ")
        raise InvalidInput(f"{path}: cannot be read as an image ({reason})") from None


def _refuse_truncated(path: Path, image: Any) -> None:
    """Refuse a NIfTI file that ends early: its reader fills what is missing with zeros."""
    if not image.HasMetaDataKey("bitpix"):
        return
    bits = int(image.GetMetaData("bitpix")) * image.GetNumberOfPixels()
    expected = bits // 8 + int(float(image.GetMetaData("vox_offset")))
    if path.suffix.lower() != ".gz":
        held = path.stat().st_size
    else:
        held = 0
        with contextlib.suppress(EOFError, OSError, zlib.error), gzip.open(path) as stream:
            while held < expected and (block := stream.read(1 << 22)):
                held += len(block)
    if held < expected:
        raise InvalidInput(
            f"{path}: cannot be read as an image (it ends after {held} of {expected} bytes)"
        )


def _array(image: Any) -> NDArray[Any]:
    import SimpleITK as sitk  # noqa: N813

    array: NDArray[Any] = sitk.GetArrayFromImage(image)
    return array


def _grid(
    path: Path, header: _Header, size: tuple[int, int, int], limits_mm: tuple[float, float]
) -> VoxelGrid:
    axes = header.direction
    skew = float(np.abs(axes.T @ axes - np.eye(3)).max())
    if not np.isfinite(skew) or skew > _DIRECTION_TOLERANCE:
        _refuse(
            path,
            f"sheared or scaled axes, {np.round(axes, 4).tolist()}",
            "an invertible affine with square axes of unit length",
        )
    spacing = header.spacing_mm
    least, most = limits_mm
    if not np.all((spacing >= least) & (spacing <= most)):
        sizes = " x ".join(f"{h:g}" for h in spacing)
        _refuse(
            path,
            f"voxels of {sizes} mm",
            f"{least:g} to {most:g} mm along each axis; metres or micrometres?",
        )
    # Nearest orthonormal matrix: undoes the rounding of the header.
    left, _, right = np.linalg.svd(axes)
    axes = left @ right
    corner = header.first_mm - axes @ (0.5 * spacing)
    h_x, h_y, h_z = (float(h) for h in spacing)
    n_x, n_y, n_z = size
    return VoxelGrid((n_z, n_y, n_x), (h_x, h_y, h_z), corner, axes)
