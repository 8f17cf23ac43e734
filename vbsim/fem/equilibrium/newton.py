"""Newton's method for one step of a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.fem.equilibrium.controls import Leg
from vbsim.fem.equilibrium.krylov import Extended, conjugate_gradients, inner, platen_sums

if TYPE_CHECKING:
    from vbsim.fem.equilibrium.solver import Equilibrium

__all__ = ["EquilibriumSettings", "Found", "Newton", "Point", "Task"]

FloatArray = NDArray[np.float64]

_MOTIONS = 3
# Largest and smallest Krylov tolerance of a Newton step; a fixed one where quadratic convergence
# is to be seen.
_LOOSE, _TIGHT = 0.1, 1e-3
# A line search ends once the slope along the step has fallen to this share (Crisfield 1991).
_SLOPE = 0.5
# Trials of one search: its share may fall by ten with each.
_SEARCHES = 10
# A cavity of given volume: stiffness such that 1 MPa changes the volume by 1e-4 of itself.
_STIFF = 1e4


class EquilibriumSettings(NamedTuple):
    """How to find equilibrium.

    Attributes
    ----------
    tolerance : float
        Norm of the forces out of balance / norm of the platens' forces.
    averaging_mm : float
        Standard deviation of the Gaussian over which internal variables are averaged before they
        soften; 0 for none (results then depend on the grid).
    max_newton : int
        Newton iterations before a step is tried again, smaller.
    max_krylov : int
        Conjugate gradient iterations of one Newton iteration.
    max_steps : int
        Steps of one leg.
    smallest : float
        Smallest share of a leg; a step that fails with it ends the leg.
    softening_step : float
        Most by which one step moves the internal variable that softens; what is beyond takes
        effect in later steps, and steps get shorter.
    bending : {"tangent", "secant"}
        Modulus against the bending modes of a cell that has yielded: the mean of its tangent, by
        increments, which is right for paths that turn; or the secant of its stress, which is softer
        and closer to cells of eight integration points where the load only grows.
    krylov_tolerance : float or None
        Fixed tolerance of the linear solves; by default as loose as Newton's progress allows.
    threads : int or None
        Threads; results do not depend on it.
    """

    tolerance: float = 1e-4
    averaging_mm: float = 0.0
    max_newton: int = 14
    max_krylov: int = 200
    max_steps: int = 400
    smallest: float = 1e-4
    softening_step: float = 1.0
    bending: Literal["tangent", "secant"] = "tangent"
    krylov_tolerance: float | None = None
    threads: int | None = 1


class Point(NamedTuple):
    """One trial of an equilibrium."""

    u: FloatArray
    motion: FloatArray


class Task(NamedTuple):
    """A leg with the values of its controls at both ends."""

    leg: Leg
    begin: FloatArray
    end: FloatArray
    by_force: NDArray[np.bool_]
    cavity: tuple[bool, float, float]


class Found(NamedTuple):
    """An equilibrium."""

    u: FloatArray
    motion: FloatArray
    force: FloatArray
    pressure: float
    scale: float
    newton: int
    krylov: int
    residual: float


class _Out(NamedTuple):
    """Forces out of balance at a trial."""

    free: FloatArray
    platen: FloatArray
    pressure: float
    norm: float
    scale: float
    refused: int


class Newton:
    """Newton's method for one step."""

    def __init__(
        self, owner: Equilibrium, task: Task, wanted: FloatArray, stop: float, dt: float
    ) -> None:
        self.owner, self.body, self.settings = owner, owner.body, owner.settings
        self.by_force = np.flatnonzero(task.by_force)
        self.wanted, self.dt = wanted[self.by_force], dt
        self.is_volume, begin, end = task.cavity
        self.cavity = begin + stop * (end - begin)
        self.platen = owner._platen[self.by_force]
        self.norms = owner._platen_norms[self.by_force]
        self.force = np.zeros_like(owner.u)

    def run(self, point: Point) -> Found | None:
        """Return the equilibrium next to a point, or None if there is none to be found."""
        u, motion = point
        out = self._out_of_balance(u)
        if out is None:
            return None
        precondition = self._preconditioner()
        krylov, last, eta = 0, out.norm, _LOOSE
        for newton in range(self.settings.max_newton + 1):
            if out.norm <= self.settings.tolerance * out.scale:
                residual = out.norm / out.scale if out.scale else 0.0
                return Found(
                    u, motion, self.force, out.pressure, out.scale, newton, krylov, residual
                )
            if newton == self.settings.max_newton:
                break
            eta = self._forcing(eta, out, last, newton)
            search = conjugate_gradients(
                self.body, precondition, out.free.copy(), out.platen.copy(),
                tolerance=eta, limit=self.settings.max_krylov,
                stiff=self._stiff(),
            )  # fmt: skip
            krylov += search.iterations
            last = out.norm
            moved = self._searched(u, out, search.step)
            if moved is None:
                return None
            share, out = moved
            u = u + share * search.step
            motion = motion + share * self._motion_of(search.step)
        return None

    def _forcing(self, eta: float, out: _Out, last: float, newton: int) -> float:
        """Return the tolerance of the next linear solve."""
        fixed = self.settings.krylov_tolerance
        if fixed is not None:
            return fixed
        if newton == 0:
            return _LOOSE
        wanted = 0.9 * (out.norm / last) ** 2
        if 0.9 * eta**2 > 0.1:
            wanted = max(wanted, 0.9 * eta**2)
        # no tighter than what the step still has to gain
        left = 0.5 * self.settings.tolerance * out.scale / out.norm
        return min(max(wanted, left, _TIGHT), _LOOSE)

    def _out_of_balance(self, u: FloatArray) -> _Out | None:
        """Evaluate a trial; None where a law found it too far away."""
        owner = self.owner
        pressure = self.cavity
        if self.is_volume:
            volume = self.body.cavity(u, owner._gradient)
            pressure = _STIFF / self.cavity * (self.cavity - volume)
        refused = self.body.forces(u, self.dt, pressure, self.force)
        if refused or not np.isfinite(self.force).all():
            return None
        platen = self.wanted - platen_sums(self.platen, self.force)
        free = np.where(self.body.free, -self.force, 0.0)
        reaction = np.sqrt(max(inner(self.force, self.force) - inner(free, free), 0.0))
        scale = max(owner._scale, reaction, *(np.abs(self.wanted) / self.norms), 0.0)
        if pressure and self.body.has_cavity:
            self.body.cavity(u, owner._gradient)
            scale = max(scale, abs(pressure) * np.sqrt(inner(owner._gradient, owner._gradient)))
        norm = float(np.sqrt(inner(free, free) + ((platen / self.norms) ** 2).sum()))
        return _Out(free, platen, pressure, norm, float(scale), refused)

    def _stiff(self) -> tuple[float, FloatArray] | None:
        if not self.is_volume:
            return None
        return _STIFF / self.cavity, self.owner._gradient

    def _preconditioner(self) -> Extended:
        """Return the preconditioner with the present tangent."""
        body = self.body
        multigrid = body.preconditioner(body.ratio)
        fields = self.owner._fields[self.by_force]
        stiffness = np.zeros((len(fields), len(fields)))
        product = np.zeros_like(self.force)
        for i, field in enumerate(fields):
            body.product(field, product)
            stiffness[i] = platen_sums(fields, product)
        stiffness = 0.5 * (stiffness + stiffness.T)
        inverse = np.asarray(np.linalg.pinv(stiffness, hermitian=True))
        return Extended(multigrid, self.platen, fields, inverse)

    def _searched(self, u: FloatArray, out: _Out, step: FloatArray) -> tuple[float, _Out] | None:
        """Return how much of a step to take, and the forces there.

        Where two places are about to yield in turns the tangent is close to singular and a step may
        be far too long: the share is bracketed by the sign of the slope until it fits.
        """
        motion = self._motion_of(step)[self.by_force]
        slope = inner(out.free, step) + float(out.platen @ motion)
        share, found = 1.0, None
        for _ in range(_SEARCHES):
            tried = self._out_of_balance(u + share * step)
            if tried is None:
                share *= 0.3
                continue
            now = inner(tried.free, step) + float(tried.platen @ motion)
            found = share, tried
            if tried.norm < out.norm or abs(now) <= _SLOPE * abs(slope) or slope <= 0.0:
                break
            share *= min(max(slope / (slope - now), 0.1), 0.7) if now < 0 else 0.5
        return found

    def _motion_of(self, step: FloatArray) -> FloatArray:
        """Return the platen motion in a displacement, (3,): 0 where it is prescribed."""
        motion = np.zeros(_MOTIONS)
        if len(self.by_force):
            platen = self.platen.reshape(len(self.by_force), -1)
            gram = np.einsum("in,jn->ij", platen, platen)
            motion[self.by_force] = np.linalg.solve(gram, platen_sums(self.platen, step))
        return motion
