"""Mechanics of a specimen on its way through treatments: legs, heights under load, set-up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vbsim.anatomy.frame import BodyFrame, Heights
from vbsim.checks import NotConverged, require
from vbsim.data import value
from vbsim.fem.equilibrium import (
    FREE,
    HOLD,
    Control,
    Equilibrium,
    EquilibriumSettings,
    Leg,
    Status,
    Step,
    load,
)
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.crushing import crushable_parts
from vbsim.specimen.crushing_cells import crushable_cells
from vbsim.specimen.deformed import Deformed
from vbsim.specimen.fitted import FittedSpecimen
from vbsim.specimen.picture import deformed_frame, picture
from vbsim.specimen.potting import Potting
from vbsim.specimen.specimen import Specimen

__all__ = [
    "body_of",
    "frame_of",
    "heights_between",
    "heights_of",
    "led",
    "settings",
    "staged",
    "tilts",
    "under_load",
    "unloaded",
]

_PLACES = ("anterior", "middle", "posterior")

for _place in _PLACES:
    define(
        f"height_{_place}_under_load",
        "mm",
        f"Height at the {_place} station under the axial force `treatment_load`, by mechanics.",
    )
define("treatment_load", "N", "Axial force at which heights under load are given; platen free.")

# Forces out of balance: a tenth of this changes forces, heights and what comes back of them by less
# than 1 %.
_TOLERANCE = 1e-3

# No point of the midline moves sideways by more.
_MARGIN_MM = 4.0

# Share of a leg that unloads taken by one step.
_UNLOADING = 0.2


def settings() -> EquilibriumSettings:
    """Return how mechanics is solved: softening averaged over the width of a failed band."""
    return EquilibriumSettings(
        tolerance=_TOLERANCE, averaging_mm=float(value("laws.averaging.length_mm"))
    )


def body_of(specimen: Specimen, caps: Potting) -> Deformed:
    """Return the body of a specimen: as mechanics has left it, or new and free of stress.

    It lies on the specimen's grid, or on the mesh that fits it where the specimen has a `mesher`.
    """
    if specimen.mechanics is not None:
        body: Deformed = specimen.mechanics
        require(
            len(body.cements) == len(specimen.cements),
            "specimen",
            specimen.name,
            "without cement that mechanics does not know; use a step of kind 'cement'",
        )
        return body
    if specimen.mesher is not None:
        fitted: FittedSpecimen = specimen.mesher(caps).fit(specimen)
        return Deformed(specimen, fitted, tuple(crushable_cells(fitted)), fitted.materials)
    potted = caps.apply(specimen)
    return Deformed(specimen, potted, tuple(crushable_parts(potted)), potted.materials)


def tilts(platen: str) -> Control:
    """Return what the tilts of a guided or a ball-jointed platen do."""
    return HOLD if platen == "guided" else FREE


def led(solver: Equilibrium, leg: Leg, step: str) -> Status:
    """Lead a body along a leg.

    Raises
    ------
    NotConverged
        If the leg ends early for want of an equilibrium.
    """
    status = solver.run(leg)
    if status not in (Status.DONE, Status.STOPPED):
        last = solver.history[-1] if solver.history else None
        where = f" at {last.axial_mm:.2f} mm and {last.force_n:.0f} N" if last else ""
        raise NotConverged(f"{step}, {leg.name}{where}: {status.value}", solver.history)
    return status


def unloaded(solver: Equilibrium, *, tilt: Control = HOLD, name: str = "unload") -> list[Step]:
    """Take the load off a body; return the steps."""
    before = len(solver.history)
    leg = Leg(name, load(0.0), tilt, tilt, first=_UNLOADING, largest=_UNLOADING)
    led(solver, leg, name)
    return solver.history[before:]


def frame_of(body: Deformed, solver: Equilibrium) -> BodyFrame:
    """Return the body frame where a solver has led a body."""
    displacement = body.on_grid(solver.displacement_mm())
    return deformed_frame(body.bare.anatomy.frame, body.bare, displacement)


def heights_of(body: Deformed, solver: Equilibrium) -> Heights:
    """Return the heights where a solver has led a body; quicker than its whole frame."""
    frame = body.bare.anatomy.frame.mid_sagittal(_MARGIN_MM)
    return deformed_frame(frame, body.bare, body.on_grid(solver.displacement_mm())).heights()


def under_load(body: Deformed, force_n: float) -> BodyFrame:
    """Return the body frame under an axial force, the platen free to tilt; the body stays."""
    solver = body.equilibrium(settings())
    led(solver, Leg("load", load(force_n), FREE, FREE, first=0.5, largest=0.5), "heights")
    return frame_of(body, solver)


def heights_between(frame: BodyFrame, force_n: float) -> tuple[Quantity, ...]:
    """Return the heights of a frame under load as quantities."""
    heights = (
        quantity(f"height_{place}_under_load", height)
        for place, height in zip(_PLACES, frame.heights(), strict=True)
    )
    return (*heights, quantity("treatment_load", force_n))


def staged(
    specimen: Specimen, body: Deformed, stage: str, line: str, report: Sequence[Quantity]
) -> Specimen:
    """Return the picture of a body as the next stage of a specimen."""
    seen = replace(
        picture(body),
        history=specimen.history,
        fracture=specimen.fracture,
        volume_intact_ml=specimen.volume_intact_ml,
        report=tuple(report),
    )
    return seen.with_stage_name(stage, line)
