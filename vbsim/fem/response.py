"""What a test tells: displacement, reactions, how well it was solved."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Status", "SolverReport", "PlatenModes", "Response"]

FloatArray = NDArray[np.float64]


class Status(Enum):
    """Outcome of a solve, with a sentence of advice."""

    CONVERGED = "converged"
    STALLED = (
        "the iteration stopped short of its tolerance: refine the grid or raise max_iterations"
    )
    NOT_CONNECTED = "no load path joins the platens: look at the tissue between the caps"


class SolverReport(NamedTuple):
    """How a linear system was solved.

    Attributes
    ----------
    iterations : tuple of int
        CG iterations of each right-hand side.
    relative_residual : float
        Largest final ``|r| / |b|``.
    n_dof : int
        Active degrees of freedom.
    seconds : float
        Wall time, s.
    """

    iterations: tuple[int, ...]
    relative_residual: float
    n_dof: int
    seconds: float


@dataclass(frozen=True, eq=False)
class PlatenModes:
    """Three unit motions of the upper platen and what they cost; every linear test combines them.

    Motions: 0 axial (1 mm downwards, -z), 1 tilt about x (1 rad), 2 tilt about y (1 rad), about
    the pivot. Rows and columns of motions that were not solved are 0.

    Parameters
    ----------
    displacement_mm : (3, 3, n_z + 1, n_y + 1, n_x + 1) float
        Displacement of each motion: (motion, component, z, y, x).
    stiffness : (3, 3) float
        Generalised reactions of the upper platen, conjugate to the motions: N/mm, N, N mm.
    reactions_n : (3, 2, 6) float
        Total force (x, y, z) on the lower and upper platen for each motion, then the moment of
        those forces about the pivot divided by the height between the platens, N.
    lateral : str
        ``held``, ``sliding`` or ``lower_held``: where platen points are held sideways.
    report : SolverReport
        How it was solved.
    """

    displacement_mm: FloatArray
    stiffness: FloatArray
    reactions_n: FloatArray
    lateral: str
    report: SolverReport


@dataclass(frozen=True, eq=False)
class Response:
    """Response of a specimen to one load case.

    Parameters
    ----------
    test : str
        Name of the load case.
    platen : str
        ``guided`` or ``ball_joint``; part of every result.
    status : Status
        Outcome; a response that is not converged is never measured.
    motion : (3,) float
        Amplitudes of the three platen motions: mm, rad, rad.
    force_n : float
        Compressive force of the upper platen, N.
    moment_n_mm : (2,) float
        Moments about x and y through the pivot, N mm.
    displacement_mm : (3, n_z + 1, n_y + 1, n_x + 1) float
        Displacement (x, y, z) of every point in the grid's axes, mm; 0 at points without material.
    equilibrium_error : float
        Largest imbalance between the two platens, in force or in moment over height, / the
        largest of those reactions.
    compliance : (3, 3) float
        Motion of the upper platen under unit generalised forces.
    report : SolverReport
        How it was solved.
    """

    test: str
    platen: str
    status: Status
    motion: FloatArray
    force_n: float
    moment_n_mm: FloatArray
    displacement_mm: FloatArray
    equilibrium_error: float
    compliance: FloatArray
    report: SolverReport
