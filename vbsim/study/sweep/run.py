"""A sweep from its plan to its table; running it again goes on where it stopped."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vbsim import data
from vbsim.checks import InvalidInput, VbsimError
from vbsim.study import provenance
from vbsim.study.logs import logged_to
from vbsim.study.results import STAGES, file_written_aside, slug
from vbsim.study.sweep.engine import Engine, InProcess
from vbsim.study.sweep.ledger import Ledger
from vbsim.study.sweep.outcome import Outcome, Status
from vbsim.study.sweep.plan import Plan, Planned
from vbsim.study.sweep.stored_plan import StoredPlan, read_plan, write_plan
from vbsim.study.sweep.table import Table, assemble
from vbsim.study.sweep.worker import Job

__all__ = ["SweepResult", "State", "run_sweep", "sweep_folder", "pending", "read_table"]

log = logging.getLogger("vbsim.sweep")

PARTS, PROVENANCE, LOG, PENDING = "parts", "provenance.json", "sweep.log", "pending"


@dataclass
class State:
    """How far a sweep is; the same object is told again and again.

    Parameters
    ----------
    n_cases : int
        Cases of the sweep.
    n_before : int
        Cases that an earlier run had finished.
    n_wanted : int
        Cases of this run.
    """

    n_cases: int
    n_before: int
    n_wanted: int
    n_finished: int = 0
    n_failed: int = 0
    best: float | None = None
    best_case: int = 0
    began: float = field(default_factory=time.perf_counter)

    @property
    def seconds(self) -> float:
        """Time since the run began, s."""
        return time.perf_counter() - self.began

    @property
    def per_minute(self) -> float:
        """Cases finished in a minute."""
        return 60.0 * self.n_finished / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Time that the rest will take at this rate, s; None before the first case."""
        if not self.n_finished:
            return None
        return (self.n_wanted - self.n_finished) * self.seconds / self.n_finished


Watch = Callable[[State, Outcome | None], None]
"""Told of every finished case, and once before the first."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep has come to.

    Parameters
    ----------
    folder : Path
        Where everything lies.
    statuses : dict of str to int
        Cases by how they ended; ``pending`` are not finished.
    n_reused : int
        Cases that an earlier run had finished.
    seconds : float
        Wall time of this run, s.
    """

    folder: Path
    statuses: dict[str, int]
    n_reused: int
    seconds: float

    @property
    def n_failed(self) -> int:
        """Cases that ended otherwise than done."""
        return sum(n for status, n in self.statuses.items() if status not in ("done", PENDING))

    def table(self) -> Table:
        """Return the table of the sweep."""
        return read_table(self.folder)

    def to_json(self) -> str:
        """Return the result as the command line prints it with ``--json``."""
        content = {
            "folder": str(self.folder),
            "statuses": self.statuses,
            "reused": self.n_reused,
            "seconds": round(self.seconds, 3),
        }
        return json.dumps(content, indent=1)


def sweep_folder(plan: Plan, results: str | Path = "results") -> Path:
    """Return where the result of a sweep lies, ``<results>/<name>-<12 digits of its digest>``."""
    return Path(results) / f"{slug(plan.name)}-{plan.digest[:12]}"


