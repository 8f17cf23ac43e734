"""Hexahedra that fit the body, as a case asks for them: parameters, stages, files, pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.anatomy import ImagedVertebra, Vertebra
from vbsim.anatomy.frame import BodyFrame
from vbsim.checks import Parameters
from vbsim.fem import recovery
from vbsim.fem.response import Response
from vbsim.measures.fitted import mean_strain
from vbsim.mesh import VoxelGrid
from vbsim.mesh.mesh import Mesh
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.fitted import FittedSpecimen
from vbsim.specimen.fitters import HexaFitter
from vbsim.study.fields import in_world

__all__ = ["Hexa", "Sampling", "fitted_mesh", "pictured", "pictured_failures"]

FloatArray = NDArray[np.float64]

# Room around the body on the sampling grid: sideways for the wall, along z for drawn caps.
_ASIDE_MM = 3.0
_ABOVE_MM = 4.0


Sampling = Annotated[
    float | None,
    Field(
        ge=0.2,
        le=4.0,
        description="Spacing of the grid on which density, damage and cement are laid out before "
        "cells take their means, mm; by default half the size, at least 0.5.",
    ),
]
"""Spacing of the sampling grid of a fitted mesh."""


class Hexa(Parameters):
    """Hexahedra that follow outline and endplates, with wall and endplates of true thickness."""

    kind: Literal["hexa"] = Field("hexa", description="Hexahedra that fit the body.")
    size_mm: float = Field(
        1.0, ge=0.3, le=4.0, description="Edge of the cells inside the body, about, mm."
    )
    sampling_mm: Sampling = None
    element: Literal["hex8i", "hex8"] = Field(
        "hex8i",
        description="hex8i: incompatible modes against locking; hex8: plain trilinear cells.",
    )
    cement_layer_mm: float | None = Field(
        None,
        ge=0.2,
        le=4.0,
        description="About the thickest that layers of cells with cement, and those next to "
        "them, are along the load, mm; by default as all others. Stages without cement keep "
        "their cells.",
    )

    @property
    def spacing_mm(self) -> float:
        """Spacing of the sampling grid, mm."""
        return max(0.5, 0.5 * self.size_mm) if self.sampling_mm is None else self.sampling_mm

    def around(self, body: Vertebra | ImagedVertebra, potting: Potting) -> VoxelGrid:
        """Return the sampling grid around a vertebra; it has room for drawn caps."""
        h = self.spacing_mm
        margin = potting.thickness_mm + _ABOVE_MM
        grid = VoxelGrid.around(body, spacing_mm=h, margin_mm=margin)
        cut = max(int((margin - _ASIDE_MM) / h), 0)
        n_z, n_y, n_x = grid.shape
        return grid.crop((slice(0, n_z), slice(cut, n_y - cut), slice(cut, n_x - cut)))

    def rehearsal(self, spacing_mm: float) -> Hexa:
        """Return a coarser mesh for looking up what a case uses."""
        coarse = {"size_mm": 4.0, "sampling_mm": max(2.0, spacing_mm), "cement_layer_mm": None}
        return self.model_copy(update=coarse)

    def fitter(
        self, vertebra: Vertebra | ImagedVertebra, intact: BodyFrame, potting: Potting
    ) -> HexaFitter:
        """Return what fits every stage of a vertebra; images bring no wall of their own."""
        shell_mm, endplate_mm = 0.0, 0.0
        if isinstance(vertebra, Vertebra):
            shell_mm, endplate_mm = vertebra.shell_thickness_mm, vertebra.endplate_thickness_mm
        return HexaFitter.of(
            intact,
            size_mm=self.size_mm,
            shell_mm=shell_mm,
            endplate_mm=endplate_mm,
            potting=potting,
            element=self.element,
            cement_layer_mm=self.cement_layer_mm,
        )

    def mesher(
        self, vertebra: Vertebra | ImagedVertebra, intact: BodyFrame
    ) -> Callable[[Potting], HexaFitter]:
        """Return what gives the fitter of a vertebra between any caps."""
        return partial(self.fitter, vertebra, intact)


def fitted_mesh(
    specimen: FittedSpecimen,
    responses: Mapping[str, Response],
    failures: Mapping[str, FailureResponse] = MappingProxyType({}),
) -> Mesh:
    """Return the mesh of a stage in the world with every field, as it was solved.

    Arrays of the first test have plain names, those of every further test start with its name;
    strength tests leave displacement, inelastic strain and damage, as at their end; displacement is
    from the shape that the stage has.
    """
    frame, mesh = specimen.anatomy.frame, specimen.domain
    cells: dict[str, NDArray[np.generic]] = {
        "tissue": specimen.labels(),
        "vbmd_mg_cm3": specimen.vbmd_mg_cm3,
        "youngs_modulus_mpa": specimen.youngs_modulus_mpa,
        "cement_fraction": specimen.cement_fraction,
        "integrity": specimen.integrity,
    }
    points: dict[str, NDArray[np.generic]] = {}
    for index, (test, response) in enumerate(responses.items()):
        prefix = f"{test}_" if index else ""
        strain = mean_strain(specimen, response)
        stress = recovery.stress(strain, specimen.materials)
        points[f"{prefix}displacement_mm"] = response.displacement_mm.T @ frame.axes.T
        halved = strain * np.array([1.0, 1.0, 1.0, 0.5, 0.5, 0.5])
        cells[f"{prefix}strain"] = in_world(halved, frame.axes)
        cells[f"{prefix}stress_mpa"] = in_world(stress, frame.axes)
        cells[f"{prefix}von_mises_mpa"] = recovery.von_mises(stress)
        cells[f"{prefix}sed_mpa"] = recovery.energy_density(strain, stress)
    for test, failed in failures.items():
        moved = failed.displacement_mm
        if specimen.mechanics is not None:
            moved = moved - specimen.mechanics.displacement_mm
        points[f"{test}_displacement_mm"] = moved.T @ frame.axes.T
        cells[f"{test}_inelastic_strain"] = failed.inelastic
        cells[f"{test}_damage"] = failed.damage
    placed = mesh.with_points(frame.to_world(mesh.points))
    return replace(placed, cell_data=cells, point_data=points)


def pictured(
    specimen: FittedSpecimen, responses: Mapping[str, Response], potting: Potting
) -> tuple[Specimen, dict[str, Response]]:
    """Return a stage as voxels for pictures: its own sampling grid, displacements of the mesh.

    Strain and stress that are drawn from it are those of voxels that follow the mesh; numbers in
    tables come from the mesh itself.
    """
    potted = replace(potting.apply(specimen.source), name=specimen.name)
    if not responses:
        return potted, {}
    follow = specimen.follower.displacement
    return potted, {
        test: replace(response, displacement_mm=follow(response.displacement_mm))
        for test, response in responses.items()
    }


def pictured_failures(
    specimen: FittedSpecimen, failures: Mapping[str, FailureResponse]
) -> dict[str, FailureResponse]:
    """Return strength tests on the voxels of a stage: each takes what its cell has.

    After mechanics they lie where the body was before it, as those of voxels do.
    """
    if not failures:
        return {}
    mesh = specimen if specimen.mechanics is None else specimen.mechanics.reference
    follower = mesh.follower
    cell = follower.values
    return {
        test: replace(
            failed,
            displacement_mm=follower.displacement(failed.displacement_mm),
            inelastic=cell(failed.inelastic),
            damage=cell(failed.damage),
            by_part={name: cell(part) for name, part in failed.by_part.items()},
        )
        for test, failed in failures.items()
    }
