"""Views: figures of a study."""

from vbsim.views.case import case_figures
from vbsim.views.charts import load_sharing, stage_bars
from vbsim.views.profiles import endplate_profiles
from vbsim.views.radiograph import Radiograph, radiograph, radiograph_figure, radiographs
from vbsim.views.section_figures import (
    sections_cement,
    sections_compression,
    sections_density,
    sections_energy,
    sections_stress,
)
from vbsim.views.stages import StageView
from vbsim.views.step_figures import animations, step_figures
from vbsim.views.style import save

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
    "radiograph",
    "radiographs",
    "radiograph_figure",
    "stage_bars",
    "load_sharing",
    "step_figures",
    "animations",
    "save",
]
