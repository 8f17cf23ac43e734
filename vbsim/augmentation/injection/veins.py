"""Veins inside the bone: tubes that take cement in along their way and lead it out.

A vein runs in a channel of the bone: what has entered through its openings does not come out again
sideways. So it is no faster kind of bone but a tube of its own beside the pores: it draws from
every cell on its way, fills from there to the wall, and what is left over leaves the body.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from vbsim.augmentation.injection.medium import Medium, Tube, tube_shares, wall_shares
from vbsim.augmentation.injection.rheology import PA, Rheology
from vbsim.kernels import transport

__all__ = ["Lumen", "Network", "take_volume"]

FloatArray = NDArray[np.float64]

# Pressure of a source in a cubic lattice: in its own cell and in the six beside it (Watson 1939).
_LATTICE_OWN, _LATTICE_NEXT = 0.252731, 0.252731 - 1.0 / 6.0
# Rings from which a tube draws: how much wider than its wall, in cells; the first that serves.
_RINGS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
# The least resistance between cells and tube, as the logarithm of a ratio of radii.
_LEAST_RESISTANCE = 0.02
# Part of a vein's volume that lies in the cells of its wall, so that each holds some.
_AT_WALL = 0.05
# Share of a cell's pores that veins take at most.
_MOST_SHARE = 0.95


class Course(NamedTuple):
    """Where a vein runs, from its inner end to the wall; n cells of a padded box.

    Attributes
    ----------
    cells : (n,) int array
        Flat indices into the padded box.
    room_mm3 : (n,) float array
        Volume of the vein in each.
    entry_mm : (n,) float array
        What permeability / viscosity is multiplied by to give the conductance from cell to vein.
    tube_per_mm3 : (n,) float array
        What viscosity is multiplied by to give the resistance of the vein from cell to cell.
    radius_mm : (n,) float array
        Of the vein.
    """

    cells: NDArray[np.intp]
    room_mm3: FloatArray
    entry_mm: FloatArray
    tube_per_mm3: FloatArray
    radius_mm: FloatArray


class Lumen:
    """A vein under way: how full it is, and what flows in it.

    Parameters
    ----------
    course : Course
        Where it runs.
    has_inner_end : bool
        Whether it is open at its inner end too, into another vein.
    """

    def __init__(self, course: Course, *, has_inner_end: bool = False) -> None:
        self.course = course
        self.has_inner_end = has_inner_end
        self.held_mm3 = np.zeros_like(course.room_mm3)
        # From each piece to the next, towards the wall; the first entry is that at the inner end.
        self.flow_mm3_per_s = np.zeros(len(course.room_mm3) + 1)

    def conductances(
        self,
        pressure: FloatArray,
        mobility: FloatArray,
        consistency: FloatArray,
        *,
        rheology: Rheology,
        marrow_pa_s: float,
        outside: float,
    ) -> FloatArray:
        """Return the conductance of every cell to the outside through the vein, mm3 / (MPa s).

        Parameters
        ----------
        pressure, mobility, consistency : (n,) float array
            Of the cells on its way: MPa; of cement, mm2 / (MPa s); Pa s^n.
        rheology : Rheology
            The cement.
        marrow_pa_s : float
            Viscosity of what it holds before.
        outside : float
            Resistance of the way outside the bone, MPa s / mm3.
        """
        course = self.course
        filled = self.held_mm3 / course.room_mm3
        wall_rate = 4.0 * np.abs(self.flow_mm3_per_s[1:]) / (np.pi * course.radius_mm**3)
        cement = rheology.tube_factor * rheology.viscosity_pa_s(wall_rate, consistency)
        along = course.tube_per_mm3 * PA * (filled * cement + (1.0 - filled) * marrow_pa_s)
        ways = np.concatenate([1.0 / along[:1], 1.0 / along])
        ways[0] *= self.has_inner_end
        ways[-1] = 1.0 / (along[-1] + outside)
        entry = course.entry_mm * mobility
        inside = _pressures_with_valves(entry, ways, pressure)
        drawn = entry * np.maximum(pressure - inside, 0.0)
        self.flow_mm3_per_s = -ways * np.diff(inside, prepend=0.0, append=0.0)
        return np.divide(drawn, pressure, out=entry, where=pressure > 0.0)

    def take(self, entering_mm3: FloatArray) -> tuple[float, float]:
        """Let cement enter from every cell; return what leaves at the wall and within, mm3."""
        room, held = self.course.room_mm3, self.held_mm3
        if not len(room):
            return 0.0, 0.0
        if not self.has_inner_end:
            return float(transport.carry(entering_mm3, room, held)), 0.0
        # What enters before the highest pressure goes inwards, what enters behind it to the wall.
        flow = self.flow_mm3_per_s
        outwards = np.maximum(flow[1:], 0.0)
        both = outwards + np.maximum(-flow[:-1], 0.0)
        share = np.divide(outwards, both, out=np.ones_like(both), where=both > 0.0)
        to_wall = entering_mm3 * share
        at_wall = float(transport.carry(to_wall, room, held))
        back = held[::-1].copy()
        within = transport.carry((entering_mm3 - to_wall)[::-1].copy(), room[::-1].copy(), back)
        held[:] = back[::-1]
        return at_wall, float(within)


class Network:
    """The veins of a body; all others open into the first, at its piece nearest to their end.

    Parameters
    ----------
    medium : Medium
        The porous body.
    veins : sequence of sequences of Tube
        Each by its tubes, from its inner end to the wall.
    """

    def __init__(self, medium: Medium, veins: Sequence[Sequence[Tube]]) -> None:
        traced = [[_traced(medium, tube) for tube in tubes] for tubes in veins]
        # Cells that several of them cross are shared out.
        total = sum((one.share for tubes in traced for one in tubes), np.zeros(medium.pore.shape))
        scale = np.minimum(1.0, _MOST_SHARE / np.maximum(total, 1e-300))
        self.lumens = [
            Lumen(_course(medium, tubes, scale), has_inner_end=number > 0)
            for number, tubes in enumerate(traced)
        ]
        self._joint = 0
        if len(veins) > 1 and len(self.lumens[0].course.cells):
            self._joint = _nearest_piece(medium, self.lumens[0].course, veins[1][0].start_mm)

    def take(self, entering_mm3: Sequence[FloatArray]) -> list[float]:
        """Let cement enter each vein along its way; return what leaves the body by each, mm3."""
        gathered, at_wall = 0.0, []
        for lumen, entering in zip(self.lumens[1:], entering_mm3[1:], strict=True):
            out, within = lumen.take(entering)
            at_wall.append(out)
            gathered += within
        if not self.lumens:
            return []
        into_first = entering_mm3[0].copy()
        if gathered > 0.0:
            into_first[self._joint] += gathered
        return [self.lumens[0].take(into_first)[0], *at_wall]


def _nearest_piece(medium: Medium, course: Course, point_mm: FloatArray) -> int:
    """Return the piece of a vein nearest to a point in body coordinates."""
    padded = tuple(n + 2 for n in medium.pore.shape)
    index = np.stack(np.unravel_index(course.cells, padded), axis=-1)[:, ::-1]
    centre = medium.first_mm + (index - 0.5) * np.array(medium.spacing_mm)
    return int(np.argmin(np.linalg.norm(centre - point_mm, axis=1)))


def take_volume(medium: Medium, lumens: Sequence[Lumen]) -> Medium:
    """Return the medium without the volume of the veins."""
    pore = np.pad(medium.pore, 1)
    for lumen in lumens:
        pore.reshape(-1)[lumen.course.cells] -= lumen.course.room_mm3 / medium.cell_mm3
    return medium._replace(pore=np.ascontiguousarray(pore[1:-1, 1:-1, 1:-1]))


class _Traced(NamedTuple):
    """A tube in the cells of a medium: volume and inflow of each, (n_z, n_y, n_x)."""

    tube: Tube
    share: FloatArray
    drawing: FloatArray
    resistance_per_mm: float


def _traced(medium: Medium, tube: Tube) -> _Traced:
    """Return which cells a tube lies in and draws from; each of them holds some of it."""
    drawing, resistance = _drawing(medium, tube)
    share = tube_shares(tube, medium.first_mm, medium.spacing_mm, medium.pore.shape)
    share *= medium.pore > 0.0
    share = (1.0 - _AT_WALL) * share + _AT_WALL * float(share.sum()) * drawing
    return _Traced(tube, share, drawing, resistance)


def _course(medium: Medium, traced: Sequence[_Traced], scale: FloatArray) -> Course:
    """Return the cells of a vein, in order, and what each contributes."""
    parts: list[list[FloatArray]] = []
    before = 0.0
    for tube, share, drawing, resistance in traced:
        axis = tube.end_mm - tube.start_mm
        length = float(np.linalg.norm(axis))
        index = np.argwhere(share > 0.0)
        here = tuple(index.T)
        centre = medium.first_mm + (index[:, ::-1] + 0.5) * np.array(medium.spacing_mm)
        at = np.clip((centre - tube.start_mm) @ axis / length, 0.0, length)
        volume = (share * scale)[here] * medium.cell_mm3
        # Length that counts for a cell: its part of the tube's volume.
        piece = volume / max(float(volume.sum()), 1e-300) * length
        at_padded = index.T + 1
        padded = tuple(n + 2 for n in medium.pore.shape)
        flat = np.ravel_multi_index((at_padded[0], at_padded[1], at_padded[2]), padded)
        room = volume * medium.pore[here]
        resisting = 8.0 * piece / (np.pi * tube.radius_mm**4)
        radius = np.full(len(index), tube.radius_mm)
        opening = drawing[here] / resistance
        parts.append([np.asarray(flat, float), room, opening, resisting, radius, before + at])
        before += length
    flat, room, opening, resisting, radius, along = np.concatenate(parts, axis=1)
    order = np.argsort(along, kind="stable")
    cells = flat[order].astype(np.intp)
    return Course(cells, room[order], opening[order], resisting[order], radius[order])


def _drawing(medium: Medium, tube: Tube) -> tuple[FloatArray, float]:
    """Return the share of a tube's inflow that each cell gives, and the resistance that is left.

    What flows evenly into the wall of a tube changes the pressure there by so much; what the same
    flow, taken from cells, changes theirs by is less or more (a well's index, Peaceman 1978, for
    any tube across any cells). The difference is the resistance between cells and tube, times
    permeability / viscosity, 1 / mm. On coarse cells it would fall below zero: there the inflow is
    taken from a wider ring.
    """
    edge = float(np.cbrt(medium.cell_mm3))
    length = float(np.linalg.norm(tube.end_mm - tube.start_mm))
    wanted = _mean_potential_at_wall(tube.radius_mm, length)
    least = _LEAST_RESISTANCE / (2.0 * np.pi * length)
    shares, left = np.zeros(medium.pore.shape), 0.0
    for wider in _RINGS:
        ring = tube._replace(radius_mm=tube.radius_mm + wider * edge)
        shares = wall_shares(ring, medium.first_mm, medium.spacing_mm, medium.pore.shape)
        shares *= medium.pore > 0.0
        shares /= max(float(shares.sum()), 1e-300)
        left = wanted - _mean_potential_in_cells(shares, medium.spacing_mm)
        if left >= least:
            break
    return shares, max(left, least)


def _mean_potential_at_wall(radius_mm: float, length_mm: float) -> float:
    """Return mean pressure of an even line source at a distance, per flow, mobility 1, 1 / mm."""
    r, l = radius_mm, length_mm  # noqa: E741
    both = l * np.arcsinh(l / r) - np.hypot(l, r) + r
    return float(both / (2.0 * np.pi * l**2))


def _mean_potential_in_cells(shares: FloatArray, spacing_mm: tuple[float, float, float]) -> float:
    """Return mean pressure of sources in cells, by their shares, per flow, mobility 1, 1 / mm."""
    index = np.argwhere(shares > 0.0)
    part = shares[tuple(index.T)]
    centre = index[:, ::-1] * np.array(spacing_mm)
    edge = float(np.cbrt(np.prod(spacing_mm)))
    total = 0.0
    for own, place in zip(part, centre, strict=True):
        apart = np.linalg.norm(centre - place, axis=1)
        far = 1.0 / (4.0 * np.pi * np.maximum(apart, 1e-9))
        near = np.where(apart < 0.5 * edge, _LATTICE_OWN / edge, _LATTICE_NEXT / edge)
        total += own * float(part @ np.where(apart < 1.2 * edge, near, far))
    return total


def _pressures_with_valves(entry: FloatArray, ways: FloatArray, outside: FloatArray) -> FloatArray:
    """Return the pressure at every node of a chain that takes in but gives nothing back.

    Without the valves cement in a vein would press on the thin marrow around it and find no
    resistance beyond the front. Each pass closes the openings that would give; that raises the
    pressure inside, so that none opens again, and the passes end.
    """
    is_open = np.ones(len(entry), dtype=bool)
    while True:
        inside = _pressures(np.where(is_open, entry, 0.0), ways, outside)
        closing = is_open & (inside > outside)
        if not bool(closing.any()):
            return inside
        is_open &= ~closing


def _pressures(entry: FloatArray, ways: FloatArray, outside: FloatArray) -> FloatArray:
    """Return the pressure at every node of a chain with pressure 0 beyond both ends.

    Parameters
    ----------
    entry : (n,) float array
        Conductance into every node from outside.
    ways : (n + 1,) float array
        Conductance to the first node, from each node to the next, and from the last.
    outside : (n,) float array
        Pressure outside every node.
    """
    bands = np.zeros((3, len(entry)))
    bands[0, 1:] = bands[2, :-1] = -ways[1:-1]
    bands[1] = entry + ways[:-1] + ways[1:]
    return np.asarray(solve_banded((1, 1), bands, entry * outside))
