"""The ladder of laws: one integer a law, so that one compiled loop serves a body of any mixture."""

from __future__ import annotations

from vbsim.kernels import inlined, kernel
from vbsim.kernels.constitutive import crushable, elastic, interface, quadric

__all__ = [
    "ELASTIC",
    "SAINT_VENANT",
    "QUADRIC",
    "CRUSHABLE",
    "INTERFACE",
    "HENCKY",
    "is_logarithmic",
    "respond",
    "stress",
]

ELASTIC, SAINT_VENANT, QUADRIC, CRUSHABLE, INTERFACE, HENCKY = 0, 1, 2, 3, 4, 5


@kernel
def respond(law, F, params, old, dt, P, A, new):
    """Call the point function of a law (see the package); 2 if there is no such law."""
    if law == ELASTIC:
        return elastic.linear(F, params, old, dt, P, A, new)
    if law == SAINT_VENANT:
        return elastic.saint_venant(F, params, old, dt, P, A, new)
    if law == QUADRIC:
        return quadric.respond(F, params, old, dt, P, A, new)
    if law == CRUSHABLE:
        return crushable.respond(F, params, old, dt, P, A, new)
    if law == INTERFACE:
        return interface.respond(F, params, old, dt, P, A, new)
    if law == HENCKY:
        return elastic.hencky(F, params, old, dt, P, A, new)
    return 2


@inlined
def is_logarithmic(law):
    """Return whether a law knows `stress`; such constituents of a voxel share their strain."""
    return law in (CRUSHABLE, HENCKY)


@inlined
def stress(law, eps, params, old, dt, sig, C, new):
    """Set stress and tangent of the logarithmic strain; for laws that are a function of it."""
    if law == HENCKY:
        elastic.logarithmic_stress(eps, params, old, dt, sig, C, new)
    else:
        crushable.stress(eps, params, old, dt, sig, C, new)
