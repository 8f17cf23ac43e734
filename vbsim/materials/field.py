"""Stiffness of every voxel as a sum of a few unit materials, each with its own scalar field.

One scalar modulus cannot hold bone (nu 0.3), PMMA (0.33) and silicone (0.48), nor orthotropic bone
beside isotropic cement. A voxel's stiffness is therefore ``sum_k modulus[k] * C_k`` over one to
five unit materials ``C_k`` that hold for the whole body.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import frozen, require

__all__ = [
    "LAMBDA",
    "LAMBDA_MEAN",
    "MU",
    "StiffnessField",
    "UnitStiffness",
    "lame",
    "mean_only",
    "membrane_xy",
    "orthotropic",
]

FloatArray = NDArray[np.float64]


class UnitStiffness(NamedTuple):
    """An axis-aligned orthotropic stiffness of unit scale.

    Constants are ordered ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` in Voigt order
    ``xx yy zz yz xz xy`` with engineering shear (``c44`` is yz, ``c55`` xz, ``c66`` xy).

    Attributes
    ----------
    name : str
        Name of the unit material.
    mean : tuple of 9 float
        Stiffness against the mean strain of the voxel.
    bending : tuple of 9 float
        Stiffness against the bending modes; equal to `mean` for full integration, less by an
        isotropic part for selective reduction.
    """

    name: str
    mean: tuple[float, ...]
    bending: tuple[float, ...]


_VOLUMETRIC = (1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0)
_SHEAR = (2.0, 2.0, 2.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0)

LAMBDA = UnitStiffness("lambda", _VOLUMETRIC, _VOLUMETRIC)
"""Lame's first constant, fully integrated."""

LAMBDA_MEAN = UnitStiffness("lambda_mean", _VOLUMETRIC, (0.0,) * 9)
"""Lame's first constant on the mean strain only: selective reduction for near-incompressibility."""

MU = UnitStiffness("mu", _SHEAR, _SHEAR)
"""Shear modulus."""


def membrane_xy(poisson: float) -> UnitStiffness:
    """Return a thin plate across z: plane stress in its plane, nothing through its thickness.

    Scale 1 is a plate of Young's modulus 1 that fills the voxel. What is left of an isotropic
    stiffness once its plane-stress part is taken off is positive semidefinite: through-thickness.
    """
    plane = 1.0 / (1.0 - poisson**2)
    shear = 0.5 / (1.0 + poisson)
    constants = (plane, plane, 0.0, poisson * plane, 0.0, 0.0, 0.0, 0.0, shear)
    return UnitStiffness(f"membrane xy, nu {poisson:g}", constants, constants)


def mean_only(poisson: float) -> UnitStiffness:
    """Return an isotropic material of Young's modulus 1 that does not resist bending modes.

    Examples
    --------
    >>> mean_only(0.25).mean[3], mean_only(0.25).bending[3]
    (0.4, 0.0)
    """
    lam, mu = lame(1.0, poisson)
    mean = tuple(float(lam * v + mu * s) for v, s in zip(_VOLUMETRIC, _SHEAR, strict=True))
    return UnitStiffness(f"mean strain only, nu {poisson:g}", mean, (0.0,) * 9)


def lame(youngs_modulus_mpa: ArrayLike, poisson: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return Lame's constants (lambda, mu), MPa.

    Examples
    --------
    >>> lam, mu = lame(2.6, 0.3)
    >>> print(f"{lam:.3f} {mu:.3f}")
    1.500 1.000
    """
    E, nu = np.asarray(youngs_modulus_mpa, dtype=np.float64), np.asarray(poisson)
    return E * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)), E / (2.0 * (1.0 + nu))


def orthotropic(
    name: str,
    youngs: tuple[float, float, float],
    poisson: tuple[float, float, float],
    shear: tuple[float, float, float],
) -> UnitStiffness:
    """Return the unit stiffness of an axis-aligned orthotropic material.

    Parameters
    ----------
    name : str
        Name of the unit material.
    youngs : tuple of float
        ``E_x, E_y, E_z``.
    poisson : tuple of float
        ``nu_yz, nu_xz, nu_xy`` where ``nu_ij = -strain_j / strain_i`` under stress along i.
    shear : tuple of float
        ``G_yz, G_xz, G_xy``.
    """
    (E_x, E_y, E_z), (nu_yz, nu_xz, nu_xy) = youngs, poisson
    compliance = np.array(
        [
            [1.0 / E_x, -nu_xy / E_x, -nu_xz / E_x],
            [-nu_xy / E_x, 1.0 / E_y, -nu_yz / E_y],
            [-nu_xz / E_x, -nu_yz / E_y, 1.0 / E_z],
        ]
    )
    require(
        bool(np.all(np.linalg.eigvalsh(compliance) > 0)),
        "poisson",
        poisson,
        "small enough for a positive definite stiffness",
    )
    c = np.linalg.inv(compliance)
    mean = (c[0, 0], c[1, 1], c[2, 2], c[0, 1], c[0, 2], c[1, 2], *shear)
    constants = tuple(float(value) for value in mean)
    return UnitStiffness(name, constants, constants)


@dataclass(frozen=True, eq=False)
class StiffnessField:
    """Stiffness of every voxel: ``C = sum_k moduli[k] * units[k]``.

    Parameters
    ----------
    units : tuple of UnitStiffness
        Unit materials, length K.
    moduli : (K, n_z, n_y, n_x) or (K, n_cells) float, MPa
        Scalar field of each unit material; 0 in voids. Single precision stays single. On a mesh,
        whose cells have no rows, arrays of cells are one-dimensional here and below.
    """

    units: tuple[UnitStiffness, ...]
    moduli: FloatArray

    def __post_init__(self) -> None:
        shape = self.moduli.shape
        require(
            len(shape) in (2, 4) and shape[0] == len(self.units),
            "moduli",
            shape,
            f"of shape ({len(self.units)}, n_z, n_y, n_x), or ({len(self.units)}, n) on a mesh",
        )
        object.__setattr__(self, "moduli", frozen(_floating(self.moduli)))

    @classmethod
    def isotropic(cls, youngs_modulus_mpa: ArrayLike, poisson: float = 0.3) -> StiffnessField:
        """Return a field with one Poisson ratio and one modulus per voxel, (n_z, n_y, n_x), MPa."""
        require(-1.0 < poisson < 0.5, "poisson", poisson, "between -1 and 0.5")
        mean = mean_only(poisson).mean
        unit = UnitStiffness(f"isotropic, nu {poisson:g}", mean, mean)
        return cls((unit,), _floating(youngs_modulus_mpa)[None])

    @property
    def shape(self) -> tuple[int, int, int]:
        """Cells ``(n_z, n_y, n_x)``."""
        n_z, n_y, n_x = self.moduli.shape[1:]
        return n_z, n_y, n_x

    def mean_constants(self) -> FloatArray:
        """Return the 9 constants of every voxel against mean strain, (n_z, n_y, n_x, 9), MPa."""
        table = np.array([unit.mean for unit in self.units])
        return np.asarray(np.einsum("k...,kc->...c", self.moduli, table))

    def axial_modulus_mpa(self) -> FloatArray:
        """Return Young's modulus along z of every voxel, (n_z, n_y, n_x), MPa; 0 in voids."""
        c = self.mean_constants()
        c11, c22, c33, c12, c13, c23 = (c[..., i] for i in range(6))
        minor = c11 * c22 - c12 * c12
        safe = np.where(minor > 0, minor, 1.0)
        lost = (c13 * (c13 * c22 - c12 * c23) + c23 * (c11 * c23 - c12 * c13)) / safe
        return np.where(minor > 0, c33 - lost, 0.0)


def _floating(values: ArrayLike) -> FloatArray:
    """Return values in double precision, or as they are in single: images are large."""
    array = np.asarray(values)
    return array if array.dtype == np.float32 else array.astype(np.float64, copy=False)
