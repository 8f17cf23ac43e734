"""Calibration of the band's modulus factor on the stiffness lost in a published experiment.

Repeat with ``python -c "from vbsim.fracture.calibration import calibrate_band_factor;
print(calibrate_band_factor())"`` and store the factor in ``data/fracture.toml``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

from vbsim import data
from vbsim.anatomy.vertebra import Vertebra
from vbsim.checks import require
from vbsim.fem import Compression, solve
from vbsim.fracture.shapes import Crush
from vbsim.materials.bone import Bone
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import Potting, Specimen

__all__ = ["Calibration", "calibrate_band_factor", "calibration_specimen", "crushed_ratio"]


class Calibration(NamedTuple):
    """What a calibration of the band's modulus factor found.

    Attributes
    ----------
    modulus_factor : float
        Modulus of crushed / intact bone in the band.
    stiffness_ratio : float
        Stiffness of the crushed / of the intact vertebra, with that factor.
    stiffness_intact_n_per_mm : float
        Stiffness of the intact vertebra, caps included, guided platen, N/mm.
    spacing_mm : float
        Edge of the voxels.
    """

    modulus_factor: float
    stiffness_ratio: float
    stiffness_intact_n_per_mm: float
    spacing_mm: float


def calibrate_band_factor(
    *, spacing_mm: float = 1.0, level: str = "L3", tolerance: float = 1e-3
) -> Calibration:
    """Return the factor with which the crushed vertebra is as stiff as the published one.

    The experiment: L3 compressed by a quarter of its height between plates that stay parallel;
    stiffness on reloading / before (Wegrzyn 2011, mean).

    Parameters
    ----------
    spacing_mm : float
        Edge of the voxels, mm.
    level : str
        The experiment's level; another one shows how far the factor carries.
    tolerance : float
        Largest error of the factor.
    """
    wanted = float(data.value("fracture.calibration.stiffness_ratio"))
    intact = calibration_specimen(spacing_mm=spacing_mm, level=level)
    before = _stiffness(intact)
    softest, stiffest = 0.005, 1.0
    ends = [_stiffness(_crush(intact, f)) / before - wanted for f in (softest, stiffest)]
    require(
        ends[0] < 0.0 < ends[1],
        "stiffness_ratio",
        wanted,
        f"between {ends[0] + wanted:.2f} and {ends[1] + wanted:.2f}, what the band can give",
    )
    # The ratio is nearly linear in the logarithm of the factor.
    root = brentq(
        lambda log_factor: _stiffness(_crush(intact, float(np.exp(log_factor)))) / before - wanted,
        np.log(softest),
        np.log(stiffest),
        xtol=tolerance,
    )
    factor = float(np.exp(root))
    return Calibration(factor, crushed_ratio(intact, factor), before, spacing_mm)


def calibration_specimen(*, spacing_mm: float, level: str = "L3") -> Specimen:
    """Return the experiment's vertebra, intact: adult reference size, the cohort's density."""
    vertebra = Vertebra(level=level)
    bone = Bone(vbmd_mg_cm3=float(data.value("fracture.calibration.vbmd_mg_cm3")))
    return Specimen.from_bone(vertebra, VoxelGrid.around(vertebra, spacing_mm=spacing_mm), bone)


def crushed_ratio(intact: Specimen, modulus_factor: float) -> float:
    """Return the stiffness of the crushed / of the intact vertebra for one factor."""
    return _stiffness(_crush(intact, modulus_factor)) / _stiffness(intact)


def _crush(intact: Specimen, modulus_factor: float) -> Specimen:
    left = 1.0 - float(data.value("fracture.calibration.height_loss"))
    anterior, middle, posterior = (left * height for height in intact.anatomy.frame.heights())
    step = Crush(
        height_anterior_mm=anterior,
        height_middle_mm=middle,
        height_posterior_mm=posterior,
        band_modulus_factor=modulus_factor,
    )
    return step.apply(intact)


def _stiffness(specimen: Specimen) -> float:
    response = solve(Potting().apply(specimen), Compression(platen="guided"))
    return response.force_n / float(response.motion[0])
