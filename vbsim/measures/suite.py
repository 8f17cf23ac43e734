"""Which measures belong to which test; the one call that a study makes for each stage."""

from __future__ import annotations

from collections.abc import Callable

from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import require
from vbsim.fem.response import Response
from vbsim.measures.energy import strain_energy
from vbsim.measures.fitted import AnyFields, fields_of
from vbsim.measures.heights import genant_grade, heights, heights_loaded, standing_load_n
from vbsim.measures.sharing import load_sharing
from vbsim.measures.stiffness import (
    bending_stiffness,
    platen_tilt,
    stiffness,
    stiffness_endplate,
)
from vbsim.measures.strength import (
    strength_estimate_crawford,
    strength_estimate_pistoia,
    strength_estimate_yield,
)
from vbsim.measures.stress import endplate_stress
from vbsim.quantities import Quantity, quantity
from vbsim.specimen.fitted import AnySpecimen

__all__ = ["MEASURES", "geometry", "measure"]


def geometry(specimen: AnySpecimen, intact: BodyFrame | None = None) -> tuple[Quantity, ...]:
    """Return what the shape alone tells: heights, wedge angle and, against intact, Genant grade.

    Parameters
    ----------
    specimen : AnySpecimen
        Any stage.
    intact : BodyFrame or None
        The body before its fracture.
    """
    found = heights(specimen)
    return found if intact is None else (*found, genant_grade(specimen.anatomy.frame, intact))


def measure(
    specimen: AnySpecimen,
    response: Response,
    *,
    kind: str | None = None,
    standing_load_n: float | None = None,
) -> tuple[Quantity, ...]:
    """Return every measure of one test on one stage.

    Parameters
    ----------
    specimen, response : AnySpecimen, Response
        A potted specimen on a grid aligned with its body, and its converged linear response.
    kind : str or None
        Kind of the load case, a key of `MEASURES`; the response's name if None.
    standing_load_n : float or None
        Axial force for the measures under load, N; that of relaxed standing at the level if None.

    Raises
    ------
    InvalidInput
        If the response has not converged or no measures belong to its kind.
    """
    kind = kind or response.test
    require(kind in MEASURES, "kind", kind, f"one of {', '.join(MEASURES)}")
    load = standing_load(specimen) if standing_load_n is None else standing_load_n
    require(load > 0, "standing_load_n", load, "positive, in N")
    return MEASURES[kind](fields_of(specimen, response), load)


def standing_load(specimen: AnySpecimen) -> float:
    """Return the axial force of relaxed standing at the specimen's level, N."""
    return standing_load_n(specimen.anatomy.level)


def _compression(fields: AnyFields, load_n: float) -> tuple[Quantity, ...]:
    pair = fields.specimen, fields.response
    return (
        stiffness(*pair),
        stiffness_endplate(*pair, fields=fields),
        quantity("standing_load", load_n),
        *heights_loaded(*pair, standing_load_n=load_n, fields=fields),
        platen_tilt(*pair, standing_load_n=load_n),
        *load_sharing(*pair, fields=fields),
        *endplate_stress(*pair, standing_load_n=load_n, fields=fields),
        *strain_energy(*pair, standing_load_n=load_n, fields=fields),
        strength_estimate_crawford(*pair),
        strength_estimate_pistoia(*pair, fields=fields),
        strength_estimate_yield(*pair, fields=fields),
    )


def _bending(fields: AnyFields, load_n: float) -> tuple[Quantity, ...]:
    pair = fields.specimen, fields.response
    return (bending_stiffness(*pair), *strain_energy(*pair, fields=fields))


MEASURES: dict[str, Callable[[AnyFields, float], tuple[Quantity, ...]]] = {
    "compression": _compression,
    "flexion": _bending,
    "lateral_bending": _bending,
}
"""Measures of each kind of test; takes the loaded specimen and the standing load, N."""
