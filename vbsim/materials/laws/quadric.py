"""Yield by a quadric in stress space, with hardening, softening and damage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import require
from vbsim.kernels import constitutive
from vbsim.kernels.constitutive import quadric as kernel

__all__ = ["Quadric", "Softening", "Surface"]

FloatArray = NDArray[np.float64]
Three = tuple[float, float, float]

# A strain at which nothing ever decays: laws without hardening, softening or damage.
_NEVER = 1e9


class Surface(NamedTuple):
    """Shape of the yield surface: strengths over the compressive one along z.

    Attributes
    ----------
    compression, tension : tuple of 3 float
        Uniaxial strengths along x, y, z; ``compression[2]`` is 1.
    shear : tuple of 3 float or None
        Shear strengths yz, xz, xy; None takes what makes an isotropic surface isotropic.
    interaction : float
        zeta of ``Q_ij = -zeta sqrt(Q_ii Q_jj)``: -0.5 < zeta < 0.5 closes the surface; towards
        0.5 it becomes von Mises' (or Drucker-Prager's) open one.
    """

    compression: Three = (1.0, 1.0, 1.0)
    tension: Three = (1.0, 1.0, 1.0)
    shear: Three | None = None
    interaction: float = 0.2

    def coefficients(self) -> FloatArray:
        """Return ``Q11 Q22 Q33 Q12 Q13 Q23 Q44 Q55 Q66 q1 q2 q3``, dimensionless, (12,)."""
        over_c, over_t = 1.0 / np.array(self.compression), 1.0 / np.array(self.tension)
        direct = (0.5 * (over_c + over_t)) ** 2
        linear = 0.5 * (over_t - over_c)
        root = np.sqrt(direct)
        mixed = [-self.interaction * root[i] * root[j] for i, j in ((0, 1), (0, 2), (1, 2))]
        if self.shear is None:
            pairs = ((1, 2), (0, 2), (0, 1))
            shears = [2.0 * root[i] * root[j] * (1.0 + self.interaction) for i, j in pairs]
        else:
            shears = [1.0 / strength**2 for strength in self.shear]
        return np.array([*direct, *mixed, *shears, *linear])


class Softening(NamedTuple):
    """How strength changes with inelastic strain; the defaults are ideally plastic.

    Attributes
    ----------
    first_yield : float
        Strength at first yield over its ultimate value.
    hardening_strain : float
        Inelastic strain in which the gap to the ultimate value falls to 1/e.
    slope : float
        Linear hardening on top: strength over strength per strain.
    residual : float
        Strength that softening leaves, over the ultimate one.
    onset, strain : float
        Averaged inelastic strain at which softening begins, and in which it falls to 1/e.
    most_damage, damage_strain : float
        Loss of modulus in the end, and the averaged inelastic strain in which it builds up.
    """

    first_yield: float = 1.0
    hardening_strain: float = _NEVER
    slope: float = 0.0
    residual: float = 1.0
    onset: float = 0.0
    strain: float = _NEVER
    most_damage: float = 0.0
    damage_strain: float = _NEVER


ISOTROPIC = Surface()
"""As strong in tension as in compression, along every direction."""

IDEAL = Softening()
"""Ideally plastic."""


@dataclass(frozen=True, eq=False)
class Quadric:
    """Elasto-plasticity of small strain with a quadric yield surface and associated flow.

    Parameters
    ----------
    constants_mpa : (n, 9) float
        Orthotropic stiffness of each voxel (see `Elastic`); may be singular (a membrane).
    strength_mpa : (n,) float or float
        Ultimate uniaxial compressive strength along z.
    surface : Surface
        Shape of the yield surface.
    softening : Softening
        What follows yield.
    """

    constants_mpa: FloatArray
    strength_mpa: ArrayLike
    surface: Surface = ISOTROPIC
    softening: Softening = IDEAL

    def __post_init__(self) -> None:
        shape = np.shape(self.constants_mpa)
        require(len(shape) == 2 and shape[1] == 9, "constants_mpa", shape, "of shape (n, 9)")
        least = float(np.min(self.strength_mpa, initial=np.inf))
        require(least > 0.0, "strength_mpa", least, "positive")
        zeta = self.surface.interaction
        require(-0.5 < zeta <= 0.5, "interaction", zeta, "above -0.5 and at most 0.5")

    @property
    def code(self) -> int:
        """Rung of the ladder."""
        return constitutive.QUADRIC

    @property
    def n_state(self) -> int:
        """Numbers of state per voxel."""
        return kernel.N_STATE

    def rows(self) -> FloatArray:
        """Return the kernel's parameters, (n, 30)."""
        out = np.empty((len(self.constants_mpa), kernel.N_PARAMS))
        out[:, :9] = self.constants_mpa
        out[:, 9:21] = self.surface.coefficients()
        out[:, kernel.STRENGTH] = self.strength_mpa
        out[:, kernel.FIRST_YIELD :] = self.softening
        return out
