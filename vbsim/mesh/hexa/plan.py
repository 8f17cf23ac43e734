"""The plan of a hexahedral mesh: quadrilaterals on a disc, a square inside rings.

The disc has radius 1. A square of n x n cells with bulging sides lies in its middle; around it lie
rings of 4 n cells each. All four-sided, with only four points where three cells meet instead of
four, so that cells stay well shaped when the disc takes the outline of a vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.checks import require

__all__ = ["Plan"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Corners of the inner square at this radius: its cells are then as large as those of the rings.
CORNER_RADIUS = 0.68
# How far the square's sides follow the circle: 0 straight, 1 round. In between the angles at its
# corners are shared out best.
BULGE = 0.45


@dataclass(frozen=True, eq=False)
class Plan:
    """Quadrilaterals on a disc.

    Parameters
    ----------
    side : int
        Cells along a side of the inner square; where it is even, the axes of symmetry are lines.
    radii : tuple of float
        Place of each circle of points between the square (0) and the rim of the core (1),
        starting with 0; circles beyond the core (a shell) follow as numbers above 1.
    """

    side: int
    radii: tuple[float, ...]

    def __post_init__(self) -> None:
        require(self.side >= 1, "side", self.side, "1 or more")
        rising = all(b > a for a, b in zip(self.radii, self.radii[1:], strict=False))
        require(rising and self.radii[0] == 0.0, "radii", self.radii, "rising from 0")

    @property
    def around(self) -> int:
        """Cells in each ring."""
        return 4 * self.side

    @property
    def n_rings(self) -> int:
        """Rings of cells."""
        return len(self.radii) - 1

    @property
    def n_points(self) -> int:
        """Points of the plan."""
        return (self.side + 1) ** 2 + self.n_rings * self.around

    @property
    def n_cells(self) -> int:
        """Quadrilaterals of the plan."""
        return self.side**2 + self.n_rings * self.around

    @cached_property
    def rim(self) -> IntArray:
        """Points of the inner square's boundary, counter-clockwise from its corner at -x, -y."""
        n = self.side
        grid = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
        sides = (grid[0, :-1], grid[:-1, -1], grid[-1, :0:-1], grid[:0:-1, 0])
        return np.concatenate(sides)

    def circle(self, k: int) -> IntArray:
        """Return the points of circle k, 0 being the square's boundary, in the order of `rim`."""
        if k == 0:
            return self.rim
        first = (self.side + 1) ** 2 + (k - 1) * self.around
        return first + np.arange(self.around)

    @cached_property
    def quads(self) -> IntArray:
        """Corners of every quadrilateral, counter-clockwise: the square, then ring by ring."""
        n = self.side
        grid = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
        corners = (grid[:-1, :-1], grid[:-1, 1:], grid[1:, 1:], grid[1:, :-1])
        cells = [np.stack([c.ravel() for c in corners], axis=1)]
        for k in range(self.n_rings):
            inner, outer = self.circle(k), self.circle(k + 1)
            after_in, after_out = np.roll(inner, -1), np.roll(outer, -1)
            cells.append(np.stack([inner, outer, after_out, after_in], axis=1))
        return np.concatenate(cells)

    @cached_property
    def ring(self) -> IntArray:
        """Ring of every quadrilateral; -1 in the square, (n_cells,)."""
        rings = np.repeat(np.arange(self.n_rings), self.around)
        return np.concatenate([np.full(self.side**2, -1), rings])

    @cached_property
    def disc(self) -> FloatArray:
        """Places on the disc of radius 1, (n_points, 2); circles beyond the core lie on its rim."""
        n = self.side
        angle = (np.arange(self.around) / n * 0.5 - 0.75) * np.pi
        arc = CORNER_RADIUS * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        corners = arc[::n]
        share = (np.arange(n) / n)[:, None]
        chords = [corners[k] + share * (corners[(k + 1) % 4] - corners[k]) for k in range(4)]
        edge = (1.0 - BULGE) * np.concatenate(chords) + BULGE * arc
        square = self._filled(edge)
        circles = [square]
        outer = arc / CORNER_RADIUS
        for place in self.radii[1:]:
            circles.append(edge + min(place, 1.0) * (outer - edge))
        return np.concatenate(circles)

    def _filled(self, edge: FloatArray) -> FloatArray:
        """Return the square's points between its four sides (transfinite), ((n + 1)^2, 2)."""
        n = self.side
        bottom, right = edge[: n + 1], edge[n : 2 * n + 1]
        top, left = edge[2 * n : 3 * n + 1][::-1], np.vstack([edge[3 * n :], edge[:1]])[::-1]
        u = np.linspace(0.0, 1.0, n + 1)[None, :, None]
        v = np.linspace(0.0, 1.0, n + 1)[:, None, None]
        sides = (1 - v) * bottom + v * top + (1 - u) * left[:, None] + u * right[:, None]
        twice = (1 - v) * ((1 - u) * bottom[0] + u * bottom[-1])
        twice = twice + v * ((1 - u) * top[0] + u * top[-1])
        return np.asarray((sides - twice).reshape(-1, 2))

    @cached_property
    def shell_rank(self) -> FloatArray:
        """How far each point lies in the shell: 0 in the core, 1 on the outer wall, (n_points,)."""
        beyond = max(self.radii[-1] - 1.0, 1e-300)
        ranks = [np.full(self.around, max(r - 1.0, 0.0) / beyond) for r in self.radii[1:]]
        return np.concatenate([np.zeros((self.side + 1) ** 2), *ranks])

    @cached_property
    def is_shell(self) -> NDArray[np.bool_]:
        """Quadrilaterals of the shell, (n_cells,)."""
        outside = np.array(self.radii[:-1]) >= 1.0
        return np.where(self.ring >= 0, outside[np.maximum(self.ring, 0)], False)

    # Coarsening ----------------------------------------------------------------------------------

    def coarser(self) -> tuple[Plan, IntArray, sp.csr_array, IntArray] | None:
        """Return a plan of half the cells each way, or None where the square cannot be halved.

        Returns
        -------
        plan : Plan
            The coarser plan.
        kept : (n_coarse,) int
            Points of this plan that are the coarser plan's points.
        interpolation : (n_points, n_coarse) sparse
            Bilinear interpolation in the plan's own lines.
        parent : (n_cells,) int
            Quadrilateral of the coarser plan that each of this plan's lies in.
        """
        n = self.side
        if n % 2:
            return None
        picked = _every_second(self.n_rings)
        coarse = Plan(n // 2, tuple(self.radii[k] for k in picked))
        grid = np.arange((n + 1) ** 2).reshape(n + 1, n + 1)
        kept = [grid[::2, ::2].ravel()]
        kept += [self.circle(k)[::2] for k in picked[1:]]
        return (
            coarse,
            np.concatenate(kept),
            self._interpolation(coarse, picked),
            self._parents(coarse, picked),
        )

    def _interpolation(self, coarse: Plan, picked: list[int]) -> sp.csr_array:
        line = sp.csr_array(_halving(self.side + 1))
        around = sp.csr_array(_halving(self.around, is_periodic=True))
        between = _between(picked, self.n_rings + 1)
        rim = np.zeros((self.around // 2, coarse.n_points))
        rows: list[sp.csr_array] = []
        square = sp.csr_array(sp.kron(line, line))
        rest = coarse.n_points - square.shape[1]
        rows.append(sp.hstack([square, sp.csr_array((square.shape[0], rest))]))
        circles = []
        for k in range(coarse.n_rings + 1):
            at = coarse.circle(k)
            pick = sp.coo_array(
                (np.ones(len(at)), (np.arange(len(at)), at)), shape=rim.shape
            ).tocsr()
            circles.append(around @ pick)
        for k in range(1, self.n_rings + 1):
            below, above, weight = between[k]
            rows.append((1.0 - weight) * circles[below] + weight * circles[above])
        return sp.csr_array(sp.vstack(rows))

    def _parents(self, coarse: Plan, picked: list[int]) -> IntArray:
        n, half = self.side, self.side // 2
        index = np.arange(n) // 2
        square = (index[:, None] * half + index).ravel()
        along = np.arange(self.around) // 2
        rings = np.searchsorted(picked, np.arange(self.n_rings), side="right") - 1
        parents = [half**2 + ring * coarse.around + along for ring in rings]
        return np.concatenate([square, *parents]) if parents else square


def _every_second(n: int) -> list[int]:
    """Return 0, 2, 4, ... and n: every second plane of 0 ... n, the last one always."""
    picked = list(range(0, n, 2))
    return [*picked, n]


def _between(picked: list[int], n: int) -> list[tuple[int, int, float]]:
    """Return for each of n planes the kept ones around it (their places) and the upper's weight."""
    found = []
    for k in range(n):
        upper = next(i for i, p in enumerate(picked) if p >= k)
        lower = upper if picked[upper] == k else upper - 1
        gap = picked[upper] - picked[lower]
        found.append((lower, upper, (k - picked[lower]) / gap if gap else 0.0))
    return found


def _halving(n: int, *, is_periodic: bool = False) -> FloatArray:
    """Return the interpolation from every second of n points in a line or a circle, dense."""
    n_coarse = n // 2 if is_periodic else n // 2 + 1
    matrix = np.zeros((n, n_coarse))
    for k in range(n):
        matrix[k, k // 2] += 0.5 if k % 2 else 1.0
        if k % 2:
            matrix[k, (k // 2 + 1) % n_coarse] += 0.5
    return matrix
