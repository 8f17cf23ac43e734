"""Settling: load that comes again and again, to see whether the height is kept."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vbsim.checks import Parameters
from vbsim.data import value
from vbsim.fem.equilibrium import FREE, Leg, load
from vbsim.quantities import define, quantity
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.loading import body_of, frame_of, led, settings, staged

__all__ = ["Settling"]

define("settling_load", "N", "Axial force of every cycle.")
define("settling_cycles", "1", "Number of cycles.")
for _place in ("anterior", "middle", "posterior"):
    define(
        f"settled_{_place}",
        "mm",
        f"Height lost at the {_place} station by the cycles, unloaded before and after.",
    )
define("settled_last_cycle", "mm", "Of the anterior loss, what the last cycle took.")


class Settling(Parameters):
    """Load the body to a force and take it off again, a number of times; the platen may tilt.

    Settling here is what plastic flow and damage add with every cycle: neither creep nor fatigue
    of the tissue is in the laws.

    Examples
    --------
    >>> Settling(cycles=3).load_n
    460.0
    """

    kind: Literal["settling"] = "settling"
    load_n: float = Field(
        default_factory=lambda: value("treatment.settling.load_n"),
        gt=0.0,
        le=5000.0,
        description="axial force of every cycle, N",
    )
    cycles: int = Field(
        default_factory=lambda: value("treatment.settling.cycles"),
        ge=1,
        le=200,
        description="number of cycles",
    )
    caps: Potting = Field(
        default_factory=Potting,
        description="what the load acts on; the caps of a collapse stay on the body",
    )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen after the cycles, unloaded.

        Raises
        ------
        NotConverged
            If the body fails under the load.
        """
        body = body_of(specimen, self.caps)
        solver = body.equilibrium(settings())
        led(solver, Leg("rest", load(0.0), FREE, FREE, first=0.5, largest=0.5), self.kind)
        heights = [frame_of(body, solver).heights()]
        for cycle in range(self.cycles):
            # The first load finds new ground; later ones go over it again.
            size = 0.1 if cycle == 0 else 0.5
            up = Leg("load", load(self.load_n), FREE, FREE, first=size, largest=size)
            down = Leg("unload", load(0.0), FREE, FREE, first=0.5, largest=0.5)
            led(solver, up, self.kind)
            led(solver, down, self.kind)
            heights.append(frame_of(body, solver).heights())
        rest = body.after(solver)
        first, before, last = heights[0], heights[-2], heights[-1]
        report = (
            quantity("settling_load", self.load_n),
            quantity("settling_cycles", self.cycles),
            quantity("settled_anterior", first.anterior_mm - last.anterior_mm),
            quantity("settled_middle", first.middle_mm - last.middle_mm),
            quantity("settled_posterior", first.posterior_mm - last.posterior_mm),
            quantity("settled_last_cycle", before.anterior_mm - last.anterior_mm),
        )
        line = f"{self.cycles} cycles of {self.load_n:g} N"
        return staged(specimen, rest, "settled", line, report)
