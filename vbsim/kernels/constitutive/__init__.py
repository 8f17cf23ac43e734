"""Constitutive laws at one point: from a deformation gradient to stress, tangent and new state.

A law is one point function here, one rung of the ladder in `ladder.respond`, and one frozen
dataclass of parameters in `materials.laws` that fills its rows. Every point function has the form

    respond(F, params, old, dt, P, A, new) -> int

``F`` (9,)
    deformation gradient at the centre of the voxel, row by row: ``F[3 i + J] = d x_i / d X_J``
``params`` (n,)
    the law's parameters in this voxel
``old``, ``new`` (m,)
    state before and after the step; see `slots` for the places that all laws share
``dt``
    time that the step takes, s; 0 for a law that asks only for its tangent at rest
``P`` (9,)
    first Piola stress of the constituent itself, MPa; the caller weighs it by volume
``A`` (9, 9)
    algorithmic tangent ``d P / d F``, MPa
returns
    0, or another number if the step was too large for it: the caller takes a smaller one

All of ``P``, ``A`` and ``new`` are written. `old` is never written: a step may be tried many times.
Laws for small strain use ``sym(F - 1)`` (`voigt`). What softens or damages does so by the state
``SOFTENING`` of the *old* row: it is the internal variable of the step before, averaged over the
neighbourhood by the caller. Within a step nothing softens, and the tangent of an associated law is
symmetric and positive; results converge as steps get shorter.

The compiled ladder does not notice a change in another file: remove the cached ``*.nbi`` after
editing a law.
"""

from vbsim.kernels.constitutive.ladder import (
    CRUSHABLE,
    ELASTIC,
    HENCKY,
    INTERFACE,
    QUADRIC,
    SAINT_VENANT,
    respond,
)

__all__ = [
    "CRUSHABLE",
    "ELASTIC",
    "HENCKY",
    "INTERFACE",
    "QUADRIC",
    "SAINT_VENANT",
    "respond",
]
