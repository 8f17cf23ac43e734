"""Studies: case files, the pipeline that runs them, the results they leave."""

from vbsim.study.case import Case, Hexa, Solver, Voxels, load_case, read_case
from vbsim.study.pipeline import Stage, build_stages, solve_stages, tabulate
from vbsim.study.results import Row, StudyResult
from vbsim.study.run import find_result, run_case

__all__ = [
    "Case",
    "Hexa",
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
