"""The porous body that cement is pressed into: pores, permeability, open channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.augmentation.injection.marrow import Marrow
from vbsim.data import value
from vbsim.materials.density_modulus import bone_volume_fraction
from vbsim.specimen.specimen import Specimen

__all__ = [
    "Medium",
    "Tube",
    "medium_of",
    "permeability_mm2",
    "shares_of_points",
    "tube_shares",
    "wall_shares",
]

FloatArray = NDArray[np.float64]

MM2_PER_M2 = 1e6

# Cells with less pore space than this are closed: slivers at the wall.
_LEAST_PORES = 0.02

# Points along an edge of a voxel with which channels and needle tips are sampled.
_SAMPLES = 5


class Tube(NamedTuple):
    """A straight open channel in body coordinates, mm."""

    start_mm: FloatArray
    end_mm: FloatArray
    radius_mm: float


class Medium(NamedTuple):
    """The box around the pores of a body.

    Attributes
    ----------
    window : tuple of slice
        The box in the specimen's grid, (z, y, x).
    spacing_mm : tuple of float
        Cell size (x, y, z).
    first_mm : (3,) float array
        Body coordinates of the outer corner of the box.
    pore : (n_z, n_y, n_x) float array
        Volume that cement can fill / cell volume; 0 in closed cells.
    permeability_mm2 : (n_z, n_y, n_x) float array
        Along the body's axis; 0 in closed cells.
    factors : tuple of float
        Permeability along x, y and z over that.
    drain : (n_z, n_y, n_x) float array
        Conductance of the wall for marrow, mm3 / (MPa s).
    threshold_mpa : (n_z, n_y, n_x) float array
        Pressure at which cement displaces marrow from the pores; 0 where they hold blood.
    """

    window: tuple[slice, slice, slice]
    spacing_mm: tuple[float, float, float]
    first_mm: FloatArray
    pore: FloatArray
    permeability_mm2: FloatArray
    factors: tuple[float, float, float]
    drain: FloatArray
    threshold_mpa: FloatArray

    @property
    def cell_mm3(self) -> float:
        """Volume of a cell, mm3."""
        return float(np.prod(self.spacing_mm))


def permeability_mm2(bvtv: ArrayLike) -> FloatArray:
    """Return the permeability of trabecular bone along the body's axis, mm2.

    Examples
    --------
    >>> [float(f"{k:.1e}") for k in permeability_mm2([0.05, 0.15])]
    [0.045, 0.005]
    """
    at, slope = (
        value("injection.permeability.log10_reference"),
        value("injection.permeability.slope"),
    )
    over = np.asarray(bvtv) - value("injection.permeability.reference_bvtv")
    return np.asarray(10.0 ** (at - slope * over) * MM2_PER_M2)


def medium_of(
    specimen: Specimen, *, factor: float, channels: Sequence[Tube], marrow: Marrow
) -> Medium:
    """Return the porous body of a specimen.

    Broken bone counts with its density before the fracture, times a factor for its cracks.

    Parameters
    ----------
    specimen : Specimen
        On a grid aligned with its body.
    factor : float
        Factor on the permeability of bone.
    channels : sequence of Tube
        Open channels: veins, cracks.
    marrow : Marrow
        What the pores hold.
    """
    whole = specimen.pore_fraction
    is_open = whole > _LEAST_PORES
    window = _window(is_open)
    x, y, z = specimen.body_faces()
    first = np.array([axis[part.start] for axis, part in zip((x, y, z), window[::-1], strict=True)])
    spacing = specimen.domain.spacing_mm
    pore = np.where(is_open, whole, 0.0)[window]
    void = np.zeros_like(pore) if specimen.void is None else specimen.void[window]
    bone = specimen.tissue.trabecular[window]
    broken = specimen.integrity[window] < 1.0 - 1e-9
    bvtv = bone_volume_fraction(specimen.vbmd_intact_mg_cm3[window])
    k_bone = factor * permeability_mm2(bvtv)
    k_bone *= np.where(broken, value("injection.permeability.fracture_factor"), 1.0)
    k_open = value("injection.permeability.open_m2") * MM2_PER_M2
    permeability = bone * k_bone + void * np.maximum(k_open, k_bone)
    threshold = (
        marrow.threshold_mpa(first, spacing, pore.shape) * bone / np.maximum(bone + void, 1e-9)
    )
    for tube in channels:
        share = tube_shares(tube, first, spacing, pore.shape)
        threshold *= 1.0 - share
        k_tube = tube.radius_mm**2 / 8.0
        permeability += share * np.maximum(k_tube - k_bone, 0.0)
    permeability = np.where(pore > 0.0, permeability, 0.0)
    across = value("injection.permeability.transverse_factor")
    return Medium(
        window,
        spacing,
        first,
        pore,
        permeability,
        (across, across, 1.0),
        _drain(pore > 0.0, spacing, marrow.viscosity_pa_s),
        threshold,
    )


def tube_shares(
    tube: Tube, first_mm: FloatArray, spacing_mm: tuple[float, float, float], shape: tuple[int, ...]
) -> FloatArray:
    """Return the share of every cell of a box that a tube fills, by sampling; exact in sum."""
    n_rings = max(int(np.ceil(tube.radius_mm / min(spacing_mm) * _SAMPLES)), 2)
    rings = np.sqrt((np.arange(n_rings) + 0.5) / n_rings)  # equal areas
    points = _points_in(tube, min(spacing_mm), rings)
    length = float(np.linalg.norm(tube.end_mm - tube.start_mm))
    volume = np.pi * tube.radius_mm**2 * length
    shares = shares_of_points(points, first_mm, spacing_mm, shape)
    return np.minimum(shares * volume / float(np.prod(spacing_mm)), 1.0)


def wall_shares(
    tube: Tube, first_mm: FloatArray, spacing_mm: tuple[float, float, float], shape: tuple[int, ...]
) -> FloatArray:
    """Return the share of a tube's wall that lies in every cell of a box, by sampling."""
    points = _points_in(tube, min(spacing_mm), np.ones(1))
    return shares_of_points(points, first_mm, spacing_mm, shape)


