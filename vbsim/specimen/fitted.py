"""A stage of a specimen on a mesh that fits its body: cells follow wall, endplates and platens.

Wall, endplates and caps are cells of their own. What varies inside the bone (density, damage,
cement, clefts) is sampled from the stage's fields on a regular grid: the same fields that the
voxel path solves on, averaged over each cell at several points of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from vbsim.anatomy.frame import Anatomy, BodyFrame
from vbsim.anatomy.morphometry import endplate_areas_mm2
from vbsim.anatomy.solid import Walls
from vbsim.checks import frozen, require
from vbsim.materials.field import StiffnessField
from vbsim.mesh.elements import ELEMENTS, Element
from vbsim.mesh.following import GridFollower
from vbsim.mesh.hexa import BodyLayout, HexaBody, Sweep, hexa_body, moved_body
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.tetra import (
    TetraBody,
    TetraCounts,
    expected_counts,
    moved_tetra_body,
    tetra_body,
)
from vbsim.quantities import Quantity
from vbsim.specimen.potting import Potting
from vbsim.specimen.sampling import CellSampler
from vbsim.specimen.specimen import Specimen, TissueLabel
from vbsim.specimen.stiffness import core_parts
from vbsim.specimen.tissue import CapMaterial, CementField, Ends, Tissue

__all__ = ["AnySpecimen", "FittedSpecimen", "HexaFitter", "TetraFitter"]

FloatArray = NDArray[np.float64]

# Voxels with less core than this take the values of their neighbours.
_LEAST_CORE = 0.25
# A layer of cells is at cement if one of them has more than this of it.
_LEAST_CEMENT = 0.02

_LABELS = {
    Region.CORE: TissueLabel.TRABECULAR,
    Region.SHELL: TissueLabel.SHELL,
    Region.ENDPLATE: TissueLabel.ENDPLATE,
    Region.LOWER_CAP: TissueLabel.CAP,
    Region.UPPER_CAP: TissueLabel.CAP,
}


class _Moved(Protocol):
    """What a fracture leaves with a specimen, as far as a mesh asks for it."""

    @property
    def frame_before(self) -> BodyFrame:
        """The body before the fracture."""

    def moved(self, z_mm: FloatArray, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
        """Return the heights now of points of that body."""


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


@dataclass(frozen=True, eq=False)
class HexaFitter:
    """Fits the same hexahedra to every stage of one vertebra.

    Parameters
    ----------
    layout : BodyLayout
        Counts of cells, from the intact body.
    shell_mm : float
        Thickness of the wall, mm; 0 where the bone holds its own (images).
    potting : Potting
        Caps.
    element : str
        Name of the finite element.
    cement_layer_mm : float, optional
        About the thickest that layers of cells with cement, and those next to them, are, mm; stages
        without cement keep their cells.
    """

    layout: BodyLayout
    shell_mm: float
    potting: Potting
    element: str = "hex8i"
    cement_layer_mm: float | None = None

    @classmethod
    def of(
        cls,
        frame: BodyFrame,
        *,
        size_mm: float,
        shell_mm: float,
        endplate_mm: float,
        potting: Potting,
        element: str = "hex8i",
        cement_layer_mm: float | None = None,
    ) -> HexaFitter:
        """Return the fitter of an intact body.

        Parameters
        ----------
        frame : BodyFrame
            The intact body.
        size_mm : float
            Wanted edge of the cells, mm.
        shell_mm, endplate_mm : float
            Thickness of wall and endplates, mm; 0 for none.
        potting : Potting
            Caps.
        element : str
            ``hex8i`` or ``hex8``.
        cement_layer_mm : float, optional
            About the thickest that layers of cells at cement are, mm.
        """
        require(element in ("hex8", "hex8i"), "element", element, "'hex8i' or 'hex8'")
        require(0.2 <= size_mm <= 5.0, "size_mm", size_mm, "from 0.2 to 5 mm")
        layout = BodyLayout.of_size(
            size_mm,
            area_mm2=float(np.mean(endplate_areas_mm2(frame))),
            height_mm=float(np.mean(frame.heights())),
            shell_mm=shell_mm,
            endplate_mm=endplate_mm,
            cap_mm=potting.thickness_mm,
        )
        return cls(layout, shell_mm, potting, element, cement_layer_mm)

    def fit(self, specimen: Specimen) -> FittedSpecimen:
        """Return a stage on the mesh that fits it, potted.

        Raises
        ------
        InvalidInput
            If the specimen is potted, or if a cell would be sheared flat.
        """
        body = self.mesh(specimen)
        keeps = self.cement_layer_mm is None or specimen.mechanics is not None
        if not keeps and specimen.fillings:
            layout = self._divided(specimen, body)
            return replace(self, layout=layout, cement_layer_mm=None).fit(specimen)
        return _fitted(specimen, body, ELEMENTS[self.element], self.potting)

    def _divided(self, specimen: Specimen, body: HexaBody) -> BodyLayout:
        """Return the layout with thinner layers where a stage has cement and right beside it."""
        layout, n = self.layout, self.layout.plan.n_cells
        first = layout.n_cap + layout.n_plates
        layers = slice(first, first + layout.n_core)
        sampler = CellSampler(specimen, body.mesh)
        cement = _shares(specimen, sampler, body.regions == Region.CORE, specimen.cement_fraction)
        filled = cement.reshape(-1, n)[layers].max(axis=1) > _LEAST_CEMENT
        near = binary_dilation(filled)
        height = body.mesh.points[:, 2].reshape(-1, layout.plan.n_points).mean(axis=1)
        thickness = np.diff(height)[layers]
        parts = np.ceil(thickness / self.cement_layer_mm).astype(np.int64)
        return layout.divided(np.where(near, np.maximum(parts, 1), 1))

    def mesh(self, specimen: Specimen) -> HexaBody:
        """Return the mesh that fits a stage: after mechanics its own mesh, as it lies now."""
        require(specimen.ends is None, "specimen", specimen.name, "without caps before fitting")
        if specimen.mechanics is not None:
            before: HexaBody = specimen.mechanics.reference.body
            displacement = specimen.mechanics.displacement_mm.T
            return moved_body(before, displacement, cap_mm=self.potting.thickness_mm)
        frame = specimen.anatomy.frame
        over = frame.footprint()
        cap = self.potting.thickness_mm
        platens = (
            float(frame.inferior_mm[over].min()) - cap,
            float(frame.superior_mm[over].max()) + cap,
        )
        record: _Moved | None = specimen.fracture
        require(
            record is None or hasattr(record, "moved"),
            "specimen",
            specimen.name,
            "intact or fractured by shape (wedge, biconcave, crush): meshes follow those maps",
        )
        intact = frame if record is None else record.frame_before
        moved = None if record is None else record.moved
        walls = Walls(intact, self.shell_mm)
        return hexa_body(walls, self.layout, moved=moved, platens_mm=platens)


@dataclass(frozen=True, eq=False)
class TetraFitter:
    """Fills the stages of one vertebra with tetrahedra: each drawn shape anew, mechanics once.

    Parameters
    ----------
    shape : HexaFitter
        Fits hexahedra, whose faces give the shape of the body and its layers.
    size_mm : float
        Wanted edge of the cells inside, mm.
    element : str
        Name of the finite element: ``tet10`` or ``tet4``.
    kept : Path, optional
        Folder in which tetrahedra, drawn at random, are kept for the next time.
    """

    shape: HexaFitter
    size_mm: float
    element: str = "tet10"
    kept: Path | None = None

    @property
    def order(self) -> int:
        """Order of the cells, 1 or 2."""
        return 2 if self.element == "tet10" else 1

    def expected(self, frame: BodyFrame) -> TetraCounts:
        """Return about how many cells and points the mesh of a body will have."""
        return expected_counts(
            self.shape.layout,
            self.size_mm,
            area_mm2=float(np.mean(endplate_areas_mm2(frame))),
            height_mm=float(np.mean(frame.heights())),
            has_wall=self.shape.shell_mm > 0.0,
            order=self.order,
        )

    def fit(self, specimen: Specimen) -> FittedSpecimen:
        """Return a stage on the mesh that fits it, potted; raises what `HexaFitter.fit` does."""
        return _fitted(specimen, self._mesh(specimen), ELEMENTS[self.element], self.shape.potting)

    def _mesh(self, specimen: Specimen) -> TetraBody:
        """Return the mesh that fits a stage: after mechanics its own mesh, as it lies now."""
        if specimen.mechanics is None:
            shape = self.shape.mesh(specimen)
            return tetra_body(shape, self.size_mm, order=self.order, kept=self.kept)
        require(specimen.ends is None, "specimen", specimen.name, "without caps before fitting")
        before: TetraBody = specimen.mechanics.reference.body
        displacement = specimen.mechanics.displacement_mm.T
        cap_mm = self.shape.potting.thickness_mm
        return moved_tetra_body(before, displacement, cap_mm=cap_mm)


def _fitted(
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
    inside = sampler.stiffness(list(core.parts.values()), c33, core.filled > _LEAST_CORE, is_core)
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
        void=_shares(specimen, sampler, is_core, specimen.void),
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


def _shares(
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
        fraction = _shares(specimen, sampler, is_core, filling.fraction)
        saturation, valid = np.zeros(len(is_core)), _core_of(specimen)[1]
        saturation[is_core] = sampler.means(filling.saturation[None], valid, is_core)[0]
        made.append(CementField(filling.cement, filling.law, fraction, frozen(saturation)))
    return tuple(made)


def _ends(body: HexaBody | TetraBody) -> Ends:
    sets = body.mesh.point_sets
    assert body.platens_mm is not None
    pivot = np.array([0.0, 0.0, body.platens_mm[1]])
    return Ends(sets["lower_platen"], sets["upper_platen"], frozen(pivot))
