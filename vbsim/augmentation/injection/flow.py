"""Cement pressed into a porous body: pressure, flow, front, leaks, step by step.

Both fluids follow Darcy's law in the pores of one grid. In a cell that the front crosses they lie
one behind the other, so that their resistances add; a cell passes cement on only once it is full.
Marrow at the front gives way at a pressure of its own (`marrow`). Left out: capillarity, gravity, a
yield stress of cement, mixing of the fluids.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.augmentation.approach import NeedlePath
from vbsim.augmentation.injection.medium import Medium, shares_of_points
from vbsim.augmentation.injection.needle import Needle
from vbsim.augmentation.injection.outlets import Mouth
from vbsim.augmentation.injection.rheology import PA, Rheology
from vbsim.augmentation.injection.ways import Ways
from vbsim.checks import require
from vbsim.data import value
from vbsim.fem.diffusion import Diffusion, pad
from vbsim.kernels import transport

__all__ = ["Flow", "Limits", "Portion", "Status"]

FloatArray = NDArray[np.float64]

Status = Literal["volume", "pressure", "leak", "time"]
"""Why an injection ended: all was given, nothing moved any more, a leak was seen, it set."""

# The front moves by about this share of a cell between two pressure solves.
_STEP_CELLS = 0.5
# Surface of a ball of volume V: this times V^(2/3).
_BALL = float((36.0 * np.pi) ** (1.0 / 3.0))
# Passes in which viscosity and flow are brought together: at the start, and in every later step.
_PASSES_FIRST, _PASSES = 8, 2
# More of them at most, until the ways out take the same twice.
_MORE_PASSES = 10
_TOLERANCE = 1e-6
# No step is longer: the cement ages meanwhile, s.
_LONGEST_S = 10.0
# Moments of which the fields are kept.
_FRAMES = 40
# Passes in which cement that waits in full cells is moved on at the end.
_SETTLING = 20
# Most steps for one portion, whatever happens.
_MOST_STEPS = 2000
# Marrow that cement cannot displace resists as this many times as viscous a fluid would.
_MOST_STIFF = 1e3
# Less than this share of a wanted step is none.
_LEAST_STEP = 1e-3


class Portion(NamedTuple):
    """Cement given through one needle while it is drawn back.

    Attributes
    ----------
    path : NeedlePath
        The needle.
    volume_mm3 : float
        How much.
    from_mm, to_mm : float
        How far the tip is drawn back at the start and at the end, mm.
    """

    path: NeedlePath
    volume_mm3: float
    from_mm: float
    to_mm: float


class Limits(NamedTuple):
    """When to stop.

    Attributes
    ----------
    rate_mm3_per_s : float
        Wanted flow.
    pressure_mpa : float
        Most pressure behind the needle.
    leak_ml : float
        Stop once so much has leaked.
    end_min : float
        Stop at this time after mixing.
    """

    rate_mm3_per_s: float
    pressure_mpa: float
    leak_ml: float
    end_min: float


@dataclass(eq=False)
class Flow:
    """An injection under way; `run` presses portions in until one of the limits stops it.

    Parameters
    ----------
    medium : Medium
        The porous body.
    mouths : sequence of Mouth
        Ways out.
    rheology : Rheology
        The cement.
    needle : Needle
        The cannula.
    limits : Limits
        When to stop.
    start_min : float
        Time after mixing at which the injection starts, min.
    marrow_pa_s : float
        Viscosity of marrow.
    """

    medium: Medium
    mouths: Sequence[Mouth]
    rheology: Rheology
    needle: Needle
    limits: Limits
    start_min: float
    marrow_pa_s: float
    rows: list[dict[str, float]] = field(default_factory=list)
    frames: list[tuple[float, NDArray[np.float32], NDArray[np.float32]]] = field(
        default_factory=list
    )
    cycles: int = 0
    time_s: float = 0.0
    injected_mm3: float = 0.0

    def __post_init__(self) -> None:
        self.ways = Ways(self.medium, self.mouths, self.rheology, self.marrow_pa_s)
        medium = self.medium = self.ways.medium
        shape = medium.pore.shape
        self._balance = Diffusion((shape[0], shape[1], shape[2]), medium.spacing_mm)
        self._permeability, self._porosity = pad(medium.permeability_mm2), pad(medium.pore)
        zeros = [np.zeros_like(self._porosity) for _ in range(3)]
        self.fluid = transport.Fluid(self._porosity * medium.cell_mm3, *zeros)
        self._rate = np.ones_like(self._porosity)
        self._threshold = pad(medium.threshold_mpa)
        self._gel = np.zeros_like(self._porosity)
        self._pressure = np.zeros_like(self._porosity)
        self._arriving = np.zeros_like(self._porosity), np.zeros_like(self._porosity)
        self._leaked_now = np.zeros_like(self._porosity)
        self._cells = np.flatnonzero(self._porosity.ravel() > 0.0)
        self._flow_rate = self.limits.rate_mm3_per_s

    # State ---------------------------------------------------------------------------------------

    @property
    def minutes(self) -> float:
        """Time after mixing, min."""
        return self.start_min + self.time_s / 60.0

    @property
    def cement_mm3(self) -> FloatArray:
        """Cement in every cell, (n_z, n_y, n_x), mm3; what waits to move on included."""
        in_veins, _ = self.ways.in_veins()
        return np.asarray((self.fluid.held + self.fluid.waiting + in_veins)[1:-1, 1:-1, 1:-1])

    # Run -----------------------------------------------------------------------------------------

    def run(self, portions: Sequence[Portion]) -> Status:
        """Press portions in, one after the other; return why it ended."""
        total = sum(portion.volume_mm3 for portion in portions)
        status: Status = "volume"
        for portion in portions:
            status = self._press(portion, total)
            if status != "volume":
                break
        self._settle()
        self._keep_frame()
        return status

    def _settle(self) -> None:
        """Move on what still waits in full cells; what finds no way never left the needle."""
        nothing = np.zeros_like(self._porosity)
        for _ in range(_SETTLING):
            if not bool(self.fluid.waiting.any()):
                return
            if not np.isfinite(self._solve_pressure(nothing)):
                break
            self._advance(nothing)
        self.injected_mm3 -= float(self.fluid.waiting.sum())
        self.fluid.waiting[:] = 0.0
        if self.rows:
            last = self.rows.pop()
            self._note(last["pressure_cannula_mpa"], last["pressure_tip_mpa"])

    def _press(self, portion: Portion, total_mm3: float) -> Status:
        given, passes = 0.0, _PASSES_FIRST
        for _ in range(_MOST_STEPS):
            left = portion.volume_mm3 - given
            if left <= 1e-9 * portion.volume_mm3:
                return "volume"
            source = self._source(portion, given / portion.volume_mm3)
            self._threshold[source > 0.0] = 0.0  # the needle has displaced it
            step = min(self._step_mm3(portion, given), left)
            cannula, tip = self._find_flow(source, passes)
            passes = _PASSES
            if self._flow_rate < value("injection.flow.least_share") * self.limits.rate_mm3_per_s:
                self._note(cannula, tip)
                return "pressure"
            if not self.rows:
                self._note(cannula, tip)
            longest_s = min(_LONGEST_S, self.ways.longest_step_s())
            volume = min(step, self._flow_rate * longest_s, self._room_mm3())
            if volume < _LEAST_STEP * step:
                return "pressure"  # full, or all but at a stand
            self._advance(source * volume)
            given += volume
            self.injected_mm3 += volume
            self.time_s += volume / self._flow_rate
            self._note(cannula, tip)
            if self.injected_mm3 >= len(self.frames) / _FRAMES * total_mm3:
                self._keep_frame()
            if float(self.ways.leaked_mm3.sum()) / 1000.0 >= self.limits.leak_ml:
                return "leak"
            if self.minutes >= self.limits.end_min and left > volume:
                return "time"
        return "pressure"

    def _step_mm3(self, portion: Portion, given_mm3: float) -> float:
        """Return a volume that moves the front of a portion by a share of a cell, mm3."""
        medium = self.medium
        edge = float(np.cbrt(medium.cell_mm3))
        porosity = float(medium.pore[medium.pore > 0.0].mean())
        area = _BALL * (given_mm3 / porosity) ** (2.0 / 3.0)
        moved = _STEP_CELLS * edge * area * porosity
        return float(min(max(moved, 2.0 * medium.cell_mm3), portion.volume_mm3 / 8.0))

    def _room_mm3(self) -> float:
        """Return what still fits; no bound where there is a way out, mm3."""
        if bool(self._leak.any()):
            return float("inf")
        fluid = self.fluid
        return float(fluid.capacity.sum() - fluid.held.sum() - fluid.waiting.sum())

    def _source(self, portion: Portion, done: float) -> FloatArray:
        """Return how the needle's flow is shared out over the cells at its tip, padded; sum 1."""
        back = portion.from_mm + done * (portion.to_mm - portion.from_mm)
        tip = np.array(portion.path.tip_mm) - back * portion.path.direction
        medium = self.medium
        shares = shares_of_points(
            tip + _ball(0.5 * self.needle.outer_mm),
            medium.first_mm,
            medium.spacing_mm,
            medium.pore.shape,
        )
        shares *= medium.pore > 0.0
        total = float(shares.sum())
        require(
            total > 0.0,
            "tip",
            tuple(round(float(c), 2) for c in tip),
            "in bone with open pores (not in a wall or in cement that is already there)",
        )
        return pad(shares / total)

    # Pressure ------------------------------------------------------------------------------------

    def _find_flow(self, source: FloatArray, passes: int) -> tuple[float, float]:
        """Bring flow, viscosity and pressure together; return cannula and tip pressure, MPa."""
        limits, rheology = self.limits, self.rheology
        fresh = float(rheology.consistency_pa_s_n_at(self.minutes))
        self._flow_rate = min(
            limits.rate_mm3_per_s, self._flow_rate * 1.5 if self.rows else limits.rate_mm3_per_s
        )
        cannula = tip = 0.0
        for attempt in range(passes + _MORE_PASSES):
            tip = self._solve_pressure(source)
            cannula = self.needle.pressure_mpa(self._flow_rate, rheology, fresh)
            over = (cannula + tip) / limits.pressure_mpa
            held_back = self._flow_rate < limits.rate_mm3_per_s * (1.0 - 1e-9)
            if over > 1.0 + 1e-3 or (held_back and over < 0.98):
                # Both fall with the rate to the power n, marrow aside.
                wanted = self._flow_rate * (0.995 / over) ** (1.0 / rheology.exponent)
                self._flow_rate = min(max(wanted, 1e-6), limits.rate_mm3_per_s)
                continue
            if attempt + 1 >= passes and self.ways.are_settled(self._flow_rate):
                break
        return cannula, tip

    def _solve_pressure(self, source: FloatArray) -> float:
        """Solve for the pressure at the present viscosities, renew these; return the tip's, MPa."""
        medium = self.medium
        filled = self._filled()
        cement, consistency = self._viscosities()
        marrow = self.marrow_pa_s
        # Along a cell that the front crosses, cement and marrow lie one behind the other.
        viscosity = filled * cement + (1.0 - filled) * marrow + self._soft_solid(cement)
        mobility = self._permeability / (viscosity * PA)
        # Ahead of the front marrow is without pressure: what it gives to the ways does not count.
        leak = self._leak = self.ways.conductances(
            self._pressure, self._permeability / (cement * PA), consistency
        )
        drain = medium.drain * (1.0 - filled[1:-1, 1:-1, 1:-1])
        ways_out = float(drain.sum() + leak.sum())
        if ways_out * self.limits.pressure_mpa < self._flow_rate:
            # Nearly full: not even the limit in every cell would drive so much out.
            return self._flow_rate / ways_out if ways_out > 0.0 else float("inf")
        self._balance.set(
            mobility[1:-1, 1:-1, 1:-1],
            factors=medium.factors,
            sink=drain + leak[1:-1, 1:-1, 1:-1],
        )
        solved = self._balance.solve_padded(
            source * self._flow_rate, self._pressure, tolerance=_TOLERANCE
        )
        self.cycles += solved.iterations
        h_x, h_y, h_z = medium.spacing_mm
        transport.shear_rate(
            self._pressure,
            self._balance.faces,
            np.array([h_y * h_z, h_x * h_z, h_x * h_y]),
            self._permeability,
            np.array(medium.factors),
            self._porosity,
            self._rate,
        )
        return float((source * self._pressure).sum())

    def _soft_solid(self, cement: FloatArray) -> FloatArray:
        """Return what marrow that holds together adds to the viscosity at the front, Pa s."""
        if not bool(self._threshold.any()):
            return self._gel
        medium = self.medium
        h_x, h_y, h_z = medium.spacing_mm
        transport.soft_solid(
            self._pressure,
            self._balance.faces,
            np.array([h_y * h_z / h_x, h_x * h_z / h_y, h_x * h_y / h_z]) * medium.factors,
            self._permeability,
            self.fluid,
            self._threshold,
            _MOST_STIFF * PA * cement,
            self._gel,
        )
        return self._gel / PA

    def _filled(self) -> FloatArray:
        capacity = self.fluid.capacity
        filled = np.divide(
            self.fluid.held, capacity, out=np.zeros_like(capacity), where=capacity > 0.0
        )
        return np.asarray(np.minimum(filled, 1.0))

    def _viscosities(self) -> tuple[FloatArray, FloatArray]:
        """Return apparent viscosity (Pa s) and consistency (Pa s^n) of cement in every cell."""
        age = self.rheology.aged_min(self.minutes, self.fluid.entered)
        # Where there is none yet, what comes next is the cement of the front: as old as the oldest.
        has_cement = self.fluid.held > 0.0
        oldest = float(age[has_cement].max()) if bool(has_cement.any()) else self.minutes
        consistency = self.rheology.consistency_pa_s_n_at(np.where(has_cement, age, oldest))
        viscosity = self.rheology.tube_factor * self.rheology.viscosity_pa_s(
            self._rate, consistency
        )
        return viscosity, consistency

    # Front ---------------------------------------------------------------------------------------

    def _advance(self, source_mm3: FloatArray) -> None:
        pressure = self._pressure.reshape(-1)[self._cells]
        order = self._cells[np.argsort(-pressure, kind="stable")]
        transport.advance(
            order,
            self._pressure,
            self._balance.faces,
            self._leak,
            source_mm3,
            self.minutes,
            self.fluid,
            *self._arriving,
            self._leaked_now,
        )
        self.ways.take(self._leaked_now, self._leak)

    # Record --------------------------------------------------------------------------------------

    def _note(self, cannula_mpa: float, tip_mpa: float) -> None:
        row = {
            "time_s": self.time_s,
            "since_mixing_min": self.minutes,
            "injected_ml": self.injected_mm3 / 1000.0,
            "in_bone_ml": float(self.cement_mm3.sum()) / 1000.0,
            "leaked_ml": float(self.ways.leaked_mm3.sum()) / 1000.0,
        }
        row |= {f"leaked_{name}_ml": volume for name, volume in self.ways.leaked_ml().items()}
        row |= {
            "rate_ml_per_min": self._flow_rate * 0.06,
            "pressure_mpa": cannula_mpa + tip_mpa,
            "pressure_cannula_mpa": cannula_mpa,
            "pressure_tip_mpa": tip_mpa,
            "consistency_pa_s_n": float(self.rheology.consistency_pa_s_n_at(self.minutes)),
        }
        self.rows.append(row)

    def _keep_frame(self) -> None:
        inner = (slice(1, -1),) * 3
        in_veins, room = self.ways.in_veins()
        volume = self.fluid.capacity + room
        filled = np.divide(
            self.fluid.held + in_veins, volume, out=np.zeros_like(volume), where=volume > 0.0
        )
        self.frames.append(
            (
                self.time_s,
                np.minimum(filled, 1.0)[inner].astype(np.float32),
                self._pressure[inner].astype(np.float32),
            )
        )


def _ball(radius_mm: float) -> FloatArray:
    """Return points spread evenly in a ball, (n, 3), mm."""
    axis = (np.arange(9) - 4.0) / 4.5 * radius_mm
    points = np.stack(np.meshgrid(axis, axis, axis), axis=-1).reshape(-1, 3)
    return np.asarray(points[np.linalg.norm(points, axis=1) <= radius_mm])
