"""Bone: its density inside the body, and the stiffness that goes with it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from vbsim.anatomy.frame import Anatomy, BodyFrame
from vbsim.checks import Parameters, require
from vbsim.data import value
from vbsim.materials.density_modulus import (
    DensityLaw,
    LawName,
    bone_volume_fraction,
    density_law,
    isotropic_unit,
    transverse_unit,
    yield_stress_mpa,
)
from vbsim.materials.field import UnitStiffness
from vbsim.materials.variation import Lattice, RandomField
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["Bone", "MaterialTable"]

FloatArray = NDArray[np.float64]

# Spacing of the points over which a density field is scaled to its mean: fixed, so that the same
# field is found on every grid.
_MEAN_LATTICE_MM = 1.0


class MaterialTable(NamedTuple):
    """The density-to-modulus table actually used; `str` prints it.

    Attributes
    ----------
    vbmd_mg_cm3, bone_volume_fraction : (n,) float array
        Density and the BV/TV taken for it.
    axial_modulus_mpa, transverse_modulus_mpa : (n,) float array
        Young's moduli after floor and ceiling, MPa.
    yield_stress_mpa : (n,) float array
        Compressive yield stress along the axis, MPa.
    note : tuple of str
        ``floor``, ``ceiling``, ``outside the fit`` or empty.
    """

    vbmd_mg_cm3: FloatArray
    bone_volume_fraction: FloatArray
    axial_modulus_mpa: FloatArray
    transverse_modulus_mpa: FloatArray
    yield_stress_mpa: FloatArray
    note: tuple[str, ...]

    def __str__(self) -> str:
        lines = [
            "vbmd_mg_cm3  bone_volume_fraction  axial_mpa  transverse_mpa  yield_stress_mpa  note"
        ]
        for vbmd, bvtv, axial, across, strength, note in zip(*self, strict=True):
            lines.append(
                f"{vbmd:11.1f}  {bvtv:20.4f}  {axial:9.1f}  {across:14.1f}"
                f"  {strength:16.2f}  {note}".rstrip()
            )
        return "\n".join(lines)


class Bone(Parameters):
    """Density and stiffness of the bone of one vertebra.

    Examples
    --------
    >>> bone = Bone(vbmd_mg_cm3=100.0)
    >>> round(float(bone.youngs_modulus_mpa(100.0)))
    266
    >>> print(bone.material_table(3))
    vbmd_mg_cm3  bone_volume_fraction  axial_mpa  transverse_mpa  yield_stress_mpa  note
            0.0                0.0000       10.0             3.3              0.00  floor
          200.0                0.1739      549.9           183.1              3.99
          400.0                0.3478     1138.6           379.2             10.46  outside the fit
    """

    vbmd_mg_cm3: float = Field(
        default_factory=lambda: value("bone.patient.vbmd_mg_cm3"),
        ge=10,
        le=400,
        description="mean trabecular density of L1-L3, mg/cm3 (hydroxyapatite); not for images",
    )
    apply_level_factor: bool = Field(
        default=True, description="denser or poorer by level than L1-L3; off: as given"
    )
    density_law: LawName = Field(
        default="kopperdahl_power", description="law from density to axial modulus"
    )
    anisotropy: Literal["isotropic", "transverse"] = Field(
        default="transverse", description="trabecular bone alike in all directions, or axial"
    )
    poisson: float = Field(
        default_factory=lambda: value("bone.elastic.poisson"),
        ge=0,
        le=0.45,
        description="Poisson's ratio of isotropic bone and of posterior elements",
    )
    floor_mpa: float = Field(
        default_factory=lambda: value("bone.elastic.floor_mpa"),
        gt=0,
        description="least modulus of bone, MPa",
    )
    ceiling_mpa: float = Field(
        default_factory=lambda: value("bone.elastic.ceiling_mpa"),
        gt=0,
        description="largest modulus of bone, MPa",
    )
    shell_modulus_mpa: float = Field(
        default_factory=lambda: value("bone.shell.youngs_modulus_mpa"),
        gt=0,
        description="effective modulus of the cortical shell, MPa",
    )
    endplate_modulus_mpa: float = Field(
        default_factory=lambda: value("bone.endplate.youngs_modulus_mpa"),
        gt=0,
        description="effective modulus of the bony endplates, MPa",
    )
    shell_poisson: float = Field(
        default_factory=lambda: value("bone.shell.poisson"),
        ge=0,
        le=0.45,
        description="Poisson's ratio of shell and endplates",
    )
    trend_inferior: float = Field(
        default_factory=lambda: value("bone.variation.trend_inferior"),
        ge=-0.3,
        le=0.3,
        description="relative density gained from mid-height to the lower endplate",
    )
    trend_rim: float = Field(
        default_factory=lambda: value("bone.variation.trend_rim"),
        ge=-0.5,
        le=0.5,
        description="relative density of the rim over the core",
    )
    trend_posterior: float = Field(
        default_factory=lambda: value("bone.variation.trend_posterior"),
        ge=-0.3,
        le=0.3,
        description="relative density gained from the middle to the back",
    )
    heterogeneity_sd: float = Field(
        default_factory=lambda: value("bone.variation.heterogeneity_sd"),
        ge=0,
        le=0.6,
        description="relative standard deviation of the random field; 0 is smooth",
    )
    correlation_length_mm: float = Field(
        default_factory=lambda: value("bone.variation.correlation_length_mm"),
        ge=1.0,
        le=50.0,
        description="distance at which the random field's correlation is 1/e, mm",
    )
    seed: int = Field(default=0, ge=0, description="seed of the random field")

    @model_validator(mode="after")
    def _ordered(self) -> Bone:
        require(self.floor_mpa < self.ceiling_mpa, "floor_mpa", self.floor_mpa, "below ceiling_mpa")
        return self

    # Density -------------------------------------------------------------------------------------

    def mean_vbmd_mg_cm3(self, level: str) -> float:
        """Return the mean density of the trabecular body at a level, mg/cm3."""
        factor = value(f"bone.level_factor.{level}") if self.apply_level_factor else 1.0
        return float(self.vbmd_mg_cm3 * factor)

    def density(
        self, anatomy: Anatomy, grid: VoxelGrid, measured: FloatArray | None = None
    ) -> FloatArray:
        """Return the density at every cell centre, (n_z, n_y, n_x), mg/cm3.

        Defined everywhere, also outside the bone; its mean over the body is the asked mean.

        Parameters
        ----------
        anatomy : Anatomy
            Level and body frame.
        grid : VoxelGrid
            Any grid, aligned with the body or not.
        measured : (n_z, n_y, n_x) float array or None, mg/cm3
            Density from an image, which is returned as it is.
        """
        if measured is not None:
            require(
                measured.shape == grid.shape, "measured", measured.shape, f"of shape {grid.shape}"
            )
            return np.asarray(measured, dtype=np.float64)
        frame = anatomy.frame
        reference = _lattice_in_body(frame)
        inside = _is_in_body(frame, reference)
        mean = float(self._relative(frame, reference)[inside].mean())
        field = self._relative(frame, _lattice_of_grid(frame, grid))
        return np.asarray(self.mean_vbmd_mg_cm3(anatomy.level) / mean * field)

    def _relative(self, frame: BodyFrame, lattice: Lattice) -> FloatArray:
        """Return density up to a factor: spatial trend times a log-normal random field."""
        x, y, z = lattice.coordinates()
        front, back = frame.sagittal_extent_mm()
        down = np.clip(1.0 - 2.0 * frame.normalised_height(x, y, z), -1.0, 1.0)
        rim = np.clip(frame.normalised_radius(x, y, z), 0.0, 1.0) ** 2 - 0.5
        behind = np.clip((2.0 * y - front - back) / (back - front), -1.0, 1.0)
        trend = 1.0 + (
            self.trend_inferior * down + self.trend_rim * rim + self.trend_posterior * behind
        )
        result = np.broadcast_to(trend, lattice.shape)
        if self.heterogeneity_sd == 0.0:
            return np.array(result)
        # Log-normal with the asked relative standard deviation: never negative, however wide.
        spread = np.sqrt(np.log1p(self.heterogeneity_sd**2))
        waves = RandomField.seeded(self.seed, correlation_length_mm=self.correlation_length_mm)
        return np.asarray(result * np.exp(spread * waves.on_lattice(lattice)))

    # Stiffness -----------------------------------------------------------------------------------

    def law(self) -> DensityLaw:
        """Return the law from density to axial modulus."""
        return density_law(self.density_law)

    def youngs_modulus_mpa(self, vbmd_mg_cm3: ArrayLike) -> FloatArray:
        """Return the axial modulus of bone of a density, MPa, between floor and ceiling."""
        raw = self.law().youngs_modulus_mpa(vbmd_mg_cm3)
        return np.clip(raw, self.floor_mpa, self.ceiling_mpa)

    def limited(self, vbmd_mg_cm3: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return where the law falls below the floor, and where it rises above the ceiling."""
        raw = self.law().youngs_modulus_mpa(vbmd_mg_cm3)
        return raw < self.floor_mpa, raw > self.ceiling_mpa

    def trabecular_unit(self) -> UnitStiffness:
        """Return the unit stiffness of trabecular bone (axial modulus 1)."""
        if self.anisotropy == "isotropic":
            return isotropic_unit(self.poisson)
        return transverse_unit(self.density_law)

    def material_table(self, n: int = 21, *, up_to_mg_cm3: float = 400.0) -> MaterialTable:
        """Return the density-to-modulus table actually used, at `n` even steps from 0."""
        require(n >= 2, "n", n, "2 rows or more")
        vbmd = np.linspace(0.0, up_to_mg_cm3, n)
        axial = self.youngs_modulus_mpa(vbmd)
        low, high = self.limited(vbmd)
        first, last = self.law().valid_mg_cm3
        outside = (vbmd < first) | (vbmd > last)
        note = np.select([low, high, outside], ["floor", "ceiling", "outside the fit"], "")
        c = self.trabecular_unit().mean
        compliance = np.linalg.inv([[c[0], c[3], c[4]], [c[3], c[1], c[5]], [c[4], c[5], c[2]]])
        return MaterialTable(
            vbmd,
            bone_volume_fraction(vbmd),
            axial,
            axial / compliance[0, 0],
            yield_stress_mpa(vbmd),
            tuple(str(word) for word in note),
        )


