"""Killed at random moments, with kill -9 where it matters: nothing is lost, every digit the same.

A moment is a number of finished cases, drawn with a fixed seed and waited for in the journal; the
rest of the sweep is done in this process afterwards, and the table compared byte by byte.
"""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

import psutil
import pytest
from small_sweep import content, plan, run

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.study.sweep import OnDask, connected, run_sweep, sweep_folder
from vbsim.study.sweep.ledger import Ledger
from vbsim.study.toml import to_toml

SEED = 20
# Longest wait for anything that does happen; only a failure ever waits so long.
PATIENCE_S = 120.0

VBSIM = [sys.executable, "-c", "import sys; from vbsim.cli import main; sys.exit(main())"]


def moments(n):
    """Numbers of finished cases at which to kill; early enough for some to be left."""
    return random.Random(SEED).sample(range(2, 9), n)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.toml"
    path.write_text(to_toml(content()))
    return path


@pytest.fixture
def start(tmp_path):
    """Start a process of its own group; whatever is left at the end is killed."""
    started = []

    def begin(words, log):
        with (tmp_path / log).open("w") as stream:
            environment = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
            process = subprocess.Popen(
                words,
                stdout=stream,
                stderr=stream,
                env=environment,
                start_new_session=True,
                # What a shell starts in the background is deaf to control-C, and so are its heirs.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(holds, what, process=None):
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"waited for {what}"
        assert process is None or process.poll() is None, f"ended before {what}"
        time.sleep(0.01)


def wait_for_cases(results, n, process):
    parts = sweep_folder(plan(), results) / "parts"

    def holds():
        return sum(path.read_bytes().count(b"\n") for path in parts.glob("*.jsonl")) >= n

    wait_until(holds, f"{n} finished cases", process)


def workers_of(process):
    """Worker processes: what was forked by the process that workers are forked from, if it can."""
    parents = psutil.Process(process.pid).children()
    forked = [child for parent in parents for child in parent.children()]
    started = [child for child in parents if "spawn_main" in " ".join(child.cmdline())]
    return forked or started


def resumed(results):
    """Finish the sweep in this process; return what was left and the table."""
    folder = sweep_folder(plan(), results)
    n_before = len(Ledger(folder / "parts").statuses())
    result = run(plan(), results)
    assert result.statuses == {"done": 24}
    return 24 - n_before, (folder / "table.csv").read_text()


def sweep_with_one_worker(start, file, results):
    words = ["sweep", str(file), "--results", str(results), "-j", "1", "--no-figures"]
    return start([*VBSIM, *words], "log")


def is_over(process, workers, results, code):
    """The process ended with a code, took its workers along and printed no traceback."""
    assert process.wait(PATIENCE_S) == code
    _, alive = psutil.wait_procs(workers, timeout=PATIENCE_S)
    assert alive == []
    assert "Traceback" not in (results / "log").read_text()


def test_the_main_process_is_killed(file, start, tmp_path, wanted):
    process = sweep_with_one_worker(start, file, tmp_path)
    wait_for_cases(tmp_path, moments(2)[0], process)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, signal.SIGKILL)
    is_over(process, workers, tmp_path, -signal.SIGKILL)
    left, table = resumed(tmp_path)
    assert left > 0
    assert table == wanted


def test_a_worker_is_killed_and_later_the_sweep_interrupted(file, start, tmp_path, wanted):
    process = sweep_with_one_worker(start, file, tmp_path)
    wait_for_cases(tmp_path, 2, process)
    killed = workers_of(process)[0]
    killed.kill()
    # The sweep goes on by itself.
    wait_for_cases(tmp_path, 2 + moments(3)[2], process)
    # Held still while we look, so that no case is finished meanwhile on a busy machine.
    os.kill(process.pid, signal.SIGSTOP)
    assert killed.pid not in [worker.pid for worker in workers_of(process)]
    workers = psutil.Process(process.pid).children(recursive=True)
    # Control-C reaches the whole group.
    os.killpg(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGCONT)
    is_over(process, workers, tmp_path, 130)
    left, table = resumed(tmp_path)
    assert left > 0
    assert table == wanted


@pytest.fixture
def cluster(start, tmp_path):
    """A scheduler and two workers, processes of their own on the loopback address."""
    dask = [sys.executable, "-m", "dask"]
    place = tmp_path / "scheduler.json"
    here = ["--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", str(place)]
    scheduler = start([*dask, "scheduler", "--port", "0", *here], "scheduler.log")
    wait_until(place.is_file, "the scheduler", scheduler)
    for k in range(2):
        start([*dask, "worker", "--nthreads", "1", "--no-nanny", *here], f"worker{k}.log")

    def address():
        try:
            return json.loads(place.read_text())["address"]
        except ValueError:
            return None

    wait_until(lambda: address() is not None, "the scheduler's address", scheduler)
    return address(), scheduler


def test_a_cluster_by_address_gives_the_same_and_may_be_lost(
    file, tmp_path, wanted, cluster, capsys
):
    address, scheduler = cluster

    def engine(left):
        return on_dask(address)

    whole = run_sweep(plan(), tmp_path / "whole", engine)
    assert (whole.folder / "table.csv").read_text() == wanted

    def lose_it():
        wait_for_cases(tmp_path / "lost", moments(4)[3], scheduler)
        scheduler.kill()

    killer = threading.Thread(target=lose_it)
    killer.start()
    words = ["sweep", str(file), "--results", str(tmp_path / "lost"), "--scheduler", address]
    assert main(words) == 1
    killer.join()
    assert "what is finished is kept" in capsys.readouterr().err
    # A table of what there is was written on the way out.
    assert "pending" in (sweep_folder(plan(), tmp_path / "lost") / "table.csv").read_text()
    left, table = resumed(tmp_path / "lost")
    assert left > 0
    assert table == wanted


class on_dask:  # noqa: N801
    """An engine on a cluster, connected while in use."""

    def __init__(self, address):
        self._connection = connected(address)

    def __enter__(self):
        return OnDask(self._connection.__enter__())

    def __exit__(self, *error):
        return self._connection.__exit__(*error)


def test_a_scheduler_that_does_not_answer_is_named():
    with (
        pytest.raises(InvalidInput, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
        connected("tcp://127.0.0.1:9", timeout_s=0.2),
    ):
        pass
