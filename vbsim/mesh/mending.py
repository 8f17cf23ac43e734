"""Poor cells made better by small moves of their points."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels.assembly import gather_cells
from vbsim.kernels.relaxing import relax
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.quality import scaled_jacobian

__all__ = ["Mending", "mended_points"]


class Mending(NamedTuple):
    """How cells are mended.

    Attributes
    ----------
    wanted : tuple of float
        Scaled Jacobian below which cells are made better; the next one is tried, from the start,
        where a cell is still below `good` after the one before.
    good : float
        Scaled Jacobian that every cell should have at last.
    first, last, reach : float
        First and last step and farthest move of a point, in edges.
    rounds : int
        How often all steps are gone through at most.
    """

    wanted: tuple[float, ...]
    good: float
    first: float
    last: float
    reach: float
    rounds: int


def mended_points(
    mesh: Mesh, movable: NDArray[np.bool_], edge_mm: float, how: Mending
) -> NDArray[np.float64]:
    """Return the points of a mesh, some moved by a little so that its poor cells are better.

    Parameters
    ----------
    mesh : Mesh
        Hexahedra or tetrahedra of first order, with points (n_points, 3), mm.
    movable : (n_points,) bool
        Points that may move.
    edge_mm : float
        Size of a cell.
    how : Mending
        What is wanted, and how far points may move.
    """
    first = np.zeros(mesh.n_points + 1, np.int64)
    member = np.empty(mesh.cells.size, np.int32)
    gather_cells(mesh.cells, first, member)
    x = mesh.points
    for wanted in how.wanted:
        x = mesh.points.copy()
        limits = np.array([wanted, *(s * edge_mm for s in (how.first, how.last, how.reach))])
        for _ in range(how.rounds):
            if not relax(x, mesh.points, mesh.cells, first, member, movable, limits):
                break
        if scaled_jacobian(mesh.with_points(x)).min() >= how.good:
            break
    return x
