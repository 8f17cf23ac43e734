"""Bone that can be crushed: softening, plateau, damage, and strain that comes back in part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.kernels import constitutive
from vbsim.kernels.constitutive import crushable as kernel

__all__ = ["Crushable", "Crushing", "Tissue", "crushing"]

FloatArray = NDArray[np.float64]

Tissue = Literal["trabecular", "shell", "cement", "brittle_cement"]

# Constants that differ by more than this do not belong to a transversely isotropic material.
_ALIKE = 1e-6


class Crushing(Parameters):
    """What crushing does to one tissue; numbers and sources in ``data/laws.toml``.

    Strains are logarithmic; the inelastic one is that of uniaxial compression.

    Examples
    --------
    >>> crushing("trabecular").plastic_poisson
    0.0
    """

    tension: float = Field(
        gt=0, le=1, description="uniaxial strength in tension / in compression, before crushing"
    )
    plastic_poisson: float = Field(
        ge=-0.9, lt=0.5, description="lateral over axial plastic strain in uniaxial compression"
    )
    first_yield: float = Field(gt=0, le=1, description="strength at first yield / largest strength")
    hardening_strain: float = Field(
        gt=0, description="inelastic strain in which the gap to the largest strength falls to 1/e"
    )
    growth: float = Field(
        ge=0, le=100, description="growth of strength per inelastic strain / largest strength"
    )
    plateau: float = Field(gt=0, le=1, description="strength once crushed / largest strength")
    softening_strain: float = Field(
        gt=0, description="inelastic strain at which the fall to the plateau is 63 % done"
    )
    crushed_tension: float = Field(
        gt=0, le=1, description="strength in tension / in compression, once crushed"
    )
    fading_strain: float = Field(
        gt=0, description="inelastic strain in which the tensile ratio goes 63 % of that way"
    )
    most_damage: float = Field(ge=0, lt=1, description="largest loss of the unloading modulus")
    damage_rate: float = Field(
        ge=0, description="damage per inelastic strain / largest damage, at the beginning"
    )
    backbone: float = Field(
        ge=0, lt=0.5, description="modulus of the elastic backbone / Young's modulus"
    )
    closing_strain: float = Field(
        gt=0, description="volumetric compression (logarithmic) at which pores begin to close"
    )
    closing_modulus: float = Field(
        ge=0,
        description="pressure of closing pores = this x Young's modulus x (strain beyond)^2",
    )
    relaxation_s: float = Field(
        default=0.0,
        ge=0,
        description="viscosity: a plastic strain rate r raises strength by the factor 1 + r x this",
    )


def crushing(tissue: Tissue) -> Crushing:
    """Return the parameters of a tissue from ``data/laws.toml``."""
    names = (name for name in Crushing.model_fields if name != "relaxation_s")
    return Crushing(**{name: value(f"laws.{tissue}.{name}") for name in names})


class Isotropic(NamedTuple):
    """The isotropic material that a transversely isotropic one is mapped on (see the kernel).

    Attributes
    ----------
    modulus_mpa, poisson : (n,) float
        Its constants; the modulus is the axial one.
    a, b, c, d : (n,) float
        Mapped strain ``(a xx + b yy, b xx + a yy, zz, c yz, c xz, d xy)``.
    """

    modulus_mpa: FloatArray
    poisson: FloatArray
    a: FloatArray
    b: FloatArray
    c: FloatArray
    d: FloatArray


@dataclass(frozen=True, eq=False)
class Crushable:
    """Finite elasto-plasticity of porous bone in logarithmic strain, beside an elastic backbone.

    Parameters
    ----------
    constants_mpa : (n, 9) float
        Stiffness of each voxel, ``c11 c22 c33 c12 c13 c23 c44 c55 c66``, isotropic about z.
    strength_mpa : (n,) float or float
        Largest strength of the skeleton in uniaxial compression along z.
    crushing : Crushing
        What follows yield.
    """

    constants_mpa: FloatArray
    strength_mpa: ArrayLike
    crushing: Crushing

    def __post_init__(self) -> None:
        shape = np.shape(self.constants_mpa)
        require(len(shape) == 2 and shape[1] == 9, "constants_mpa", shape, "of shape (n, 9)")
        least = float(np.min(self.strength_mpa, initial=np.inf))
        require(least > 0.0, "strength_mpa", least, "positive")
        require(
            self.crushing.crushed_tension <= self.crushing.tension,
            "crushed_tension",
            self.crushing.crushed_tension,
            f"at most tension, {self.crushing.tension:g}",
        )

    @property
    def code(self) -> int:
        """Rung of the ladder."""
        return constitutive.CRUSHABLE

    @property
    def n_state(self) -> int:
        """Numbers of state per voxel."""
        return kernel.N_STATE

    def rows(self) -> FloatArray:
        """Return the kernel's parameters, (n, 22)."""
        c = self.crushing
        out = np.empty((len(self.constants_mpa), kernel.N_PARAMS))
        out[:, : kernel.STRENGTH] = np.stack(mapped(self.constants_mpa), axis=1)
        out[:, kernel.STRENGTH] = self.strength_mpa
        out[:, kernel.TENSION] = c.tension
        out[:, kernel.FLOW] = (0.5 - c.plastic_poisson) / (1.0 + c.plastic_poisson)
        # In the order of the kernel's places.
        out[:, kernel.FIRST_YIELD :] = (
            c.first_yield,
            c.hardening_strain,
            c.growth,
            c.plateau,
            c.softening_strain,
            c.crushed_tension,
            c.fading_strain,
            c.most_damage,
            c.damage_rate,
            c.backbone,
            c.closing_strain,
            c.closing_modulus,
            c.relaxation_s,
        )
        return out


def mapped(constants_mpa: FloatArray) -> Isotropic:
    """Return the isotropic material and map of stiffnesses that are isotropic about z, (n, 9).

    The isotropic one has the axial modulus, and the Poisson ratio with which lateral strains map on
    lateral strains alone: then uniaxial stress along z maps on itself.
    """
    c11, c22, c33, c12, c13, c23, c44, c55, c66 = np.asarray(constants_mpa, np.float64).T
    unlike = np.max(np.abs([c11 - c22, c13 - c23, c44 - c55]) / np.abs(c33), initial=0.0)
    require(unlike <= _ALIKE, "constants_mpa", f"c11, c22 {unlike:.1g} apart", "alike about z")
    across = c11 + c12
    modulus = c33 - 2.0 * c13**2 / across
    axial_poisson = c13 / across
    # poisson = a x axial Poisson with a^2 = (c11 + c12) / (2 (lambda + mu)): a quadratic.
    # 2 (lambda + mu) = E / ((1 + nu)(1 - 2 nu)) and g = nu_a^2 (c11 + c12) / E:
    # nu^2 = g (1 - nu - 2 nu^2)
    g = axial_poisson**2 * across / modulus
    poisson = (-g + np.sqrt(g * g + 4.0 * g * (1.0 + 2.0 * g))) / (2.0 * (1.0 + 2.0 * g))
    mu = 0.5 * modulus / (1.0 + poisson)
    both = np.sqrt(across * (1.0 + poisson) * (1.0 - 2.0 * poisson) / modulus)
    apart = np.sqrt((c11 - c12) / (2.0 * mu))
    a, b = 0.5 * (both + apart), 0.5 * (both - apart)
    return Isotropic(modulus, poisson, a, b, np.sqrt(c44 / mu), np.sqrt(c66 / mu))
