"""Mid-sagittal and mid-coronal sections of a specimen, as arrays ready to be drawn."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import BodyFrame
from vbsim.fem import recovery
from vbsim.fem.response import Response
from vbsim.materials.field import StiffnessField
from vbsim.measures.fields import body_fraction
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.specimen import Specimen

__all__ = [
    "Plane",
    "PLANES",
    "Section",
    "Outline",
    "section",
    "outline",
    "density",
    "cement",
    "von_mises",
    "compression",
    "energy",
]

FloatArray = NDArray[np.float64]
Plane = Literal["sagittal", "coronal"]

PLANES: tuple[Plane, ...] = ("sagittal", "coronal")
"""Mid-sagittal (body x = 0) and mid-coronal (body y = 0)."""

_LINE_POINTS = 121
_LEAST_PART = 0.2  # voxels with less of what is drawn than this are background


class Outline(NamedTuple):
    """Lines of the body frame in a plane, each (n, 2): across and height, mm.

    Attributes
    ----------
    superior, inferior : (n, 2) float array
        Endplates, from the anterior (right) to the posterior (left) wall.
    walls : tuple of two (n, 2) float array
        The two walls, upwards.
    """

    superior: FloatArray
    inferior: FloatArray
    walls: tuple[FloatArray, FloatArray]


class Section(NamedTuple):
    """What lies in one plane; rows run upwards, columns to the back (sagittal) or left (coronal).

    Attributes
    ----------
    extent_mm : tuple of float
        Left, right, bottom and top edge in body coordinates, mm.
    across_mm, height_mm : (n,), (n_z,) float array
        Body coordinates of the voxel centres in the plane, mm.
    body, cap : (n_z, n) float array
        Volume fraction of the body and of the caps.
    cement : (n_z, n) float array
        Fraction of the voxel that is filled bone or filled cleft: 0.5 is the cement's surface.
    cement_projected : (n_z, n) float array
        Its maximum along the line of sight: cement in front of and behind the plane as well.
    outline : Outline
        Where the body frame has the endplates and the wall.
    """

    extent_mm: tuple[float, float, float, float]
    across_mm: FloatArray
    height_mm: FloatArray
    body: FloatArray
    cap: FloatArray
    cement: FloatArray
    cement_projected: FloatArray
    outline: Outline


def section(specimen: Specimen, plane: Plane) -> Section:
    """Cut a specimen in a plane through the origin of its body frame."""
    x, y, z = specimen.body_axes()
    across = y if plane == "sagittal" else x
    half = 0.5 * (across[1] - across[0]), 0.5 * (z[1] - z[0])
    extent = (across[0] - half[0], across[-1] + half[0], z[0] - half[1], z[-1] + half[1])
    body = body_fraction(specimen)
    filled = _saturation(specimen) * body
    return Section(
        tuple(float(edge) for edge in extent),  # type: ignore[arg-type]
        across,
        z,
        _mean(body, specimen, plane),
        _mean(specimen.tissue.cap, specimen, plane),
        _mean(filled, specimen, plane),
        filled.max(axis=_normal(plane)),
        outline(specimen.anatomy.frame, plane),
    )


def outline(frame: BodyFrame, plane: Plane) -> Outline:
    """Return the lines of a body frame in a plane through its origin."""
    near, far = (-0.5 * np.pi, 0.5 * np.pi) if plane == "sagittal" else (np.pi, 0.0)

    def line(across: FloatArray, height: FloatArray) -> FloatArray:
        x, y = (np.zeros_like(across), across) if plane == "sagittal" else (across, 0.0 * across)
        lower, upper = frame.inferior_at(x, y), frame.superior_at(x, y)
        return np.stack([across, lower + height * (upper - lower)], axis=-1)

    def endplate(height: float) -> FloatArray:
        first, last = frame.wall_radius(np.array([near, far]), height)
        across = np.linspace(-first, last, _LINE_POINTS)
        return line(across, np.full(_LINE_POINTS, height))

    upwards = np.linspace(0.0, 1.0, _LINE_POINTS)
    walls = (
        line(-frame.wall_radius(near, upwards), upwards),
        line(frame.wall_radius(far, upwards), upwards),
    )
    return Outline(endplate(1.0), endplate(0.0), walls)


def density(specimen: Specimen, plane: Plane) -> FloatArray:
    """Return bone mineral density in a plane, mg/cm3; NaN outside trabecular bone."""
    found = _weighted(specimen.vbmd_mg_cm3, specimen.tissue.trabecular, specimen, plane)
    return np.where(found > 0, found, np.nan)


def cement(specimen: Specimen, plane: Plane) -> FloatArray:
    """Return the share of the pores that cement fills, 0 to 1; NaN outside bone."""
    return _weighted(_saturation(specimen), body_fraction(specimen), specimen, plane)


def von_mises(
    specimen: Specimen, response: Response, plane: Plane, *, scale: float = 1.0
) -> FloatArray:
    """Return von Mises stress in a plane, MPa; NaN outside the body.

    Only the two voxel layers next to the plane are recovered. A voxel's stress is that of its
    constituents side by side, by volume.

    Parameters
    ----------
    specimen, response : Specimen, Response
        A potted specimen and its linear response.
    plane : {"sagittal", "coronal"}
        Plane of the section.
    scale : float
        Factor on the load of the response.
    """
    _, stress = _loaded(specimen, response, plane)
    return abs(scale) * _in_body(recovery.von_mises(stress), specimen, plane)


def compression(
    specimen: Specimen, response: Response, plane: Plane, *, scale: float = 1.0
) -> FloatArray:
    """Return the largest compressive principal stress in a plane, MPa; NaN outside the body.

    Positive where the most compressive principal stress is compressive. Parameters as for
    `von_mises`.
    """
    _, stress = _loaded(specimen, response, plane)
    xx, yy, zz, yz, xz, xy = np.moveaxis(stress * scale, -1, 0)
    tensor = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(*xx.shape, 3, 3)
    return _in_body(-np.linalg.eigvalsh(tensor)[..., 0], specimen, plane)


def energy(
    specimen: Specimen, response: Response, plane: Plane, *, scale: float = 1.0
) -> FloatArray:
    """Return the strain energy density in a plane, kJ/m3 (= N mm per 1000 mm3); NaN outside.

    Parameters as for `von_mises`.
    """
    strain, stress = _loaded(specimen, response, plane)
    density_mpa = scale**2 * recovery.energy_density(strain, stress)
    return _in_body(1000.0 * density_mpa, specimen, plane)


def _loaded(specimen: Specimen, response: Response, plane: Plane) -> tuple[FloatArray, FloatArray]:
    """Return strain and stress of the two voxel layers next to a plane."""
    cells, points = _layers(specimen, plane), _layers(specimen, plane, of_points=True)
    field = specimen.materials
    part = StiffnessField(field.units, field.moduli[(slice(None), *cells)])
    grid = VoxelGrid(part.shape, specimen.domain.spacing_mm)
    strain = recovery.strain(response.displacement_mm[(slice(None), *points)], grid)
    return strain, recovery.stress(strain, part)


def _in_body(values: FloatArray, specimen: Specimen, plane: Plane) -> FloatArray:
    weight = body_fraction(specimen)[_layers(specimen, plane)]
    return _weighted_mean(values, weight, plane)


def _saturation(specimen: Specimen) -> FloatArray:
    filled = np.zeros(specimen.domain.shape)
    for filling in specimen.cements:
        filled += filling.saturation
    return np.minimum(filled, 1.0)


def _layers(specimen: Specimen, plane: Plane, *, of_points: bool = False) -> tuple[slice, ...]:
    """Return the slices of the two voxel layers on both sides of a plane, or of their points."""
    x, y, _ = specimen.body_axes()
    across = x if plane == "sagittal" else y
    first = int(np.clip(np.searchsorted(across, 0.0) - 1, 0, len(across) - 2))
    chosen = slice(first, first + (3 if of_points else 2))
    every = slice(None)
    return (every, every, chosen) if plane == "sagittal" else (every, chosen, every)


def _mean(values: FloatArray, specimen: Specimen, plane: Plane) -> FloatArray:
    result: FloatArray = values[_layers(specimen, plane)].mean(axis=_normal(plane))
    return result


def _weighted(
    values: FloatArray, weight: FloatArray, specimen: Specimen, plane: Plane
) -> FloatArray:
    layers = _layers(specimen, plane)
    return _weighted_mean(values[layers], weight[layers], plane)


def _weighted_mean(values: FloatArray, weight: FloatArray, plane: Plane) -> FloatArray:
    """Return the mean over the layers by weight; NaN where there is next to nothing."""
    axis = _normal(plane)
    total = weight.sum(axis=axis)
    mean = (values * weight).sum(axis=axis) / np.where(total > 0, total, 1.0)
    return np.where(total / weight.shape[axis] >= _LEAST_PART, mean, np.nan)


def _normal(plane: Plane) -> int:
    return 2 if plane == "sagittal" else 1