def _points_in(tube: Tube, edge_mm: float, rings: FloatArray) -> FloatArray:
    """Return points on rings of a tube, by their radii over the tube's, (n, 3), mm."""
    axis = tube.end_mm - tube.start_mm
    length = float(np.linalg.norm(axis))
    along = axis / length
    side = np.cross(along, [0.0, 0.0, 1.0] if abs(along[2]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    other = np.cross(along, side)
    n_along = max(int(np.ceil(length / edge_mm * _SAMPLES)), 1)
    n_around = max(int(np.ceil(2.0 * np.pi * tube.radius_mm / edge_mm * _SAMPLES)), 12)
    t = (np.arange(n_along) + 0.5) / n_along * length
    ring = rings * tube.radius_mm
    angle = np.arange(n_around) * (2.0 * np.pi / n_around) + 0.1
    across = ring[:, None, None] * (np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other)
    points = tube.start_mm + t[:, None, None, None] * along + across
    return np.asarray(points.reshape(-1, 3))


def shares_of_points(
    points_mm: FloatArray,
    first_mm: FloatArray,
    spacing_mm: tuple[float, float, float],
    shape: tuple[int, ...],
) -> FloatArray:
    """Return the share of points in every cell of a box (n_z, n_y, n_x)."""
    index = np.floor((points_mm - first_mm) / np.array(spacing_mm)).astype(int)[:, ::-1]
    inside = np.all((index >= 0) & (index < np.array(shape)), axis=1)
    counts = np.zeros(shape)
    np.add.at(counts, tuple(index[inside].T), 1.0)
    return counts / len(points_mm)


def _window(is_open: NDArray[np.bool_]) -> tuple[slice, slice, slice]:
    parts = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        at = np.flatnonzero(is_open.any(axis=others))
        parts.append(slice(int(at[0]), int(at[-1]) + 1) if len(at) else slice(0, 1))
    return parts[0], parts[1], parts[2]


def _drain(
    is_open: NDArray[np.bool_], spacing_mm: tuple[float, float, float], marrow_pa_s: float
) -> FloatArray:
    """Return the conductance of the wall around the open cells for marrow, mm3 / (MPa s)."""
    permeability = value("injection.wall.permeability_m2") * MM2_PER_M2
    permeance = permeability / value("injection.wall.thickness_mm") / (marrow_pa_s * 1e-6)
    padded = np.pad(is_open, 1)
    area = np.zeros(is_open.shape)
    h_x, h_y, h_z = spacing_mm
    for axis, face in enumerate((h_x * h_y, h_x * h_z, h_y * h_z)):
        for shift in (-1, 1):
            there = np.roll(padded, shift, axis=axis)[1:-1, 1:-1, 1:-1]
            area += np.where(is_open & ~there, face, 0.0)
    conductance: FloatArray = area * permeance
    return conductance
