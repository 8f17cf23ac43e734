"""Heat from curing cement into bone and what lies around it, step by step.

Reaction and conduction take turns (Strang): half a step of reaction in every cell for itself, a
whole step of conduction (Crank & Nicolson), half a step of reaction. Both halves keep the heat:
what the reaction gives is what it adds to the cells, what leaves a cell enters the next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.augmentation.curing.kinetics import ZERO_C_K, Kinetics
from vbsim.data import value
from vbsim.fem.diffusion import Diffusion, pad
from vbsim.kernels import curing, stencil
from vbsim.specimen.specimen import Specimen

__all__ = ["Body", "Heat", "body_of", "properties"]

FloatArray = NDArray[np.float64]

# W/(m K) is mW/(mm K); J/(m3 K) is 1e-6 mJ/(mm3 K).
_MJ_PER_MM3 = 1e-6

# Wanted change of conversion in a step, and steps, s.
_CHANGE = 0.02
_SHORTEST_S, _FIRST_S = 0.02, 0.5
_SUBSTEP_CHANGE = 0.005
_TOLERANCE = 1e-9
# Below this exchange of a cell in a step, relative to what it holds, the diagonal is enough.
_SHORT = 1.5


class Body(NamedTuple):
    """What conducts and what cures, on a box of cells (n_z, n_y, n_x).

    Attributes
    ----------
    spacing_mm : tuple of float
        Cell size (x, y, z).
    conductivity : float array
        W/(m K).
    capacity : float array
        Heat capacity of a volume, mJ/(mm3 K).
    cement : float array
        Cement volume / cell volume.
    perfusion : float array
        Heat carried away by blood, mW/(mm3 K).
    start_c : float array
        Temperature at the start, C.
    """

    spacing_mm: tuple[float, float, float]
    conductivity: FloatArray
    capacity: FloatArray
    cement: FloatArray
    perfusion: FloatArray
    start_c: FloatArray


def properties(name: str) -> tuple[float, float]:
    """Return conductivity, W/(m K), and heat capacity, mJ/(mm3 K), of a material."""
    path = f"curing.thermal.{name}"
    k, rho, c = (float(value(f"{path}.{q}")) for q in ("conductivity", "density", "heat_capacity"))
    return k, rho * c * _MJ_PER_MM3


def body_of(
    specimen: Specimen,
    window: tuple[slice, slice, slice],
    *,
    cement_c: float,
    body_c: float,
    perfusion_per_s: float,
) -> Body:
    """Return the part of a specimen in a window as a conducting body; soft tissue around it.

    Parameters
    ----------
    specimen : Specimen
        With cement.
    window : tuple of slice
        Part of its grid (z, y, x).
    cement_c, body_c : float
        Temperature of cement and of all else at the start, C.
    perfusion_per_s : float
        Blood volume through a volume of living tissue a second.
    """
    tissue = specimen.tissue
    cement = specimen.cement_fraction[window]
    void = np.zeros_like(cement) if specimen.void is None else specimen.void[window]
    spongy = np.maximum(tissue.trabecular[window] + void - cement, 0.0)
    dense = (tissue.shell + tissue.endplate + tissue.arch)[window]
    soft = np.maximum(1.0 - spongy - dense - cement, 0.0)
    conductivity, capacity = np.zeros_like(cement), np.zeros_like(cement)
    parts = (("cement", cement), ("trabecular", spongy), ("cortical", dense), ("soft", soft))
    for name, share in parts:
        k, c = properties(name)
        conductivity += k * share
        capacity += c * share
    own = properties("cement")[1] * cement / capacity
    blood = float(value("curing.blood.density") * value("curing.blood.heat_capacity"))
    perfusion = perfusion_per_s * blood * _MJ_PER_MM3 * (spongy + soft)
    start = body_c + own * (cement_c - body_c)
    return Body(specimen.domain.spacing_mm, conductivity, capacity, cement, perfusion, start)


class Heat:
    """Curing and conduction under way.

    Parameters
    ----------
    body : Body
        What conducts and cures.
    kinetics : Kinetics
        How it cures.
    seed : float
        Conversion at the start.
    body_c : float
        Temperature that the faces of the box, and blood, keep, C; None of the faces conducts if
        `is_closed`.
    density : float
        Of cement, kg/m3.
    is_closed : bool
        Whether no heat leaves the box.
    """

    def __init__(
        self,
        body: Body,
        kinetics: Kinetics,
        *,
        seed: float,
        body_c: float,
        density: float,
        is_closed: bool = False,
    ) -> None:
        self.body, self.kinetics, self.body_c = body, kinetics, body_c
        shape = body.cement.shape
        self._volume = float(np.prod(body.spacing_mm))
        self.over_c = body.start_c - body_c
        self.has_cement = body.cement > 1e-6
        cement = body.cement[self.has_cement]
        self.conversion = np.full(cement.shape, seed)
        self._seed = seed
        self._hottest = body.start_c[self.has_cement] + ZERO_C_K
        self._heat = density * kinetics.heat_j_kg * _MJ_PER_MM3 * cement  # mJ/mm3 of cell
        self._rise = self._heat / body.capacity[self.has_cement]
        self._store = body.capacity * self._volume  # mJ/K
        self._loss = body.perfusion * self._volume  # mW/K
        if not is_closed:
            self._loss = self._loss + _to_the_faces(body)
        n_z, n_y, n_x = shape
        self._balance = Diffusion((n_z, n_y, n_x), body.spacing_mm)
        self._balance.set(body.conductivity, scale=0.5, sink=np.ones(shape))
        self._exchange = _exchange(body)
        self._start_over = self.over_c.copy()
        self._dt_set = 0.0
        self.lost_mj = 0.0
        self.time_s = 0.0
        self.steps = 0

    @property
    def temperature_c(self) -> FloatArray:
        """Temperature of every cell, (n_z, n_y, n_x), C."""
        return np.asarray(self.body_c + self.over_c)

    @property
    def released_mj(self) -> float:
        """Heat that curing has given, mJ."""
        return float((self._heat * (self.conversion - self._seed)).sum()) * self._volume

    @property
    def energy_error(self) -> float:
        """Heat that is not accounted for / heat released, or stored if none was."""
        kept = float((self._store * (self.over_c - self._start_over)).sum())
        scale = max(self.released_mj, abs(kept), 1e-300)
        return abs(self.released_mj - kept - self.lost_mj) / scale

    def mean_conversion(self) -> float:
        """Return the conversion of all cement."""
        weight = self.body.cement[self.has_cement]
        return float((weight * self.conversion).sum() / weight.sum())

    def run(
        self,
        duration_s: float,
        *,
        longest_s: float,
        after: Callable[[Heat, float, FloatArray], None] | None = None,
        dt_s: float | None = None,
    ) -> None:
        """Go on for a time.

        Parameters
        ----------
        duration_s : float
            How long, s.
        longest_s : float
            Longest step, s.
        after : callable, optional
            Told, after every step, its length and the mean temperature of every cell over it.
        dt_s : float, optional
            Constant step; else steps follow the curing.
        """
        dt = dt_s or min(_FIRST_S, longest_s)
        end = self.time_s + duration_s
        while end - self.time_s > 1e-9 * duration_s:
            step = min(dt, end - self.time_s)
            before = self.over_c.copy()
            change = self._react(0.5 * step)
            self._conduct(step)
            change = max(change, self._react(0.5 * step))
            self.time_s += step
            self.steps += 1
            if after is not None:
                after(self, step, self.body_c + 0.5 * (before + self.over_c))
            if dt_s is None:
                # Quantised, so that the operator is set anew only now and then.
                wanted = dt * float(np.clip(0.5 * _CHANGE / max(change, 1e-12), 0.4, 1.6))
                dt = 2.0 ** (np.floor(2.0 * np.log2(np.clip(wanted, _SHORTEST_S, longest_s))) / 2.0)

    def _react(self, dt: float) -> float:
        """React for a time; return the largest change of conversion."""
        kelvin = self.over_c[self.has_cement] + (self.body_c + ZERO_C_K)
        change = curing.react(
            self.conversion,
            kelvin,
            self._hottest,
            self._rise,
            self.kinetics.constants(),
            dt,
            _SUBSTEP_CHANGE,
        )
        self.over_c[self.has_cement] = kelvin - (self.body_c + ZERO_C_K)
        return float(change)

    def _conduct(self, dt: float) -> None:
        rate = self._store / dt
        if dt != self._dt_set:
            is_short = bool((0.5 * self._exchange / rate).max() < _SHORT)
            self._balance.set_sink(rate + 0.5 * self._loss, is_short_step=is_short)
            self._dt_set = dt
        old = pad(self.over_c)
        out = np.zeros_like(old)
        stencil.product(self._balance.faces, old, out)
        source = 2.0 * pad(rate) * old - out
        new = old.copy()
        self._balance.solve_padded(source, new, tolerance=_TOLERANCE)
        inner = new[1:-1, 1:-1, 1:-1]
        self.lost_mj += dt * 0.5 * float((self._loss * (self.over_c + inner)).sum())
        self.over_c = inner.copy()


def _to_the_faces(body: Body) -> FloatArray:
    """Return the conductance of every cell to the faces of the box, mW/K."""
    h = np.array(body.spacing_mm)
    result = np.zeros_like(body.conductivity)
    for axis, edge in ((0, 2), (1, 1), (2, 0)):
        area_over_half = 2.0 * float(np.prod(h)) / h[edge] ** 2
        for end in (0, -1):
            at: list[slice | int] = [slice(None)] * 3
            at[axis] = end
            result[tuple(at)] += area_over_half * body.conductivity[tuple(at)]
    return result


def _exchange(body: Body) -> FloatArray:
    """Return the conductance of every cell to its neighbours, all six together, mW/K."""
    h = np.array(body.spacing_mm)
    return np.asarray(2.0 * body.conductivity * float(np.prod(h)) * float((1.0 / h**2).sum()))
