"""Strength, energy and mode of failure from a non-linear test."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from vbsim.data import value
from vbsim.measures.fields import body_fraction
from vbsim.measures.fitted_failure import cell_regions
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.specimen import Specimen

__all__ = ["FAILURE_REGIONS", "failure", "failure_regions", "failure_shares", "is_padded"]

FloatArray = NDArray[np.float64]

define(
    "strength",
    "N",
    "Failure load of a non-linear compression test: the largest force if the curve has a peak. "
    "Where the force goes on rising, the force at an apparent strain of 1.9 %; between disc-like "
    "pads, which take most of such a strain themselves, the force at the 0.2 % offset. "
    "strength_definition tells which. The platen (guided or ball joint) is named beside every "
    "value.",
)
define(
    "strength_definition",
    "1",
    "What the strength is: 1 the peak of the curve, 2 the force at an apparent strain of 1.9 %, "
    "3 the force at the 0.2 % offset.",
)
define(
    "strength_offset",
    "N",
    "Force where the curve of force over apparent strain meets the line of its steepest part, "
    "moved by 0.2 %.",
)
define(
    "force_at_strain",
    "N",
    "Force at an apparent strain (platen displacement over mean height) of 1.9 %.",
)
define("strain_at_strength", "1", "Apparent strain at the strength.")
define("energy_to_strength", "J", "Work of the platen up to the strength.")
define("dissipated_to_strength", "J", "Part of that work that is not stored elastically.")

PEAK, AT_STRAIN, OFFSET = 1, 2, 3
"""Definitions of a strength, as `strength_definition` tells them."""

FAILURE_REGIONS = ("endplate_upper", "endplate_lower", "wall", "cement", "core")
for _name in FAILURE_REGIONS:
    _where = {
        "endplate_upper": "within 2 mm of the upper endplate",
        "endplate_lower": "within 2 mm of the lower endplate",
        "wall": "in voxels that hold cortical wall, away from the endplates",
        "cement": "in voxels that are mostly filled with cement, away from both",
        "core": "in the trabecular bone that is left",
    }[_name]
    define(
        f"failure_share_{_name}",
        "1",
        f"Share of the inelastic strain, summed over volume at the end of the test, {_where}.",
    )


def failure(specimen: AnySpecimen, response: FailureResponse) -> tuple[Quantity, ...]:
    """Return every measure of a strength test.

    What the curve does not show is left out: a strain not reached, a line not met.
    """
    curve = _Curve.of(response)
    offset, apparent = curve.offset(), float(value("measures.strength.apparent.strain"))
    is_reached = curve.strain[-1] >= apparent
    found: list[Quantity] = []
    if response.has_peak:
        found += curve.marks(PEAK, float(response.strain[response.peak]))
    elif is_padded(specimen):
        found += curve.marks(OFFSET, offset) if offset is not None else ()
    elif is_reached:
        found += curve.marks(AT_STRAIN, apparent)
    if offset is not None:
        found.append(quantity("strength_offset", curve.force_at(offset)))
    if is_reached:
        found.append(quantity("force_at_strain", curve.force_at(apparent)))
    return (*found, *failure_shares(specimen, response))


class _Curve(NamedTuple):
    """Force (N) and dissipated energy (N mm) over apparent strain, each (n,), from the origin."""

    strain: FloatArray
    force: FloatArray
    dissipated: FloatArray
    height_mm: float

    @classmethod
    def of(cls, response: FailureResponse) -> _Curve:
        spent = np.array([step.dissipated_n_mm for step in response.steps])
        return cls(
            np.append(0.0, response.strain),
            np.append(0.0, response.force_n),
            np.append(0.0, spent - response.start_dissipated_n_mm),
            response.height_mm,
        )

    def force_at(self, strain: float) -> float:
        return float(np.interp(strain, self.strain, self.force))

    def offset(self) -> float | None:
        return offset_strain(self.strain, self.force)

    def marks(self, definition: int, at: float) -> tuple[Quantity, ...]:
        """Return the strength at a strain, by which definition, and the energies up to it."""
        before = self.strain < at
        path, forces = (np.append(self.strain[before], at), self.force[before])
        work = self.height_mm * float(trapezoid(np.append(forces, self.force_at(at)), path))
        dissipated = float(np.interp(at, self.strain, self.dissipated))
        return (
            quantity("strength", self.force_at(at)),
            quantity("strength_definition", definition),
            quantity("strain_at_strength", at),
            quantity("energy_to_strength", work / 1000.0),
            quantity("dissipated_to_strength", dissipated / 1000.0),
        )


def is_padded(specimen: AnySpecimen) -> bool:
    """Return whether caps are pads as soft as discs, which take most of an apparent strain."""
    soft = float(value("measures.strength.apparent.pads_mpa"))
    return specimen.cap is not None and specimen.cap.youngs_modulus_mpa < soft


def offset_strain(strain: FloatArray, force: FloatArray) -> float | None:
    """Return where a curve meets the line of its steepest part, moved by 0.2 %.

    Parameters
    ----------
    strain, force : (n,) float
        The curve, from the origin.

    Returns
    -------
    float or None
        The strain there; None if they do not meet.

    Examples
    --------
    >>> strain = np.array([0.0, 0.005, 0.02])
    >>> round(offset_strain(strain, np.array([0.0, 1000.0, 1000.0])), 6)
    0.007
    """
    slopes = np.diff(force) / np.diff(strain)
    steepest = int(slopes.argmax())
    slope = slopes[steepest]
    if slope <= 0.0:
        return None
    origin = strain[steepest] - force[steepest] / slope
    offset = float(value("measures.strength.apparent.offset"))
    above = force - slope * (strain - origin - offset)
    # A curve that closes gaps first lies on the other side of the line: look behind its steepest.
    below = steepest + 1 + np.flatnonzero(above[steepest + 1 :] <= 0.0)
    if not len(below):
        return None
    at = int(below[0])
    share = above[at - 1] / (above[at - 1] - above[at])
    return float(strain[at - 1] + share * (strain[at] - strain[at - 1]))


def failure_regions(specimen: Specimen) -> dict[str, NDArray[np.bool_]]:
    """Return the voxels of every region; they do not overlap and hold all voxels of the body."""
    frame, tissue = specimen.anatomy.frame, specimen.tissue
    layer = float(value("measures.endplate.layer_mm"))
    x, y, z = specimen.body_axes()
    depth = np.maximum(layer, 1.5 * specimen.domain.spacing_mm[2])
    upper = frame.superior_at(x, y[:, None])[None] - z[:, None, None]
    lower = z[:, None, None] - frame.inferior_at(x, y[:, None])[None]
    body = body_fraction(specimen) > 0.0
    left, regions = body, {}
    wall = tissue.shell > 0.0
    filled = specimen.cement_fraction > 0.5 * np.maximum(tissue.trabecular, 0.5)
    for name, place in (
        ("endplate_upper", (upper <= depth) & (upper < lower)),
        ("endplate_lower", (lower <= depth)),
        ("wall", wall),
        ("cement", filled),
        ("core", np.ones_like(body)),
    ):
        regions[name] = left & place
        left = left & ~place
    return regions


def failure_shares(specimen: AnySpecimen, response: FailureResponse) -> tuple[Quantity, ...]:
    """Return where the inelastic strain sits: its share in each region."""
    if specimen.mechanics is not None:  # its fields lie on the undeformed grid
        specimen = specimen.mechanics.reference
    if isinstance(specimen, FittedSpecimen):
        amount, regions = response.inelastic * specimen.volumes_mm3, cell_regions(specimen)
    else:
        amount, regions = response.inelastic, failure_regions(specimen)
    total = float(amount.sum())
    if total <= 0.0:
        return ()
    return tuple(
        quantity(f"failure_share_{name}", float(amount[place].sum()) / total)
        for name, place in regions.items()
    )
