"""One vertebra in three stages, on voxels and on coarse hexahedra that fit it."""

from __future__ import annotations

from functools import cache

import vbsim as vb
from vbsim.specimen import Potting
from vbsim.specimen.fitters import HexaFitter


@cache
def stages(level="L1", spacing_mm=1.5):
    vertebra = vb.Vertebra(level=level)
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=14.0)
    intact = vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=65))
    fractured = vb.Wedge(grade=2).apply(intact)
    augmented = vb.CementFill(volume_ml=4.0, distribution="bipedicular").apply(fractured)
    return intact, fractured, augmented


def fitter(intact, size_mm, element="hex8i"):
    return HexaFitter.of(
        intact.anatomy.frame,
        size_mm=size_mm,
        shell_mm=0.35,
        endplate_mm=0.5,
        potting=Potting(),
        element=element,
    )


@cache
def fitted_stages(level="L1", spacing_mm=1.5, size_mm=3.0):
    bare = stages(level, spacing_mm)
    fit = fitter(bare[0], size_mm)
    return tuple(fit.fit(stage) for stage in bare)
