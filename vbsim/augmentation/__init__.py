"""Augmentation: where the cement goes and how much of it."""

from vbsim.augmentation.approach import Approach, NeedlePath
from vbsim.augmentation.balloon import Balloon
from vbsim.augmentation.curing import Curing
from vbsim.augmentation.distribution import DISTRIBUTIONS, AnyDistribution
from vbsim.augmentation.fill import CementFill, needle_paths
from vbsim.augmentation.grown import Cleft, Lobulated
from vbsim.augmentation.imported import FromImage
from vbsim.augmentation.injection import Injection
from vbsim.augmentation.settling import Settling
from vbsim.augmentation.shapes import (
    Anterior,
    Bipedicular,
    Central,
    Column,
    Distribution,
    Posterolateral,
    Unipedicular,
)

AUGMENTATIONS = (CementFill, Injection, Curing, Balloon, Settling)
"""Step classes of this chapter, told apart by ``kind``."""

__all__ = [
    "AUGMENTATIONS",
    "DISTRIBUTIONS",
    "Anterior",
    "AnyDistribution",
    "Approach",
    "Balloon",
    "Bipedicular",
    "CementFill",
    "Central",
    "Cleft",
    "Column",
    "Curing",
    "Distribution",
    "FromImage",
    "Injection",
    "Lobulated",
    "NeedlePath",
    "Posterolateral",
    "Settling",
    "Unipedicular",
    "needle_paths",
]
