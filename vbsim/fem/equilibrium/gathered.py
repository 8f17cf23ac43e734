"""The constituents of the cells whose laws are asked, as kernels read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels.constituents import Active
from vbsim.materials.constituents import Constituents

__all__ = ["gathered", "sites"]


def gathered(
    made: Constituents, cells: NDArray[np.int64], share: NDArray[np.float64]
) -> tuple[NDArray[np.int64], Active]:
    """Return the entries of some cells and their arrays.

    Parameters
    ----------
    made : Constituents
        Of the whole body.
    cells : (n_active,) int
        Cells whose laws are asked, rising.
    share : (n_cells,) float
        Part of each cell that belongs to a cavity.
    """
    entries = np.flatnonzero(np.isin(made.cell, cells))
    first = np.searchsorted(made.cell[entries], cells)
    return entries, _active(made, entries, first, share[cells])


def sites(
    made: Constituents, cells: NDArray[np.int64]
) -> tuple[NDArray[np.int64], Active, NDArray[np.int64], NDArray[np.float64]]:
    """Return the same for thin cells, whose laws are asked once at every height.

    Returns
    -------
    entries : (n,) int
        Entries, by cell and height.
    active : Active
        Their arrays; `entry` tells where the entries of each site begin.
    first : (n_cells + 1,) int
        First site of every cell.
    height : (n_sites,) float
        Height of every site.
    """
    entries = np.flatnonzero(np.isin(made.cell, cells))
    entries = entries[np.lexsort((made.height[entries], made.cell[entries]))]
    cell, height = made.cell[entries], made.height[entries]
    begins = np.flatnonzero(np.diff(cell, prepend=-1) + (np.diff(height, prepend=-2.0) != 0.0))
    first = np.append(np.searchsorted(cell[begins], cells), len(begins))
    active = _active(made, entries, begins, np.zeros(len(begins)))
    return entries, active, first, height[begins]


def _active(
    made: Constituents,
    entries: NDArray[np.int64],
    first: NDArray[np.int64],
    share: NDArray[np.float64],
) -> Active:
    births = np.zeros((len(made.births), 10))
    if len(births):
        gradients = made.births.reshape(-1, 3, 3)
        births[:, :9] = np.linalg.inv(gradients).reshape(-1, 9)
        births[:, 9] = np.linalg.det(gradients)
    return Active(
        np.append(first, len(entries)).astype(np.int64),
        made.law[entries],
        made.weight[entries],
        np.ascontiguousarray(made.params[entries]),
        made.birth[entries],
        births,
        share,
    )
