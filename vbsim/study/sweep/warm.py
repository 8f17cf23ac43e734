"""What workers are forked from imports this last: kernels are loaded, or compiled, once for all."""

from __future__ import annotations

from contextlib import suppress

from vbsim.study.case import read_case
from vbsim.study.run import compute

__all__ = ["warm"]

_SMALL = {
    "schema": 1,
    "name": "warming up",
    "vertebra": {"level": "L1"},
    "mesh": {"spacing_mm": 4.0},
    "steps": [
        {"kind": "wedge", "grade": 2},
        {"kind": "cement", "volume_ml": 4.0, "distribution": "central"},
    ],
    "tests": [{"kind": "compression"}],
    "solver": {"threads": 1},
}


def warm() -> None:
    """Run a small case of what most sweeps hold and forget it."""
    compute(read_case(_SMALL))


# The one module that works when it is imported: a process that preloads it has no other moment.
# Should it fail, the cases will tell why.
with suppress(Exception):
    warm()
