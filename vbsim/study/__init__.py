"""Studies: case files, the pipeline that runs them, the results they leave.

Names are loaded on first use: what looks at results need not load what computes them.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vbsim.study.case import Case, Hexa, Solver, Tetra, Voxels, load_case, read_case
    from vbsim.study.pipeline import Stage, build_stages, solve_stages, tabulate
    from vbsim.study.results import Row, StudyResult
    from vbsim.study.run import find_result, run_case

_HOME = {
    "Case": "vbsim.study.case",
    "Hexa": "vbsim.study.case",
    "Solver": "vbsim.study.case",
    "Tetra": "vbsim.study.case",
    "Voxels": "vbsim.study.case",
    "load_case": "vbsim.study.case",
    "read_case": "vbsim.study.case",
    "Stage": "vbsim.study.pipeline",
    "build_stages": "vbsim.study.pipeline",
    "solve_stages": "vbsim.study.pipeline",
    "tabulate": "vbsim.study.pipeline",
    "Row": "vbsim.study.results",
    "StudyResult": "vbsim.study.results",
    "find_result": "vbsim.study.run",
    "run_case": "vbsim.study.run",
}

__all__ = [
    "Case",
    "Hexa",
    "Tetra",
    "Voxels",
    "Solver",
    "load_case",
    "read_case",
    "run_case",
    "find_result",
    "StudyResult",
    "Row",
    "Stage",
    "build_stages",
    "solve_stages",
    "tabulate",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
