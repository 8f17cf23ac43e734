"""A vertebra from a patient's or a specimen's images: density and labels in, a bone source out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from vbsim.anatomy.frame import Anatomy
from vbsim.anatomy.image.bone import Files, ImagedBone, load
from vbsim.anatomy.image.labels import Numbers, level_numbers
from vbsim.anatomy.image.landmarks import find_landmarks
from vbsim.anatomy.image.pose import Sense, find_pose, surface_points
from vbsim.anatomy.image.reading import Calibration
from vbsim.anatomy.image.sampling import Sampler, average, masked_average
from vbsim.anatomy.image.shape import fit_shape
from vbsim.anatomy.levels import Level, check_level
from vbsim.checks import Parameters, frozen, require
from vbsim.data import value
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["ImagedVertebra"]

FloatArray = NDArray[np.float64]
Label = Annotated[int, Field(ge=1)]


class ImagedVertebra(Parameters):
    """A vertebra from a density image and a label map on the same grid.

    The body frame comes from the labels: up from the endplates, back from the arch, left and right
    from handedness. The measured density holds the cortex too, so the whole body is ``trabecular``
    and there is neither a separate shell nor endplate.

    Labels are named in one of three ways: a `scheme` (or a `vertebra_label`) alone, where the whole
    vertebra has one label, which is cut at the back wall of the body; the same with a second map of
    `subregions`; or `body_labels` and `arch_labels` in one map.
    """

    image: Path = Field(
        description="Density in mg/cm3, or HU with a calibration: NIfTI, NRRD, MHA."
    )
    labels: Path = Field(description="Label map on the same grid.")
    level: Annotated[Level, BeforeValidator(check_level)] = Field(
        description="Level of the spine, T5 to L5."
    )
    scheme: Literal["verse", "totalsegmentator"] | None = Field(
        None, description="Numbering of the vertebrae in the labels."
    )
    vertebra_label: Label | None = Field(
        None, description="Own number of this vertebra in the labels, in place of a scheme."
    )
    subregions: Path | None = Field(
        None, description="Map of the parts of vertebrae, where `labels` tells vertebrae apart."
    )
    body_labels: tuple[Label, ...] = Field(
        (), description="Numbers of the vertebral body, in the subregions if given."
    )
    arch_labels: tuple[Label, ...] = Field(
        (), description="Numbers of the posterior elements, in the subregions if given."
    )
    calibration: Calibration | None = Field(
        None, description="Line from HU to density; left out if the image is in mg/cm3."
    )
    align: bool = Field(
        True,
        description="Resample onto a grid along the body's axes; false keeps the image's own grid.",
    )
    include_arch: bool = Field(False, description="Keep the posterior elements as bone.")
    front_back: Sense = Field(
        "auto", description="Front and back: from the arch, as the header says, or its opposite."
    )
    up_down: Sense = Field(
        "auto",
        description="Up and down: neighbours before header, as the header says, or its opposite.",
    )

    @model_validator(mode="after")
    def _labels_are_named_once(self) -> Self:
        own = self.body_labels + self.arch_labels
        picked = self.scheme is not None or self.vertebra_label is not None
        require(
            self.scheme is None or self.vertebra_label is None,
            "vertebra_label",
            self.vertebra_label,
            "left out beside a scheme",
        )
        require(
            picked or self.subregions is None,
            "subregions",
            str(self.subregions),
            "given with a scheme or a vertebra_label, which picks the vertebra",
        )
        require(
            picked or bool(self.body_labels),
            "scheme",
            self.scheme,
            "'verse' or 'totalsegmentator', unless vertebra_label or body_labels are given",
        )
        require(
            not picked or self.subregions is not None or not own,
            "body_labels, arch_labels",
            own,
            "left out beside a scheme or vertebra_label without subregions",
        )
        shared = sorted(set(self.body_labels) & set(self.arch_labels))
        require(not shared, "arch_labels", shared, "other numbers than body_labels")
        return self

    # Bone source ---------------------------------------------------------------------------------

    @cached_property
    def anatomy(self) -> Anatomy:
        """Level, body frame and landmarks; reads the files on first use."""
        bone = self._bone
        frame = fit_shape(bone.body, bone.evidence.grid, find_pose(bone.evidence))
        whole = None
        if bone.evidence.has_arch:
            whole = Sampler((bone.body | bone.arch).astype(np.float32), bone.grid)
        return Anatomy(self.level, frame, find_landmarks(self.level, frame, whole), "image")

    @property
    def origin_mm(self) -> FloatArray:
        """Origin of the body frame in the world, (3,), mm."""
        return self.anatomy.origin_mm

    @property
    def axes(self) -> FloatArray:
        """Columns are the body's axes in the world, (3, 3)."""
        return self.anatomy.axes

    def bounds_mm(self) -> FloatArray:
        """Return the lower and upper corner in body coordinates, (2, 3), mm.

        Every voxel of the bone lies between them, an arch that is kept included.
        """
        bone = self._bone
        edge = surface_points(bone.kept(include_arch=self.include_arch), bone.grid)
        local = self.anatomy.frame.to_body(edge)
        half = 0.5 * max(bone.grid.spacing_mm)
        lower, upper = self.anatomy.bounds_mm()
        lower = np.minimum(lower, local.min(axis=0) - half)
        upper = np.maximum(upper, local.max(axis=0) + half)
        return np.stack([lower, upper])

    def sample(self, grid: VoxelGrid) -> Mapping[str, FloatArray]:
        """Return the volume fractions of every cell, each (n_z, n_y, n_x).

        The body is ``trabecular``; ``shell`` and ``endplate`` are 0, because the measured density
        holds them; ``arch`` is 0 unless it is kept.
        """
        bone, none = self._on(grid), np.zeros(grid.shape)
        # Interpolation weights sum to 1 only to round-off.
        body = np.clip(average(bone.body, bone.grid, grid), 0.0, 1.0)
        arch = np.clip(average(bone.arch, bone.grid, grid), 0.0, 1.0 - body)
        return {
            "trabecular": body,
            "shell": none,
            "endplate": none,
            "arch": arch if self.include_arch else none,
        }

    def measured_vbmd(self, grid: VoxelGrid) -> FloatArray:
        """Return the measured density, mg/cm3 per volume of bone, (n_z, n_y, n_x).

        The mean over the labelled bone in each cell; cells without bone repeat the nearest that
        has some. On the image's own grid (``align = false``) the image as it is.
        """
        bone = self._on(grid)
        if not self.align:
            return frozen(bone.density)
        kept = bone.kept(include_arch=self.include_arch)
        return masked_average(bone.density, kept, bone.grid, grid)

    def body_volume_ml(self) -> float:
        """Return the volume of the labelled body, ml."""
        bone = self._bone
        return float(bone.body.sum()) * bone.grid.cell_volume_mm3 / 1000.0

    # The image's own grid ------------------------------------------------------------------------

    def own_grid(self) -> VoxelGrid:
        """Return the image's own voxels, with x, y, z nearest to the body's axes.

        Axes are only swapped and reversed; with ``align = false`` the labels and the density come
        out on it bit by bit.
        """
        return self._own.grid

    def own_labels(self) -> NDArray[Any]:
        """Return the label map on the own grid, as in the file, (n_z, n_y, n_x)."""
        return frozen(self._own.labels)

    @cached_property
    def _own(self) -> ImagedBone:
        require(not self.align, "align", self.align, "false for the image's own grid")
        return self._bone.reordered(self.axes)

    def _on(self, grid: VoxelGrid) -> ImagedBone:
        if self.align:
            return self._bone
        own = self._own.grid
        same = grid.shape == own.shape and np.allclose(grid.affine(), own.affine(), atol=1e-6)
        require(same, "grid", f"{grid.shape} cells", "the image's own_grid() with align = false")
        return self._own

    # Files ---------------------------------------------------------------------------------------

    @cached_property
    def _bone(self) -> ImagedBone:
        whole: tuple[int, ...] = ()
        if self.scheme is not None:
            whole = (level_numbers(self.scheme)[self.level],)
        elif self.vertebra_label is not None:
            whole = (self.vertebra_label,)
        body, arch = self.body_labels, self.arch_labels
        if self.subregions is not None and not (body or arch):
            body = tuple(value("images.subregions.body"))
            arch = tuple(value("images.subregions.arch"))
        files = Files(
            self.image,
            self.labels,
            self.subregions,
            Numbers(whole, body, arch),
            self.scheme,
            self.level,
            self.calibration,
            self.front_back,
            self.up_down,
        )
        return load(files, crop=self.align)
