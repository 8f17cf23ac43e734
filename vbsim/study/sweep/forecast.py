"""What a sweep will take: cases, solves that are left after sharing, memory and time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from vbsim.checks import InvalidInput
from vbsim.fem import TESTS
from vbsim.study.forecast import Forecast, forecast
from vbsim.study.memory import available_bytes
from vbsim.study.sweep.ledger import Ledger
from vbsim.study.sweep.plan import Plan, Planned

__all__ = ["SweepForecast", "forecast_sweep", "workers_for", "representatives"]

# Measured on the L1 example at 2 to 1 mm, one core: three motions of one stage, set-up and measures
# included.
_SOLVE_S_PER_DOF = 6e-6
# Cases that are built to tell what all of them take.
_BUILT = 4
# A worker is started anew when it takes more than this multiple of the forecast.
_ROOM = 2.0


@dataclass(frozen=True)
class SweepForecast:
    """What a sweep will take.

    Parameters
    ----------
    name, digest, folder : str
        Name, digest and folder of the sweep.
    n_cases, n_distinct, n_left, n_left_out : int
        Cases of the table, those that differ, those not finished, those the condition leaves out.
    n_stages, n_solves : int
        Stages of all cases that are left, and those to solve once each is solved once.
    n_dof : int
        Degrees of freedom of the largest case looked at.
    memory_mb : float
        Memory of one worker, MB (10^6 bytes).
    n_workers : int
        Processes that fit.
    seconds : float or None
        Wall time with so many processes; None where a test is not a linear one and no case is
        finished yet.
    seconds_from : str
        What the time is taken from.
    """

    name: str
    digest: str
    folder: str
    n_cases: int
    n_distinct: int
    n_left: int
    n_left_out: int
    n_stages: int
    n_solves: int
    n_dof: int
    memory_mb: float
    n_workers: int
    seconds: float | None
    seconds_from: str

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1)


def forecast_sweep(
    plan: Plan, folder: Path, left: Sequence[Planned], *, n_workers: int | None = None
) -> SweepForecast:
    """Return what the cases that are left will take; a few are built, none is solved."""
    began = time.process_time()
    built = [found for case in representatives(plan) if (found := _built(case))]
    build_s = (time.process_time() - began) / max(1, len(built))
    memory_mb = max((found.memory_mb for found in built), default=0.0)
    n_workers = workers_for(memory_mb, n_workers)
    keys = [key for case in left for key in case.stages]
    n_solves = len(set(keys))
    seconds, source = _measured_s(folder), "the cases that are finished"
    if seconds is None and built and _is_linear(plan):
        n_dof = sum(found.n_dof for found in built) / len(built)
        each = n_solves / max(1, len(left))
        # A stage that is shared is built once too.
        build_s *= n_solves / max(1, len(keys))
        seconds, source = build_s + each * n_dof * _SOLVE_S_PER_DOF, "the size of the models"
    return SweepForecast(
        name=plan.name,
        digest=plan.digest,
        folder=str(folder),
        n_cases=len(plan.cases),
        n_distinct=len(plan.distinct()),
        n_left=len(left),
        n_left_out=plan.n_left_out,
        n_stages=len(keys),
        n_solves=n_solves,
        n_dof=max((found.n_dof for found in built), default=0),
        memory_mb=memory_mb,
        n_workers=n_workers,
        seconds=None if seconds is None else len(left) * seconds / max(1, n_workers),
        seconds_from=source,
    )


def workers_for(memory_mb: float, n_workers: int | None = None) -> int:
    """Return how many processes of a size fit, one for each processor at most."""
    wanted = n_workers or len(os.sched_getaffinity(0))
    available = available_bytes()
    if available is None or memory_mb <= 0.0:
        return wanted
    return max(1, min(wanted, int(available / (1e6 * memory_mb))))


def memory_limit(memory_mb: float, n_workers: int) -> int:
    """Return what a worker may take, bytes: its share of what is free, or twice the forecast."""
    share = 0.9 * (available_bytes() or 0) / n_workers
    return int(max(_ROOM * 1e6 * memory_mb, share))


def representatives(plan: Plan) -> list[Planned]:
    """Return a few cases spread over the plan, the one with the finest mesh among them."""
    cases = plan.distinct()
    spread = {round(k * (len(cases) - 1) / max(1, _BUILT - 2)) for k in range(_BUILT - 1)}
    chosen = [cases[k] for k in sorted(spread)]

    def spacing(case: Planned) -> float:
        return float(case.data.get("mesh", {}).get("spacing_mm", 1.0))

    finest = min(cases, key=spacing)
    if spacing(finest) < min(map(spacing, chosen)):
        chosen.append(finest)
    first: dict[str, Planned] = {}
    for case in chosen:
        first.setdefault(case.digest, case)
    return list(first.values())


def _built(case: Planned) -> Forecast | None:
    try:
        return forecast(case.case())
    except InvalidInput:
        return None  # It will be a row of the table with its reason.


def _measured_s(folder: Path) -> float | None:
    """Return the mean processor time of the cases that are finished, s."""
    table = Ledger(folder / "parts").table()
    found = [
        seconds
        for seconds, status in zip(
            table["seconds"].to_pylist(), table["status"].to_pylist(), strict=True
        )
        if status == "done"
    ]
    return sum(found) / len(found) if found else None


def _is_linear(plan: Plan) -> bool:
    linear = {test.model_fields["kind"].default for test in TESTS}
    given = plan.cases[0].data.get("tests", ())
    return all(test.get("kind") in linear for test in given)


def local_size(
    plan: Plan, left: Sequence[Planned], n_workers: int | None = None
) -> tuple[int, int]:
    """Return how many processes to start on this machine and what each may take, bytes."""
    built = [found for case in representatives(plan)[:2] if (found := _built(case))]
    memory_mb = max((found.memory_mb for found in built), default=0.0)
    n_workers = min(workers_for(memory_mb, n_workers), max(1, len(left)))
    return n_workers, memory_limit(memory_mb, n_workers)
