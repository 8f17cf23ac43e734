"""Where a stage on a mesh fails: the regions of its cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.data import value
from vbsim.specimen.fitted import FittedSpecimen

__all__ = ["cell_regions"]


def cell_regions(specimen: FittedSpecimen) -> dict[str, NDArray[np.bool_]]:
    """Return the cells of every region; they do not overlap and hold all cells of the body."""
    frame, tissue = specimen.anatomy.frame, specimen.tissue
    is_body = specimen.body.is_body
    x, y, z = specimen.domain.centres().T
    edge = float(np.cbrt(np.median(specimen.volumes_mm3[tissue.trabecular > 0.0])))
    depth = max(float(value("measures.endplate.layer_mm")), 1.5 * edge)
    upper, lower = frame.superior_at(x, y) - z, z - frame.inferior_at(x, y)
    left, regions = is_body, {}
    for name, place in (
        ("endplate_upper", (upper <= depth) & (upper < lower)),
        ("endplate_lower", lower <= depth),
        ("wall", tissue.shell > 0.0),
        ("cement", specimen.cement_fraction > 0.5),
        ("core", np.ones_like(is_body)),
    ):
        regions[name] = left & place
        left = left & ~place
    return regions
