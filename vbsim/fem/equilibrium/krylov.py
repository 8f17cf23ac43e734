"""Conjugate gradients for one Newton step, with the platen's free motions among the unknowns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.equilibrium.body import InelasticBody
from vbsim.fem.equilibrium.mesh_body import InelasticMesh

__all__ = ["Extended", "Search", "conjugate_gradients", "inner", "platen_sums"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]


class Extended(NamedTuple):
    """Preconditioner of free points and free platen motions together.

    A motion of the platen moves the body with it: the unknown of a free motion is the amplitude of
    a whole field, which is nearly conjugate to what the multigrid cycle does.

    Attributes
    ----------
    multigrid : callable
        Cycle on the free points, or another preconditioner of them.
    platen : (m, 3, N) float
        Covariant displacement of the platen points in each free motion, 0 elsewhere.
    fields : (m, 3, N) float
        The same with the body following.
    inverse : (m, m) float
        Inverse of the stiffness of those fields.
    """

    multigrid: Callable[[FloatArray], Array]
    platen: FloatArray
    fields: FloatArray
    inverse: FloatArray

    def __call__(self, r: FloatArray, platen_force: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return displacement and amplitudes that answer forces on points and platen motions."""
        z = self.multigrid(r).astype(np.float64)
        # the fields' points on the platen are not free: r is 0 there
        total = platen_force + platen_sums(self.fields, r)
        amplitudes = self.inverse @ total
        for amplitude, field in zip(amplitudes, self.fields, strict=True):
            z += amplitude * field
        return z, amplitudes


class Search(NamedTuple):
    """Result of one linear solve.

    Attributes
    ----------
    step : (3, N) float
        Displacement, platen points included.
    iterations : int
        Iterations.
    was_cut : bool
        Whether it ended at a direction of negative curvature.
    """

    step: FloatArray
    iterations: int
    was_cut: bool


def inner(a: Array, b: Array) -> float:
    """Return the scalar product of two vectors; not through BLAS, whose threads would spin on."""
    return float(np.einsum("ij,ij->", a, b))


def platen_sums(platen: FloatArray, force: FloatArray) -> FloatArray:
    """Return the forces conjugate to platen motions, (m,)."""
    return np.array([inner(field, force) for field in platen])


def conjugate_gradients(
    body: InelasticBody | InelasticMesh,
    precondition: Extended,
    r: FloatArray,
    platen_force: FloatArray,
    *,
    tolerance: float,
    limit: int,
    stiff: tuple[float, FloatArray] | None = None,
) -> Search:
    """Solve ``K d = r`` for the free points and free platen motions.

    Parameters
    ----------
    body : InelasticBody or InelasticMesh
        Gives the product.
    precondition : Extended
        Preconditioner.
    r : (3, N) float
        Forces out of balance at free points, 0 elsewhere; overwritten.
    platen_force : (m,) float
        Forces out of balance of the free platen motions; overwritten.
    tolerance : float
        Wanted residual over the one at the start, in the norm of the preconditioner.
    limit : int
        Bound on the iterations.
    stiff : (float, (3, N) array), optional
        A stiffness ``k g g^T`` on top: a cavity whose volume is given.

    Notes
    -----
    Stops where the tangent has negative curvature (Steihaug 1983, doi 10.1137/0720042) with what
    it has, or with the first direction if that is the first.
    """
    d = np.zeros_like(r)
    q = np.zeros_like(r)
    z, amplitudes = precondition(r, platen_force)
    p = z.copy()
    rho = start = inner(r, z) + float(platen_force @ amplitudes)
    for k in range(limit):
        if not rho > 0.0:
            return Search(d, k, True)
        body.product(p, q)
        if stiff is not None:
            q += stiff[0] * inner(stiff[1], p) * stiff[1]
        curvature = inner(p, q)
        if not (np.isfinite(curvature) and curvature > 0.0):
            return Search(p if k == 0 else d, k + 1, True)
        alpha = rho / curvature
        d += alpha * p
        platen_force -= alpha * platen_sums(precondition.platen, q)
        q *= body.free
        r -= alpha * q
        z, amplitudes = precondition(r, platen_force)
        last, rho = rho, inner(r, z) + float(platen_force @ amplitudes)
        if rho <= tolerance**2 * start:
            return Search(d, k + 1, False)
        p *= rho / last
        p += z
    return Search(d, limit, False)
