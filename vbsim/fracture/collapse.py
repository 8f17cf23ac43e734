"""Collapse: a fracture that comes out of overload, by mechanics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.anatomy.frame import Heights
from vbsim.checks import Parameters, require
from vbsim.fem.equilibrium import Equilibrium, Leg, Step, move
from vbsim.fracture.carry import mineral_mg
from vbsim.fracture.compaction import require_bare
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import Deformed, inverted_corners
from vbsim.specimen.loading import body_of, heights_of, led, settings, staged, tilts, unloaded

__all__ = ["Collapse"]

FloatArray = NDArray[np.float64]
Place = Literal["worst", "anterior", "middle", "posterior", "mean"]

define("collapse_force_peak", "N", "Largest force before the collapse has taken 8 % of the height.")
define("collapse_force_end", "N", "Force at the end of the overload.")
define("collapse_energy", "J", "Work done on the body by the overload, from the first load on.")
define("collapse_loss_loaded", "%", "Loss of height at the end of the overload, where it is asked.")
define(
    "collapse_recovered",
    "%",
    "Part of that loss that comes back when the load is taken off, of the loss.",
)
define(
    "corners_inverted",
    "1",
    "Corners of cells that the deformation has turned inside out; no centre of a voxel is.",
)

# Height lost per step / height: first, up to the peak, and behind it. Half of these change forces
# and heights by less than 2 %.
_FIRST, _STEP, _WIDE_STEP = 0.001, 0.005, 0.01
# Where the peak is passed, height lost / height.
_PASSED = 0.03
# The first peak is looked for before this loss of the height.
_PEAK_WITHIN = 0.08
# Overload that is given up: more than this share of the height.
_MOST = 0.8


class Collapse(Parameters):
    """Load the body beyond its strength until it has lost height, then take the load off.

    What breaks, and the shape that is left, follow from the bone and the load: a guided platen
    crushes, a ball joint in front of the centre wedges. Part of the loss comes back on unloading.

    Examples
    --------
    >>> Collapse(height_loss_percent=25.0).platen
    'guided'
    """

    kind: Literal["collapse"] = "collapse"
    height_loss_percent: float = Field(
        default=25.0,
        gt=0.5,
        le=60.0,
        description="loss of height under the overload, percent; part of it comes back",
    )
    measured: Place = Field(
        default="worst", description="where: worst of the three stations, one of them, or the mean"
    )
    platen: Literal["guided", "ball_joint"] = Field(
        default="guided", description="whether the upper platen is kept from tilting"
    )
    anterior_offset_share: float = Field(
        default=0.0,
        ge=-0.3,
        le=0.4,
        description="load line in front of the middle of the body / its depth; for a ball joint",
    )
    lateral: Literal["held", "sliding"] = Field(
        default="held", description="whether the outer faces of the caps are held sideways"
    )
    caps: Potting = Field(
        default_factory=Potting, description="caps or disc-like pads through which it is loaded"
    )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the collapsed specimen.

        Raises
        ------
        InvalidInput
            If the specimen is fractured, cemented or potted already.
        NotConverged
            If the overload could not be followed to the loss asked for; says how far it came.
        """
        require_bare(specimen, self.kind)
        require(
            specimen.fracture is None and specimen.mechanics is None,
            "collapse",
            specimen.name,
            "the first fracture of an intact body",
        )
        body = replace(body_of(specimen, self.caps), lateral=self.lateral)
        solver = body.equilibrium(settings(), load_line_mm=self._load_line(specimen))
        self._overload(specimen, body, solver)
        over = body.after(solver)
        loss = self._loss(specimen, heights_of(body, solver))
        unloaded(solver, tilt=tilts(self.platen))
        rest = body.after(solver)
        left = self._loss(specimen, heights_of(body, solver))
        heights = " / ".join(f"{height:.1f}" for height in heights_of(body, solver))
        line = (
            f"collapse by {100 * loss:.1f} % ({self.measured}, {self.platen}), "
            f"{100 * left:.1f} % left unloaded, heights {heights} mm"
        )
        after = staged(specimen, rest, "fractured", line, ())
        report = (*_forces(specimen, over), *_left(specimen, after, loss, left))
        return replace(after, report=report)

    def _load_line(self, specimen: Specimen) -> tuple[float, float]:
        """Return where the force acts, from the pivot of the platen, mm; y is to the back."""
        front, back = specimen.anatomy.frame.sagittal_extent_mm()
        middle = 0.5 * (front + back)
        return 0.0, middle - self.anterior_offset_share * (back - front)

    def _loss(self, specimen: Specimen, heights: Heights) -> float:
        before, now = np.array(specimen.anatomy.frame.heights()), np.array(heights)
        losses = 1.0 - now / before
        if self.measured == "worst":
            return float(losses.max())
        if self.measured == "mean":
            return float(1.0 - now.mean() / before.mean())
        return float(losses[("anterior", "middle", "posterior").index(self.measured)])

    def _overload(self, specimen: Specimen, body: Deformed, solver: Equilibrium) -> None:
        """Lead the body to the loss asked for."""
        wanted = self.height_loss_percent / 100.0
        height = float(np.mean(specimen.anatomy.frame.heights()))
        seen, tilt = [(0.0, 0.0)], tilts(self.platen)

        def near(_: list[Step]) -> bool:
            loss = self._loss(specimen, heights_of(body, solver))
            seen.append((float(solver.motion[0]), loss))
            return loss + (loss - seen[-2][1]) >= wanted

        most = _MOST * height
        leg = Leg(
            "collapse",
            move(most),
            tilt,
            tilt,
            first=_FIRST / _MOST,
            largest=_STEP / _MOST,
            wider=(_PASSED / _MOST, _WIDE_STEP / _MOST),
            stop=near,
        )
        led(solver, leg, self.kind)
        # What is left of the way, by the last slope: the loss asked for within a few hundredths.
        for _ in range(3):
            (start, low), (stop, high) = seen[-2:]
            missing = wanted - high
            if abs(missing) < 1e-4 or high == low:
                break
            target = stop + missing * (stop - start) / (high - low)
            leg = Leg("collapse", move(target), tilt, tilt, first=1.0, largest=1.0, stop=near)
            led(solver, leg, self.kind)


def _forces(specimen: Specimen, over: Deformed) -> tuple[Quantity, ...]:
    height = float(np.mean(specimen.anatomy.frame.heights()))
    steps: tuple[Any, ...] = over.history
    early = [s.force_n for s in steps if s.axial_mm <= _PEAK_WITHIN * height]
    return (
        quantity("collapse_force_peak", max(early)),
        quantity("collapse_force_end", steps[-1].force_n),
        quantity("collapse_energy", steps[-1].work_n_mm / 1000.0),  # N mm to J
    )


def _left(specimen: Specimen, after: Specimen, loss: float, left: float) -> tuple[Quantity, ...]:
    body: Deformed = after.mechanics
    old, new = (np.array(s.anatomy.frame.heights()) for s in (specimen, after))
    return (
        quantity("collapse_loss_loaded", 100.0 * loss),
        quantity("collapse_recovered", 100.0 * (loss - left) / loss),
        quantity("bone_mineral_conserved", mineral_mg(after) / mineral_mg(specimen)),
        quantity("corners_inverted", inverted_corners(body.displacement_mm, body.reference)),
        quantity("height_lost_worst", 100.0 * float(np.max(1.0 - new / old))),
    )
