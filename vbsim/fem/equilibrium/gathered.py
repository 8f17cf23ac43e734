"""The constituents of the cells whose laws are asked, as kernels read them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels.constituents import Active
from vbsim.materials.constituents import Constituents

__all__ = ["gathered"]


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
    counts = np.searchsorted(made.cell[entries], cells)
    births = np.zeros((len(made.births), 10))
    if len(births):
        gradients = made.births.reshape(-1, 3, 3)
        births[:, :9] = np.linalg.inv(gradients).reshape(-1, 9)
        births[:, 9] = np.linalg.det(gradients)
    active = Active(
        np.append(counts, len(entries)).astype(np.int64),
        made.law[entries],
        made.weight[entries],
        np.ascontiguousarray(made.params[entries]),
        made.birth[entries],
        births,
        share[cells],
    )
    return entries, active
