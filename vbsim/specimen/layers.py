"""Constituents of one voxel that lie one over the other: they share a stress, not a strain."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layer", "horizontality", "stacked"]

FloatArray = NDArray[np.float64]


class Layer(NamedTuple):
    """One layer of some voxels.

    Attributes
    ----------
    volume : (n,) float array
        Volume of the layer / voxel volume.
    c33 : (n,) float array
        What it adds to the voxel's c33 where it stands beside the others, MPa: volume times own
        c33.
    """

    volume: FloatArray
    c33: FloatArray


def stacked(layers: Sequence[Layer]) -> list[FloatArray]:
    """Return the factors that turn layers side by side into layers across z, each (n,).

    Layers across z carry the same stress, so that compliances add: ``1 / c = sum v_i / c_i`` over
    their own volume. The voxel's mean stress is then made up of ``v_i c`` for each layer, which is
    what a factor of ``c / c_i`` on the moduli of layer i gives. With it ``c33 c13 c23`` of the sum
    are those of the laminate; shear too where layers have one Poisson ratio. What is empty in the
    voxel stays beside the layers; a layer without stiffness counts as empty.

    Examples
    --------
    >>> half = np.array([0.5])
    >>> soft, stiff = stacked([Layer(half, half * 100.0), Layer(half, half * 300.0)])
    >>> float(soft[0]), float(stiff[0])  # the common c33 is 150
    (1.5, 0.5)
    """
    total, compliance = np.zeros((2, *np.shape(layers[0].c33)))
    own = []
    for volume, c33 in layers:
        solid = (volume > 0.0) & (c33 > 0.0)
        per_volume = np.divide(c33, volume, out=np.ones_like(total), where=solid)
        own.append(per_volume)
        total += np.where(solid, volume, 0.0)
        compliance += np.where(solid, volume / per_volume, 0.0)
    common = np.divide(total, compliance, out=np.zeros_like(total), where=compliance > 0.0)
    return [common / per_volume for per_volume in own]


def horizontality(level: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Return the squared z part of a level surface's normal, (n_z, n_y, n_x), 0 to 1.

    1 where the surface is horizontal, 0 where it is vertical and where the field has no slope.

    Parameters
    ----------
    level : (n_z, n_y, n_x) float array
        The field whose surfaces are meant.
    spacing_mm : tuple of float
        Edges of the voxels along x, y, z, mm.
    """
    squared = [
        (np.gradient(level, h, axis=axis) if level.shape[axis] > 1 else np.zeros_like(level)) ** 2
        for axis, h in enumerate(spacing_mm[::-1])
    ]
    steep = np.sum(squared, axis=0)
    result: FloatArray = np.divide(squared[0], steep, out=np.zeros_like(steep), where=steep > 0.0)
    return result
