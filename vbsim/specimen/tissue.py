"""What fills the voxels of a specimen: bone, cement, caps; and where the platens hold it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import Anatomy
from vbsim.materials.cement import BoneCementLaw, Cement
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["BoneSource", "CapMaterial", "CementField", "Ends", "Tissue"]

FloatArray = NDArray[np.float64]


class Tissue(NamedTuple):
    """Volume fraction of each constituent in every voxel, each (n_z, n_y, n_x); void is the rest.

    Attributes
    ----------
    trabecular : float array
        Trabecular bone with its marrow (and, in imaged bone, the whole measured bone).
    shell : float array
        Cortical wall, by partial volume: a wall of thickness t fills t/h of a voxel of edge h.
    endplate : float array
        Bony endplates, by partial volume.
    arch : float array
        Posterior elements of an imaged vertebra; 0 in parametric bodies.
    cap : float array
        Loading caps; 0 before potting.
    """

    trabecular: FloatArray
    shell: FloatArray
    endplate: FloatArray
    arch: FloatArray
    cap: FloatArray

    @property
    def body(self) -> FloatArray:
        """Fraction of the vertebral body: trabecular + shell + endplate, (n_z, n_y, n_x)."""
        return self.trabecular + self.shell + self.endplate

    @property
    def bone(self) -> FloatArray:
        """Fraction of bone: body and posterior elements, (n_z, n_y, n_x)."""
        return self.body + self.arch


class CementField(NamedTuple):
    """Cement of one filling.

    Attributes
    ----------
    cement : Cement
        The material.
    law : BoneCementLaw
        How bone filled with it behaves.
    fraction : (n_z, n_y, n_x) float array
        Cement volume / voxel volume; at most the pore space.
    saturation : (n_z, n_y, n_x) float array
        Cement volume / pore space of the voxel when it was filled, 0 to 1.
    hardness : (n_z, n_y, n_x) float array or None
        Factor on the cement's modulus and strength for how far it has cured; None where that was
        not followed: cured.
    shrinkage : (n_z, n_y, n_x) float array or None
        Linear shrinkage since it set: stress-free strain, 0 to 1; None for none.
    """

    cement: Cement
    law: BoneCementLaw
    fraction: FloatArray
    saturation: FloatArray
    hardness: FloatArray | None = None
    shrinkage: FloatArray | None = None


class CapMaterial(NamedTuple):
    """Material of the loading caps.

    Attributes
    ----------
    kind : str
        ``pmma``, ``disc`` or a name of one's own.
    youngs_modulus_mpa, poisson : float
        Elastic constants.
    """

    kind: str
    youngs_modulus_mpa: float
    poisson: float


class Ends(NamedTuple):
    """Platen node sets.

    Attributes
    ----------
    lower, upper : (n,) int array
        Flat indices into ``VoxelGrid.point_shape`` of the points glued to each platen.
    pivot_mm : (3,) float array
        Point of the upper platen about which it tilts, in the grid's local coordinates, mm.
    """

    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    pivot_mm: FloatArray


class BoneSource(Protocol):
    """What a specimen is sampled from: a parametric `Vertebra` or an `ImagedVertebra`."""

    @property
    def anatomy(self) -> Anatomy:
        """Level, frame, landmarks."""

    def sample(self, grid: VoxelGrid) -> Mapping[str, FloatArray]:
        """Return volume fractions ``trabecular shell endplate arch``, each (n_z, n_y, n_x)."""

    def measured_vbmd(self, grid: VoxelGrid) -> FloatArray | None:
        """Return the measured density, mg/cm3 per volume of bone, or None if not imaged."""