def pending(
    plan: Plan,
    folder: Path,
    *,
    part: tuple[int, int] = (1, 1),
    limit: int | None = None,
    retry: bool = False,
) -> list[Planned]:
    """Return the cases that are left to do, those that share stages near each other.

    Parameters
    ----------
    plan, folder : Plan, Path
        The sweep and its folder.
    part : (int, int)
        Which of how many equal parts of the sweep; ``(1, 1)`` is all of it.
    limit : int or None
        At most so many.
    retry : bool
        Whether cases that failed count as left, whatever the reason.
    """
    ended = Ledger(folder / PARTS).statuses()
    k, n = part
    if not 1 <= k <= n:
        raise InvalidInput(f"part {k}/{n}: must be 1/{n} to {n}/{n}")
    cases = plan.distinct()
    mine = cases[(k - 1) * len(cases) // n : k * len(cases) // n]
    left = [case for case in mine if not _is_final(ended.get(case.digest), retry)]
    return left[:limit]


def run_sweep(
    plan: Plan,
    results: str | Path,
    engine: Callable[[Sequence[Planned]], Any] | None = None,
    *,
    part: tuple[int, int] = (1, 1),
    limit: int | None = None,
    retry: bool = False,
    watch: Watch | None = None,
) -> SweepResult:
    """Run what is left of a sweep and write its table.

    Parameters
    ----------
    plan : Plan
        The sweep.
    results : path
        Folder that holds the sweep's folder, and the stages that cases share.
    engine : callable, optional
        Gives a context manager of an `Engine` for the cases that are left; not called if none is.
        This process alone works without it.
    part, limit, retry
        As `pending`.
    watch : callable, optional
        Told of every case.

    Raises
    ------
    VbsimError
        If the ledger cannot be written or the cluster is lost; what was finished is kept, and the
        table of it is written if there is room.
    """
    began = time.perf_counter()
    folder = sweep_folder(plan, results)
    _prepare(plan, folder)
    ledger = Ledger(folder / PARTS)
    n_taken = _take_over(plan, folder, ledger)
    ledger.close()
    left = pending(plan, folder, part=part, limit=limit, retry=retry)
    before = Counter(_statuses(folder))
    n_before = len(plan.cases) - before[PENDING]
    state = State(len(plan.cases), n_before, len(left))
    state.n_failed = n_before - before["done"]
    with logged_to(folder / LOG, log, must_succeed=False):
        log.info("%s: %d cases, %d left", plan.name, len(plan.cases), len(left))
        if n_taken:
            log.info("%d cases taken over from an earlier version of this sweep", n_taken)
        if watch:
            watch(state, None)
        if left:
            (Path(results) / STAGES).mkdir(exist_ok=True)
            try:
                with engine(left) if engine else nullcontext(InProcess()) as running:
                    state.began = time.perf_counter()
                    _work(plan, results, left, running, ledger, state, watch)
            except VbsimError:
                _write_tables(folder)
                raise
            finally:
                ledger.close()
        _write_tables(folder)
    counted = Counter(_statuses(folder))
    return SweepResult(folder, dict(counted), n_before, time.perf_counter() - began)


def read_table(folder: Path) -> Table:
    """Return the table of a sweep's folder, finished or not.

    Raises
    ------
    InvalidInput
        If the folder holds no sweep.
    """
    plan = read_plan(folder)
    return assemble(plan.cases, Ledger(folder / PARTS).table(), provenance=plan.program)


def read_cases(folder: Path) -> Table:
    """Return one row for each case: how it ended, why, how long it took, where."""
    import numpy as np

    plan = read_plan(folder)
    finished = Ledger(folder / PARTS).table()
    bare = finished.drop_columns(["rows"])
    at = {digest: row for row, digest in enumerate(bare["digest"].to_pylist())}
    rows = bare.to_pylist()
    told = [rows[at[digest]] if digest in at else {} for _, digest, _ in plan.cases]
    values = assemble(plan.cases, finished.slice(0, 0)).columns
    shown = {name: column for name, column in values.items() if name == "case"}
    names = [name for name in plan.columns if name in values]
    shown |= {name: values[name] for name in names}
    shown["status"] = np.array([row.get("status", PENDING) for row in told], dtype=object)
    shown["seconds"] = np.array([row.get("seconds", np.nan) for row in told], dtype=float)
    for name in ("host", "advice", "log", "digest"):
        shown[name] = np.array([row.get(name, "") for row in told], dtype=object)
    shown["digest"] = values["digest"]
    return Table(shown, {})


def _work(
    plan: Plan,
    results: str | Path,
    left: Sequence[Planned],
    running: Engine,
    ledger: Ledger,
    state: State,
    watch: Watch | None,
) -> None:
    absolute = str(Path(results).resolve())
    fields = plan.sweep.fields
    shared = plan.shared()
    jobs = [Job(case.digest, case.data, _shared(case, shared), absolute, fields) for case in left]
    numbers = {case.digest: case.number for case in left}
    constants: set[str] = set()
    try:
        for outcome in running.outcomes(jobs):
            ledger.add(outcome)
            constants.update(outcome.constants)
            number = numbers[outcome.digest]
            _count(plan, state, outcome, number)
            if outcome.status is not Status.DONE:
                log.warning("case %d %s: %s", number, outcome.status.value, outcome.advice)
            if watch:
                watch(state, outcome)
    finally:
        _tell_origin(plan, ledger.folder.parent, constants)


def _shared(case: Planned, shared: set[str]) -> tuple[str, ...]:
    return tuple(key for key in case.stages if key in shared)


def _count(plan: Plan, state: State, outcome: Outcome, number: int) -> None:
    state.n_finished += 1
    if outcome.status is not Status.DONE:
        state.n_failed += 1
        return
    best = plan.sweep.best
    stage = best.stage or outcome.rows[-1].stage
    found = [r.value for r in outcome.rows if (r.stage, r.quantity) == (stage, best.quantity)]
    if not found:
        return
    sign = 1.0 if best.goal == "max" else -1.0
    if state.best is None or sign * found[0] > sign * state.best:
        state.best, state.best_case = found[0], number


def _prepare(plan: Plan, folder: Path) -> None:
    """Make the folder; an interrupted beginning is made whole."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_plan(folder, plan)
    except OSError as error:
        raise InvalidInput(f"cannot write results into {folder}: {error.strerror}") from None


def _take_over(plan: Plan, folder: Path, ledger: Ledger) -> int:
    """Copy what other versions of the same sweep have finished; return how many cases."""
    wanted = {case.digest for case in plan.cases} - set(ledger.statuses())
    n_taken = 0
    for other in sorted(folder.parent.glob(f"{slug(plan.name)}-*/{PARTS}")):
        if other.parent == folder or not wanted:
            continue
        for outcome in Ledger(other).outcomes(wanted):
            if outcome.status is Status.DONE:
                ledger.add(outcome)
                wanted.discard(outcome.digest)
                n_taken += 1
    return n_taken


def _tell_origin(plan: Plan, folder: Path, constants: set[str]) -> None:
    """Write where the numbers come from; what earlier runs looked up is kept."""
    path = folder / PROVENANCE
    try:
        before = json.loads(path.read_text(encoding="utf-8"))["constants"]
        constants = constants | {item["constant"] for item in before}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    own = plan.cases[0].case().constants()
    used = own | {name: data.constant(name) for name in sorted(constants - own.keys())}
    content = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **provenance.setting(),
        "sweep": plan.digest,
        "constants": provenance.citations(used),
    }
    try:
        with file_written_aside(path) as aside:
            aside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        log.warning("cannot write %s: %s", path, error.strerror)


def _write_tables(folder: Path) -> None:
    try:
        table = read_table(folder)
        for ending in ("parquet", "csv"):
            table.write(folder / f"table.{ending}")
        read_cases(folder).write(folder / "cases.csv")
    except OSError as error:
        raise VbsimError(
            f"cannot write the table into {folder}: {error.strerror}; every finished case is kept: "
            "make room and run again"
        ) from None


def _statuses(folder: Path) -> Iterator[str]:
    ended = Ledger(folder / PARTS).statuses()
    plan: StoredPlan = read_plan(folder)
    for _, digest, _ in plan.cases:
        yield ended.get(digest, PENDING)


def _is_final(status: str | None, retry: bool) -> bool:
    if status is None:
        return False
    return status == "done" or (Status(status).is_final and not retry)
