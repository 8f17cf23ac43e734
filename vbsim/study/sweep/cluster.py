"""Dask clusters: worker processes on this machine, or a scheduler that runs already.

A case takes a third of a second at 1.5 mm, so that what surrounds it counts. Workers are forked
from one process that has imported everything and loaded its kernels; they keep the memory that they
free for the next case; and Dask's clocks, made for clusters of hundreds, are slowed down.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from vbsim.checks import InvalidInput
from vbsim.study.sweep.engine import ALLOWED_DEATHS
from vbsim.workers import (
    CAN_FORK,
    ENVIRONMENT,
    deaf_to_interrupts,
    environment,
    prepare_workers,
)

__all__ = ["local_cluster", "connected"]

_LOCAL: dict[str, Any] = {
    "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
    # A case holds the interpreter for seconds; that is no sign of trouble.
    "distributed.admin.tick.limit": "1h",
    # Fifty looks a second at whether the loop is awake, and the like, took 9 % of a processor.
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.log-length": 60,
    "distributed.admin.low-level-log-length": 100,
    "distributed.worker.memory.monitor-interval": "500ms",
    "distributed.worker.daemon": True,
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
    "distributed.logging": {"distributed": "error", "distributed.nanny": "critical"},
}
if CAN_FORK:
    _LOCAL["distributed.worker.multiprocessing-method"] = "forkserver"


@contextmanager
def local_cluster(n_workers: int, *, memory_bytes: int) -> Iterator[Any]:
    """Give a client of worker processes on this machine, one solver thread each.

    Parameters
    ----------
    n_workers : int
        How many.
    memory_bytes : int
        What each may take before it is started anew.
    """
    prepare_workers()
    import dask
    from distributed import Client, LocalCluster

    # Dask leaves what it sets for its workers in the environment of this process.
    with dask.config.set(_LOCAL), environment({}):
        with deaf_to_interrupts():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=memory_bytes,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
            )
        client = Client(cluster)
        try:
            yield client
        finally:
            client.close(timeout=5)
            cluster.close(timeout=10)


@contextmanager
def connected(address: str, *, timeout_s: float = 10.0) -> Iterator[Any]:
    """Give a client of a cluster that runs already.

    Raises
    ------
    InvalidInput
        If no scheduler answers in time.
    """
    import dask
    from distributed import Client

    with dask.config.set({"distributed.comm.timeouts.connect": f"{timeout_s}s"}):
        try:
            client = Client(address, set_as_default=False, timeout=timeout_s)
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"no Dask scheduler answers at {address} ({type(error).__name__}); start one with "
                "'dask scheduler' and workers with 'dask worker ADDRESS'"
            ) from None
        try:
            yield client
        finally:
            client.close(timeout=5)
