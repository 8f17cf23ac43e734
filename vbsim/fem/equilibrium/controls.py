"""What drives a non-linear test: legs of a path, each with a control for every platen motion."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

__all__ = ["Control", "Controlled", "HOLD", "FREE", "Leg", "Status", "Step", "load", "move"]


class Controlled(Enum):
    """What is given of a platen motion (or of a cavity); the other of the two follows."""

    MOTION = "motion"
    FORCE = "force"


class Control(NamedTuple):
    """Target of one platen motion or cavity at the end of a leg.

    Attributes
    ----------
    given : Controlled
        Whether its motion (mm, rad; mm3 of a cavity) or its force (N, N mm; MPa) is given.
    target : float or None
        The value at the end of the leg, reached linearly in time; None keeps it as it is when
        the leg begins.
    """

    given: Controlled
    target: float | None


def move(target: float) -> Control:
    """Prescribe a motion: mm downwards, rad of tilt, or mm3 of a cavity."""
    return Control(Controlled.MOTION, target)


def load(target: float) -> Control:
    """Prescribe a force: N of compression, N mm of moment, or MPa in a cavity."""
    return Control(Controlled.FORCE, target)


HOLD = Control(Controlled.MOTION, None)
"""Keep the motion as it is when the leg begins (0 in a fresh body: guided)."""

FREE = Control(Controlled.FORCE, 0.0)
"""No force: the moment of a tilt falls to 0 during the leg and stays there (a ball joint)."""


class Status(Enum):
    """How a leg ended, with a sentence of advice."""

    DONE = "the leg reached its target"
    STOPPED = "the leg was stopped by its own condition"
    STEP_TOO_SMALL = (
        "no equilibrium was found with the smallest step: look at the last state for a part that "
        "has lost its hold, prescribe a motion instead of a force, or soften less"
    )
    TOO_MANY_STEPS = "the leg ran out of steps: raise max_steps or shorten the path"


class Step(NamedTuple):
    """One equilibrium of the history; the columns of its table.

    Attributes
    ----------
    leg : str
        Name of the leg.
    time_s : float
        Time since the first leg began.
    axial_mm, tilt_x_rad, tilt_y_rad : float
        Motion of the upper platen at the load line; axial downwards.
    force_n, moment_x_n_mm, moment_y_n_mm : float
        What the platen exerts, about the load line; compression is positive.
    pressure_mpa, cavity_mm3 : float
        Pressure in the cavity and its volume; 0 without one.
    work_n_mm : float
        Work done on the body by platen and cavity since the first leg began.
    dissipated_n_mm : float
        Energy that the laws have dissipated since the body was new.
    newton, krylov : int
        Newton and conjugate gradient iterations of the step.
    residual : float
        Norm of the forces out of balance / norm of the platens' forces.
    n_yielding : int
        Voxels whose inelastic strain grew.
    """

    leg: str
    time_s: float
    axial_mm: float
    tilt_x_rad: float
    tilt_y_rad: float
    force_n: float
    moment_x_n_mm: float
    moment_y_n_mm: float
    pressure_mpa: float
    cavity_mm3: float
    work_n_mm: float
    dissipated_n_mm: float
    newton: int
    krylov: int
    residual: float
    n_yielding: int


@dataclass(frozen=True)
class Leg:
    """One stretch of a path.

    Parameters
    ----------
    name : str
        Its name in the history.
    axial, tilt_x, tilt_y : Control
        What the upper platen does. A *guided* platen holds its tilts, a *ball joint* frees them.
    cavity : Control or None
        Volume or pressure of the cavity; None keeps its pressure (0 in a fresh body).
    first, largest : float
        Share of the leg taken by the first and by the largest step.
    wider : tuple of 2 float
        Share of the leg beyond which the largest step is another, and that step.
    duration_s : float
        Time that the leg takes; only laws with a rate notice.
    stop : callable, optional
        Asked after every step with the history of the leg; True ends it early.
    """

    name: str
    axial: Control
    tilt_x: Control = HOLD
    tilt_y: Control = HOLD
    cavity: Control | None = None
    first: float = 0.05
    largest: float = 0.1
    wider: tuple[float, float] = (1.0, 0.1)
    duration_s: float = 1.0
    stop: Callable[[list[Step]], bool] | None = None

    def largest_from(self, done: float) -> float:
        """Return the largest step from a share of the leg on."""
        beyond, step = self.wider
        return step if done >= beyond else self.largest
