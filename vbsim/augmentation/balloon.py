"""Balloon: a pressurised cavity that lifts the endplates and compacts the bone around it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.fem.equilibrium import Leg, Step, load, move
from vbsim.materials.constituents import Part
from vbsim.materials.field import lame
from vbsim.materials.laws import Crushable, crushing
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import Deformed, gradients, inverted_corners
from vbsim.specimen.loading import (
    body_of,
    frame_of,
    heights_between,
    led,
    settings,
    staged,
    tilts,
    under_load,
)

__all__ = ["Balloon"]

FloatArray = NDArray[np.float64]

define("balloon_volume", "ml", "Volume of the inflated balloons together.")
define("balloon_pressure", "MPa", "Pressure in the balloon when it was fullest.")
define("cavity_volume", "ml", "Volume of the cavity that the balloon has left.")
define("bone_compacted", "ml", "Volume that the bone around the balloon has lost, fullest balloon.")
define("preload", "N", "Axial force during the treatment.")
define("balloon_gain", "mm", "Rise of the anterior height by inflation, under the preload.")
define("balloon_loss", "mm", "Fall of the anterior height on deflation, under the preload.")

# Shares of the inflation taken by the first and by the largest step.
_FIRST, _LARGEST = 0.02, 0.04
# A lining that never yields, MPa.
_ENDLESS = 1e6
# Points per voxel edge at which the place of the balloon is sampled.
_SUBPOINTS = 3


class _Place(NamedTuple):
    """One deflated balloon: centre and semi-axes in body coordinates, mm."""

    centre: tuple[float, float, float]
    semi: tuple[float, float, float]


class Balloon(Parameters):
    """Place one or two balloons, inflate them to a volume, and deflate them.

    The cavity is led by its volume, so that the bone may give way; the pressure follows. Bone is
    pushed aside, not removed, but for the channel in which the balloon lies. The preload acts all
    the time, and still acts when cement comes next; the platen is free to tilt.

    Examples
    --------
    >>> Balloon(volume_ml=3.0, preload_n=110.0).sides
    'both'
    """

    kind: Literal["balloon"] = "balloon"
    volume_ml: float = Field(
        default_factory=lambda: value("treatment.balloon.volume_ml"),
        ge=0.2,
        le=12.0,
        description="volume of the full balloons together, ml",
    )
    sides: Literal["both", "left", "right"] = Field(
        default="both", description="which pedicles carry a balloon"
    )
    preload_n: float = Field(
        default=0.0, ge=0.0, le=2000.0, description="axial force during the treatment, N"
    )
    held_open: bool = Field(
        default=False, description="the cavity is kept from closing until it is filled (stent)"
    )
    most_pressure_mpa: float = Field(
        default_factory=lambda: value("treatment.balloon.most_pressure_mpa"),
        gt=0.0,
        le=20.0,
        description="inflation stops at this pressure, MPa",
    )
    depth_fraction: float = Field(
        default_factory=lambda: value("treatment.balloon.depth_fraction"),
        ge=0.2,
        le=0.8,
        description="centre of the balloons from the front / depth of the body",
    )
    height_fraction: float = Field(
        default_factory=lambda: value("treatment.balloon.height_fraction"),
        ge=0.2,
        le=0.8,
        description="centre of the balloons over the lower endplate / height there",
    )
    platen: Literal["guided", "ball_joint"] = Field(
        default="ball_joint", description="whether the upper platen may tilt"
    )
    caps: Potting = Field(
        default_factory=Potting,
        description="caps under the load; those of a collapse stay on the body",
    )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen with the cavity.

        Raises
        ------
        InvalidInput
            If the specimen holds cement or tetrahedra, or the balloon does not lie inside the body.
        NotConverged
            If the inflation could not be followed to the end.
        """
        require(not specimen.fillings, "balloon", specimen.name, "a body without cement")
        body = self._placed(specimen)
        solver = body.equilibrium(settings())
        tilt, keep = tilts(self.platen), load(self.preload_n)
        led(solver, Leg("preload", keep, tilt, tilt, first=0.25, largest=0.25), self.kind)
        before = frame_of(body, solver)
        full_mm3 = self.volume_ml * 1000.0
        leg = Leg(
            "inflate",
            keep,
            tilt,
            tilt,
            cavity=move(full_mm3),
            first=_FIRST,
            largest=_LARGEST,
            stop=lambda steps: steps[-1].pressure_mpa >= self.most_pressure_mpa,
        )
        led(solver, leg, self.kind)
        full = body.after(solver)
        top, fullest = frame_of(body, solver), solver.history[-1]
        if not self.held_open:
            deflate = Leg("deflate", keep, tilt, tilt, cavity=load(0.0), first=0.1, largest=0.1)
            led(solver, deflate, self.kind)
        rest = body.after(solver)
        end = frame_of(body, solver)
        report = self._report(full, rest, (before, top, end), fullest)
        line = (
            f"balloon of {fullest.cavity_mm3 / 1000.0:.2f} ml at {fullest.pressure_mpa:.2f} MPa"
            f"{', held open' if self.held_open else ', deflated'}, preload {self.preload_n:g} N"
        )
        return staged(specimen, rest, "expanded", line, report)

    def _report(
        self,
        full: Deformed,
        rest: Deformed,
        frames: tuple[BodyFrame, BodyFrame, BodyFrame],
        fullest: Step,
    ) -> tuple[Quantity, ...]:
        before, top, end = (frame.heights().anterior_mm for frame in frames)
        load_n = self.preload_n or float(value("treatment.heights.load_n"))
        return (
            quantity("balloon_volume", fullest.cavity_mm3 / 1000.0),
            quantity("balloon_pressure", fullest.pressure_mpa),
            quantity("cavity_volume", rest.history[-1].cavity_mm3 / 1000.0),
            quantity("bone_compacted", _compacted_ml(full)),
            quantity("preload", self.preload_n),
            quantity("balloon_gain", top - before),
            quantity("balloon_loss", top - end),
            quantity("corners_inverted", inverted_corners(rest.displacement_mm, rest.reference)),
            *heights_between(under_load(rest, load_n), load_n),
        )

    # The balloon in its channel ------------------------------------------------------------------

    def _placed(self, specimen: Specimen) -> Deformed:
        """Return the body with the deflated balloons in it, their bone taken out."""
        body = body_of(specimen, self.caps)
        kind = getattr(body.reference.domain, "kind", "voxels")
        require(
            not kind.startswith("tetra"),
            "mesh",
            kind,
            "voxels or hexahedra: single tetrahedra would open instead of one cavity",
        )
        share = np.zeros(body.bare.domain.shape)
        for place in self._places(specimen.anatomy.frame):
            share = np.maximum(share, _inside(body, place))
        share *= body.bare.tissue.trabecular
        hollow = body.shares_of_cells(share)
        found_ml = float(np.vdot(hollow, body.growth() * body.volumes_mm3)) / 1000.0
        wanted_ml = self.volume_ml * float(value("treatment.balloon.first_share"))
        require(
            found_ml > 0.5 * wanted_ml,
            "depth_fraction, height_fraction",
            (self.depth_fraction, self.height_fraction),
            "such that the deflated balloon lies in trabecular bone",
        )
        left = 1.0 - hollow * (1.0 - float(value("treatment.balloon.bone_left")))
        parts = [
            part._replace(weight=np.asarray(part.weight) * left[part.cells])
            if part.name == "trabecular"
            else part
            for part in body.parts
        ]
        lining = _lining(hollow)
        return body.changed([*parts, lining], [*range(len(parts)), None], cavity=share)

    def _places(self, frame: BodyFrame) -> Iterator[_Place]:
        front, back = frame.sagittal_extent_mm()
        lower, upper = frame.bounds_mm()
        sides = {"both": (1.0, -1.0), "left": (1.0,), "right": (-1.0,)}[self.sides]
        y = front + self.depth_fraction * (back - front)
        away = float(value("treatment.balloon.lateral_share")) * (upper[0] - lower[0])
        long = 0.5 * float(value("treatment.balloon.length_share")) * (back - front)
        each = self.volume_ml * float(value("treatment.balloon.first_share")) / len(sides) * 1000.0
        across = float(np.sqrt(3.0 * each / (4.0 * np.pi * long)))
        for side in sides:
            x = side * away if len(sides) == 2 else side * 0.5 * away
            low, high = float(frame.inferior_at(x, y)), float(frame.superior_at(x, y))
            z = low + self.height_fraction * (high - low)
            yield _Place((x, y, z), (across, long, across))


