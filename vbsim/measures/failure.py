"""Strength, energy and mode of failure from a non-linear test."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import trapezoid

from vbsim.data import value
from vbsim.measures.fields import body_fraction
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.specimen import Specimen

__all__ = ["FAILURE_REGIONS", "failure", "failure_regions", "failure_shares", "is_padded"]

FloatArray = NDArray[np.float64]

define(
    "strength",
    "N",
    "Failure load of a non-linear compression test: the largest force if the curve has a peak, "
    "otherwise the force at an apparent strain of 1.9 %; strength_is_peak tells which. Not given "
    "without a peak between disc-like pads, which take most of that strain themselves. The platen "
    "(guided or ball joint) is named beside every value.",
)
define(
    "strength_is_peak",
    "1",
    "1 if the strength is the peak of the curve; 0 if the force went on rising, so that it is the "
    "force at an apparent strain of 1.9 %.",
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

    What the curve does not show is left out: a strain not reached, a line not met.
    """
    strain = np.concatenate([[0.0], response.strain])
    force = np.concatenate([[0.0], response.force_n])
    found = list(_strength(specimen, response, strain, force))
    offset = offset_force_n(strain, force)
    if offset is not None:
        found.append(quantity("strength_offset", offset))
    apparent = float(value("measures.strength.apparent.strain"))
    if strain[-1] >= apparent:
        found.append(quantity("force_at_strain", float(np.interp(apparent, strain, force))))
    return (*found, *failure_shares(specimen, response))


def _strength(
    specimen: Specimen, response: FailureResponse, strain: FloatArray, force: FloatArray
) -> Iterator[Quantity]:
    """Yield the strength, how it is defined, and strain and energies there; or nothing."""
    at = float(value("measures.strength.apparent.strain"))
    if response.has_peak:
        at = float(response.strain[response.peak])
    elif strain[-1] < at or is_padded(specimen):
        return
    before = strain < at
    path = np.append(strain[before], at)
    forces = np.append(force[before], np.interp(at, strain, force))
    spent = [response.start_dissipated_n_mm, *(step.dissipated_n_mm for step in response.steps)]
    work = response.height_mm * float(trapezoid(forces, path))
    dissipated = float(np.interp(at, strain, spent)) - response.start_dissipated_n_mm
    yield quantity("strength", float(forces[-1]))
    yield quantity("strength_is_peak", float(response.has_peak))
    yield quantity("strain_at_strength", at)
    yield quantity("energy_to_strength", work / 1000.0)
    yield quantity("dissipated_to_strength", dissipated / 1000.0)


def is_padded(specimen: Specimen) -> bool:
    """Return whether caps are pads as soft as discs, which take most of an apparent strain."""
    soft = float(value("measures.strength.apparent.pads_mpa"))
    return specimen.cap is not None and specimen.cap.youngs_modulus_mpa < soft


def offset_force_n(strain: FloatArray, force: FloatArray) -> float | None:
    """Return the force at which a curve meets the line of its steepest part, moved by 0.2 %.

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
    slopes = np.diff(force) / np.diff(strain)
    steepest = int(slopes.argmax())
    origin = strain[steepest] - force[steepest] / slopes[steepest]
    line = slopes[steepest] * (strain - origin - float(value("measures.strength.apparent.offset")))
    # Before its steepest part a curve that closes gaps lies on the other side of the line.
    below = steepest + np.flatnonzero((force - line)[steepest + 1 :] <= 0.0)
    if slopes[steepest] <= 0.0 or not len(below):
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
