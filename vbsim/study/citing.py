"""The sources of every constant that a case uses, from its result or from a coarse rehearsal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vbsim import data
from vbsim.checks import InvalidInput
from vbsim.measures.radiodensity import radiodensity_hu
from vbsim.study.case import Case
from vbsim.study.pipeline import (
    as_voxels,
    build_stages,
    physics_warnings,
    solve_stages,
    tabulate,
)
from vbsim.study.provenance import citations
from vbsim.study.run import find_result

__all__ = ["cite"]

# A rehearsal looks up the same constants on a coarse mesh in a second or two.
_REHEARSAL_MM = 2.0


def cite(case: Case, results: str | Path = "results") -> list[dict[str, Any]]:
    """Return value, unit, status and source of every constant of a case.

    Taken from the result where there is one, else from a rehearsal of the whole case in memory, on
    a coarse mesh if the case allows it.
    """
    result = find_result(case, results)
    if result is not None:
        text = (result.folder / "provenance.json").read_text(encoding="utf-8")
        return list(json.loads(text)["constants"])
    mesh = case.mesh.rehearsal(_REHEARSAL_MM)
    try:
        return _rehearsed(case.model_copy(update={"mesh": mesh}))
    except InvalidInput:
        return _rehearsed(case)


def _rehearsed(case: Case) -> list[dict[str, Any]]:
    with data.recording() as constants, physics_warnings():
        stages = solve_stages(case, build_stages(case))
        tabulate(case, stages)
        # What fields and radiographs look up besides.
        for stage in stages:
            radiodensity_hu(as_voxels(case, stage)[0])
        data.value("radiograph.water_attenuation_per_mm")
    return citations({**case.constants(), **constants})
