"""The specimen: a vertebra sampled on a grid, at one stage of its story."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import Anatomy
from vbsim.checks import InvalidInput, frozen, require
from vbsim.materials.bone import Bone
from vbsim.materials.cement import BoneCementLaw, Cement
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.quantities import Quantity

__all__ = ["Specimen", "Tissue", "CementField", "Ends", "BoneSource"]

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
    """

    cement: Cement
    law: BoneCementLaw
    fraction: FloatArray
    saturation: FloatArray


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


@dataclass(frozen=True, eq=False)
class Specimen:
    """A vertebra sampled on a grid: anatomy, domain, tissue, density, state, cement, history.

    Every step (fracture, reduction, cement, potting) maps a specimen to a new one.

    Parameters
    ----------
    name : str
        Stage: ``intact``, ``fractured``, ``reduced``, ``augmented``; numbered when repeated.
    anatomy : Anatomy
        Level, body frame (as the body is now) and landmarks.
    domain : VoxelGrid
        The grid.
    tissue : Tissue
        Volume fractions of the constituents.
    vbmd_mg_cm3 : (n_z, n_y, n_x) float array
        Mineral per volume of trabecular (and arch) bone, mg/cm3, as it is now.
    vbmd_intact_mg_cm3 : (n_z, n_y, n_x) float array
        The same before any fracture, carried along with the bone: what the stiffness law sees.
    integrity : (n_z, n_y, n_x) float array
        Factor on the modulus of bone and shell, 1 where intact.
    bone : Bone
        Laws and parameters of the bone.
    void : (n_z, n_y, n_x) float array or None
        Fraction of the voxel that is a cleft or cavity inside the body.
    cements : tuple of CementField
        Fillings, in order.
    ends : Ends or None
        Platen node sets, once potted.
    history : tuple of str
        One line per step.
    report : tuple of Quantity
        What the last step has to tell (volume placed, bone conserved, ...).
    """

    name: str
    anatomy: Anatomy
    domain: VoxelGrid
    tissue: Tissue
    vbmd_mg_cm3: FloatArray
    vbmd_intact_mg_cm3: FloatArray
    integrity: FloatArray
    bone: Bone
    void: FloatArray | None = None
    cements: tuple[CementField, ...] = ()
    ends: Ends | None = None
    history: tuple[str, ...] = ()
    report: tuple[Quantity, ...] = field(default=())
    fracture: Any = None

    # (constructors, views and `materials` are added by the specimen chapter)
