"""A stage of a specimen on a mesh that fits its body: cells follow wall, endplates and platens.

Wall, endplates and caps are cells of their own. What varies inside the bone (density, damage,
cement, clefts) is sampled from the stage's fields on a regular grid: the same fields that the
voxel path solves on, averaged over each cell at several points of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.frame import Anatomy
from vbsim.checks import frozen
from vbsim.materials.field import StiffnessField
from vbsim.mesh.elements import Element
from vbsim.mesh.following import GridFollower
from vbsim.mesh.hexa import HexaBody, Sweep
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.tetra import TetraBody
from vbsim.quantities import Quantity
from vbsim.specimen.potting import Potting
from vbsim.specimen.sampling import CellSampler
from vbsim.specimen.specimen import Specimen, TissueLabel
from vbsim.specimen.stiffness import core_parts
from vbsim.specimen.tissue import CapMaterial, CementField, Ends, Tissue

__all__ = ["AnySpecimen", "FittedSpecimen", "cell_shares", "fitted_stage"]

FloatArray = NDArray[np.float64]

# Voxels with less core than this take the values of their neighbours.
_LEAST_CORE = 0.25

_LABELS = {
    Region.CORE: TissueLabel.TRABECULAR,
    Region.SHELL: TissueLabel.SHELL,
    Region.ENDPLATE: TissueLabel.ENDPLATE,
    Region.LOWER_CAP: TissueLabel.CAP,
    Region.UPPER_CAP: TissueLabel.CAP,
}


@dataclass(frozen=True, eq=False)
class FittedSpecimen:
    """One stage on a mesh, potted; arrays of cells are (n_cells,).

    Parameters
    ----------
    name : str
        Stage.
    source : Specimen
        The stage on its sampling grid, without caps.
    body : HexaBody or TetraBody
        The mesh, in body coordinates.
    element : Element
        The finite element of its cells.
    tissue : Tissue
        1 in the cells of each constituent, else 0.
    compartments : mapping of str to StiffnessField
        Stiffness of each constituent; they sum to `materials`.
    vbmd_mg_cm3, integrity : (n_cells,) float
        Density and factor on the modulus, as in `Specimen`.
    void : (n_cells,) float
        Share of each cell that is a cleft.
    cements : tuple of CementField
        Fillings.
    cap : CapMaterial
        Material of the caps.
    ends : Ends
        Points glued to the platens, and the pivot in body coordinates.
    """

    name: str
    source: Specimen
    body: HexaBody | TetraBody
    element: Element
    tissue: Tissue
    compartments: Mapping[str, StiffnessField]
    vbmd_mg_cm3: FloatArray
    integrity: FloatArray
    void: FloatArray
    cements: tuple[CementField, ...]
    cap: CapMaterial
    ends: Ends

    @property
    def domain(self) -> Mesh:
        """The mesh, in body coordinates."""
        return self.body.mesh

    @property
    def sweep(self) -> Sweep | None:
        """How the mesh is built, where it is a sweep."""
        return self.body.sweep

    @property
    def anatomy(self) -> Anatomy:
        """Level, frame, landmarks."""
        return self.source.anatomy

    @property
    def history(self) -> tuple[str, ...]:
        """One line per step."""
        return self.source.history

    @property
    def report(self) -> tuple[Quantity, ...]:
        """What the last step has to tell."""
        return self.source.report

    @property
    def fracture(self) -> Any:
        """What the fracture chapter keeps of its step, or None."""
        return self.source.fracture

    @property
    def mechanics(self) -> Any:
        """The body that mechanics has deformed (`specimen.deformed.Deformed`), or None."""
        return self.source.mechanics

    @cached_property
    def follower(self) -> GridFollower:
        """The sampling grid, carried along by the mesh."""
        return GridFollower(self.domain, self.source.body_faces(), self.source.body_axes())

    def core_means(self, field: FloatArray) -> FloatArray:
        """Return means of a field of the sampling grid, (n_cells,); 0 in wall, plates and caps."""
        is_core = self.body.regions == Region.CORE
        found = np.zeros(len(is_core))
        valid = _core_of(self.source)[1]
        sampler = CellSampler(self.source, self.domain)
        found[is_core] = sampler.means(field[None], valid, is_core)[0]
        return found

    def core_shares(self, shares: FloatArray) -> FloatArray:
        """Return the same of shares of the voxels, as shares of what is no wall and no plate."""
        core, valid = _core_of(self.source)
        return self.core_means(np.divide(shares, core, out=np.zeros_like(core), where=valid))

    @cached_property
    def materials(self) -> StiffnessField:
        """Stiffness of every cell."""
        parts = tuple(self.compartments.values())
        total = np.sum([part.moduli for part in parts], axis=0)
        return StiffnessField(parts[0].units, total)

    def compartment_stiffness(self) -> dict[str, StiffnessField]:
        """Return the stiffness of each compartment, as `Specimen.compartment_stiffness` does."""
        return dict(self.compartments)

    @cached_property
    def volumes_mm3(self) -> FloatArray:
        """Volume of every cell, (n_cells,), mm3."""
        return frozen(self.domain.volumes())

    @property
    def cement_fraction(self) -> FloatArray:
        """Volume of all cements / volume of the cell, (n_cells,)."""
        return sum((c.fraction for c in self.cements), np.zeros(self.domain.n_cells))

    @property
    def youngs_modulus_mpa(self) -> FloatArray:
        """Young's modulus of every cell along body z, (n_cells,), MPa."""
        return self.materials.axial_modulus_mpa()

    def volume_ml(self) -> float:
        """Return the volume of the vertebral body on this mesh, ml."""
        return float(self.volumes_mm3[self.body.is_body].sum()) / 1000.0

    def labels(self) -> NDArray[np.uint8]:
        """Return what each cell mostly is, (n_cells,), by `TissueLabel`."""
        result = np.zeros(self.domain.n_cells, np.uint8)
        for region, label in _LABELS.items():
            result[self.body.regions == region] = label
        core = self.body.regions == Region.CORE
        result[core & (self.void > 0.5)] = TissueLabel.CLEFT
        for filling in self.cements:
            result[core & (filling.saturation >= 0.5)] = TissueLabel.CEMENT
        return result


