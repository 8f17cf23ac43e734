"""What a step recorded over time: a table, and fields at some moments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Series"]

FloatArray = NDArray[np.float64]


class Series(NamedTuple):
    """A step's record over time.

    Attributes
    ----------
    name : str
        What was recorded, ``injection``, ``curing``.
    columns : mapping of str to (n,) array
        One row a time step; every name ends in its unit, the first is the time.
    domain : VoxelGrid
        The part of the specimen's grid that the fields cover.
    times_s : (m,) float array
        Moments of the fields, s.
    fields : mapping of str to (m, n_z, n_y, n_x) float32 array
        Cell fields by name.
    """

    name: str
    columns: Mapping[str, FloatArray]
    domain: VoxelGrid
    times_s: FloatArray
    fields: Mapping[str, NDArray[np.float32]]
