"""The fields that measures share, for a specimen on a mesh that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import LinearNDInterpolator

from vbsim.checks import InvalidInput
from vbsim.fem.response import Response
from vbsim.fem.statics import strains, stresses
from vbsim.materials.field import StiffnessField, UnitStiffness
from vbsim.measures.fields import Fields, require_converged, unit_energy
from vbsim.mesh.hexa import HexaBody
from vbsim.mesh.mesh import cell_gradients, mean_displacement_gradients
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen

__all__ = ["AnyFields", "FittedFields", "fields_of", "mean_strain"]

FloatArray = NDArray[np.float64]

# Share of the height over which the force half-way up is taken where cells lie in no layers.
_MIDDLE = 0.2


@dataclass(frozen=True, eq=False)
class FittedFields:
    """What `Fields` is for a grid; arrays of cells are (n_cells, ...).

    Parameters
    ----------
    specimen : FittedSpecimen
        The specimen as it was loaded.
    response : Response
        Its converged response.
    """

    specimen: FittedSpecimen
    response: Response

    def __post_init__(self) -> None:
        require_converged(self.specimen.name, self.response)

    @cached_property
    def strain(self) -> FloatArray:
        """Mean strain of every cell, (n_cells, 6), Voigt ``xx yy zz yz xz xy``."""
        return mean_strain(self.specimen, self.response)

    @cached_property
    def compartments(self) -> Mapping[str, StiffnessField]:
        """Stiffness of each constituent."""
        return self.specimen.compartments

    @cached_property
    def unit_energies(self) -> Mapping[UnitStiffness, FloatArray]:
        """Energy density of the mean strain in each unit material, (n_cells,)."""
        units = {unit for part in self.compartments.values() for unit in part.units}
        return {unit: unit_energy(self.strain, unit) for unit in units}

    @property
    def volume_mm3(self) -> FloatArray:
        """Volume of every cell, mm3."""
        return self.specimen.volumes_mm3

    @cached_property
    def _endplates(self) -> dict[str, LinearNDInterpolator]:
        """Displacement over the plan of both endplates."""
        mesh = self.specimen.domain
        found = {}
        for end in ("superior", "inferior"):
            points = mesh.point_sets[f"{end}_endplate"]
            found[end] = LinearNDInterpolator(
                mesh.points[points, :2], self.response.displacement_mm[:, points].T
            )
        return found

    def displacement_at(self, x_mm: ArrayLike, y_mm: ArrayLike, z_mm: ArrayLike) -> FloatArray:
        """Return the displacement at points of the endplates, (..., 3), mm, in the body's axes.

        Each point is taken on the nearer endplate; NaN beyond its rim.
        """
        x, y, z = np.broadcast_arrays(x_mm, y_mm, z_mm)
        frame = self.specimen.anatomy.frame
        middle = 0.5 * (frame.superior_at(x, y) + frame.inferior_at(x, y))
        upper, lower = (self._endplates[end](x, y) for end in ("superior", "inferior"))
        result: FloatArray = np.where((z > middle)[..., None], upper, lower)
        return result

    def mid_height_forces(self) -> dict[str, float]:
        """Return the compressive force by constituent through the body half-way up, N.

        What the cells between two surfaces pass on to the points above: the nodal forces along z
        times a weight that rises from 0 below to 1 above, summed. Exact to the solver's residual,
        whatever the weight does between; the mean over the layer or two in the middle.
        """
        body = self.specimen.body
        if isinstance(body, HexaBody):
            layout, n = body.layout, body.layout.plan.n_cells
            layers = layout.middle
            plane = np.arange(body.mesh.n_points) // layout.plan.n_points
            weight = np.clip((plane - layers[0]) / len(layers), 0.0, 1.0)
            cells = np.arange(layers[0] * n, (layers[-1] + 1) * n)
        else:
            height = self.specimen.anatomy.frame.normalised_height(*body.mesh.points.T)
            weight = np.clip(0.5 + (height - 0.5) / _MIDDLE, 0.0, 1.0)
            cells = np.flatnonzero(np.ptp(weight[body.mesh.cells], axis=1) > 0.0)
        return self._forces(cells, weight)

    def _forces(self, cells: NDArray[np.intp], weight: FloatArray) -> dict[str, float]:
        specimen = self.specimen
        part = replace(
            specimen.domain, cells=specimen.domain.cells[cells], point_sets={}, cell_sets={}
        )
        constants = specimen.materials.mean_constants()[cells]
        strain = strains(
            part, specimen.element, self.response.displacement_mm.T, constants=constants
        )
        gradients, volumes = cell_gradients(part.points, part.cells, specimen.element)
        rise = np.einsum("cqaj,ca->cqj", gradients, weight[part.cells])
        found = {}
        for name, field in self.compartments.items():
            stress = stresses(strain, field.mean_constants()[cells])
            # Row z of the stress tensor against the slope of the weight.
            force = np.einsum("cq,cqj,cqj->", volumes, rise, stress[..., [4, 3, 2]])
            found[name] = -float(force) + 0.0
        return found

    def endplate_layer(self, end: str, depth_mm: float) -> tuple[FloatArray, FloatArray]:
        """Return compressive axial stress and volume of the body's cells next to an endplate."""
        specimen, frame = self.specimen, self.specimen.anatomy.frame
        x, y, z = specimen.domain.centres().T
        is_upper = end == "superior"
        depth = frame.superior_at(x, y) - z if is_upper else z - frame.inferior_at(x, y)
        chosen = specimen.body.is_body & (depth > 0.0) & (depth <= depth_mm)
        if not chosen.any():
            raise InvalidInput(f"endplate stress: no cell within {depth_mm:g} mm of the endplate")
        c = specimen.materials.mean_constants()[chosen]
        e = self.strain[chosen]
        stress = c[:, 4] * e[:, 0] + c[:, 5] * e[:, 1] + c[:, 2] * e[:, 2]
        return -stress, self.volume_mm3[chosen]


AnyFields = Fields | FittedFields


def fields_of(specimen: AnySpecimen, response: Response) -> AnyFields:
    """Return the fields that measures of a specimen share."""
    if isinstance(specimen, FittedSpecimen):
        return FittedFields(specimen, response)
    return Fields(specimen, response)


def mean_strain(specimen: FittedSpecimen, response: Response) -> FloatArray:
    """Return the volume mean of the strain of every cell, (n_cells, 6).

    Incompatible modes have no mean strain.
    """
    u = response.displacement_mm.T
    g = mean_displacement_gradients(specimen.domain, specimen.element, u)
    shear = [g[:, i, j] + g[:, j, i] for i, j in ((1, 2), (0, 2), (0, 1))]
    return np.stack([g[:, 0, 0], g[:, 1, 1], g[:, 2, 2], *shear], axis=1)
