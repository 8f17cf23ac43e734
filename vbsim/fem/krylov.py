"""Conjugate gradients in float64 around a multigrid cycle in float32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.multigrid import Multigrid
from vbsim.fem.operators import VoxelOperator
from vbsim.kernels import vectors

__all__ = ["Outcome", "ConjugateGradients"]

Array = NDArray[Any]


class Outcome(NamedTuple):
    """How an iteration ended."""

    iterations: int
    relative_residual: float
    converged: bool


class ConjugateGradients:
    """Preconditioned conjugate gradients for one operator; its vectors are allocated once.

    Parameters
    ----------
    operator : VoxelOperator
        Stiffness in float64.
    multigrid : Multigrid
        Preconditioner in float32 for the same stiffness.

    Notes
    -----
    Hestenes & Stiefel 1952, doi 10.6028/jres.049.044, with the residual recomputed from the
    definition before convergence is believed.
    """

    def __init__(self, operator: VoxelOperator, multigrid: Multigrid) -> None:
        self.operator = operator
        self.multigrid = multigrid
        self._r = np.zeros(operator.shape)
        self._p = np.zeros(operator.shape)
        self._q = np.zeros(operator.shape)
        self._sums = np.zeros(operator.shape[1])

    def solve(self, b: Array, x: Array, *, tolerance: float, max_iterations: int = 500) -> Outcome:
        """Solve ``A x = b`` for the free components, from the start in `x`, in place.

        Parameters
        ----------
        b : (3, Z, Y, X) float64
            Right-hand side; read at free components only.
        x : (3, Z, Y, X) float64
            Start, with 0 at fixed components; the solution on return.
        tolerance : float
            Wanted ``|b - A x| / |b|``.
        max_iterations : int
            Bound on the number of iterations.
        """
        operator, r, p, q = self.operator, self._r, self._p, self._q
        single = self.multigrid.grids[0].b
        free = operator.dinv > 0
        size = float(np.sqrt(np.vdot(b[free], b[free])))
        if size == 0.0:
            x[free] = 0.0
            return Outcome(0, 0.0, True)
        operator.residual(x, b, r)
        iterations, residual = 0, float(np.sqrt(np.vdot(r, r))) / size
        while residual > tolerance and iterations < max_iterations:
            start = iterations
            single[...] = r
            p[...] = self.multigrid(single)
            rho = self._sum(vectors.scalar, (r, self.multigrid.grids[0].x))
            while iterations < max_iterations:
                iterations += 1
                curvature = operator.product(p, q)
                if not (np.isfinite(curvature) and curvature > 0.0 and rho > 0.0):
                    return Outcome(iterations, residual, False)
                squared = self._sum(vectors.step, (rho / curvature, p, q), (x, r, single))
                residual = float(np.sqrt(squared)) / size
                if residual <= tolerance:
                    break
                z = self.multigrid(single)
                last, rho = rho, self._sum(vectors.scalar, (r, z))
                self._share(vectors.direction, (z, rho / last), (p,))
            operator.residual(x, b, r)
            residual = float(np.sqrt(np.vdot(r, r))) / size
            if iterations - start <= 2:  # round-off is all that is left to gain
                break
        return Outcome(iterations, residual, residual <= tolerance)

    def _sum(self, kernel: Any, before: tuple[Any, ...], after: tuple[Any, ...] = ()) -> float:
        """Run a pass that leaves a sum per plane; return the total."""
        self._share(kernel, before, (*after, self._sums))
        return float(self._sums.sum())

    def _share(self, kernel: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
        """Call ``kernel(*before, start, stop, *after)`` on every slab of planes."""

        def slab(_: int, start: int, stop: int) -> None:
            kernel(*before, start, stop, *after)

        self.operator.team.run(slab, self.operator.shape[1], self.operator.n_points)
