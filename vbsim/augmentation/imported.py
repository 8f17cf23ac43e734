"""Real cement: a label map, placed where its own affine says."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import map_coordinates

from vbsim.augmentation.grown import signed_distance
from vbsim.augmentation.shapes import Shape
from vbsim.checks import InvalidInput, require

if TYPE_CHECKING:
    from vbsim.specimen.specimen import Specimen

__all__ = ["FromImage"]

FloatArray = NDArray[np.float64]


class _LabelMap(NamedTuple):
    """Labels with their place in the world.

    Attributes
    ----------
    labels : (n_z, n_y, n_x) array
        Label of each voxel.
    index_from_world : (3, 4) float
        Affine map from world (LPS) coordinates, mm, to the index ``(x, y, z)``.
    spacing_mm : tuple of float
        Voxel size ``(x, y, z)``, mm.
    """

    labels: NDArray[np.generic]
    index_from_world: FloatArray
    spacing_mm: tuple[float, float, float]


class FromImage(Shape):
    """The shape of real cement from a label map.

    Without a volume asked, the pores inside the label are filled; with one, the shape grows or
    shrinks evenly by distance from its surface until it holds that volume.
    """

    kind: Literal["image"] = "image"
    own_level: ClassVar[float | None] = 0.0

    path: Path = Field(description="Label map (NIfTI, NRRD, MHA).")
    label: int = Field(1, ge=1, description="Value of the voxels that hold cement.")
    space: Literal["world", "body"] = Field(
        "world",
        description="Whether the file's affine leads to the patient (LPS) or to the body frame.",
    )

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the distance from the label's surface, negative inside, (n_z, n_y, n_x), mm."""
        image = _read(self.path)
        mask = image.labels == self.label
        present = [int(v) for v in np.unique(image.labels) if v != 0]
        require(bool(mask.any()), "label", self.label, f"one of the labels of the file: {present}")
        distance = signed_distance(np.pad(mask, 1), image.spacing_mm[::-1])
        points = specimen.domain.centres()
        if self.space == "body":
            points = specimen.anatomy.frame.to_body(points)
        index = points @ image.index_from_world[:, :3].T + image.index_from_world[:, 3] + 1.0
        sampled = map_coordinates(
            distance, np.moveaxis(index[..., ::-1], -1, 0), order=1, mode="nearest"
        )
        # Outside the file's own box the distance to the box is added: the order stays continuous.
        beyond = index - np.clip(index, 0.0, np.array(distance.shape[::-1]) - 1.0)
        away = np.linalg.norm(beyond * np.array(image.spacing_mm), axis=-1)
        result: FloatArray = sampled + away
        return result


def _read(path: Path) -> _LabelMap:
    import SimpleITK as sitk  # noqa: N813 (heavy: read only where an image is)

    require(path.is_file(), "path", str(path), "an existing file")
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InvalidInput(f"path = {str(path)!r}: cannot be read as an image: {reason}") from None
    require(
        image.GetDimension() == 3 and image.GetNumberOfComponentsPerPixel() == 1,
        "path",
        str(path),
        "an image with three dimensions and one value per voxel",
    )
    spacing = tuple(float(h) for h in image.GetSpacing())
    matrix = np.reshape(image.GetDirection(), (3, 3)) * np.array(spacing)
    inverse = np.linalg.inv(matrix)
    affine = np.column_stack([inverse, -inverse @ np.array(image.GetOrigin())])
    return _LabelMap(sitk.GetArrayFromImage(image), affine, (spacing[0], spacing[1], spacing[2]))
