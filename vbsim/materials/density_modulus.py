"""Published laws from bone density to axial modulus, and what goes with them across the axis."""

from __future__ import annotations

from enum import Enum
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.data import value
from vbsim.materials.field import UnitStiffness, lame, orthotropic

__all__ = [
    "DensityLaw",
    "LawName",
    "bone_volume_fraction",
    "density_law",
    "isotropic_unit",
    "transverse_unit",
    "yield_stress_mpa",
]

FloatArray = NDArray[np.float64]

LawName = Literal[
    "kopperdahl_power", "kopperdahl_linear", "kopperdahl_keaveny", "keaveny", "morgan", "fabric"
]


class DensityMeasure(Enum):
    """The density a law was fitted to."""

    QCT = "qct_g_cm3"
    APPARENT = "apparent_g_cm3"
    BVTV = "bone_volume_fraction"


class DensityLaw(NamedTuple):
    """``E = offset + coefficient * density ** exponent``, E along the body's axis, MPa.

    Attributes
    ----------
    name : str
        Name in ``bone.toml``.
    measure : DensityMeasure
        Density the law takes.
    offset_mpa, coefficient_mpa, exponent : float
        Constants.
    valid_mg_cm3 : tuple of float
        Range of QCT density it was fitted to, mg/cm3.
    """

    name: str
    measure: DensityMeasure
    offset_mpa: float
    coefficient_mpa: float
    exponent: float
    valid_mg_cm3: tuple[float, float]

    def youngs_modulus_mpa(self, vbmd_mg_cm3: ArrayLike) -> FloatArray:
        """Return the law's axial modulus, MPa, without floor or ceiling; negative density is 0."""
        vbmd = np.maximum(np.asarray(vbmd_mg_cm3, dtype=np.float64), 0.0)
        density = _convert(vbmd, self.measure)
        return np.asarray(self.offset_mpa + self.coefficient_mpa * density**self.exponent)


def bone_volume_fraction(vbmd_mg_cm3: ArrayLike) -> FloatArray:
    """Return BV/TV of a mineral density, held between 0 and 1.

    Examples
    --------
    >>> float(bone_volume_fraction(115.0))
    0.1
    """
    full = value("bone.density.tissue_mineral_mg_cm3")
    return np.asarray(np.clip(np.asarray(vbmd_mg_cm3, dtype=np.float64) / full, 0.0, 1.0))


def density_law(name: LawName) -> DensityLaw:
    """Return a law of ``bone.toml``.

    Examples
    --------
    >>> round(float(density_law("kopperdahl_power").youngs_modulus_mpa(100.0)))
    266
    """
    place = f"bone.laws.{name}"
    valid = (value(f"{place}.valid_from_mg_cm3"), value(f"{place}.valid_to_mg_cm3"))
    measure = DensityMeasure(value(f"{place}.density"))
    if name == "fabric":
        *_, axial = value(f"{place}.eigenvalues")
        coefficient = value(f"{place}.youngs_modulus_mpa") * axial ** (
            2.0 * value(f"{place}.fabric_exponent")
        )
        return DensityLaw(
            name, measure, 0.0, coefficient, value(f"{place}.density_exponent"), valid
        )
    return DensityLaw(
        name,
        measure,
        value(f"{place}.offset_mpa"),
        value(f"{place}.coefficient_mpa"),
        value(f"{place}.exponent"),
        valid,
    )


def isotropic_unit(poisson: float) -> UnitStiffness:
    """Return the unit stiffness of an isotropic material of Young's modulus 1."""
    lam, mu = (float(part) for part in lame(1.0, poisson))
    constants = (*(lam + 2.0 * mu,) * 3, *(lam,) * 3, *(mu,) * 3)
    return UnitStiffness(f"isotropic, nu {poisson:g}", constants, constants)


def transverse_unit(name: LawName) -> UnitStiffness:
    """Return the stiffness across and along the axis that goes with a law, axial modulus 1.

    The fabric law brings its own; the others take the published ratios to the axial modulus. One
    source for the axial law and one for the ratios: fabric alone, tuned to the ratios, would
    overshoot the axial law by 30 %.
    """
    if name == "fabric":
        return _fabric_unit()
    ratio, g_xy, g_xz, nu_xy, nu_xz = (
        value(f"bone.transverse.{key}")
        for key in (
            "e_transverse_over_e_axial",
            "g_xy_over_e_axial",
            "g_xz_over_e_axial",
            "nu_xy",
            "nu_xz",
        )
    )
    return orthotropic(
        "transversely isotropic", (ratio, ratio, 1.0), (nu_xz, nu_xz, nu_xy), (g_xz, g_xz, g_xy)
    )


def yield_stress_mpa(vbmd_mg_cm3: ArrayLike) -> FloatArray:
    """Return the compressive yield stress of trabecular bone along the axis, MPa (power law).

    Examples
    --------
    >>> round(float(yield_stress_mpa(100.0)), 2)
    1.52
    """
    density = _convert(np.maximum(np.asarray(vbmd_mg_cm3), 0.0), DensityMeasure.QCT)
    coefficient = value("bone.strength.yield_coefficient_mpa")
    return np.asarray(coefficient * density ** value("bone.strength.yield_exponent"))


def _convert(vbmd_mg_cm3: FloatArray, measure: DensityMeasure) -> FloatArray:
    if measure is DensityMeasure.QCT:
        return vbmd_mg_cm3 / 1000.0  # mg/cm3 to g/cm3
    bvtv = vbmd_mg_cm3 / value("bone.density.tissue_mineral_mg_cm3")
    if measure is DensityMeasure.BVTV:
        return np.asarray(bvtv)
    return np.asarray(bvtv * value("bone.density.tissue_density_g_cm3"))


def _fabric_unit() -> UnitStiffness:
    place = "bone.laws.fabric"
    m = np.array(value(f"{place}.eigenvalues"))
    power = value(f"{place}.fabric_exponent")
    shear_over_youngs = value(f"{place}.shear_modulus_mpa") / value(f"{place}.youngs_modulus_mpa")
    youngs = m ** (2.0 * power)
    scale = youngs[2]
    pairs = ((1, 2), (0, 2), (0, 1))
    shear = [float(shear_over_youngs * (m[i] * m[j]) ** power / scale) for i, j in pairs]
    poisson = [
        float(value(f"{place}.poisson") * youngs[i] / (m[i] * m[j]) ** power) for i, j in pairs
    ]
    return orthotropic(
        "fabric",
        (float(youngs[0] / scale), float(youngs[1] / scale), 1.0),
        (poisson[0], poisson[1], poisson[2]),
        (shear[0], shear[1], shear[2]),
    )
