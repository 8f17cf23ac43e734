"""The specimen: a vertebra sampled on a grid, and its loading caps."""

from vbsim.specimen.potting import Potting, pot_as_drawn, surface_points
from vbsim.specimen.specimen import Specimen, TissueLabel
from vbsim.specimen.tissue import BoneSource, CapMaterial, CementField, Ends, Tissue

__all__ = [
    "BoneSource",
    "CapMaterial",
    "CementField",
    "Ends",
    "Potting",
    "Specimen",
    "Tissue",
    "TissueLabel",
    "pot_as_drawn",
    "surface_points",
]
