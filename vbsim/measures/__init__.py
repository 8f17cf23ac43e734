"""Measures: a specimen and a response give a quantity with a unit and a definition."""

from vbsim.measures.comparison import compare
from vbsim.measures.energy import strain_energy
from vbsim.measures.failure import failure, failure_regions, is_padded, offset_strain
from vbsim.measures.fields import Fields
from vbsim.measures.heights import genant_grade, heights, heights_loaded, standing_load_n
from vbsim.measures.risk import share_with_interval
from vbsim.measures.sharing import LoadProfile, load_profile, load_sharing
from vbsim.measures.stiffness import (
    bending_stiffness,
    platen_tilt,
    stiffness,
    stiffness_endplate,
)
from vbsim.measures.strength import (
    strength_estimate_crawford,
    strength_estimate_pistoia,
    strength_estimate_yield,
)
from vbsim.measures.stress import endplate_stress
from vbsim.measures.suite import MEASURES, geometry, measure

__all__ = [
    "geometry",
    "measure",
    "compare",
    "MEASURES",
    "failure",
    "failure_regions",
    "is_padded",
    "offset_strain",
    "Fields",
    "stiffness",
    "stiffness_endplate",
    "bending_stiffness",
    "platen_tilt",
    "heights",
    "heights_loaded",
    "genant_grade",
    "standing_load_n",
    "LoadProfile",
    "load_profile",
    "load_sharing",
    "endplate_stress",
    "share_with_interval",
    "strain_energy",
    "strength_estimate_crawford",
    "strength_estimate_pistoia",
    "strength_estimate_yield",
]
