"""What a scene shows: stages or their difference as panes, how they are cut, coloured, looked at.

Coordinates are those of the grid, which runs along the body: x to the left, y to the back, z to the
head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require
from vbsim.study.moments import Moments, moments_of
from vbsim.study.stored import StoredFields, StoredStudy
from vbsim.views.catalogue import (
    LOOKS,
    MASKS,
    FieldLook,
    LoadOf,
    colour_range,
    drawn,
    load_of,
    round_number,
)

__all__ = [
    "AXES",
    "CAMERAS",
    "Colours",
    "Cut",
    "Difference",
    "Pane",
    "Style",
    "colours_of",
    "difference",
    "extent_mm",
    "middle_mm",
    "panes_of",
    "shared_range",
    "ticks_of",
]

FloatArray = NDArray[np.float64]

AXES = {"sagittal": 0, "coronal": 1, "axial": 2}
"""Cuts by the axis that they are across."""

# Direction from the body to the eye, and what is up.
CAMERAS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "oblique": ((0.76, -0.59, 0.28), (0.0, 0.0, 1.0)),
    "anterior": ((0.0, -1.0, 0.0), (0.0, 0.0, 1.0)),
    "posterior": ((0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "left lateral": ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "right lateral": ((-1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    "superior": ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0)),
}
"""Views by their clinical names."""


@dataclass(frozen=True)
class Cut:
    """A plane across one of the body's axes; what lies between it and the eye is taken away.

    Parameters
    ----------
    plane : {"sagittal", "coronal", "axial"}
        Which plane.
    at_mm : float
        Distance from the middle of the body to the left, to the back or to the head, mm.
    """

    plane: Literal["sagittal", "coronal", "axial"] = "sagittal"
    at_mm: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Cut:
        """Return the cut that ``sagittal``, ``coronal@-3`` or ``axial@2.5`` means."""
        plane, _, at = text.partition("@")
        require(plane in AXES, "slice", text, f"one of {', '.join(AXES)}, with @MM if wanted")
        try:
            return cls(plane, float(at) if at else 0.0)  # type: ignore[arg-type]
        except ValueError:
            raise InvalidInput(f"slice = {text!r}: {at!r} is no number of millimetres") from None


@dataclass(frozen=True, eq=False)
class Pane:
    """One stage of a scene.

    Parameters
    ----------
    title : str
        Its heading.
    fields : StoredFields
        What its file holds.
    load : LoadOf
        Which test's fields are shown and at which load.
    study : StoredStudy or None
        Where endplates and needles are found.
    moments : Moments or None
        What its last step recorded over time.

    Fields once made are kept with the pane.
    """

    title: str
    fields: StoredFields
    load: LoadOf
    study: StoredStudy | None = None
    moments: Moments | None = None
    kept: dict[str, FloatArray | None] = field(default_factory=dict, init=False, repr=False)
    passing: dict[int, Pane] = field(default_factory=dict, init=False, repr=False)

    def at(self, time_s: float | None) -> Pane:
        """Return the pane as it was at the recorded moment nearest to a time; itself without."""
        if time_s is None or self.moments is None:
            return self
        index = self.moments.nearest(time_s)
        if index not in self.passing:
            self.passing.clear()  # one moment is kept: a slider goes on, seldom back
            fields = self.moments.at(self.fields, index)
            title = f"{self.title}, {self.moments.times_s[index]:.0f} s"
            self.passing[index] = Pane(title, fields, self.load, self.study, self.moments)
        return self.passing[index]

    def values(self, look: FieldLook) -> FloatArray | None:
        """Return the field as it is shown, NaN outside; None where the file has none."""
        if look.name not in self.kept:
            self.kept[look.name] = self.computed(look)
        return self.kept[look.name]

    def computed(self, look: FieldLook) -> FloatArray | None:
        """Return what `values` keeps."""
        return drawn(look, self.fields, self.load)


@dataclass(frozen=True, eq=False)
class Difference(Pane):
    """The difference of a field between two stages on the same grid: the second less the first."""

    first: Pane | None = None

    def computed(self, look: FieldLook) -> FloatArray | None:
        """Return the difference where both stages have the field."""
        assert self.first is not None
        before, after = self.first.values(look), super().computed(look)
        return None if before is None or after is None else after - before


@dataclass(frozen=True)
class Style:
    """What a scene shows.

    Parameters
    ----------
    field : str
        Key of `LOOKS`.
    cut : Cut or None
        Where the body is cut open.
    camera : str
        Key of `CAMERAS`.
    magnify : float
        Factor on the displacements; 0 shows the shape before loading.
    least : float or None
        Values below are not shown on the cut.
    time_s : float or None
        Moment of what a step recorded; None shows the end of the step.
    hidden : frozenset of str
        Layers left out, of ``bone cement needles endplates caps``.
    """

    field: str = "von_mises"
    cut: Cut | None = Cut()
    camera: str = "oblique"
    magnify: float = 0.0
    least: float | None = None
    time_s: float | None = None
    hidden: frozenset[str] = frozenset({"caps", "endplates"})


def panes_of(study: StoredStudy, stages: Sequence[str] = (), *, label: str = "") -> list[Pane]:
    """Return the stages of a study as panes.

    Parameters
    ----------
    study : StoredStudy
        A result folder.
    stages : sequence of str
        Which stages; all of them if empty.
    label : str
        Put before every heading.
    """
    load = load_of(study)
    wanted = {load.array(look) for look in LOOKS.values()} | set(MASKS)
    found = []
    for stage in stages or study.stages:
        fields = study.fields(stage, only=wanted)
        missing = [name for name in MASKS if name not in fields.cells]
        if missing:
            raise InvalidInput(
                f"{study.field_file(stage)}: no array {missing[0]}; an older program wrote it, "
                "run the case again"
            )
        title = stage.replace("_", " ")
        title = f"{label}{title}" if label else title.capitalize()
        moments = moments_of(study, stage, fields.grid)
        if moments is not None:
            last = moments.frame(len(moments.times_s) - 1)
            fields = replace(fields, cells={**last, **fields.cells})
        found.append(Pane(title, fields, load, study, moments))
    return found


def difference(first: Pane, second: Pane) -> Difference:
    """Return the pane of the difference between two panes; refuses stages on different grids."""
    a, b = first.fields.grid, second.fields.grid
    same = a.shape == b.shape and np.allclose(a.spacing_mm, b.spacing_mm)
    same = same and np.allclose(a.origin_mm, b.origin_mm, atol=1e-3)
    if not same:
        raise InvalidInput(
            f"{first.title} and {second.title} lie on different grids ({a.shape}, {b.shape}): "
            "there is no difference of their voxels"
        )
    title = f"{second.title} less {first.title[:1].lower()}{first.title[1:]}"
    return Difference(title, second.fields, second.load, second.study, first=first)


class Colours(NamedTuple):
    """How the values of a pane become colours.

    Attributes
    ----------
    label : str
        Words and unit for the scale.
    colours : str
        Colour map.
    low, high : float
        Ends of the scale.
    is_log : bool
        Logarithmic scale.
    """

    label: str
    colours: str
    low: float
    high: float
    is_log: bool


def shared_range(
    look: FieldLook, panes: Sequence[Pane], values: Sequence[FloatArray | None]
) -> tuple[float, float]:
    """Return the ends of the scale that all panes but differences share."""
    plain = [v for v, p in zip(values, panes, strict=True) if not isinstance(p, Difference)]
    (array,) = look.arrays
    over_time = [
        p.moments.largest[array] for p in panes if p.moments and array in p.moments.largest
    ]
    top = look.factor * max(over_time) if over_time else None
    return colour_range(look, [v for v in plain if v is not None], top=top)


def colours_of(
    look: FieldLook, limits: tuple[float, float], pane: Pane, values: FloatArray | None
) -> Colours:
    """Return the colours of a pane: the shared scale, or a symmetric one for a difference."""
    words = f"{look.label} {pane.load.words}".strip() if look.load_power else look.label
    label = f"{words} ({look.unit})"
    if not isinstance(pane, Difference):
        return Colours(label, look.colours, *limits, look.is_log)
    seen = np.abs(values[np.isfinite(values)]) if values is not None else np.zeros(0)
    top = float(np.percentile(seen, 99.0)) if seen.size else 0.0
    top = round_number(top, up=True) if top > 0 else 1.0
    return Colours(f"Difference of {label[:1].lower()}{label[1:]}", "RdBu_r", -top, top, False)


def ticks_of(colours: Colours) -> list[float]:
    """Return round numbers along a scale."""
    if colours.is_log:
        low, high = np.log10(colours.low), np.log10(colours.high)
        decades = 10.0 ** np.arange(np.floor(low), np.ceil(high) + 1)
        series = np.outer(decades, (1.0, 2.0, 5.0) if high - low < 2.5 else (1.0,)).ravel()
        inside = (series >= colours.low * 0.999) & (series <= colours.high * 1.001)
        return [float(f"{tick:.3g}") for tick in series[inside]]
    return [float(f"{tick:.2g}") for tick in np.linspace(colours.low, colours.high, 5)]


def middle_mm(fields: StoredFields) -> FloatArray:
    """Return the middle of the body's box in the grid's axes, mm."""
    body = fields.cells["body_fraction"] > 0.2
    found = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        filled = np.flatnonzero(body.any(axis=others))
        found.append(0.5 * (filled[0] + filled[-1] + 1) if len(filled) else 0.5 * body.shape[axis])
    middle: FloatArray = np.array(found[::-1]) * np.asarray(fields.grid.spacing_mm)
    return middle


def extent_mm(fields: StoredFields, plane: str) -> float:
    """Return half the size of the body's box across a plane, mm."""
    axis = AXES[plane]
    body = fields.cells["body_fraction"] > 0.2
    others = tuple(k for k in range(3) if k != 2 - axis)
    filled = np.flatnonzero(body.any(axis=others))
    return 0.5 * (int(np.ptp(filled)) + 1) * fields.grid.spacing_mm[axis]