def _inside(body: Deformed, place: _Place) -> FloatArray:
    """Return the share of every reference voxel that lies inside an ellipsoid now."""
    grid = body.bare.domain
    x, y, z = body.bare.body_axes()
    u = body.on_grid(body.displacement_mm)
    mean = sum(
        u[:, k : k + grid.shape[0], j : j + grid.shape[1], i : i + grid.shape[2]]
        for k in (0, 1)
        for j in (0, 1)
        for i in (0, 1)
    )
    mean = np.asarray(mean) / 8.0
    F = gradients(u, grid)
    steps = (np.arange(_SUBPOINTS) + 0.5) / _SUBPOINTS - 0.5
    total = np.zeros(grid.shape)
    centre = (x[None, None, :], y[None, :, None], z[:, None, None])
    now = [c + m for c, m in zip(centre, mean, strict=True)]
    h = grid.spacing_mm
    for a in steps:
        for b in steps:
            for c in steps:
                offset = np.array([a * h[0], b * h[1], c * h[2]])
                at = [n + F[..., k, :] @ offset for k, n in enumerate(now)]
                radius = sum(
                    ((p - o) / s) ** 2 for p, o, s in zip(at, place.centre, place.semi, strict=True)
                )
                total += radius <= 1.0
    return total / _SUBPOINTS**3


def _lining(hollow: FloatArray) -> Part:
    """Return the soft filler of the cavity, which keeps its cells in shape."""
    cells = np.flatnonzero(hollow > 0.0)
    lam, mu = (float(part) for part in lame(value("treatment.balloon.lining_mpa"), 0.0))
    constants = np.array([[lam + 2.0 * mu] * 3 + [lam] * 3 + [mu] * 3] * len(cells))
    law = Crushable(constants, _ENDLESS, crushing("cement"))
    return Part("lining", cells, law, hollow[cells])


def _compacted_ml(body: Deformed) -> float:
    """Return the volume that bone outside the cavity has lost against the undeformed body, ml."""
    assert body.hollow is not None
    bone = body.body_volumes_mm3 * (1.0 - body.hollow)
    return float(np.vdot(bone, 1.0 - body.growth())) / 1000.0
