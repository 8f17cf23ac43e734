"""Conjugate gradients in float64 around a multigrid cycle in float32."""

from __future__ import annotations

from collections.abc import Callable
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
        # Only needed between a product and the next cycle, which does not need its own then.
        self._q = multigrid.grids[0].double
        self._plane = operator.layout.points.plane
        self._sums = np.zeros(len(self._plane) - 1)

    def solve(
        self,
        x: Array,
        b: Array | None = None,
        *,
        tolerance: float,
        max_iterations: int = 500,
        size: float | None = None,
        progress: Callable[[int, float], None] | None = None,
    ) -> Outcome:
        """Solve ``A x = b`` for the free components, from the start in `x`, in place.

        Parameters
        ----------
        x : (3, N) float64
            Start, with the prescribed values at held components; the solution on return.
        b : (3, N) float64, optional
            Nodal forces; none by default.
        tolerance : float
            Wanted residual, relative to `size`.
        max_iterations : int
            Bound on the number of iterations.
        size : float, optional
            What residuals are measured against; by default the norm of the forces that `b` and
            the prescribed values exert on the free components.
        progress : callable, optional
            Told the iteration and the relative residual after every iteration.
        """
        operator, r, p, q = self.operator, self._r, self._p, self._q
        single = self.multigrid.grids[0].b
        if size is None:
            size = self.load_norm(x, b)
        if size == 0.0:
            x[operator.dinv > 0] = 0.0
            return Outcome(0, 0.0, True)
        self._residual(x, b)
        iterations, residual = 0, _norm(r) / size
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
                if progress is not None:
                    progress(iterations, residual)
                if residual <= tolerance:
                    break
                z = self.multigrid(single)
                last, rho = rho, self._sum(vectors.scalar, (r, z))
                self._share(vectors.direction, (z, rho / last), (p,))
            self._residual(x, b)
            residual = _norm(r) / size
            if iterations - start <= 2:  # round-off is all that is left to gain
                break
        return Outcome(iterations, residual, residual <= tolerance)

    @property
    def spare(self) -> Array:
        """A vector (3, N) that is free between solves."""
        return self._r

    def load_norm(self, x: Array, b: Array | None = None) -> float:
        """Return the norm of the forces on the free components when those do not move."""
        np.multiply(x, self.operator.dinv == 0, out=self._p)
        self._residual(self._p, b)
        return _norm(self._r)

    def _residual(self, x: Array, b: Array | None) -> None:
        """Set ``r = b - A x``."""
        self._r[...] = 0.0 if b is None else b
        self.operator.residual(x, self._r, self._r)

    def _sum(self, kernel: Any, before: tuple[Any, ...], after: tuple[Any, ...] = ()) -> float:
        """Run a pass that leaves a sum per plane; return the total."""
        self._share(kernel, before, (*after, self._sums))
        return float(self._sums.sum())

    def _share(self, kernel: Any, before: tuple[Any, ...], after: tuple[Any, ...]) -> None:
        """Call ``kernel(*before, plane, start, stop, *after)`` on every slab of planes."""

        def slab(_: int, start: int, stop: int) -> None:
            kernel(*before, self._plane, start, stop, *after)

        self.operator.team.run(slab, self._plane)


def _norm(vector: Array) -> float:
    """Return the length of a vector; not through BLAS, whose threads would go on spinning."""
    return float(np.sqrt(np.einsum("ij,ij->", vector, vector)))
