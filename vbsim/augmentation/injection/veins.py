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

from vbsim.augmentation.injection.medium import Medium, Tube, tube_shares
from vbsim.augmentation.injection.rheology import PA, Rheology
from vbsim.kernels import transport

__all__ = ["Lumen", "Network", "take_volume"]

FloatArray = NDArray[np.float64]

# The pressure of a cell is that at this distance from a line sink, over the cell's edge (Peaceman).
_CELL_RADIUS = 0.2
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
            Of the cells on its way: MPa, mm2 / (MPa s), Pa s^n.
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
        inside = _pressures(entry, ways, pressure)
        drawn = np.maximum(entry * (pressure - inside), 0.0)
        self.flow_mm3_per_s = -ways * np.diff(inside, prepend=0.0, append=0.0)
        return np.divide(drawn, pressure, out=entry.copy(), where=pressure > 0.0)

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
        shares = [_shares(medium, tubes) for tubes in veins]
        nothing = np.zeros(medium.pore.shape)
        total = sum((share.sum(axis=0) for share in shares), nothing)
        # Cells that several of them cross are shared out.
        scale = np.minimum(1.0, _MOST_SHARE / np.maximum(total, 1e-300))
        self.lumens = [
            Lumen(_course(medium, tubes, share * scale), has_inner_end=number > 0)
            for number, (tubes, share) in enumerate(zip(veins, shares, strict=True))
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


def _shares(medium: Medium, tubes: Sequence[Tube]) -> FloatArray:
    """Return the share of every cell's volume that each tube takes, (n_tubes, n_z, n_y, n_x)."""
    shape = medium.pore.shape
    found = [tube_shares(tube, medium.first_mm, medium.spacing_mm, shape) for tube in tubes]
    return np.stack(found) * (medium.pore > 0.0)


def _course(medium: Medium, tubes: Sequence[Tube], share: FloatArray) -> Course:
    """Return the cells of a vein, in order, and what each contributes."""
    edge = float(np.cbrt(medium.cell_mm3))
    parts: list[list[FloatArray]] = []
    before = 0.0
    for tube, own in zip(tubes, share, strict=True):
        axis = tube.end_mm - tube.start_mm
        length = float(np.linalg.norm(axis))
        index = np.argwhere(own > 0.0)
        centre = medium.first_mm + (index[:, ::-1] + 0.5) * np.array(medium.spacing_mm)
        at = np.clip((centre - tube.start_mm) @ axis / length, 0.0, length)
        volume = own[tuple(index.T)] * medium.cell_mm3
        # Length that counts for a cell: its part of the tube's volume.
        piece = volume / max(float(volume.sum()), 1e-300) * length
        opening = 2.0 * np.pi * piece / np.log1p(_CELL_RADIUS * edge / tube.radius_mm)
        at_padded = index.T + 1
        padded = tuple(n + 2 for n in medium.pore.shape)
        flat = np.ravel_multi_index((at_padded[0], at_padded[1], at_padded[2]), padded)
        room = volume * medium.pore[tuple(index.T)]
        resisting = 8.0 * piece / (np.pi * tube.radius_mm**4)
        radius = np.full(len(index), tube.radius_mm)
        parts.append([np.asarray(flat, float), room, opening, resisting, radius, before + at])
        before += length
    flat, room, opening, resisting, radius, along = np.concatenate(parts, axis=1)
    order = np.argsort(along, kind="stable")
    cells = flat[order].astype(np.intp)
    return Course(cells, room[order], opening[order], resisting[order], radius[order])


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
