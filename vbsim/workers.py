"""What worker processes are forked from: one process that has imported and loaded everything.

This module imports nothing of the package, so that a command can start that process first and do
its own imports meanwhile.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing import resource_tracker

__all__ = ["CAN_FORK", "ENVIRONMENT", "deaf_to_interrupts", "environment", "prepare_workers"]

CAN_FORK = sys.platform == "linux"
"""Whether processes are forked; elsewhere a worker starts from nothing."""

# Freed memory that goes back to the system has to be cleared again at its next use: with the
# setting that Dask gives its workers that was a third of the time of a small case. Blocks of 32 MB
# and more still go back at once, so that little is held that is not used.
ENVIRONMENT: dict[str, str] = {
    "MALLOC_MMAP_THRESHOLD_": str(32 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_ARENA_MAX": "1",
    "NUMBA_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""What a worker's process has from its first moment."""

_PRELOADED = ["distributed", "distributed.worker", "distributed.nanny", "vbsim.study.sweep.warm"]


def prepare_workers() -> None:
    """Start what workers are forked from, so that it gets ready while a sweep is planned.

    Called or not, and how often, changes no result; where processes cannot be forked safely it does
    nothing. The process ends with this one.
    """
    if not CAN_FORK:
        return
    from multiprocessing.forkserver import ensure_running, set_forkserver_preload

    with deaf_to_interrupts(), environment(ENVIRONMENT):
        set_forkserver_preload(_PRELOADED)
        ensure_running()


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let what is started inside never see control-C: the main process alone ends the workers.

    Threads and processes inherit what their starter has blocked, restarted workers included.
    """
    # Its own start would unblock them again for the thread that starts it.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Have the environment changed inside, and as it was afterwards."""
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
