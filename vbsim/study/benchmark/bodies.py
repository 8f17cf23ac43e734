"""Bodies made up to a wanted number of degrees of freedom; the same every time."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim import data
from vbsim.checks import require
from vbsim.fem.layout import Layout
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.microfe import ModulusImage

__all__ = ["STRUCTURES", "SEED", "SMALLEST_DOF", "check", "free_dof", "generate"]

BoolArray = NDArray[np.bool_]
Single = NDArray[np.float32]
Shape = tuple[int, int, int]

SEED = 20
SMALLEST_DOF = 20_000  # below, one plane more or less is too large a step
_CLOSE_ENOUGH = 0.02  # of the wanted number
_TRIALS = 8
_SLAB = 64  # planes of trabecular structure made at a time; even


def _number(name: str) -> float:
    return float(data.value(f"benchmark.{name}"))


def generate(structure: str, dof: float) -> ModulusImage:
    """Return the moduli of a body with about `dof` free components between clamped ends.

    Parameters
    ----------
    structure : {"body", "trabecular", "block"}
        ``body``: a vertebra-like body with a one-voxel shell, a core of log-normal moduli, a cement
        ellipsoid and caps; ``trabecular``: perforated plates that fill about a quarter of their
        box; ``block``: homogeneous.
    dof : float
        Wanted number; met within 5 %.

    Raises
    ------
    InvalidInput
        For an unknown structure, or a number that is too small.
    """
    check(structure, dof)
    return STRUCTURES[structure](float(dof))


def check(structure: str, dof: float) -> None:
    """Refuse what `generate` cannot make."""
    require(structure in STRUCTURES, "structure", structure, f"one of {list(STRUCTURES)}")
    require(dof >= SMALLEST_DOF, "dof", dof, f"{SMALLEST_DOF} or more")


def free_dof(solid: BoolArray) -> int:
    """Return three times the points with material, without the lowest and the highest plane."""
    plane = Layout(solid).points.plane
    return 3 * int(plane[-2] - plane[1])


def _sized(dof: float, dof_per_cell: float, make: Callable[[float], BoolArray]) -> BoolArray:
    """Return what `make` gives for the edge, in cells, that meets the wanted number best.

    Parameters
    ----------
    dof : float
        Wanted number.
    dof_per_cell : float
        A guess of that number / edge^3.
    make : callable
        Gives the solid cells for an edge.
    """
    edge = float((dof / dof_per_cell) ** (1.0 / 3.0))
    best, miss = make(edge), np.inf
    solid = best
    for _ in range(_TRIALS):
        ratio = dof / free_dof(solid)
        if abs(ratio - 1.0) < miss:
            best, miss = solid, abs(ratio - 1.0)
        if miss < _CLOSE_ENOUGH:
            break
        edge *= ratio ** (1.0 / 3.0)
        solid = make(edge)
    return best


def _box(edge: float) -> Shape:
    """Return a shape near a cube whose number of cells is nearest ``edge^3``."""
    n = round(edge)
    return max(round(edge**3 / n**2), 2), n, n


# Homogeneous block --------------------------------------------------------------------------------


def _block(dof: float) -> ModulusImage:
    shape = _sized(dof, 3.0, lambda edge: np.ones(_box(edge), bool)).shape
    moduli = np.full(shape, _number("block.modulus_mpa"), np.float32)
    return _image(moduli, _number("block.edge_mm") / shape[2], "block")


# Vertebra-like body -------------------------------------------------------------------------------


def _vertebra(dof: float) -> ModulusImage:
    height = _number("vertebra.height_mm")
    # An ellipse fills 0.79 of its rectangle; here the edge is the number of planes.
    solid = _sized(dof, 2.3, _waisted_column)
    return _image(_vertebra_moduli(solid), height / len(solid), "vertebra-like body")


def _waisted_column(edge: float) -> BoolArray:
    """Return elliptic planes of cells, narrower in the middle, for a number of planes."""
    width, depth, height, cap = (
        _number(f"vertebra.{name}_mm") for name in ("width", "depth", "height", "cap")
    )
    h = height / edge
    n_z, n_y, n_x = round(edge), 2 * round(0.5 * depth / h), 2 * round(0.5 * width / h)
    z, y, x = (np.arange(n) + 0.5 - 0.5 * n for n in (n_z, n_y, n_x))
    along = np.minimum(np.abs(z) * h / (0.5 * height - cap), 1.0)
    widths = 1.0 - (1.0 - _number("vertebra.waist")) * (1.0 - along**2)
    square = ((x * h / (0.5 * width)) ** 2 + ((y * h / (0.5 * depth)) ** 2)[:, None]).astype(
        np.float32
    )
    solid = np.empty((n_z, n_y, n_x), bool)
    for plane, scale in zip(solid, widths, strict=True):
        np.less_equal(square, scale**2, out=plane)
    return solid


def _vertebra_moduli(solid: BoolArray) -> Single:
    """Return caps, a shell around a log-normal core, and cement inside it, MPa."""
    n_z, n_y, n_x = solid.shape
    height = _number("vertebra.height_mm")
    h = height / n_z
    shell, core, spread, cement = (
        _number(f"vertebra.{name}")
        for name in ("shell_mpa", "core_median_mpa", "core_log_sd", "cement_mpa")
    )
    n_cap = max(round(_number("vertebra.cap_mm") / h), 1)
    a_x, a_y, a_z = data.value("benchmark.vertebra.cement_semi_axes_mm")
    z, y, x = ((np.arange(n) + 0.5 - 0.5 * n) * h for n in (n_z, n_y, n_x))
    across = (x / a_x) ** 2 + ((y / a_y) ** 2)[:, None]
    moduli = np.zeros(solid.shape, np.float32)
    for k, plane in enumerate(moduli):
        if not n_cap <= k < n_z - n_cap:
            plane[solid[k]] = cement
            continue
        noise = np.random.default_rng([SEED, k]).standard_normal((n_y, n_x), np.float32)
        plane[...] = core * np.exp(np.float32(spread) * noise)
        plane[across + (z[k] / a_z) ** 2 <= 1.0] = cement
        plane[~_inner(solid, k)] = shell
        if k in (n_cap, n_z - n_cap - 1):
            plane[...] = shell
        plane[~solid[k]] = 0.0
    return moduli


def _inner(solid: BoolArray, k: int) -> BoolArray:
    """Return the cells of a plane whose six neighbours are solid."""
    inner: BoolArray = solid[k - 1] & solid[k + 1]
    padded = np.pad(solid[k], 1)
    for near in (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]):
        inner &= near
    return inner


# Trabecular structure -----------------------------------------------------------------------------


def _trabecular(dof: float) -> ModulusImage:
    solid = _sized(dof, 1.2, lambda edge: _perforated_plates(_box(edge)))
    moduli = solid * np.float32(_number("trabecular.tissue_mpa"))
    return _image(moduli, _number("trabecular.voxel_mm"), "trabecular structure")


def _perforated_plates(shape: Shape) -> BoolArray:
    """Return the largest part of plates with holes, made slab by slab from two random fields.

    Plates lie where the first field is near its middle, holes where the second is low.
    """
    share = _number("trabecular.plate_share")
    hole = _number("trabecular.hole_share")
    thin = NormalDist().inv_cdf(0.5 + 0.5 * share)
    low = NormalDist().inv_cdf(hole)
    solid = np.empty(shape, bool)
    for start in range(0, shape[0], _SLAB):
        slab = solid[start : start + _SLAB]
        np.less(np.abs(_field(0, start, slab.shape)), thin, out=slab)
        slab &= _field(1, start, slab.shape) > low
    return _largest_part(solid)


def _largest_part(solid: BoolArray) -> BoolArray:
    parts, n_parts = ndimage.label(solid)
    sizes = np.zeros(n_parts + 1, np.int64)
    for plane in parts:  # widened to int64 meanwhile
        sizes += np.bincount(plane.ravel(), minlength=n_parts + 1)
    sizes[0] = 0
    return np.asarray(parts == int(sizes.argmax()))


def _field(which: int, start: int, shape: Shape) -> Single:
    """Return planes ``start, ...`` of a smooth random field of unit variance; `start` is even.

    White noise on every second plane, row and column is filtered and then interpolated; noise is
    seeded plane by plane, so that slabs fit together.
    """
    n_z, n_y, n_x = (n // 2 + 1 for n in shape)
    reach = len(_response()) // 2
    planes = range(start // 2, start // 2 + n_z + 2 * reach)
    noise = np.stack(
        [
            np.random.default_rng([SEED, which, plane]).standard_normal((n_y, n_x), np.float32)
            for plane in planes
        ]
    )
    smooth = _filtered(noise)[reach:-reach]
    smooth /= np.sqrt(np.sum(_response() ** 2))
    for axis in range(3):
        smooth = _doubled(smooth, axis)
    return smooth[tuple(slice(n) for n in shape)]


def _filtered(noise: Single) -> Single:
    """Return the difference of two Gaussian filters, periodic across planes."""
    narrow, wide = (0.5 * width for width in data.value("benchmark.trabecular.filter_widths"))
    modes: list[Literal["constant", "wrap"]] = ["constant", "wrap", "wrap"]
    result: Single = ndimage.gaussian_filter(noise, narrow, mode=modes)
    result -= ndimage.gaussian_filter(noise, wide, mode=modes)
    return result


def _response() -> Single:
    """Return what the filter makes of a single point, (n, n, n)."""
    reach = int(2.0 * max(data.value("benchmark.trabecular.filter_widths")) + 0.5)
    point = np.zeros((2 * reach + 1,) * 3, np.float32)
    point[reach, reach, reach] = 1.0
    return _filtered(point)


def _doubled(field: Single, axis: int) -> Single:
    """Return a field with a value in the middle between any two along an axis."""
    values = np.moveaxis(field, axis, 0)
    out = np.empty((2 * len(values) - 1, *values.shape[1:]), np.float32)
    out[::2] = values
    np.add(values[:-1], values[1:], out=out[1::2])
    out[1::2] *= 0.5
    return np.moveaxis(out, 0, axis)


def _image(moduli: Single, edge_mm: float, name: str) -> ModulusImage:
    n_z, n_y, n_x = moduli.shape
    return ModulusImage(moduli, VoxelGrid((n_z, n_y, n_x), (edge_mm,) * 3), name)


STRUCTURES: MappingProxyType[str, Callable[[float], ModulusImage]] = MappingProxyType(
    {"body": _vertebra, "trabecular": _trabecular, "block": _block}
)
"""What can be made, by name."""
