"""What X-rays see of a specimen: the radiodensity of bone and cement beyond soft tissue."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.data import value
from vbsim.specimen.specimen import Specimen

__all__ = ["radiodensity_hu"]

FloatArray = NDArray[np.float64]


def radiodensity_hu(specimen: Specimen) -> FloatArray:
    """Return the radiodensity of every voxel beyond soft tissue, (n_z, n_y, n_x), HU.

    Mineral counts by its density, cement by its volume and the radio-opacity of its library entry;
    loading caps are not there for a radiograph.

    Parameters
    ----------
    specimen : Specimen
        Any stage.
    """
    tissue = specimen.tissue
    mineral = (tissue.trabecular + tissue.arch) * np.maximum(specimen.vbmd_mg_cm3, 0.0)
    dense = float(value("bone.shell.mineral_mg_cm3"))
    mineral += dense * (tissue.shell + tissue.endplate)
    found: FloatArray = float(value("radiograph.hu_per_mg_cm3")) * mineral
    for filling in specimen.cements:
        found += filling.fraction * filling.cement.radiopacity_hu
    return found
