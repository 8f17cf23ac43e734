"""Traction: posture as a load, which lifts what the fracture has left mobile."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.fem.equilibrium import FREE, Leg, load
from vbsim.quantities import define, quantity
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.loading import body_of, frame_of, led, settings, staged

__all__ = ["Traction"]

define("traction_force", "N", "Axial traction under which the body is held.")
define("extension_moment", "N mm", "Extension moment under which the body is held.")
define("traction_gain", "mm", "Rise of the anterior height by traction and extension; computed.")


class Traction(Parameters):
    """Pull on a fractured body and bend it backwards; the loads stay until cement has set.

    Unlike a `Reduction`, which prescribes the posture reached, the rise of the endplate is
    computed: damaged bone and wall stretch a little, a cleft opens.

    Examples
    --------
    >>> Traction(force_n=150.0).extension_n_mm
    5000.0
    """

    kind: Literal["traction"] = "traction"
    force_n: float = Field(
        default_factory=lambda: value("treatment.traction.force_n"),
        ge=0.0,
        le=1000.0,
        description="axial traction, N",
    )
    extension_n_mm: float = Field(
        default_factory=lambda: value("treatment.traction.extension_n_mm"),
        ge=0.0,
        le=30_000.0,
        description="moment that bends the body backwards and opens it in front, N mm",
    )
    caps: Potting = Field(
        default_factory=Potting,
        description="what the loads act on; the caps of a collapse stay on the body",
    )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen under traction.

        Raises
        ------
        InvalidInput
            If the specimen is not fractured, or holds cement.
        NotConverged
            If it does not hold under the traction.
        """
        is_broken = specimen.fracture is not None or specimen.mechanics is not None
        require(is_broken, "traction", specimen.name, "a fractured body")
        require(not specimen.fillings, "traction", specimen.name, "a body without cement")
        body = body_of(specimen, self.caps)
        solver = body.equilibrium(settings())
        before = frame_of(body, solver).heights().anterior_mm
        # A tilt about x that closes the front is positive: extension is negative.
        leg = Leg("traction", load(-self.force_n), load(-self.extension_n_mm), FREE, first=0.1)
        led(solver, leg, self.kind)
        rest = body.after(solver)
        gained = frame_of(body, solver).heights().anterior_mm - before
        report = (
            quantity("traction_force", self.force_n),
            quantity("extension_moment", self.extension_n_mm),
            quantity("traction_gain", gained),
        )
        line = f"held by {self.force_n:g} N of traction and {self.extension_n_mm:g} N mm (computed)"
        return staged(specimen, rest, "reduced", line, report)
