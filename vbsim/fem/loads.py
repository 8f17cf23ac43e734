"""Load cases: what the upper platen does. Each combines three unit motions of the platen."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from vbsim.checks import Parameters

__all__ = ["LoadCase", "Compression", "Flexion", "LateralBending", "Strength", "TESTS", "Motion"]

FloatArray = NDArray[np.float64]

Lateral = Literal["held", "sliding", "lower_held"]


def _not_zero(moment_n_mm: float) -> float:
    """Refuse a bending test that does not bend: its stiffness would be 0 / 0."""
    if moment_n_mm == 0.0:
        raise ValueError("must not be 0; a force alone is a compression test")
    return moment_n_mm


Moment = Annotated[float, AfterValidator(_not_zero)]
"""A moment in N mm, of either sign but not 0."""


class Motion(NamedTuple):
    """Amplitudes of the platen's motions and the generalised forces that go with them.

    Attributes
    ----------
    amplitudes : (3,) float
        Axial (mm, downwards), tilt about x, tilt about y (rad).
    forces : (3,) float
        Compressive force (N), moments about x and y through the pivot (N mm).
    """

    amplitudes: FloatArray
    forces: FloatArray


class _Test(Parameters):
    name: str | None = Field(None, min_length=1, description="name in tables; by default the kind")
    lateral: Lateral = Field(
        "held",
        description="which outer cap faces are held sideways: both, none (sliding), the lower",
    )

    def label(self) -> str:
        """Return the test's name in tables."""
        return self.name or str(getattr(self, "kind", type(self).__name__.lower()))


class Compression(_Test):
    """Axial compression by the upper platen.

    A *guided* platen only moves along the body axis; on a *ball joint* it tilts freely about the
    load line.
    """

    kind: Literal["compression"] = "compression"
    platen: Literal["guided", "ball_joint"] = Field("guided", description="freedom of the platen")
    force_n: float = Field(1000.0, gt=0, le=50_000, description="compressive force, N")
    load_offset_mm: tuple[float, float] = Field(
        (0.0, 0.0),
        description="load line from the body axis (x to the left, y to the back), mm; "
        "acts through a ball joint only",
    )

    def motion(self, stiffness: FloatArray) -> Motion:
        """Return the platen's motion for its 3 x 3 stiffness (see `PlatenModes`)."""
        if self.platen == "guided":
            amplitudes = np.array([self.force_n / stiffness[0, 0], 0.0, 0.0])
        else:
            x, y = self.load_offset_mm
            wanted = self.force_n * np.array([1.0, -y, x])
            amplitudes = np.linalg.solve(stiffness, wanted)
        return Motion(amplitudes, stiffness @ amplitudes)


class Flexion(_Test):
    """Forward bending: a moment about the left-right axis, with an optional compressive force."""

    kind: Literal["flexion"] = "flexion"
    moment_n_mm: Moment = Field(
        7500.0, ge=-100_000, le=100_000, description="moment, N mm; + bends forward"
    )
    force_n: float = Field(0.0, ge=0, le=50_000, description="compressive force on the axis, N")

    @property
    def platen(self) -> str:
        """A moment needs a platen that tilts."""
        return "ball_joint"

    def motion(self, stiffness: FloatArray) -> Motion:
        """Return the platen's motion for its 3 x 3 stiffness (see `PlatenModes`)."""
        wanted = np.array([self.force_n, self.moment_n_mm, 0.0])
        amplitudes = np.linalg.solve(stiffness, wanted)
        return Motion(amplitudes, stiffness @ amplitudes)


class LateralBending(_Test):
    """Sideways bending: a moment about the front-back axis, with an optional compressive force."""

    kind: Literal["lateral_bending"] = "lateral_bending"
    moment_n_mm: Moment = Field(
        7500.0, ge=-100_000, le=100_000, description="moment, N mm; + bends to the left"
    )
    force_n: float = Field(0.0, ge=0, le=50_000, description="compressive force on the axis, N")

    @property
    def platen(self) -> str:
        """A moment needs a platen that tilts."""
        return "ball_joint"

    def motion(self, stiffness: FloatArray) -> Motion:
        """Return the platen's motion for its 3 x 3 stiffness (see `PlatenModes`)."""
        wanted = np.array([self.force_n, 0.0, self.moment_n_mm])
        amplitudes = np.linalg.solve(stiffness, wanted)
        return Motion(amplitudes, stiffness @ amplitudes)


class Strength(_Test):
    """Compression until the body has failed: non-linear, by displacement of the platen.

    Apparent strain is the platen's displacement over the mean of the body's three heights. The test
    ends once the force has fallen by `drop` below its peak, not before 1.9 % of apparent strain.
    The strength is the peak; where the force goes on rising, as it may in crushed or filled bone,
    it is the force at 1.9 %.
    """

    kind: Literal["strength"] = "strength"
    platen: Literal["guided", "ball_joint"] = Field("guided", description="freedom of the platen")
    load_offset_mm: tuple[float, float] = Field(
        (0.0, 0.0),
        description="load line from the body axis (x to the left, y to the back), mm; "
        "acts through a ball joint only",
    )
    until_strain: float = Field(
        0.05, ge=0.02, le=0.2, description="apparent strain at which the test ends at the latest"
    )
    drop: float = Field(
        0.1,
        gt=0.0,
        lt=1.0,
        description="fall of the force below its peak, over the peak, that ends it",
    )


LoadCase = Compression | Flexion | LateralBending

TESTS: tuple[type[LoadCase], ...] = (Compression, Flexion, LateralBending)
"""Every linear load case; a new one is one class with a `kind` and a `motion`."""
