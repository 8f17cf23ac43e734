"""Non-linear equilibrium: a body with laws led along a path of platen motions and forces.

Total Lagrangian on the regular grid, Newton's method with conjugate gradients (Eisenstat & Walker
1996, doi 10.1137/0917003, for their tolerance), an energy line search, steps that adapt and step
back, softening by the averaged state of the step before.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.equilibrium.body import InelasticBody
from vbsim.fem.equilibrium.checkpoint import Checkpoint, Progressed
from vbsim.fem.equilibrium.controls import Control, Controlled, Leg, Status, Step
from vbsim.fem.equilibrium.krylov import inner, platen_sums
from vbsim.fem.equilibrium.mesh_body import InelasticMesh
from vbsim.fem.equilibrium.newton import EquilibriumSettings, Found, Newton, Point, Task
from vbsim.fem.equilibrium.state import BodyState
from vbsim.fem.layout import Team
from vbsim.fem.loads import Lateral
from vbsim.fem.meshed import MeshedSolid
from vbsim.fem.problem import Solid
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents
from vbsim.mesh.mesh import Mesh

__all__ = ["Equilibrium", "EquilibriumSettings", "inelastic_body"]

FloatArray = NDArray[np.float64]

_MOTIONS = 3
# Fields that follow the platen only precondition and predict: two digits are plenty.
_FIELD_TOLERANCE, _FIELD_LIMIT = 1e-2, 60
# Steps grow after quick convergence and shrink after slow or none.
_QUICK, _SLOW, _GROW, _SHRINK, _BACK = 5, 9, 1.5, 0.6, 0.4
# Where most of what softens does so by more than a step may, the next step is shorter.
# (not shorter than this share of the largest: what snaps softens whatever the step).
_MOSTLY, _NOTICED, _HASTY = 95.0, 0.01, 0.25


class Equilibrium:
    """A body with laws between two platens, at rest or in a given state; `run` leads it on.

    The upper platen has three motions about the load line (mm downwards, tilts about x and y in
    rad, as the linear modes), of which each is either prescribed or follows from its force. A
    cavity, if given, has a volume and a pressure in the same way.

    Parameters
    ----------
    body : Solid or MeshedSolid
        ``domain``, ``materials`` (linear stiffness) and ``ends``: a potted specimen or a block; on
        a mesh of hexahedra also ``element`` and ``sweep``.
    constituents : Constituents
        What its voxels are made of.
    lateral : {"held", "sliding", "lower_held", "upper_held"}
        Whether platen points are held sideways.
    load_line_mm : tuple of 2 float
        Where axial force acts, from the pivot (x, y), mm.
    cavity : (n_z, n_y, n_x) or (n_cells,) float, optional
        Part of each cell that belongs to a cavity. Its cells need a (soft) constituent.
    state : BodyState, optional
        Where to start from; by default the body is new, undeformed and free of stress.
    settings : EquilibriumSettings
        Accuracy, averaging, limits.

    Attributes
    ----------
    history : list of Step
        Every equilibrium found, in order.

    Examples
    --------
    Overload, unload to 50 N and reload, guided::

        test = Equilibrium(specimen, constituents)
        test.run(Leg("load", move(2.0)))
        test.run(Leg("unload", load(50.0)))
        test.run(Leg("reload", move(3.0)))
        specimen = replace(specimen, state=test.state())
    """

    def __init__(
        self,
        body: Solid | MeshedSolid,
        constituents: Constituents,
        *,
        lateral: Lateral = "held",
        load_line_mm: tuple[float, float] = (0.0, 0.0),
        cavity: FloatArray | None = None,
        state: BodyState | None = None,
        settings: EquilibriumSettings | None = None,
    ) -> None:
        self.settings = settings or EquilibriumSettings()
        self.body = inelastic_body(body, constituents, lateral, cavity, self.settings.threads)
        self.history: list[Step] = []
        self._platen = _about(self.body.platen_fields(), load_line_mm)
        following = self.body.following_fields(_FIELD_TOLERANCE, _FIELD_LIMIT)
        self._fields = _about(following, load_line_mm)
        self._platen_norms = np.sqrt([inner(field, field) for field in self._platen])
        self._averaging = self.body.averaging(self.settings.averaging_mm)
        self.u = np.zeros(self.body.free.shape)
        self.motion = np.zeros(_MOTIONS)
        self.pressure, self.time, self.work = 0.0, 0.0, 0.0
        self._haste = 0.0
        self._scale = 0.0
        self._last: tuple[float, FloatArray, FloatArray] | None = None
        self._gradient = np.zeros_like(self.u) if self.body.has_cavity else np.zeros((3, 0))
        if state is not None:
            self._start_from(state)
        self._rest_softening()
        self._force = np.zeros_like(self.u)
        self.body.forces(self.u, 0.0, self.pressure, self._force)
        self._reaction = platen_sums(self._platen, self._force)
        self._volume = self._cavity_volume(self.u)

    def _start_from(self, state: BodyState) -> None:
        self.u = self.body.take_state(state)
        self.motion = np.array(state.motion, dtype=np.float64)
        self.pressure, self.time, self.work = state.pressure_mpa, state.time_s, state.work_n_mm

    # Results -------------------------------------------------------------------------------------

    def displacement_mm(self) -> FloatArray:
        """Return the displacement of all points of grid, (3, z, y, x), or mesh, (3, n_points)."""
        return self.body.displacement_mm(self.u)

    def state(self) -> BodyState:
        """Return all that another `Equilibrium` on the same grid needs to go on from here."""
        body = self.body
        return BodyState(
            self.displacement_mm(),
            body.spread(body.offset),
            body.resisting_field(),
            body.state_rows(),
            self.motion.copy(),
            self.pressure,
            self.time,
            self.work,
        )

    @property
    def reaction(self) -> FloatArray:
        """Force (N) and moments (N mm) of the upper platen about the load line, (3,)."""
        return self._reaction.copy()

    @property
    def cavity_mm3(self) -> float:
        """Volume of the cavity, mm3."""
        return self._volume

    @property
    def scale(self) -> float:
        """Largest norm of the platens' forces so far: what residuals are measured against."""
        return self._scale

    @property
    def last_increment(self) -> tuple[float, FloatArray, FloatArray]:
        """Share of the leg, displacement (3, N) and platen motion of the last step."""
        if self._last is None:
            return 1.0, np.zeros_like(self.u), np.zeros(_MOTIONS)
        return self._last

    def resume(
        self,
        state: BodyState,
        history: list[Step],
        scale: float,
        increment: tuple[float, FloatArray, FloatArray],
    ) -> None:
        """Stand where an earlier solver on the same body stood (see `Checkpoint`)."""
        self._start_from(state)
        self.history, self._scale = list(history), scale
        size, du, dmotion = increment
        self._last = (size, self.body.gather(du), dmotion)
        self._rest_softening()
        self.body.forces(self.u, 0.0, self.pressure, self._force)
        self._reaction = platen_sums(self._platen, self._force)
        self._volume = self._cavity_volume(self.u)

    # Path ----------------------------------------------------------------------------------------

    def run(
        self,
        leg: Leg,
        *,
        progress: Callable[[Step], None] | None = None,
        checkpoint: Path | Checkpoint | None = None,
    ) -> Status:
        """Lead the body along a leg; the history grows by its steps.

        The body stands at the last equilibrium found, whatever the status.

        Parameters
        ----------
        leg : Leg
            Where to.
        progress : callable, optional
            Told every step.
        checkpoint : path, optional
            File that follows the leg; if it is there already, the leg goes on from it.
        """
        file = Checkpoint(checkpoint) if isinstance(checkpoint, Path) else checkpoint
        controls = (leg.axial, leg.tilt_x, leg.tilt_y)
        begins = [
            m if c.given is Controlled.MOTION else r
            for c, m, r in zip(controls, self.motion, self._reaction, strict=True)
        ]
        ends = [b if c.target is None else c.target for c, b in zip(controls, begins, strict=True)]
        cavity = self._cavity_path(leg.cavity)
        task = Task(
            leg,
            np.array(begins),
            np.array(ends),
            np.array([c.given is Controlled.FORCE for c in controls]),
            cavity,
        )
        self._last = None
        self._rate[...] = 0.0
        begun = file.take(self, leg) if file else None
        if begun is None:
            if self.settings.bending == "tangent":
                # What unloads does so with its full stiffness.
                self.body.resist(np.ones_like(self.body.resisting), self.u)
            begun = Progressed(0.0, min(leg.first, leg.largest), 0)
        done, size = begun.done, begun.size
        taken = self.history[len(self.history) - begun.n_taken :]
        while done < 1.0 - 1e-12:
            if len(taken) == self.settings.max_steps:
                return Status.TOO_MANY_STEPS
            size = min(size, leg.largest_from(done))
            if done + 1.0001 * size > 1.0:
                size = 1.0 - done
            step = self._try(task, done, done + size)
            if step is None:
                size *= _BACK
                self._relaxed *= 0.5  # later steps catch up
                if size < self.settings.smallest:
                    self._restore()
                    return Status.STEP_TOO_SMALL
                continue
            done += size
            size = self._next(leg.largest_from(done), step, size)
            taken.append(step)
            self.history.append(step)
            if progress is not None:
                progress(step)
            if file is not None:
                file.keep(self, leg, Progressed(done, size, len(taken)))
            if leg.stop is not None and leg.stop(taken):
                return Status.STOPPED
        return Status.DONE

    def _cavity_path(self, control: Control | None) -> tuple[bool, float, float]:
        """Return whether the cavity's volume is given, and its value at begin and end."""
        if control is None:
            return False, self.pressure, self.pressure
        require(self.body.has_cavity, "cavity", control, "left out in a body without a cavity")
        is_volume = control.given is Controlled.MOTION
        begin = self._volume if is_volume else self.pressure
        return is_volume, begin, begin if control.target is None else control.target

    def _try(self, task: Task, start: float, stop: float) -> Step | None:
        """Find the equilibrium at a point of the leg and commit it; None if there is none."""
        wanted = task.begin + stop * (task.end - task.begin)
        self._foresee(stop - start)
        point = self._predict(task, start, stop, wanted)
        dt = (stop - start) * task.leg.duration_s
        found = Newton(self, task, wanted, stop, dt).run(point)
        if found is None:
            return None
        return self._commit(task, stop - start, dt, found)

    def _predict(self, task: Task, start: float, stop: float, wanted: FloatArray) -> Point:
        """Return where the last step, or elasticity, leads."""
        if self._last is not None:
            size, du, dmotion = self._last
            share = (stop - start) / size
            u, motion = self.u + share * du, self.motion + share * dmotion
        else:
            u, motion = self.u.copy(), self.motion.copy()
        # Prescribed motions are met exactly, whatever was extrapolated.
        for j in np.flatnonzero(~task.by_force):
            missing = wanted[j] - motion[j]
            u += missing * self._fields[j]
            motion[j] = wanted[j]
        return Point(u, motion)

    def _commit(self, task: Task, size: float, dt: float, found: Found) -> Step:
        body = self.body
        reaction = platen_sums(self._platen, found.force)
        volume = self._cavity_volume(found.u)
        moved = found.motion - self.motion
        self.work += float(0.5 * (reaction + self._reaction) @ moved)
        self.work += 0.5 * (found.pressure + self.pressure) * (volume - self._volume)
        n_yielding = body.n_yielding()
        body.accept()
        self._soften(size)
        self._last = (size, found.u - self.u, moved)
        self.u, self.motion = found.u, found.motion
        self._reaction, self._volume, self.pressure = reaction, volume, found.pressure
        self._scale = max(self._scale, found.scale)
        self.time += dt
        self._resist()
        axial, tilt_x, tilt_y = (float(value) for value in self.motion)
        force, moment_x, moment_y = (float(value) for value in reaction)
        return Step(
            leg=task.leg.name,
            time_s=self.time,
            axial_mm=axial,
            tilt_x_rad=tilt_x,
            tilt_y_rad=tilt_y,
            force_n=force,
            moment_x_n_mm=moment_x,
            moment_y_n_mm=moment_y,
            pressure_mpa=self.pressure,
            cavity_mm3=volume,
            work_n_mm=self.work,
            dissipated_n_mm=body.dissipated_n_mm(),
            newton=found.newton,
            krylov=found.krylov,
            residual=found.residual,
            n_yielding=n_yielding,
        )

    def _resist(self) -> None:
        """Give the bending modes the modulus that the step just found asks for."""
        body = self.body
        if self.settings.bending == "tangent":
            body.resist(body.ratio, self.u)
        else:
            body.resist(body.softened)

    def _rest_softening(self) -> None:
        """Take what softens as it is in the state of the body."""
        rows = self.body.rows
        self._averaged = self._averaging(rows[:, slots.INELASTIC])
        self._applied = rows[:, slots.SOFTENING].copy()
        self._rate, self._relaxed = np.zeros(len(rows)), 1.0

    def _soften(self, size: float) -> None:
        """Average the internal variables of a step just found, and note how fast they move."""
        averaged = self._averaging(self.body.rows[:, slots.INELASTIC])
        moved = averaged - self._averaged
        self._applied = self.body.rows[:, slots.SOFTENING].copy()
        self._averaged, self._rate, self._relaxed = averaged, moved / size, 1.0
        most = self.settings.softening_step
        noticed = moved[moved > _NOTICED * most]
        self._haste = float(np.percentile(noticed, _MOSTLY)) / most if len(noticed) else 0.0

    def _foresee(self, size: float) -> None:
        """Set what softens during a step: the averages, carried on at the rate of the last step.

        Lagging behind by a step would be of first order in its size; this is of second.
        """
        most = self._relaxed * self.settings.softening_step
        wanted = self._averaged + size * self._rate
        self.body.rows[:, slots.SOFTENING] = np.clip(wanted, self._applied, self._applied + most)

    def _next(self, largest: float, step: Step, size: float) -> float:
        """Return the size of the next step after one just taken."""
        factor = _GROW if step.newton <= _QUICK else _SHRINK if step.newton > _SLOW else 1.0
        larger = factor * size
        if self._haste > 0.0:
            hasty = size * max(1.0 / self._haste, _SHRINK)
            larger = min(larger, max(hasty, _HASTY * largest))
        return larger

    def _restore(self) -> None:
        """Evaluate the body where it stands, after steps that failed."""
        self.body.forces(self.u, 0.0, self.pressure, self._force)
        self.body.rows[:, slots.SOFTENING] = self._applied
        self.body.new[...] = self.body.rows

    def _cavity_volume(self, u: FloatArray) -> float:
        return self.body.cavity(u, self._gradient) if self.body.has_cavity else 0.0


def inelastic_body(
    body: Solid | MeshedSolid,
    constituents: Constituents,
    lateral: Lateral,
    cavity: FloatArray | None,
    threads: int | None,
) -> InelasticBody | InelasticMesh:
    """Return what joins the platens: voxels without a matrix, or a mesh with one."""
    if isinstance(body.domain, Mesh):
        return InelasticMesh(body, constituents, lateral, threads, cavity=cavity)
    return InelasticBody(body, constituents, lateral, Team(threads), cavity=cavity)


def _about(fields: FloatArray, load_line_mm: tuple[float, float]) -> FloatArray:
    """Return motions about the pivot as motions about a load line."""
    x, y = load_line_mm
    axial, tilt_x, tilt_y = fields
    return np.array([axial, tilt_x + y * axial, tilt_y - x * axial])
