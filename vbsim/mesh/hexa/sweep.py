"""A plan swept through layers: hexahedra in columns, with a hierarchy of coarser meshes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.mesh.hexa.plan import Plan, _between, _every_second
from vbsim.mesh.mesh import Mesh

__all__ = ["Coarser", "Sweep", "coarsest_points"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Coarser(NamedTuple):
    """A coarser sweep and how the finer one hangs on it.

    Attributes
    ----------
    sweep : Sweep
        Of about an eighth of the cells.
    kept : (n_coarse,) int
        Points of the finer mesh that are its points.
    interpolation : (n_points, n_coarse) sparse
        Trilinear in the mesh's own lines.
    parent : (n_cells,) int
        Cell of the coarser mesh that each cell of the finer one lies in.
    """

    sweep: Sweep
    kept: IntArray
    interpolation: sp.csr_array
    parent: IntArray


@dataclass(frozen=True, eq=False)
class Sweep:
    """Hexahedra between planes of points, all with the same plan.

    Parameters
    ----------
    plan : Plan
        Quadrilaterals of every plane.
    points : (n_planes, n_plan_points, 3) float, mm
        Places, plane by plane upwards.
    """

    plan: Plan
    points: FloatArray

    def __post_init__(self) -> None:
        shape = self.points.shape
        require(
            len(shape) == 3 and shape[0] >= 2 and shape[1:] == (self.plan.n_points, 3),
            "points",
            shape,
            f"of shape (n_planes, {self.plan.n_points}, 3)",
        )

    @property
    def n_layers(self) -> int:
        """Layers of cells."""
        return len(self.points) - 1

    @property
    def n_cells(self) -> int:
        """Cells of the mesh."""
        return self.n_layers * self.plan.n_cells

    def cells(self) -> NDArray[np.int32]:
        """Return the points of every cell, layer by layer upwards, (n_cells, 8)."""
        layer = np.arange(self.n_layers)[:, None, None] * self.plan.n_points
        lower = layer + self.plan.quads
        cells = np.concatenate([lower, lower + self.plan.n_points], axis=2)
        return cells.reshape(-1, 8).astype(np.int32)

    def mesh(self) -> Mesh:
        """Return the mesh; points and cells are numbered plane by plane."""
        return Mesh(self.points.reshape(-1, 3), self.cells())

    def partners(self) -> NDArray[np.int32]:
        """Return the point across the outermost ring; inside, the point itself, (n_points,)."""
        plan = self.plan
        across = np.arange(plan.n_points)
        if plan.n_rings:
            inner, outer = plan.circle(plan.n_rings - 1), plan.circle(plan.n_rings)
            across[inner], across[outer] = outer, inner
        planes = np.arange(len(self.points))[:, None] * plan.n_points
        return (planes + across).ravel().astype(np.int32)

    def coarser(self) -> Coarser | None:
        """Return a sweep of half the cells along each line, or None at the coarsest."""
        below = self.plan.coarser()
        if below is None or self.n_layers < 2:
            return None
        plan, kept, interpolation, parent = below
        picked = _every_second(self.n_layers)
        along = np.zeros((self.n_layers + 1, len(picked)))
        for k, (low, high, weight) in enumerate(_between(picked, self.n_layers + 1)):
            along[k, low] += 1.0 - weight
            along[k, high] += weight
        layer = np.searchsorted(picked, np.arange(self.n_layers), side="right") - 1
        n = self.plan.n_points
        return Coarser(
            Sweep(plan, self.points[picked][:, kept]),
            (np.array(picked)[:, None] * n + kept).ravel(),
            sp.csr_array(sp.kron(sp.csr_array(along), interpolation)),
            (layer[:, None] * plan.n_cells + parent).ravel(),
        )


def coarsest_points(plan: Plan, n_layers: int, most: int) -> int:
    """Return the points between the ends of the coarsest sweep: of at most so many, or the last.

    Examples
    --------
    >>> coarsest_points(Plan(8, (0.0, 0.5, 1.0)), 16, 200)  # 5 planes of 17
    51
    """
    while plan.n_points * (n_layers + 1) > most:
        below = plan.coarser()
        if below is None or n_layers < 2:
            break
        plan, n_layers = below[0], len(_every_second(n_layers)) - 1
    return plan.n_points * max(n_layers - 1, 0)
