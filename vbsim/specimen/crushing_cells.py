"""What a stage on a mesh is made of when it is deformed without limit: `crushing`, cell by cell.

Wall, endplates and caps are cells of their own, each with its own strength; cells of the core take
means of the strengths that the voxels of the sampling grid have. Wall and endplates are one cell
thick and fold: their laws are asked at points through their thickness.
"""

from __future__ import annotations

import numpy as np

from vbsim.checks import require
from vbsim.data import value
from vbsim.materials.constituents import Part
from vbsim.materials.laws import crushing
from vbsim.specimen.crushing import crushable_compartment, trabecular_strength_mpa
from vbsim.specimen.fitted import FittedSpecimen
from vbsim.specimen.yielding_cells import CoreMeans, across_layers

__all__ = ["crushable_cells"]


def crushable_cells(specimen: FittedSpecimen) -> list[Part]:
    """Return the constituents of a stage on a mesh at large deformation.

    Raises
    ------
    InvalidInput
        If it holds cement already.
    """
    require(
        not specimen.cements,
        "specimen",
        specimen.name,
        "without cement here; collapse the body by mechanics before it is filled",
    )
    laws = {name: crushing(name) for name in ("trabecular", "shell")}
    wall = float(value("bone.strength.shell_yield_compression_mpa"))
    core = CoreMeans(specimen)
    strength = trabecular_strength_mpa(specimen.source.vbmd_intact_mg_cm3, laws["trabecular"])
    every = np.ones(specimen.domain.n_cells)
    parts: list[Part] = []
    for name, field in specimen.compartments.items():
        if name == "trabecular":
            tissue = specimen.source.tissue.trabecular
            own = core.mean(strength, tissue > core.least)
            made = crushable_compartment(name, field, core.volume(name), laws[name], own)
        elif name == "cap":
            made = crushable_compartment(name, field, every, None, 0.0)
        else:
            made = crushable_compartment(name, field, every, laws["shell"], wall)
        parts += across_layers(specimen, made)
    return parts
