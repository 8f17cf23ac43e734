"""Strength, energy and mode of failure from a non-linear test."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from vbsim.data import value
from vbsim.measures.fields import body_fraction
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.specimen import Specimen

__all__ = ["FAILURE_REGIONS", "failure", "failure_regions", "failure_shares"]

FloatArray = NDArray[np.float64]

define(
    "strength",
    "N",
    "Largest force of a non-linear compression test; not given where the force still rose at its "
    "end. The platen (guided or ball joint) is named beside every value.",
)
define(
    "strength_offset",
    "N",
    "Force where the curve of force over apparent strain meets the line of its first slope, moved "
    "by 0.2 %.",
)
define(
    "force_at_strain",
    "N",
    "Force at an apparent strain (platen displacement over mean height) of 1.9 %.",
)
define("strain_at_strength", "1", "Apparent strain at the largest force.")
define("energy_to_strength", "J", "Work of the platen up to the largest force.")
define("dissipated_to_strength", "J", "Part of that work that is not stored elastically.")

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


def failure(specimen: Specimen, response: FailureResponse) -> tuple[Quantity, ...]:
    """Return every measure of a strength test.

    What the curve does not show is left out: a peak that was not passed, a strain not reached.
    """
    strain = np.concatenate([[0.0], response.strain])
    force = np.concatenate([[0.0], response.force_n])
    found: list[Quantity] = []
    if response.has_peak:
        at = response.peak
        travelled = response.height_mm * strain[: at + 2]
        work = float(trapezoid(force[: at + 2], travelled))
        spent = response.steps[at].dissipated_n_mm - response.start_dissipated_n_mm
        found += [
            quantity("strength", response.force_n[at]),
            quantity("strain_at_strength", response.strain[at]),
            quantity("energy_to_strength", work / 1000.0),
            quantity("dissipated_to_strength", spent / 1000.0),
        ]
    offset = offset_force_n(strain, force)
    if offset is not None:
        found.append(quantity("strength_offset", offset))
    apparent = float(value("measures.strength.apparent.strain"))
    if strain[-1] >= apparent:
        found.append(quantity("force_at_strain", float(np.interp(apparent, strain, force))))
    return (*found, *failure_shares(specimen, response))


def offset_force_n(strain: FloatArray, force: FloatArray) -> float | None:
    """Return the force at which a curve meets the line of its first slope, moved by 0.2 %.

    Parameters
    ----------
    strain, force : (n,) float
        The curve, from the origin.

    Returns
    -------
    float or None
        None if they do not meet.

    Examples
    --------
    >>> strain = np.array([0.0, 0.005, 0.02])
    >>> offset_force_n(strain, np.array([0.0, 1000.0, 1000.0]))
    1000.0
    """
    slope = force[1] / strain[1]
    line = slope * (strain - float(value("measures.strength.apparent.offset")))
    below = np.flatnonzero((force - line)[1:] <= 0.0)
    if not len(below):
        return None
    at = int(below[0]) + 1
    before, after = (force - line)[at - 1 : at + 1]
    share = before / (before - after)
    return float(force[at - 1] + share * (force[at] - force[at - 1]))


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


def failure_shares(specimen: Specimen, response: FailureResponse) -> tuple[Quantity, ...]:
    """Return where the inelastic strain sits: its share in each region."""
    if specimen.mechanics is not None:  # its fields lie on the undeformed grid
        specimen = specimen.mechanics.reference
    total = float(response.inelastic.sum())
    if total <= 0.0:
        return ()
    return tuple(
        quantity(f"failure_share_{name}", float(response.inelastic[place].sum()) / total)
        for name, place in failure_regions(specimen).items()
    )
