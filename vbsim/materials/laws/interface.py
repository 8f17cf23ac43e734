"""The surface of cement on bone: a bond that separates or slides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.kernels import constitutive
from vbsim.kernels.constitutive import interface as kernel

__all__ = ["Bond", "Interface", "bond"]

FloatArray = NDArray[np.float64]

# How far from isotropic a stiffness may be, of its largest constant.
_ALIKE = 1e-6


class Bond(Parameters):
    """What holds cement to bone, per area of the surface."""

    tension_mpa: float = Field(gt=0, description="tension at which the surface separates, MPa")
    shear_mpa: float = Field(gt=0, description="shear at which it slides without pressure, MPa")
    friction: float = Field(ge=0, lt=2, description="coefficient of friction")
    fading_mm: float = Field(
        gt=0, description="opening or slip over which the bond falls to 1 / e, mm"
    )


def bond() -> Bond:
    """Return the bond of ``data/laws.toml``."""
    return Bond(**{name: value(f"laws.interface.{name}") for name in Bond.model_fields})


@dataclass(frozen=True, eq=False)
class Interface:
    """Isotropic elasticity with one surface a voxel that opens and slides.

    Parameters
    ----------
    constants_mpa : (n, 9) float
        Stiffness of each voxel, ``c11 c22 c33 c12 c13 c23 c44 c55 c66``, isotropic.
    normal : (n, 3) float
        Unit normal of the surface in each voxel.
    width_mm : (n,) float or float
        Width over which the surface is smeared: that of the cell across it.
    bond : Bond
        Strengths, friction, and how the bond fades.
    """

    constants_mpa: FloatArray
    normal: FloatArray
    width_mm: ArrayLike
    bond: Bond

    def __post_init__(self) -> None:
        shape = np.shape(self.constants_mpa)
        require(len(shape) == 2 and shape[1] == 9, "constants_mpa", shape, "of shape (n, 9)")
        require(np.shape(self.normal) == (shape[0], 3), "normal", np.shape(self.normal), "(n, 3)")
        lengths = np.linalg.norm(self.normal, axis=1)
        off = float(np.max(np.abs(lengths - 1.0), initial=0.0))
        require(off < 1e-6, "normal", f"{off:.1g} from unit length", "of unit length")
        least = float(np.min(self.width_mm, initial=np.inf))
        require(least > 0.0, "width_mm", least, "positive")
        c = np.asarray(self.constants_mpa, np.float64)
        # c11 = c22 = c33 = c12 + 2 c66 and so on
        alike = np.concatenate([c[:, 1:3], c[:, 3:6] + 2.0 * c[:, [8, 7, 6]]], axis=1)
        apart = float(np.max(np.abs(alike - c[:, :1]), initial=0.0) / np.max(c, initial=1.0))
        require(apart < _ALIKE, "constants_mpa", f"{apart:.1g} apart", "isotropic")

    @property
    def code(self) -> int:
        """Rung of the ladder."""
        return constitutive.INTERFACE

    @property
    def n_state(self) -> int:
        """Numbers of state per voxel."""
        return kernel.N_STATE

    def rows(self) -> FloatArray:
        """Return the kernel's parameters, (n, 9)."""
        out = np.empty((len(self.constants_mpa), kernel.N_PARAMS))
        out[:, kernel.LAMBDA] = self.constants_mpa[:, 3]
        out[:, kernel.MU] = self.constants_mpa[:, 6]
        out[:, kernel.TENSION] = self.bond.tension_mpa
        out[:, kernel.COHESION] = self.bond.shear_mpa
        out[:, kernel.FRICTION] = self.bond.friction
        out[:, kernel.FADING] = self.bond.fading_mm / np.asarray(self.width_mm)
        out[:, kernel.NORMAL :] = self.normal
        return out