AnySpecimen = Specimen | FittedSpecimen
"""A stage on a grid or on a mesh: measures take both."""


def fitted_stage(
    specimen: Specimen, body: HexaBody | TetraBody, element: Element, potting: Potting
) -> FittedSpecimen:
    """Return a stage on a mesh: fields of the grid as means over its cells."""
    regions = body.regions
    cap = potting.material()
    core = core_parts(specimen, cap)
    sampler = CellSampler(specimen, body.mesh)
    is_core = regions == Region.CORE
    moduli = {name: _zeros(core.units, body) for name in core.parts}
    c33 = np.array([unit.mean[2] for unit in core.units])
    inside = sampler.stiffness(
        list(core.parts.values()),
        c33,
        core.filled > _LEAST_CORE,
        is_core,
        filled=core.saturation,
    )
    for name, part in zip(core.parts, inside, strict=True):
        moduli[name][:, is_core] = part
    bone = specimen.bone
    worn = specimen.tissue.bone - specimen.tissue.endplate
    solid = regions <= Region.ENDPLATE
    integrity = np.ones(len(regions))
    # Intact and crushed bone of a cell lie one over the other: compliances add.
    compliance = sampler.means(1.0 / specimen.integrity[None], worn > 0.05, solid)[0]
    integrity[solid] = 1.0 / compliance
    integrity[regions == Region.ENDPLATE] = 1.0
    plates = (
        ("shell", Region.SHELL, bone.shell_modulus_mpa),
        (
            "endplate",
            Region.ENDPLATE,
            bone.endplate_modulus_mpa,
        ),
    )
    for name, region, modulus in plates:
        own = core.isotropic(modulus, bone.shell_poisson)[:, None]
        moduli[name] = own * (integrity * (regions == region))
    is_cap = regions >= Region.LOWER_CAP
    moduli["cap"] = core.isotropic(cap.youngs_modulus_mpa, cap.poisson)[:, None] * is_cap
    order = ("trabecular", "shell", "endplate", "cement", "cap")
    fields = {k: StiffnessField(core.units, moduli[k]) for k in order if k in moduli}
    return FittedSpecimen(
        name=specimen.name,
        source=specimen,
        body=body,
        element=element,
        tissue=_tissue(regions),
        compartments=fields,
        vbmd_mg_cm3=_density(specimen, sampler, is_core),
        integrity=frozen(integrity),
        void=cell_shares(specimen, sampler, is_core, specimen.void),
        cements=_cements(specimen, sampler, is_core),
        cap=cap,
        ends=_ends(body),
    )


def _zeros(units: tuple[Any, ...], body: HexaBody | TetraBody) -> FloatArray:
    return np.zeros((len(units), body.mesh.n_cells))


def _tissue(regions: NDArray[np.uint8]) -> Tissue:
    def where(*chosen: Region) -> FloatArray:
        return frozen(np.isin(regions, chosen).astype(np.float64))

    return Tissue(
        trabecular=where(Region.CORE),
        shell=where(Region.SHELL),
        endplate=where(Region.ENDPLATE),
        arch=where(),
        cap=where(Region.LOWER_CAP, Region.UPPER_CAP),
    )


def _core_of(specimen: Specimen) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Return what of each voxel lies inside wall and endplates, and where that is enough."""
    core = specimen.tissue.trabecular + (0.0 if specimen.void is None else specimen.void)
    return core, core > _LEAST_CORE


def _density(specimen: Specimen, sampler: CellSampler, is_core: NDArray[np.bool_]) -> FloatArray:
    found = np.zeros(len(is_core))
    field = specimen.vbmd_mg_cm3[None]
    found[is_core] = sampler.means(field, specimen.tissue.trabecular > _LEAST_CORE, is_core)[0]
    return frozen(found)


def cell_shares(
    specimen: Specimen,
    sampler: CellSampler,
    is_core: NDArray[np.bool_],
    field: FloatArray | None,
) -> FloatArray:
    """Return what part of each core cell a share of the voxels' core takes, (n_cells,)."""
    found = np.zeros(len(is_core))
    if field is not None and field.any():
        core, valid = _core_of(specimen)
        share = np.divide(field, core, out=np.zeros_like(core), where=valid)
        found[is_core] = np.clip(sampler.means(share[None], valid, is_core)[0], 0.0, 1.0)
    return frozen(found)


def _cements(
    specimen: Specimen, sampler: CellSampler, is_core: NDArray[np.bool_]
) -> tuple[CementField, ...]:
    made = []
    for filling in specimen.fillings:
        fraction = cell_shares(specimen, sampler, is_core, filling.fraction)
        saturation, valid = np.zeros(len(is_core)), _core_of(specimen)[1]
        saturation[is_core] = sampler.means(filling.saturation[None], valid, is_core)[0]
        made.append(CementField(filling.cement, filling.law, fraction, frozen(saturation)))
    return tuple(made)


def _ends(body: HexaBody | TetraBody) -> Ends:
    sets = body.mesh.point_sets
    assert body.platens_mm is not None
    pivot = np.array([0.0, 0.0, body.platens_mm[1]])
    return Ends(sets["lower_platen"], sets["upper_platen"], frozen(pivot))
