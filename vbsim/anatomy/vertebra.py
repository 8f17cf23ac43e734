"""A vertebra from published dimensions, a person's size or own measurements."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from vbsim.anatomy.body_shape import BodyShape, Bowl
from vbsim.anatomy.frame import Anatomy, BodyFrame, Landmarks, PedicleAxis
from vbsim.anatomy.levels import Level, LevelReference, check_level, level_reference
from vbsim.anatomy.solid import body_fractions
from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Vertebra", "Person"]

FloatArray = NDArray[np.float64]
Person = Literal["adult", "older_woman", "man"]


def _number(path: str) -> float:
    return float(value(f"anatomy.{path}"))


class Vertebra(Parameters):
    """A vertebra as an implicit solid.

    Kidney- or heart-shaped outline with a waist and a hollow back wall, bowl-shaped endplates with
    a rim, wedge from anterior and posterior height, cortical shell and bony endplates; pedicles,
    canal and basivertebral foramen as landmarks. The body frame is the world frame.

    Dimensions are the level's published means times the person's scale; an own measurement replaces
    the scaled mean and is taken as it is.

    Examples
    --------
    >>> vertebra = Vertebra(level="L1", person="older_woman", height_anterior_mm=21.0)
    >>> print(f"{vertebra.anatomy.frame.heights().anterior_mm:.1f} mm")
    21.1 mm
    """

    level: Annotated[Level, BeforeValidator(check_level)] = Field(
        description="Level of the spine, T5 to L5."
    )
    person: Person = Field("adult", description="Whose size: sets the two scales below.")
    plan_scale: float | None = Field(
        None, ge=0.6, le=1.5, description="Factor on widths and depths; default: the person's."
    )
    height_scale: float | None = Field(
        None, ge=0.6, le=1.5, description="Factor on heights; default: the person's."
    )
    endplate_width_superior_mm: float | None = Field(
        None, ge=15.0, le=75.0, description="Own left-right extent of the upper endplate, mm."
    )
    endplate_width_inferior_mm: float | None = Field(
        None, ge=15.0, le=75.0, description="Own left-right extent of the lower endplate, mm."
    )
    endplate_depth_superior_mm: float | None = Field(
        None,
        ge=12.0,
        le=55.0,
        description="Own front-back extent of the upper endplate without the back's hollow, mm.",
    )
    endplate_depth_inferior_mm: float | None = Field(
        None,
        ge=12.0,
        le=55.0,
        description="Own front-back extent of the lower endplate without the back's hollow, mm.",
    )
    height_anterior_mm: float | None = Field(
        None, ge=8.0, le=45.0, description="Own height of the front rim, mm."
    )
    height_posterior_mm: float | None = Field(
        None, ge=8.0, le=45.0, description="Own height of the back rim, mm."
    )
    concavity_superior_mm: float | None = Field(
        None, ge=0.0, le=6.0, description="Own depth of the upper endplate below its rim, mm."
    )
    concavity_inferior_mm: float | None = Field(
        None, ge=0.0, le=6.0, description="Own depth of the lower endplate below its rim, mm."
    )
    shell_thickness_mm: float = Field(
        default_factory=lambda: _number("cortex.shell_thickness_mm"),
        ge=0.0,
        le=3.0,
        description="Thickness of the cortical wall along its normal, mm.",
    )
    endplate_thickness_mm: float = Field(
        default_factory=lambda: _number("cortex.endplate_thickness_mm"),
        ge=0.0,
        le=3.0,
        description="Thickness of the bony endplates along the body's z, mm.",
    )
    waist: float = Field(
        default_factory=lambda: _number("outline.waist"),
        ge=0.7,
        le=1.0,
        description="Width at mid-height / width at the endplates; 1 for none.",
    )
    squareness: float = Field(
        default_factory=lambda: _number("outline.squareness"),
        ge=2.0,
        le=4.0,
        description="Power of the outline: 2 an ellipse, 3 boxy.",
    )
    indentation_endplate: float = Field(
        default_factory=lambda: _number("outline.indentation_endplate"),
        ge=0.0,
        le=0.2,
        description="Depth of the back wall's hollow at the endplates / depth of the body.",
    )
    indentation_waist: float = Field(
        default_factory=lambda: _number("outline.indentation_waist"),
        ge=0.0,
        le=0.2,
        description="Depth of the back wall's hollow at mid-height / depth of the body.",
    )

    @model_validator(mode="after")
    def _body_is_possible(self) -> Self:
        """Refuse heights and bowls that leave no body between the endplates."""
        shape = self._shape
        front, back = shape.height_mm
        hollow = sum(shape.concavity_mm)
        require(
            hollow + 2.0 * self.endplate_thickness_mm < 0.6 * min(front, back),
            "concavity_superior_mm, concavity_inferior_mm",
            shape.concavity_mm[::-1],
            f"small enough, with the endplates, for rim heights of {front:g} and {back:g} mm "
            "(at most 60 % of the lower one)",
        )
        angle = float(np.degrees(np.arctan2(back - front, 0.5 * sum(shape.depth_mm))))
        require(
            abs(angle) <= 20.0,
            "height_anterior_mm, height_posterior_mm",
            (front, back),
            f"an unbroken body's: at most 20 deg between the endplates, not {abs(angle):.1f}",
        )
        return self

    @cached_property
    def anatomy(self) -> Anatomy:
        """Level, body frame and landmarks."""
        frame = self._shape.frame()
        return Anatomy(self.level, frame, self._landmarks(frame), "parametric")

    @property
    def origin_mm(self) -> FloatArray:
        """Origin of the body frame in the world, (3,), mm."""
        return self.anatomy.origin_mm

    @property
    def axes(self) -> FloatArray:
        """Columns are the body's axes in the world, (3, 3)."""
        return self.anatomy.axes

    def bounds_mm(self) -> FloatArray:
        """Return the lower and upper corner of the body in body coordinates, (2, 3), mm."""
        return self.anatomy.bounds_mm()

    def sample(self, grid: VoxelGrid) -> Mapping[str, FloatArray]:
        """Return the volume fractions of every cell, each (n_z, n_y, n_x).

        Keys are ``trabecular shell endplate arch``; there is no arch.
        """
        parts = body_fractions(
            self.anatomy.frame,
            grid,
            shell_mm=self.shell_thickness_mm,
            endplate_mm=self.endplate_thickness_mm,
        )
        return {**parts, "arch": np.zeros(grid.shape)}

    def measured_vbmd(self, grid: VoxelGrid) -> None:
        """Return None: a parametric vertebra has no image."""
        return None

    # Dimensions ----------------------------------------------------------------------------------

    @cached_property
    def reference(self) -> LevelReference:
        """Published means of the level, unscaled."""
        return level_reference(self.level)

    @property
    def _scales(self) -> tuple[float, float]:
        """Factors on plan dimensions and on heights."""
        plan, height = self.plan_scale, self.height_scale
        return (
            _number(f"people.{self.person}.plan_scale") if plan is None else plan,
            _number(f"people.{self.person}.height_scale") if height is None else height,
        )

    def _size(self, name: str) -> float:
        """Return the own measurement, or the level's mean times the person's scale, mm."""
        own: float | None = getattr(self, name)
        if own is not None:
            return own
        plan, height = self._scales
        scale = plan if name.startswith("endplate") else height
        return scale * float(getattr(self.reference, name))

    @cached_property
    def _shape(self) -> BodyShape:
        def ends(name: str) -> tuple[float, float]:
            return self._size(f"{name}_inferior_mm"), self._size(f"{name}_superior_mm")

        return BodyShape(
            width_mm=ends("endplate_width"),
            depth_mm=ends("endplate_depth"),
            height_mm=(self._size("height_anterior_mm"), self._size("height_posterior_mm")),
            concavity_mm=ends("concavity"),
            squareness=self.squareness,
            waist=self.waist,
            indentation=(self.indentation_endplate, self.indentation_waist),
            indentation_width=_number("outline.indentation_width"),
            bowl=Bowl(_number("bowl.radius"), _number("bowl.shift"), _number("bowl.power")),
        )

    def _landmarks(self, frame: BodyFrame) -> Landmarks:
        plan, _ = self._scales
        # The foramen opens in the hollow of the back wall at mid-height; the canal is bounded in
        # front by the rims, which stand behind it.
        hollow = float(frame.wall_radius(0.5 * np.pi, 0.5))
        _, back = frame.sagittal_extent_mm()
        middle = 0.5 * float(frame.superior_at(0.0, hollow) + frame.inferior_at(0.0, hollow))
        width, depth = plan * self.reference.canal_width_mm, plan * self.reference.canal_depth_mm
        return Landmarks(
            basivertebral_mm=(0.0, hollow, middle),
            canal_centre_mm=(0.0, back + 0.5 * depth, middle),
            canal_width_mm=width,
            canal_depth_mm=depth,
            pedicle_left=self._pedicle(frame, 1.0),
            pedicle_right=self._pedicle(frame, -1.0),
        )

    def _pedicle(self, frame: BodyFrame, side: float) -> PedicleAxis:
        """Return one pedicle's axis; `side` is +1 left, -1 right.

        The pedicle stands beside the canal, just below the upper rim. Into the body it turns
        towards the midline and, where it rises towards the back, down.
        """
        plan, tall = self._scales
        mean = self.reference
        width, height = plan * mean.pedicle_width_mm, tall * mean.pedicle_height_mm
        inward, rise = np.radians([mean.pedicle_transverse_deg, mean.pedicle_sagittal_deg])
        along = np.array(
            [-side * np.sin(inward) * np.cos(rise), -np.cos(inward) * np.cos(rise), -np.sin(rise)]
        )
        x = side * 0.5 * (plan * mean.canal_width_mm + width)
        _, back = frame.sagittal_extent_mm()
        top = float(frame.superior_at(x, back)) - _number("pedicle.below_endplate_mm")
        behind = back + _number("pedicle.isthmus_behind_wall_mm")
        isthmus = np.array([x, behind, top - 0.5 * height])
        entry = isthmus - _number("pedicle.entry_behind_isthmus_mm") * along
        return PedicleAxis(_point(entry), _point(isthmus), _point(along), width, height)


def _point(array: FloatArray) -> tuple[float, float, float]:
    x, y, z = (float(part) for part in array)
    return x, y, z
