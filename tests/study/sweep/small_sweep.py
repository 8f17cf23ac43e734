"""A sweep that is small enough for every test to run its own."""

import copy

from vbsim.study.sweep import InProcess, make_plan, run_sweep

CONTENT = {
    "schema": 1,
    "name": "small sweep",
    "vertebra": {"level": "L1"},
    "mesh": {"spacing_mm": 4.0},
    "steps": [
        {"kind": "wedge", "grade": 2},
        {"kind": "cement", "volume_ml": 4.0, "distribution": "central"},
    ],
}

GRID = {
    "bone.vbmd_mg_cm3": [60.0, 90.0],
    "steps[1].volume_ml": {"from": 0.75, "to": 9.0, "step": 0.75},
}
"""24 cases, 4 shared stages."""


def content(sweep=None, **changes):
    """Return a sweep file as plain data."""
    return {**copy.deepcopy(CONTENT), **changes, "sweep": sweep or {"grid": GRID}}


def plan(sweep=None, **changes):
    return make_plan(content(sweep, **changes))


class Here:
    """The engine in this process, as `run_sweep` wants it; remembers what it was asked to do."""

    def __init__(self):
        self.asked = []

    def __call__(self, left):
        self.asked = [case.number for case in left]
        return self

    def __enter__(self):
        return InProcess()

    def __exit__(self, *error):
        return None


def run(sweep, results, **options):
    return run_sweep(sweep, results, Here(), **options)
