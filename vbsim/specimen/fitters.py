"""What fits a mesh to every stage of one vertebra: hexahedra, or tetrahedra of the same shape."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from vbsim.anatomy.frame import BodyFrame
from vbsim.anatomy.morphometry import endplate_areas_mm2
from vbsim.anatomy.solid import Walls
from vbsim.checks import require
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.hexa import BodyLayout, HexaBody, hexa_body, moved_body
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.tetra import (
    TetraBody,
    TetraCounts,
    expected_counts,
    moved_tetra_body,
    tetra_body,
)
from vbsim.specimen.fitted import FittedSpecimen, cell_shares, fitted_stage
from vbsim.specimen.potting import Potting
from vbsim.specimen.sampling import CellSampler
from vbsim.specimen.specimen import Specimen

__all__ = ["HexaFitter", "TetraFitter"]

FloatArray = NDArray[np.float64]

# A layer of cells is at cement if one of them has more than this of it.
_LEAST_CEMENT = 0.02


class _Moved(Protocol):
    """What a fracture leaves with a specimen, as far as a mesh asks for it."""

    @property
    def frame_before(self) -> BodyFrame:
        """The body before the fracture."""

    def moved(self, z_mm: FloatArray, x_mm: FloatArray, y_mm: FloatArray) -> FloatArray:
        """Return the heights now of points of that body."""


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
        return fitted_stage(specimen, body, ELEMENTS[self.element], self.potting)

    def _divided(self, specimen: Specimen, body: HexaBody) -> BodyLayout:
        """Return the layout with thinner layers where a stage has cement and right beside it."""
        layout, n = self.layout, self.layout.plan.n_cells
        first = layout.n_cap + layout.n_plates
        layers = slice(first, first + layout.n_core)
        sampler = CellSampler(specimen, body.mesh)
        cement = cell_shares(
            specimen, sampler, body.regions == Region.CORE, specimen.cement_fraction
        )
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
        return fitted_stage(
            specimen, self._mesh(specimen), ELEMENTS[self.element], self.shape.potting
        )

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
