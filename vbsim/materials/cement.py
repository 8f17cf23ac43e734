"""Cements, and the laws that say how bone filled with one behaves."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from vbsim.checks import Parameters, require
from vbsim.data import names, value

__all__ = ["Cement", "BoneCementLaw", "Mixture", "cement", "cement_names"]

FloatArray = NDArray[np.float64]


class Cement(Parameters):
    """A cured cement; in a case file its name in the library, or a table of its own.

    Examples
    --------
    >>> cement("pmma").youngs_modulus_mpa
    2200.0
    >>> Cement(name="test batch", youngs_modulus_mpa=900.0).poisson
    0.33
    """

    name: str = Field(default="own cement", min_length=1, description="name shown in results")
    youngs_modulus_mpa: float = Field(gt=0, le=50_000, description="Young's modulus, MPa")
    poisson: float = Field(
        default_factory=lambda: value("cements.pmma.poisson"),
        ge=0.0,
        lt=0.499,
        description="Poisson's ratio",
    )
    density_g_cm3: float = Field(
        default_factory=lambda: value("cements.pmma.density_g_cm3"),
        gt=0,
        le=10,
        description="density, g/cm3",
    )
    compressive_strength_mpa: float | None = Field(
        default=None, gt=0, description="compressive strength, MPa; none defined if left out"
    )
    tensile_strength_mpa: float | None = Field(
        default=None, gt=0, description="tensile strength, MPa; none defined if left out"
    )
    radiopacity_hu: float = Field(
        default_factory=lambda: value("cements.pmma.radiopacity_hu"),
        ge=-1000,
        le=30_000,
        description="grey value in CT, HU",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        return _library(data) if isinstance(data, str) else data


def cement_names() -> tuple[str, ...]:
    """Return the names in the cement library."""
    return names("cements")


def cement(name: str) -> Cement:
    """Return a cement of the library.

    Raises
    ------
    InvalidInput
        If the library has no cement of that name; the message lists the names.
    """
    return Cement(**_library(name))


def _library(name: str) -> dict[str, Any]:
    known = cement_names()
    require(name in known, "cement", name, "one of " + ", ".join(known))
    keys = names(f"cements.{name}")
    return {"name": name} | {key: value(f"cements.{name}.{key}") for key in keys}


class Mixture(NamedTuple):
    """Share of bone and cement in the stiffness of filled bone.

    Attributes
    ----------
    bone, cement : float or (...) float array
        Factors on the stiffness of the unfilled bone and of the pure cement.
    """

    bone: FloatArray
    cement: FloatArray


class BoneCementLaw(Parameters):
    """How trabecular bone filled with cement behaves.

    ``pure``: as the cement alone. ``reduced``: as the cement, less what pores, imperfect contact
    and damage by shrinkage cost; the bone inside does not reinforce it (Kinzl 2011, 2012). The
    default; its factor is calibrated on sections of augmented vertebrae. Strength goes with the
    modulus: both fall with the pores of the cement (Kinzl 2011).
    ``rule_of_mixtures``: the bone and the cement in its pores side by side (Voigt).
    ``density_weighted``: mean of the two moduli, weighted by the mass of each.

    The other three overstate the gain of a compact fill; `reduction` is the knob of the default.

    Examples
    --------
    >>> law = BoneCementLaw()
    >>> float(law.mixture(0.06, cement("pmma")).cement)
    0.424
    """

    kind: Literal["pure", "reduced", "rule_of_mixtures", "density_weighted"] = Field(
        default="reduced", description="law of the composite"
    )
    reduction: float = Field(
        default_factory=lambda: value("bone.composite.modulus_factor"),
        gt=0,
        le=1,
        description="composite modulus / cement modulus of the law `reduced`",
    )
    saturation_exponent: float = Field(
        default=1.0,
        ge=1,
        le=4,
        description=(
            "share of filled bone = saturation ** exponent; 1 for drawn shapes, whose boundary "
            "voxels are partial volumes; 2 is in use for diffuse injected cement (no source)"
        ),
    )
    interface_factor: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="factor on the stiffness of the outermost voxels of the cement; 1 is bonded",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        return {"kind": data} if isinstance(data, str) else data

    def mixture(self, bone_volume_fraction: ArrayLike, filler: Cement) -> Mixture:
        """Return the factors on bone and cement stiffness in fully filled bone.

        Parameters
        ----------
        bone_volume_fraction : (...) float array
            BV/TV of the bone, 0 to 1.
        filler : Cement
            The cement in its pores.
        """
        bvtv = np.asarray(bone_volume_fraction, dtype=np.float64)
        ones, zeros = np.ones_like(bvtv), np.zeros_like(bvtv)
        if self.kind == "pure":
            return Mixture(zeros, ones)
        if self.kind == "reduced":
            return Mixture(zeros, self.reduction * ones)
        if self.kind == "rule_of_mixtures":
            return Mixture(ones, 1.0 - bvtv)
        bone_mass = value("bone.density.tissue_density_g_cm3") * bvtv
        share = bone_mass / (bone_mass + filler.density_g_cm3 * (1.0 - bvtv))
        return Mixture(share, 1.0 - share)
