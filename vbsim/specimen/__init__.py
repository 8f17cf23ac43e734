"""The specimen: a vertebra sampled on a grid, and its loading caps."""

from vbsim.specimen.specimen import Specimen, TissueLabel
from vbsim.specimen.tissue import BoneSource, CapMaterial, CementField, Ends, Tissue

__all__ = [
    "BoneSource",
    "CapMaterial",
    "CementField",
    "Ends",
    "Specimen",
    "Tissue",
    "TissueLabel",
]
