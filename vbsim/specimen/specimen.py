"""The specimen: a vertebra sampled on a grid, at one stage of its story."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import Anatomy
from vbsim.checks import InvalidInput, PhysicsWarning, frozen, require
from vbsim.data import value
from vbsim.materials.bone import Bone
from vbsim.materials.density_modulus import bone_volume_fraction
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.series import Series
from vbsim.specimen.stiffness import compartment_fields, stiffness_field
from vbsim.specimen.tissue import BoneSource, CapMaterial, CementField, Ends, Tissue

__all__ = [
    "BoneSource",
    "CapMaterial",
    "CementField",
    "Ends",
    "Specimen",
    "Tissue",
    "TissueLabel",
]

FloatArray = NDArray[np.float64]

# Partial volumes come from sampling: their sum is 1 to round-off of a few additions.
_FRACTION_TOLERANCE = 1e-6

# A little bone at the floor is marrow seen by the scanner; half of it is a wrong density scale.
_MANY_LIMITED, _MOST_LIMITED = 0.05, 0.50

define(
    "bone_at_floor",
    "1",
    "volume of bone whose modulus by the density law lies below the floor / volume of bone",
)
define(
    "bone_at_ceiling",
    "1",
    "volume of bone whose modulus by the density law lies above the ceiling / volume of bone",
)


class TissueLabel(IntEnum):
    """What a voxel mostly is, for display."""

    OUTSIDE = 0
    TRABECULAR = 1
    SHELL = 2
    ENDPLATE = 3
    ARCH = 4
    CAP = 5
    CEMENT = 6
    CLEFT = 7


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
        Factor on the modulus of bone and shell, 1 where intact; the endplates keep theirs.
    bone : Bone
        Laws and parameters of the bone.
    void : (n_z, n_y, n_x) float array or None
        Fraction of the voxel that is a cleft or cavity inside the body.
    cements : tuple of CementField
        Fillings, in order.
    ends : Ends or None
        Platen node sets, once potted.
    cap : CapMaterial or None
        Material of the loading caps, once potted.
    history : tuple of str
        One line per step, ``<stage>: <what was done>``.
    report : tuple of Quantity
        What the last step has to tell (volume placed, bone conserved, ...).
    fracture : object
        What the fracture chapter keeps of its step, or None.
    mechanics : object
        The body on its undeformed grid (`specimen.deformed.Deformed`), of which the fields here are
        a picture; None unless mechanics has deformed it.
    mesher : callable or None
        Gives what fits a mesh between given caps to a stage (`specimen.fitters.HexaFitter`), on
        which mechanics then runs; None for mechanics on the grid itself.
    volume_intact_ml : float or None
        Volume of the body before any step, ml; None where that stage was never made.
    series : tuple of Series
        What the last step recorded over time.
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
    cap: CapMaterial | None = None
    history: tuple[str, ...] = ()
    report: tuple[Quantity, ...] = field(default=())
    fracture: Any = None
    mechanics: Any = None
    mesher: Callable[[Any], Any] | None = None
    volume_intact_ml: float | None = None
    series: tuple[Series, ...] = ()

    def __post_init__(self) -> None:
        for name in ("vbmd_mg_cm3", "vbmd_intact_mg_cm3", "integrity"):
            object.__setattr__(self, name, self._checked(name, getattr(self, name)))
        if self.void is not None:
            object.__setattr__(self, "void", self._checked("void", self.void))
        tissue = Tissue(*map(self._checked, self.tissue._fields, self.tissue))
        object.__setattr__(self, "tissue", tissue)
        filled = tissue.bone + tissue.cap + (0.0 if self.void is None else self.void)
        least = min(float(part.min()) for part in (*tissue, filled))
        require(
            least >= -_FRACTION_TOLERANCE and float(filled.max()) <= 1.0 + _FRACTION_TOLERANCE,
            "tissue",
            f"fractions from {least:.3g}, sum up to {float(filled.max()):.6g}",
            "volume fractions of 0 or more that sum to 1 or less in every voxel",
        )
        for filling in self.cements:
            self._checked("cements.fraction", filling.fraction)
            self._checked("cements.saturation", filling.saturation)

    def _checked(self, name: str, array: FloatArray) -> FloatArray:
        shape = self.domain.shape
        require(np.shape(array) == shape, name, np.shape(array), f"of shape {shape}")
        return frozen(np.asarray(array, dtype=np.float64))

    @classmethod
    def from_bone(cls, source: BoneSource, grid: VoxelGrid, bone: Bone) -> Specimen:
        """Sample a vertebra on a grid: the stage ``intact``.

        Parameters
        ----------
        source : BoneSource
            A parametric `Vertebra` or an `ImagedVertebra`.
        grid : VoxelGrid
            A grid that holds the body; aligned with its frame unless the bone is isotropic.
        bone : Bone
            Density and stiffness; an image brings its own density.

        Raises
        ------
        InvalidInput
            If the body is cut by the grid, if the bone's axes do not run along the grid's, or if
            the modulus of most of the bone is set by floor or ceiling.
        """
        anatomy = source.anatomy
        fractions = source.sample(grid)
        parts = {key: np.asarray(fractions[key]) for key in ("trabecular", "shell", "endplate")}
        tissue = Tissue(**parts, arch=np.asarray(fractions["arch"]), cap=np.zeros(grid.shape))
        measured = source.measured_vbmd(grid)
        density = frozen(bone.density(anatomy, grid, measured))
        line = f"intact: {anatomy.level}, {anatomy.origin}, cells of {grid.spacing_mm} mm"
        specimen = cls(
            name="intact",
            anatomy=anatomy,
            domain=grid,
            tissue=tissue,
            vbmd_mg_cm3=density,
            vbmd_intact_mg_cm3=density,
            integrity=np.ones(grid.shape),
            bone=bone,
            history=(line,),
        )
        _refuse_cut_body(specimen)
        if bone.anisotropy == "transverse" and not specimen.is_aligned:
            raise InvalidInput(
                "anisotropy = 'transverse': must be 'isotropic' on a grid that is not aligned with "
                "the body's axes"
            )
        report = _limits(specimen, is_measured=measured is not None)
        return replace(specimen, report=report, volume_intact_ml=specimen.volume_ml())

    # Coordinates ---------------------------------------------------------------------------------

    @property
    def is_aligned(self) -> bool:
        """Whether the grid's axes are the body's."""
        return bool(np.allclose(self.domain.axes, self.anatomy.frame.axes, atol=1e-6))

    def body_axes(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return body x, y, z of the cell centres, each 1-D, mm.

        Raises
        ------
        InvalidInput
            If the grid is not aligned with the body.
        """
        return self._along_body(self.domain.centres_local())

    def body_faces(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return body x, y, z of the cell faces (planes of points), each 1-D, mm."""
        return self._along_body(self.domain.faces_local())

    def body_coordinates(self) -> FloatArray:
        """Return the cell centres in body coordinates on any grid, (n_z, n_y, n_x, 3), mm."""
        return self.anatomy.frame.to_body(self.domain.centres())

    def _along_body(
        self, local_mm: tuple[FloatArray, FloatArray, FloatArray]
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        require(
            self.is_aligned,
            "domain",
            "a grid turned against the body",
            "aligned with the body frame for this step (VoxelGrid.around)",
        )
        x, y, z = self.anatomy.frame.to_body(self.domain.origin_mm)
        return local_mm[0] + x, local_mm[1] + y, local_mm[2] + z

    # Stiffness -----------------------------------------------------------------------------------

    @property
    def fillings(self) -> tuple[CementField, ...]:
        """Cements that hold any volume: an empty filling changes nothing."""
        return tuple(filling for filling in self.cements if bool(filling.fraction.any()))

    @cached_property
    def materials(self) -> StiffnessField:
        """Stiffness of every voxel; 0 in voids."""
        return stiffness_field(self)

    def compartment_stiffness(self) -> dict[str, StiffnessField]:
        """Return the stiffness of each compartment; in order, they sum to `materials`.

        Keys: ``trabecular shell endplate``, and ``arch cement cap`` where there are any. Bone
        filled with cement belongs to ``cement``. Of constituents that lie one over the other in a
        voxel each counts with the part of the voxel's mean stress that lies in its volume.
        """
        return compartment_fields(self)

    @property
    def youngs_modulus_mpa(self) -> FloatArray:
        """Young's modulus of every voxel along grid z, (n_z, n_y, n_x), MPa; 0 in voids."""
        return self.materials.axial_modulus_mpa()

    # Contents ------------------------------------------------------------------------------------

    @property
    def cement_fraction(self) -> FloatArray:
        """Volume of all cements / voxel volume, (n_z, n_y, n_x)."""
        return sum((filling.fraction for filling in self.cements), np.zeros(self.domain.shape))

    @property
    def pore_fraction(self) -> FloatArray:
        """Volume of a voxel that cement can still fill / voxel volume, (n_z, n_y, n_x).

        Marrow space of trabecular bone and clefts, less the cement that is already there.
        """
        open_bone = self.tissue.trabecular * (1.0 - bone_volume_fraction(self.vbmd_mg_cm3))
        cleft = 0.0 if self.void is None else self.void
        return np.maximum(open_bone + cleft - self.cement_fraction, 0.0)

    def volume_ml(self) -> float:
        """Return the volume of the vertebral body as it is now, clefts included, no arch, ml."""
        inside = float(self.tissue.body.sum())
        inside += 0.0 if self.void is None else float(self.void.sum())
        return inside * self.domain.cell_volume_mm3 / 1000.0

    @property
    def cement_volume_ml(self) -> float:
        """Volume of all cements, ml."""
        return float(self.cement_fraction.sum()) * self.domain.cell_volume_mm3 / 1000.0

    @property
    def bone_mineral_mg(self) -> float:
        """Mineral of the body (trabecular, shell and endplates; no arch), mg."""
        dense = float(value("bone.shell.mineral_mg_cm3"))
        trabecular = float((self.tissue.trabecular * np.maximum(self.vbmd_mg_cm3, 0.0)).sum())
        membranes = dense * float(self.tissue.shell.sum() + self.tissue.endplate.sum())
        return (trabecular + membranes) * self.domain.cell_volume_mm3 / 1000.0

    def labels(self) -> NDArray[np.uint8]:
        """Return what each voxel mostly is, (n_z, n_y, n_x), by `TissueLabel`.

        A voxel that is mostly empty is ``OUTSIDE``; one whose pores are mostly full is ``CEMENT``.
        """
        cleft = np.zeros(self.domain.shape) if self.void is None else self.void
        outside = np.maximum(1.0 - self.tissue.bone - self.tissue.cap - cleft, 0.0)
        tissue = self.tissue
        parts = (outside, tissue.trabecular, tissue.shell, tissue.endplate, tissue.arch, tissue.cap)
        result: NDArray[np.uint8] = np.argmax(np.stack(parts), axis=0).astype(np.uint8)
        result[cleft > np.max(np.stack(parts), axis=0)] = TissueLabel.CLEFT
        for filling in self.fillings:
            result[(filling.saturation >= 0.5) & (outside < 0.5)] = TissueLabel.CEMENT
        return result

    # Story ---------------------------------------------------------------------------------------

    def with_stage_name(self, stage: str, line: str) -> Specimen:
        """Return the specimen under the next name of a stage, with a line in its history.

        The first is ``fractured``, the second ``fractured_2``, and so on.
        """
        earlier = [entry.partition(":")[0].partition("_")[0] for entry in self.history]
        repeats = earlier.count(stage)
        name = f"{stage}_{repeats + 1}" if repeats else stage
        return replace(self, name=name, history=(*self.history, f"{name}: {line}"), series=())


def _refuse_cut_body(specimen: Specimen) -> None:
    body = specimen.tissue.body
    require(bool(body.any()), "grid", "no bone inside", "a grid that holds the vertebral body")
    faces = [np.take(body, index, axis=axis) for axis in range(3) for index in (0, -1)]
    require(
        max(float(face.max()) for face in faces) <= _FRACTION_TOLERANCE,
        "grid",
        f"cuts the body of {specimen.anatomy.level}",
        "larger: a positive margin_mm on every side",
    )


def _limits(specimen: Specimen, *, is_measured: bool) -> tuple[Quantity, ...]:
    """Report how much bone is at the floor and ceiling of the law; refuse when most of it is."""
    weight = specimen.tissue.trabecular + specimen.tissue.arch
    total = float(weight.sum())
    if total == 0.0:
        return ()
    low, high = (
        float(weight[mask].sum()) / total
        for mask in specimen.bone.limited(specimen.vbmd_intact_mg_cm3)
    )
    bone = specimen.bone
    text = (
        f"{100 * low:.1f} % of the bone at the floor of {bone.floor_mpa:g} MPa, "
        f"{100 * high:.1f} % at the ceiling of {bone.ceiling_mpa:g} MPa ({bone.density_law})"
    )
    require(
        low + high <= _MOST_LIMITED,
        "density",
        text,
        "a density in mg/cm3 for which the law, not its limits, gives the modulus",
    )
    if is_measured and low + high > _MANY_LIMITED:
        warnings.warn(text, PhysicsWarning, stacklevel=3)
    return quantity("bone_at_floor", low), quantity("bone_at_ceiling", high)
