"""Engines: in this process, or on a Dask cluster, here or anywhere; both give the same outcomes.

A stage that several cases share is a task of its own, named by what decides it: it is solved once,
kept in the memory of the workers while cases need it, moved to where they are, and computed again
if its worker dies. Only a few cases more than there are workers are handed out at a time, so that
the scheduler holds little however long the sweep is.
"""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from itertools import zip_longest
from typing import Any, Protocol

from vbsim.checks import VbsimError
from vbsim.study.sweep.outcome import Outcome, Status
from vbsim.study.sweep.worker import Job, Start, solve_case, solve_start

__all__ = ["ALLOWED_DEATHS", "Engine", "InProcess", "OnDask", "ClusterLost"]

# Stages held for the cases that come next; neighbours in a plan share most of them.
_HELD_STARTS = 4
# Cases handed out for each worker: one at work, one on the way.
_CASES_A_WORKER = 2
# How often a case may take its worker down before it counts as lost.
ALLOWED_DEATHS = 2
_COUNT_EVERY_S = 2.0


class ClusterLost(VbsimError):
    """The scheduler cannot be reached any more."""


class Engine(Protocol):
    """Something that turns jobs into outcomes, in any order."""

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Yield what became of each job, as soon as it is known."""


class InProcess:
    """One case after the other in this process."""

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Yield what became of each job, in order."""
        held: OrderedDict[str, Start] = OrderedDict()
        for job in jobs:
            yield solve_case(job, self._start(job, held))

    def _start(self, job: Job, held: OrderedDict[str, Start]) -> Start:
        start = Start()
        for n_steps, key in enumerate(job.shared):
            if key not in held:
                held[key] = solve_start(job, n_steps, start)
            held.move_to_end(key)
            start = held[key]
        while len(held) > _HELD_STARTS:
            held.popitem(last=False)
        return start


class OnDask:
    """The workers of a Dask cluster.

    Parameters
    ----------
    client : distributed.Client
        Connected to the cluster.
    """

    def __init__(self, client: Any) -> None:
        self.client = client
        self._counted = (0, -_COUNT_EVERY_S)

    def outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        """Yield what became of each job, as soon as it is known.

        Raises
        ------
        ClusterLost
            If the scheduler is gone.
        """
        try:
            yield from self._outcomes(jobs)
        except (OSError, CancelledError) as error:
            # The scheduler may die between two words of ours as well as between two cases.
            raise ClusterLost(_LOST) from error

    def _outcomes(self, jobs: Sequence[Job]) -> Iterator[Outcome]:
        from distributed import as_completed

        waiting = iter(_lanes(jobs, self._n_workers()))
        sent = _Sent(self.client, jobs)
        finished = as_completed([], loop=self.client.loop, raise_errors=False)
        for _ in range(_CASES_A_WORKER * self._n_workers()):
            self._send(waiting, sent, finished)
        for future in finished:
            outcome = self._received(future, sent.jobs[future.key])
            sent.forget(future)
            # Workers may have come or gone.
            missing = _CASES_A_WORKER * self._n_workers() - len(sent.jobs)
            for _ in range(max(1, missing)):
                self._send(waiting, sent, finished)
            yield outcome

    def _send(self, waiting: Iterator[Job], sent: _Sent, finished: Any) -> None:
        job = next(waiting, None)
        if job is not None:
            finished.add(sent.submit(job))

    def _n_workers(self) -> int:
        """Return how many workers there are; they may come and go, but asking takes its time."""
        n, at = self._counted
        if time.monotonic() - at >= _COUNT_EVERY_S:
            n, at = len(self.client.nthreads()), time.monotonic()
            self._counted = (n, at)
        return max(1, n)

    def _received(self, future: Any, job: Job) -> Outcome:
        from distributed import KilledWorker

        if future.status == "finished":
            outcome: Outcome = future.result()
            return outcome
        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return Outcome(job.digest, Status.LOST, _ADVICE_LOST)
            return Outcome(job.digest, Status.ERROR, f"{type(error).__name__}: {error}")
        raise ClusterLost(_LOST)


_LOST = "the scheduler is gone; what is finished is kept: run the same command again"
_ADVICE_LOST = (
    f"its process died {ALLOWED_DEATHS + 1} times, probably for want of memory: run again with "
    "fewer processes (-j), or with a larger mesh.spacing_mm"
)


class _Sent:
    """Futures of cases at work and of the stages they start from."""

    def __init__(self, client: Any, jobs: Sequence[Job]) -> None:
        self._client = client
        self._starts: dict[str, Any] = {}
        self._left = Counter(key for job in jobs for key in job.shared)
        self.jobs: dict[str, Job] = {}
        self._n = 0

    def submit(self, job: Job) -> Any:
        """Hand out a case, with the stages it shares if nobody has yet."""
        self._n += 1
        before = None
        for n_steps, key in enumerate(job.shared):
            if key not in self._starts:
                self._starts[key] = self._client.submit(
                    solve_start,
                    job,
                    n_steps,
                    before,
                    key=f"stage-{key[:40]}",
                    priority=-self._n,
                    pure=False,
                )
            before = self._starts[key]
        future = self._client.submit(
            solve_case, job, before, key=f"case-{job.digest[:40]}", priority=-self._n, pure=False
        )
        self.jobs[future.key] = job
        return future

    def forget(self, future: Any) -> None:
        """Let go of a finished case, and of stages that no other case needs."""
        job = self.jobs.pop(future.key)
        future.release()
        for key in job.shared:
            self._left[key] -= 1
            if self._left[key] <= 0:
                self._starts.pop(key).release()


def _lanes(jobs: Sequence[Job], n_lanes: int) -> list[Job]:
    """Return jobs in an order in which several runs of neighbours advance side by side.

    With one run alone, all workers would wait for the same first stage.
    """
    length = -(-len(jobs) // n_lanes)
    lanes = [jobs[k * length : (k + 1) * length] for k in range(n_lanes)]
    return [job for row in zip_longest(*lanes) for job in row if job is not None]
