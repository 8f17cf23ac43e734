"""Every figure of a study, by file name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from vbsim.measures.heights import standing_load_n
from vbsim.views.charts import load_sharing, stage_bars
from vbsim.views.curves import History, load_displacement
from vbsim.views.profiles import endplate_profiles
from vbsim.views.radiograph import radiograph_figure
from vbsim.views.section_figures import (
    sections_cement,
    sections_compression,
    sections_density,
    sections_energy,
    sections_stress,
)
from vbsim.views.stages import StageView
from vbsim.views.step_figures import step_figures

__all__ = ["case_figures"]


def _mechanics(stages: Sequence[StageView]) -> dict[str, Figure]:
    """Return force against the motion of the platen over all steps of mechanics, if there are."""
    told, begun = [], 0
    for stage in stages:
        body = stage.specimen.mechanics
        steps = body.history if body is not None else ()
        if len(steps) > begun:
            # From where the step before has left it: one unbroken line.
            path = steps[max(begun - 1, 0) :]
            columns = {
                name: np.array([getattr(step, name) for step in path])
                for name in ("axial_mm", "force_n")
            }
            if begun == 0:
                columns = {name: np.append(0.0, values) for name, values in columns.items()}
            told.append(History(stage.name, "collapse and treatment", columns))
        begun = len(steps)
    return {"mechanics.png": load_displacement(told)} if told else {}


def case_figures(stages: Sequence[StageView], *, load_n: float | None = None) -> dict[str, Figure]:
    """Return the figures of a study by file name.

    Stress and load sharing are drawn for the stages that were loaded, cement only if there is any.

    Parameters
    ----------
    stages : sequence of StageView
        Stages in their order; the first is what the others are compared with.
    load_n : float or None
        Axial force of the stress sections, N; relaxed standing at the level if None.
    """
    loaded = [stage for stage in stages if stage.response is not None]
    figures = {"sections_density.png": sections_density(stages)}
    if any(stage.specimen.cements for stage in stages):
        figures["sections_cement.png"] = sections_cement(stages)
    if loaded:
        level = stages[0].specimen.anatomy.level
        load = standing_load_n(level) if load_n is None else load_n
        figures["sections_stress.png"] = sections_stress(loaded, load_n=load)
        figures["sections_compression.png"] = sections_compression(loaded, load_n=load)
        figures["sections_energy.png"] = sections_energy(loaded, load_n=load)
        figures["load_sharing.png"] = load_sharing(loaded)
    for stage in stages:
        figures |= step_figures(stage)
    figures |= _mechanics(stages)
    figures["stages.png"] = stage_bars(stages)
    figures["endplates.png"] = endplate_profiles(stages)
    figures["radiographs.png"] = radiograph_figure(stages)
    return figures
