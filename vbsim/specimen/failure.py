"""Load a specimen until it fails: the body, its laws and the path of a strength test."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import NotConverged, frozen, require
from vbsim.data import value
from vbsim.fem.equilibrium import (
    FREE,
    HOLD,
    BodyState,
    Equilibrium,
    EquilibriumSettings,
    Leg,
    Status,
    Step,
    load,
    move,
)
from vbsim.fem.loads import Strength
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents
from vbsim.specimen.deformed import Deformed
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.yielding import averaging_mm, cement_shrinkage, yielding_constituents
from vbsim.specimen.yielding_cells import yielding_cells

__all__ = ["FailureResponse", "load_to_failure"]

FloatArray = NDArray[np.float64]

# Apparent strain taken by the first and by the largest step: with two fifths of it and half of the
# softening step below, the peak of an L1 changes by 0.7 %.
_FIRST, _LARGEST = 0.001, 0.0025


# Most by which the averaged inelastic strain may move in a step.
_SOFTENING = 0.004

# Less force than this is round-off of an unloaded body, N.
_HELD_N = 1.0

# Forces out of balance: half or twice of this changes the peak of an L1 by less than 0.02 %.
_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class FailureResponse:
    """Response of a specimen to a strength test; on a mesh, arrays of cells are (n_cells,).

    Parameters
    ----------
    test : str
        Name of the test.
    platen : str
        ``guided`` or ``ball_joint``.
    status : Status
        How the path ended.
    steps : tuple of Step
        Every equilibrium on it.
    height_mm : float
        Height over which apparent strain is taken.
    start_mm : float
        Motion of the platen at the start: not 0 in a body that mechanics has deformed before.
    start_dissipated_n_mm : float
        What the laws had dissipated before.
    displacement_mm : (3, n_z + 1, n_y + 1, n_x + 1) float
        Displacement at the end, in the grid's axes; of points (3, n_points) on a mesh.
    inelastic : (n_z, n_y, n_x) float
        Inelastic strain gained by the end, times the volume of what yielded / voxel volume; on the
        undeformed grid.
    by_part : dict of str to (n_z, n_y, n_x) float
        The same by compartment.
    damage : (n_z, n_y, n_x) float
        Loss of modulus of what yields in the voxel, weighted by volume.
    """

    test: str
    platen: str
    status: Status
    steps: tuple[Step, ...]
    height_mm: float
    start_mm: float
    start_dissipated_n_mm: float
    displacement_mm: FloatArray
    inelastic: FloatArray
    by_part: dict[str, FloatArray]
    damage: FloatArray

    @property
    def strain(self) -> FloatArray:
        """Apparent strain of every step from the first on, (n,)."""
        moved = np.array([step.axial_mm for step in self.steps]) - self.start_mm
        return np.asarray(moved / self.height_mm)

    @property
    def force_n(self) -> FloatArray:
        """Force of every step, (n,), N."""
        return np.array([step.force_n for step in self.steps])

    @property
    def peak(self) -> int:
        """Index of the step with the largest force."""
        return int(self.force_n.argmax())

    @property
    def has_peak(self) -> bool:
        """Whether the force has fallen after its largest value, by more than round-off."""
        force = self.force_n
        fall = float(value("measures.strength.apparent.fall"))
        return bool(force[self.peak :].min() < (1.0 - fall) * force[self.peak])


def load_to_failure(
    specimen: AnySpecimen,
    test: Strength,
    *,
    threads: int | None = 1,
    progress: Callable[[Step], None] | None = None,
    checkpoint: Path | None = None,
) -> FailureResponse:
    """Load a potted specimen until it fails.

    Parameters
    ----------
    specimen : Specimen or FittedSpecimen
        Potted.
    test : Strength
        The test.
    threads : int or None
        Threads; results do not depend on it.
    progress : callable, optional
        Told every step.
    checkpoint : path, optional
        File in which the path is kept now and then, and from which it goes on if it is there.

    Raises
    ------
    NotConverged
        If not even the first step found an equilibrium.
    """
    require(specimen.ends is not None, "specimen", specimen.name, "potted before a strength test")
    solver = _solver(specimen, test, threads)
    _let_go(solver, test)
    made, begun = solver.body.constituents, solver.body.state_rows()
    start_mm, spent = float(solver.motion[0]), solver.body.dissipated_n_mm()
    height = float(np.mean(specimen.anatomy.frame.heights()))
    status = solver.run(_leg(test, height, start_mm), progress=progress, checkpoint=checkpoint)
    if not solver.history:
        raise NotConverged(f"{test.label()}: {status.value}", status)
    rows = solver.body.state_rows()
    gained = rows[:, slots.INELASTIC] - begun[:, slots.INELASTIC]
    return FailureResponse(
        test=test.label(),
        platen=test.platen,
        status=status,
        steps=tuple(solver.history),
        height_mm=height,
        start_mm=start_mm,
        start_dissipated_n_mm=spent,
        displacement_mm=frozen(solver.displacement_mm()),
        inelastic=_spread(specimen, made, gained),
        by_part={name: _spread(specimen, made, gained * made.named(name)) for name in made.names},
        damage=_damage(specimen, made, rows[:, slots.DAMAGE]),
    )


def _solver(specimen: AnySpecimen, test: Strength, threads: int | None) -> Equilibrium:
    """Return a solver at the start of a test: on a new body, or where mechanics has left it."""
    line = test.load_offset_mm if test.platen == "ball_joint" else (0.0, 0.0)
    settings = EquilibriumSettings(
        tolerance=_TOLERANCE, averaging_mm=averaging_mm(), threads=threads
    )
    if specimen.mechanics is not None:
        deformed: Deformed = specimen.mechanics
        require(
            test.lateral == deformed.lateral,
            "lateral",
            test.lateral,
            f"{deformed.lateral!r}, as the body was deformed",
        )
        return deformed.equilibrium(settings, load_line_mm=line)
    if isinstance(specimen, FittedSpecimen):
        made, grid = yielding_cells(specimen), specimen.source
    else:
        made, grid = yielding_constituents(specimen), specimen

    def at(state: BodyState | None) -> Equilibrium:
        return Equilibrium(
            specimen,
            made,
            lateral=test.lateral,
            load_line_mm=line,
            state=state,
            settings=settings._replace(softening_step=_SOFTENING, bending="secant"),
        )

    if cement_shrinkage(grid) is None:
        return at(None)
    # Cement that has shrunk strains the bone around it before any load does.
    solver = at(None)
    tilt = HOLD if test.platen == "guided" else FREE
    status = solver.run(Leg("shrink", load(0.0), tilt, tilt, first=0.5, largest=0.5))
    if status is not Status.DONE:
        raise NotConverged(f"{test.label()}, shrinkage: {status.value}", status)
    return at(solver.state())


def _let_go(solver: Equilibrium, test: Strength) -> None:
    """Take off the load that a treatment holds the body under: a test begins without one."""
    if abs(float(solver.reaction[0])) < _HELD_N:
        return
    status = solver.run(Leg("let go", load(0.0), FREE, FREE, first=0.25, largest=0.5))
    if status is not Status.DONE:
        raise NotConverged(f"{test.label()}, taking the load off: {status.value}", status)
    solver.history.clear()


def _leg(test: Strength, height_mm: float, start_mm: float) -> Leg:
    """Return the path of a test: down to its last strain, or until the force has fallen."""
    least = float(value("measures.strength.apparent.strain"))

    def has_failed(steps: list[Step]) -> bool:
        forces = [step.force_n for step in steps]
        strain = (steps[-1].axial_mm - start_mm) / height_mm
        return strain > least and forces[-1] < (1.0 - test.drop) * max(forces)

    tilt = HOLD if test.platen == "guided" else FREE
    return Leg(
        test.label(),
        move(start_mm + test.until_strain * height_mm),
        tilt,
        tilt,
        first=_FIRST / test.until_strain,
        largest=_LARGEST / test.until_strain,
        stop=has_failed,
    )


def _spread(specimen: AnySpecimen, made: Constituents, values: FloatArray) -> FloatArray:
    """Return a sum over the constituents of every voxel, weighted by volume."""
    total = np.bincount(made.cell, made.weight * values, specimen.domain.n_cells)
    return frozen(np.asarray(total, np.float64).reshape(specimen.domain.shape))


def _damage(specimen: AnySpecimen, made: Constituents, values: FloatArray) -> FloatArray:
    weight = made.weight * made.is_inelastic
    total = np.bincount(made.cell, weight * values, specimen.domain.n_cells)
    volume = np.bincount(made.cell, weight, specimen.domain.n_cells)
    mean = np.divide(total, volume, out=np.zeros_like(total), where=volume > 0.0)
    return frozen(mean.reshape(specimen.domain.shape))
