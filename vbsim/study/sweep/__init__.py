"""Sweeps: many cases from one file, on any number of processes, into one table.

A sweep file is a case with a ``[sweep]`` table. `load_plan` reads and checks all of it,
`run_sweep` runs what is left on an engine, `read_table` gives the table at any moment.
"""

from vbsim.study.sweep.cluster import connected, local_cluster
from vbsim.study.sweep.engine import InProcess, OnDask
from vbsim.study.sweep.outcome import Outcome, Status
from vbsim.study.sweep.plan import Plan, Planned, load_plan, make_plan
from vbsim.study.sweep.run import (
    State,
    SweepResult,
    pending,
    read_table,
    run_sweep,
    sweep_folder,
)
from vbsim.study.sweep.table import Table

__all__ = [
    "Plan",
    "Planned",
    "load_plan",
    "make_plan",
    "run_sweep",
    "SweepResult",
    "State",
    "sweep_folder",
    "pending",
    "read_table",
    "Table",
    "Outcome",
    "Status",
    "InProcess",
    "OnDask",
    "local_cluster",
    "connected",
]
