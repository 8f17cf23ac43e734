"""What a stage on a mesh is made of in a strength test: the laws of `yielding`, cell by cell.

Wall, endplates and caps are cells of their own and yield each at its own strength: the mesh has no
voxel that would hold two layers, one over the other. Cells of the core take means of the strengths
that the voxels of the sampling grid have. Cells of wall and endplates lie one in a thickness and
bend: their laws are asked at points across it, or at all points of second-order tetrahedra.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from vbsim.data import value
from vbsim.materials.constituents import Constituents, Part, at_points, through_thickness
from vbsim.specimen.fitted import FittedSpecimen
from vbsim.specimen.sampling import CellSampler
from vbsim.specimen.yielding import (
    cement_shrinkage,
    compartment,
    strengths_mpa,
    volumes_of,
    yield_of,
)

__all__ = ["CoreMeans", "across_layers", "yielding_cells"]

FloatArray = NDArray[np.float64]

# Axis of hexahedra through the thickness: the first in cells of the plan's outer ring, the last in
# layers of the sweep.
_ACROSS = {"shell": 0, "endplate": 2}
# Voxels with less of what is sampled take the values of their neighbours.
_LEAST = 0.05


def yielding_cells(specimen: FittedSpecimen) -> Constituents:
    """Return the constituents of a stage on a mesh for a strength test."""
    source = specimen.source
    sampled = CoreMeans(specimen)
    wall = float(value("bone.strength.shell_yield_compression_mpa"))
    crushed = specimen.integrity ** value("strength.crushed.strength_exponent")
    every = np.ones(specimen.domain.n_cells)
    shrinkage = cement_shrinkage(source)
    parts: list[Part] = []
    for name, field in specimen.compartments.items():
        volume, strength, shrunk = every, every * np.inf, None
        if name in ("shell", "endplate"):
            strength = wall * crushed
        elif name in ("trabecular", "cement"):
            volume, strength = sampled.volume(name), sampled.strength(name)
            if name == "cement" and shrinkage is not None:
                shrunk = sampled.mean(shrinkage, source.cement_fraction > _LEAST)
        made = compartment(
            name, field, volume, strength, every > 0.0, yield_of(source, name), shrunk
        )
        parts += across_layers(specimen, made)
    return Constituents.join(parts)


def across_layers(specimen: FittedSpecimen, parts: Iterable[Part]) -> list[Part]:
    """Return constituents of cells with those of wall and endplates at points across them."""
    made: list[Part] = []
    for part in parts:
        if part.name not in _ACROSS or specimen.domain.kind == "tetra":
            made.append(part)
        elif specimen.domain.kind == "hexahedron":
            made += through_thickness(part, _ACROSS[part.name])
        else:
            made += at_points(part, len(specimen.element.rule.weights))
    return made


class CoreMeans:
    """Means over the cells inside wall and endplates; arrays are (n_cells,), 0 elsewhere.

    Parameters
    ----------
    specimen : FittedSpecimen
        The stage on its mesh.
    """

    least = _LEAST

    def __init__(self, specimen: FittedSpecimen) -> None:
        source = specimen.source
        self._sampler = CellSampler(source, specimen.domain)
        self._is_core = specimen.tissue.trabecular > 0.0
        self._volumes, self._strengths = volumes_of(source), strengths_mpa(source)
        self._core = source.tissue.trabecular + (0.0 if source.void is None else source.void)

    def mean(self, field: FloatArray, valid: NDArray[np.bool_]) -> FloatArray:
        """Return the mean of a field where it means something."""
        found = np.zeros(len(self._is_core))
        if valid.any():
            found[self._is_core] = self._sampler.means(field[None], valid, self._is_core)[0]
        return found

    def volume(self, name: str) -> FloatArray:
        """Return the part of each cell that a compartment fills."""
        core = self._core
        share = np.divide(self._volumes[name], core, out=np.zeros_like(core), where=core > _LEAST)
        return self.mean(share, core > _LEAST)

    def strength(self, name: str) -> FloatArray:
        """Return the strength of a compartment, MPa; infinite where it is elastic."""
        strength = self._strengths[name]
        valid = (self._volumes[name] > _LEAST) & np.isfinite(strength)
        if not valid.any():
            return np.full(len(self._is_core), np.inf)
        return self.mean(np.where(valid, strength, 0.0), valid)
