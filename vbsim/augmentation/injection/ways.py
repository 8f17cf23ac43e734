"""The ways out of a porous body while cement is pressed into it: what each draws, what has left."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.augmentation.injection.medium import Medium, Tube, tube_shares
from vbsim.augmentation.injection.outlets import COMPARTMENTS, Mouth
from vbsim.augmentation.injection.rheology import Rheology, tube_resistance
from vbsim.augmentation.injection.veins import Lumen, Network, take_volume
from vbsim.fem.diffusion import pad

__all__ = ["Ways"]

FloatArray = NDArray[np.float64]

# What a way takes and the pressure in the bone chase each other: half the change at a time, until
# no way changes by more than this share of what it takes, or of a hundredth of what is injected.
_HALF, _SETTLED, _LITTLE = 0.5, 0.02, 0.01
# A vein that still holds marrow resists less than it will when cement is in it: it fills by this
# share of its room in a step at most.
_FILLED = 1.0


class _Way(NamedTuple):
    """One way out: the cells it starts from, and how much of it starts in each or its vein."""

    mouth: Mouth
    cells: NDArray[np.intp]
    shares: FloatArray
    lumen: Lumen | None = None


class Ways:
    """All ways out of a body.

    Parameters
    ----------
    medium : Medium
        The porous body; `medium` is what the veins leave of it.
    mouths : sequence of Mouth
        Where they lie.
    rheology : Rheology
        The cement.
    marrow_pa_s : float
        Viscosity of marrow.
    """

    def __init__(
        self, medium: Medium, mouths: Sequence[Mouth], rheology: Rheology, marrow_pa_s: float
    ) -> None:
        self.rheology, self.marrow_pa_s = rheology, marrow_pa_s
        self.network = Network(medium, [m.lumen for m in mouths if m.lumen])
        self.medium = take_volume(medium, self.network.lumens)
        left = iter(self.network.lumens)
        self._ways = [
            _way_of_vein(mouth, next(left)) if mouth.lumen else _way_of(self.medium, mouth)
            for mouth in mouths
        ]
        self._drawn = [np.zeros(len(way.cells)) for way in self._ways]
        self._is_vein = np.array([way.lumen is not None for way in self._ways], dtype=bool)
        self.leaked_mm3 = np.zeros(len(self._ways))
        self._out_rate = np.zeros(len(self._ways))
        self._taken = np.zeros(len(self._ways))
        self._change = np.zeros(len(self._ways))

    def in_veins(self) -> tuple[FloatArray, FloatArray]:
        """Return cement in the veins of every cell and their room, each padded, mm3."""
        held, room = pad(np.zeros_like(self.medium.pore)), pad(np.zeros_like(self.medium.pore))
        for way in self._ways:
            if way.lumen is not None:
                np.add.at(held.reshape(-1), way.cells, way.lumen.held_mm3)
                np.add.at(room.reshape(-1), way.cells, way.lumen.course.room_mm3)
        return held, room

    def leaked_ml(self) -> dict[str, float]:
        """Return what has leaked into each compartment, ml."""
        result = dict.fromkeys(COMPARTMENTS, 0.0)
        for way, volume in zip(self._ways, self.leaked_mm3, strict=True):
            result[way.mouth.compartment] += float(volume) / 1000.0
        return result

    def are_settled(self, rate_mm3_per_s: float) -> bool:
        """Return whether what the ways take changed little in the last pass, of a flow in all."""
        most = np.maximum(self._taken, _LITTLE * rate_mm3_per_s)
        return bool((self._change <= _SETTLED * most).all())

    def longest_step_s(self) -> float:
        """Return a time in which no vein fills by more than a share of its room, s."""
        times = [
            _FILLED * float(way.lumen.course.room_mm3.sum()) / taken
            for way, taken in zip(self._ways, self._taken, strict=True)
            if way.lumen is not None and taken > 0.0
        ]
        return min(times, default=float("inf"))

    def conductances(
        self, pressure: FloatArray, mobility: FloatArray, consistency: FloatArray
    ) -> FloatArray:
        """Return the conductance of every cell to the ways out, padded, mm3 / (MPa s).

        Parameters
        ----------
        pressure, mobility, consistency : padded float array
            MPa; of cement along the body's axis, mm2 / (MPa s); of cement, Pa s^n.
        """
        leak = np.zeros_like(pressure)
        p_flat, k_flat = pressure.reshape(-1), consistency.reshape(-1)
        factors = self.medium.factors
        # Into a tube across the body's axis: the mean permeability of the plane across it.
        towards = mobility.reshape(-1) * float(np.sqrt(factors[0] * factors[2]))
        for k, way in enumerate(self._ways):
            if not len(way.cells):
                continue
            k_here, p_here = k_flat[way.cells], p_flat[way.cells]
            outside = self._outside(k, float(k_here[-1] if way.lumen else way.shares @ k_here))
            if way.lumen is not None:
                found = way.lumen.conductances(
                    p_here,
                    towards[way.cells],
                    k_here,
                    rheology=self.rheology,
                    marrow_pa_s=self.marrow_pa_s,
                    outside=outside,
                )
                drawn = self._drawn[k] + _HALF * (found - self._drawn[k])
                out = float(way.lumen.flow_mm3_per_s[-1])
            else:
                drawn = way.shares / outside
                out = float(drawn @ p_here)
            self._drawn[k] = drawn
            np.add.at(leak.reshape(-1), way.cells, drawn)
            self._out_rate[k] += _HALF * (max(out, 0.0) - self._out_rate[k])
            taken = float(drawn @ p_here)
            self._change[k], self._taken[k] = abs(taken - self._taken[k]), taken
        return leak

    def _outside(self, number: int, consistency: float) -> float:
        """Return the resistance of a way outside the bone, MPa s / mm3."""
        mouth = self._ways[number].mouth
        radius, length = mouth.channel.radius_mm, mouth.length_mm
        wall_rate = 4.0 * max(self._out_rate[number], 0.0) / (np.pi * radius**3)
        thick = self.rheology.tube_factor * float(
            self.rheology.viscosity_pa_s(wall_rate, consistency)
        )
        reached = min(float(self.leaked_mm3[number]) / (np.pi * radius**2), length)
        return tube_resistance(thick, radius, reached) + tube_resistance(
            self.marrow_pa_s, radius, length - reached
        )

    def take(self, gone_mm3: FloatArray, leak: FloatArray) -> None:
        """Share out what has left the cells, padded, as the conductances last returned tell."""
        gone, total = gone_mm3.reshape(-1), leak.reshape(-1)
        in_veins = []
        for k, (way, drawn) in enumerate(zip(self._ways, self._drawn, strict=True)):
            all_ways = total[way.cells]
            part = np.divide(drawn, all_ways, out=np.zeros_like(drawn), where=all_ways > 0.0)
            entering = gone[way.cells] * part
            if way.lumen is None:
                self.leaked_mm3[k] += float(entering.sum())
            else:
                in_veins.append(entering)
        self.leaked_mm3[self._is_vein] += self.network.take(in_veins)


def _way_of(medium: Medium, mouth: Mouth) -> _Way:
    """Return the cells in which a way out starts: those at the mouth of its channel."""
    channel = mouth.channel
    edge = max(medium.spacing_mm)
    inward = channel.end_mm - channel.start_mm
    length = float(np.linalg.norm(inward))
    reach = min(length, max(edge, channel.radius_mm)) / length
    near = channel._replace(end_mm=channel.start_mm + reach * inward)
    shares = _shares_near(medium, near)
    if float(shares.sum()) == 0.0:  # the first cells may be slivers of wall: look further in
        shares = _shares_near(medium, channel)
    if float(shares.sum()) == 0.0:
        shares = _nearest(medium, channel.start_mm)
    cells = np.flatnonzero(pad(shares).ravel())
    picked = pad(shares).ravel()[cells]
    return _Way(mouth, cells, picked / picked.sum())


def _way_of_vein(mouth: Mouth, lumen: Lumen) -> _Way:
    return _Way(mouth, lumen.course.cells, np.zeros(len(lumen.course.cells)), lumen)


def _shares_near(medium: Medium, channel: Tube) -> FloatArray:
    shares = tube_shares(channel, medium.first_mm, medium.spacing_mm, medium.pore.shape)
    return np.asarray(shares * (medium.pore > 0.0))


def _nearest(medium: Medium, point_mm: FloatArray) -> FloatArray:
    """Return 1 at the open cell nearest to a point, 0 elsewhere."""
    index = np.argwhere(medium.pore > 0.0)
    centres = medium.first_mm + (index[:, ::-1] + 0.5) * np.array(medium.spacing_mm)
    best = index[int(np.argmin(np.linalg.norm(centres - point_mm, axis=1)))]
    shares = np.zeros(medium.pore.shape)
    shares[tuple(best)] = 1.0
    return shares
