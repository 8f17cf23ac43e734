"""What a worker does: solve a stage that cases share, solve one case; never raise."""

from __future__ import annotations

import logging
import os
import platform
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from vbsim.checks import InvalidInput, NotConverged
from vbsim.study.case import Case, read_case
from vbsim.study.pipeline import Stage
from vbsim.study.run import compute, find_result, run_case
from vbsim.study.store import StageStore
from vbsim.study.sweep.outcome import Outcome, Status

__all__ = ["Job", "Start", "solve_start", "solve_case"]

# Lines of a failed case's log that are kept.
_LOG_LINES = 60


class Job(NamedTuple):
    """One case as it travels to a worker.

    Attributes
    ----------
    digest : str
        sha256 that the case must have there too.
    data : dict
        The case as plain data.
    shared : tuple of str
        What decides each of its first stages that other cases of the sweep have too.
    results : str
        Folder of all results; its kept stages are used where the worker can see it.
    fields : bool
        Whether to leave a result folder with every field.
    """

    digest: str
    data: dict[str, Any]
    shared: tuple[str, ...]
    results: str
    fields: bool = False

    def case(self) -> Case:
        """Return the case, on one thread: a process works on one case at a time."""
        case = read_case(self.data)
        one = case.solver.model_copy(update={"threads": 1})
        return case.model_copy(update={"solver": one})

    def store(self) -> StageStore | None:
        """Return the kept stages, or None on a machine that does not see the folder."""
        folder = Path(self.results) / ".stages"
        return StageStore(folder) if folder.is_dir() else None


class Start(NamedTuple):
    """First stages of a case, solved and measured.

    Attributes
    ----------
    stages : tuple of Stage
        The stages.
    warnings : tuple of str
        What a user should know of them.
    constants : frozenset of str
        Published numbers that they looked up.
    failure : Outcome or None
        Why there is no more of it, if that is why: every case that starts so ends so.
    """

    stages: tuple[Stage, ...] = ()
    warnings: tuple[str, ...] = ()
    constants: frozenset[str] = frozenset()
    failure: Outcome | None = None


def solve_start(job: Job, n_steps: int, before: Start | None = None) -> Start:
    """Return the stages of a case up to a step, or what is there with the reason for no more.

    After something unforeseen there is no reason: every case tries by itself, and tells.

    Parameters
    ----------
    job : Job
        Any case that has these stages.
    n_steps : int
        Steps to take.
    before : Start, optional
        The stages before, already solved.
    """
    before = before or Start()
    if before.failure is not None:
        return before
    with _logged() as lines:
        try:
            case = job.case()
            case = case.model_copy(update={"steps": case.steps[:n_steps]})
            found = compute(case, earlier=before.stages, store=job.store())
        except (InvalidInput, NotConverged) as error:
            return before._replace(failure=_failed(job, error, lines))
        except Exception:
            return before
    return Start(
        found.stages,
        _joined(before.warnings, found.warnings),
        before.constants | frozenset(found.constants),
    )


def solve_case(job: Job, start: Start | None = None) -> Outcome:
    """Return what became of a case; every failure is an outcome."""
    began = time.process_time()
    start = start or Start()
    if start.failure is not None:
        outcome = replace(start.failure, digest=job.digest)
    else:
        with _logged() as lines:
            try:
                outcome = _solved(job, start)
            except Exception as error:
                outcome = _failed(job, error, lines)
    spent = round(time.process_time() - began, 4)
    return replace(outcome, seconds=spent, host=f"{platform.node()}:{os.getpid()}")


def _failed(job: Job, error: Exception, lines: list[str]) -> Outcome:
    """Return the outcome of a case that an error ended."""
    if isinstance(error, InvalidInput):
        status, advice = Status.REFUSED, str(error)
    elif isinstance(error, NotConverged):
        status, advice = Status.NOT_CONVERGED, str(error)
    else:
        status, advice = Status.ERROR, f"{type(error).__name__}: {error}"
        lines.append("".join(traceback.format_exception(error)))
    return Outcome(job.digest, status, advice, "\n".join(lines[-_LOG_LINES:]))


def _solved(job: Job, start: Start) -> Outcome:
    case = job.case()
    if case.digest != job.digest:
        raise RuntimeError(
            "this worker runs another version of the program, or sees other input files, than the "
            "process that planned the sweep; install the same version on every machine"
        )
    if job.fields:
        return _with_fields(case, job)
    found = compute(case, earlier=start.stages)
    return Outcome(
        job.digest,
        Status.DONE,
        rows=found.rows,
        warnings=_joined(start.warnings, found.warnings),
        solver=_hardest(found.stages),
        n_reused=sum(stage.was_kept for stage in found.stages),
        constants=tuple(sorted(start.constants | frozenset(found.constants))),
    )


def _hardest(stages: tuple[Stage, ...]) -> dict[str, float] | None:
    """Return size, iterations and residual, the largest of all linear solves."""
    reports = [report for stage in stages for report in stage.solver]
    if not reports:
        return None
    return {
        "n_dof": float(max(report.n_dof for report in reports)),
        "iterations": float(max(n for report in reports for n in report.iterations)),
        "relative_residual": max(report.relative_residual for report in reports),
    }


def _with_fields(case: Case, job: Job) -> Outcome:
    result = find_result(case, job.results) or run_case(case, job.results)
    kept = [stage["solved_by_an_earlier_run"] for stage in result.summary["stages"]]
    return Outcome(
        job.digest,
        Status.DONE,
        rows=result.rows,
        warnings=tuple(result.summary["warnings"]),
        n_reused=sum(kept),
    )


def _joined(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


class _Lines(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.append(f"{record.levelname} {record.getMessage()}")


@contextmanager
def _logged() -> Iterator[list[str]]:
    """Collect the log of a case instead of printing it."""
    lines: list[str] = []
    log = logging.getLogger("vbsim")
    handler, before = _Lines(lines), (log.level, log.propagate)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    try:
        yield lines
    finally:
        log.removeHandler(handler)
        log.setLevel(before[0])
        log.propagate = before[1]
