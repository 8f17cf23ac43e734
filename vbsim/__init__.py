"""Finite-element biomechanics of cement-augmented vertebrae.

The API reads as a study does: build a `Vertebra`, sample it as a `Specimen`, fracture it, fill it,
load every stage alike and compare. Names are loaded on first use, so that importing stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vbsim.anatomy import ImagedVertebra, Vertebra
    from vbsim.augmentation import CementFill, Curing, Injection
    from vbsim.fem import Compression, Flexion, LateralBending, solve
    from vbsim.fracture import Biconcave, Crush, Reduction, Wedge
    from vbsim.materials import Bone
    from vbsim.mesh import VoxelGrid
    from vbsim.specimen import Potting, Specimen

_HOME = {
    "Vertebra": "vbsim.anatomy",
    "ImagedVertebra": "vbsim.anatomy",
    "VoxelGrid": "vbsim.mesh",
    "Bone": "vbsim.materials",
    "Specimen": "vbsim.specimen",
    "Potting": "vbsim.specimen",
    "Wedge": "vbsim.fracture",
    "Biconcave": "vbsim.fracture",
    "Crush": "vbsim.fracture",
    "Reduction": "vbsim.fracture",
    "CementFill": "vbsim.augmentation",
    "Injection": "vbsim.augmentation",
    "Curing": "vbsim.augmentation",
    "Compression": "vbsim.fem",
    "Flexion": "vbsim.fem",
    "LateralBending": "vbsim.fem",
    "solve": "vbsim.fem",
}

__all__ = [
    "Vertebra",
    "ImagedVertebra",
    "VoxelGrid",
    "Bone",
    "Specimen",
    "Potting",
    "Wedge",
    "Biconcave",
    "Crush",
    "Reduction",
    "CementFill",
    "Injection",
    "Curing",
    "Compression",
    "Flexion",
    "LateralBending",
    "solve",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module 'vbsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
