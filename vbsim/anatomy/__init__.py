"""Anatomy: vertebrae from published dimensions or from a patient's images."""

from vbsim.anatomy.frame import Anatomy, BodyFrame, Heights, Landmarks, PedicleAxis
from vbsim.anatomy.image import Calibration, ImagedVertebra
from vbsim.anatomy.levels import LEVELS, Level, LevelReference, level_reference
from vbsim.anatomy.morphometry import (
    HeightLoss,
    body_volume_mm3,
    cross_section_areas_mm2,
    endplate_areas_mm2,
    fracture_shape,
    genant_grade,
    height_loss,
)
from vbsim.anatomy.phantom import Phantom, PhantomFiles, write_phantom
from vbsim.anatomy.vertebra import Vertebra

__all__ = [
    "Anatomy",
    "BodyFrame",
    "Heights",
    "Landmarks",
    "PedicleAxis",
    "LEVELS",
    "Level",
    "LevelReference",
    "level_reference",
    "Vertebra",
    "Calibration",
    "ImagedVertebra",
    "Phantom",
    "PhantomFiles",
    "write_phantom",
    "HeightLoss",
    "height_loss",
    "genant_grade",
    "fracture_shape",
    "body_volume_mm3",
    "cross_section_areas_mm2",
    "endplate_areas_mm2",
]
