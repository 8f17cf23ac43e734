"""Views: figures of a study.

Names are loaded on first use: what looks at results need not load what computes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vbsim.views.case import case_figures
    from vbsim.views.charts import load_sharing, stage_bars
    from vbsim.views.profiles import endplate_profiles
    from vbsim.views.radiograph import Radiograph, radiograph_figure, radiographs
    from vbsim.views.section_figures import (
        sections_cement,
        sections_compression,
        sections_density,
        sections_energy,
        sections_stress,
    )
    from vbsim.views.stages import StageView
    from vbsim.views.step_figures import animations
    from vbsim.views.style import save

_HOME = {
    "case_figures": "vbsim.views.case",
    "load_sharing": "vbsim.views.charts",
    "stage_bars": "vbsim.views.charts",
    "endplate_profiles": "vbsim.views.profiles",
    "Radiograph": "vbsim.views.radiograph",
    "radiograph_figure": "vbsim.views.radiograph",
    "radiographs": "vbsim.views.radiograph",
    "sections_cement": "vbsim.views.section_figures",
    "sections_compression": "vbsim.views.section_figures",
    "sections_density": "vbsim.views.section_figures",
    "sections_energy": "vbsim.views.section_figures",
    "sections_stress": "vbsim.views.section_figures",
    "StageView": "vbsim.views.stages",
    "animations": "vbsim.views.step_figures",
    "save": "vbsim.views.style",
}

__all__ = [
    "StageView",
    "case_figures",
    "sections_density",
    "sections_cement",
    "sections_stress",
    "sections_compression",
    "sections_energy",
    "endplate_profiles",
    "Radiograph",
    "radiographs",
    "radiograph_figure",
    "stage_bars",
    "load_sharing",
    "animations",
    "save",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