def _lattice_of_grid(frame: BodyFrame, grid: VoxelGrid) -> Lattice:
    """Return the cell centres of a grid in body coordinates."""
    steps = frame.axes.T @ grid.axes * np.array(grid.spacing_mm)
    first = grid.to_world(0.5 * np.array(grid.spacing_mm))
    return Lattice(frame.to_body(first), steps, grid.shape)


def _lattice_in_body(frame: BodyFrame) -> Lattice:
    lower, upper = frame.bounds_mm()
    n_x, n_y, n_z = (int(n) for n in np.ceil((upper - lower) / _MEAN_LATTICE_MM) + 1)
    return Lattice(lower, np.eye(3) * _MEAN_LATTICE_MM, (n_z, n_y, n_x))


def _is_in_body(frame: BodyFrame, lattice: Lattice) -> NDArray[np.bool_]:
    """Return the points inside shell and endplates, where the trabecular bone is."""
    shell = value("anatomy.cortex.shell_thickness_mm")
    endplate = value("anatomy.cortex.endplate_thickness_mm")
    x, y, z = lattice.coordinates()
    height = frame.normalised_height(x, y, z)
    depth = frame.wall_radius(np.arctan2(y, x), height) - np.hypot(x, y)
    above = z - frame.inferior_at(x, y)
    below = frame.superior_at(x, y) - z
    return np.asarray((depth >= shell) & (above >= endplate) & (below >= endplate))
