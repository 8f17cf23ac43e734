"""What the machinery of a sweep costs, and how much of a second processor reaches the cases.

`--stub N` plans and runs N cases that solve nothing: whatever time passes is overhead, and the
memory of the process that holds Dask's scheduler is sampled on the way. `--speedup FILE` runs a
sweep by its command, one case after the other (`-j 0`) and then on worker processes, both with
nothing kept; the ideal is the first time divided by the number of processes. Times are those that
the command tells, from the plan to the table, starting and stopping workers included; the time of
the whole command, Python's imports and the plan included, stands beside them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from vbsim.study.benchmark import Surroundings, write_records
from vbsim.study.benchmark.record import Measured
from vbsim.study.results import Row
from vbsim.study.sweep import (
    OnDask,
    Outcome,
    Plan,
    Status,
    load_plan,
    local_cluster,
    make_plan,
    run_sweep,
)
from vbsim.study.sweep import engine as engines

N_ROWS = 150
"""Measures of a case of three stages."""


@dataclass(frozen=True)
class Overhead(Measured):
    """Cost of a sweep whose cases cost nothing; memory in three equal parts of the run."""

    n_cases: int
    n_workers: int
    plan_s: float
    run_s: float
    ms_per_case: float
    memory_mb: tuple[float, float, float]
    table_mb: float


@dataclass(frozen=True)
class SpeedUp(Measured):
    """The same sweep one by one and on processes."""

    name: str
    n_cases: int
    n_workers: int
    one_by_one_s: float
    together_s: float
    cases_per_minute: float
    of_ideal: float
    one_by_one_command_s: float
    together_command_s: float
    command_of_ideal: float
    again_command_s: float
    n_stages: int
    n_solved: int


def stub_case(job: Any, start: Any = None) -> Outcome:
    """Return as many numbers as a case gives, at once."""
    rows = tuple(
        Row("augmented", "compression", "guided", f"measure_{k}", k + 0.123456789, "mm")
        for k in range(N_ROWS)
    )
    return Outcome(job.digest, Status.DONE, rows=rows)


def stub_start(job: Any, n_steps: int, before: Any = None) -> None:
    """Solve no shared stage."""


def plan_of(n: int) -> Plan:
    """Return the plan of a sweep of n cases that share stages as in a real one."""
    return make_plan(
        {
            "schema": 1,
            "name": f"stub {n}",
            "vertebra": {"level": "L1"},
            "steps": [
                {"kind": "wedge", "grade": 2},
                {"kind": "cement", "volume_ml": 4.0, "distribution": "central"},
            ],
            "sweep": {
                "grid": {
                    "bone.vbmd_mg_cm3": {"from": 40, "to": 100, "number": 10},
                    "steps[1].volume_ml": {"from": 0.5, "to": 8, "number": n // 10},
                }
            },
        }
    )


class _Memory(threading.Thread):
    """Samples what this process holds."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.samples: list[float] = []
        self._ended = threading.Event()

    def run(self) -> None:
        process = psutil.Process()
        while not self._ended.wait(0.1):
            self.samples.append(process.memory_info().rss / 1e6)

    def thirds(self) -> tuple[float, float, float]:
        """End sampling and return the mean of each third of the run, MB."""
        self._ended.set()
        self.join()
        k = max(1, len(self.samples) // 3)
        parts = (self.samples[:k], self.samples[k : 2 * k], self.samples[2 * k :])
        first, second, third = (round(sum(part) / max(1, len(part)), 1) for part in parts)
        return first, second, third


def measure_overhead(n: int, n_workers: int) -> Overhead:
    """Run stub cases on a local cluster."""
    engines.solve_case, engines.solve_start = stub_case, stub_start
    surroundings = Surroundings()
    began = time.perf_counter()
    plan = plan_of(n)
    plan_s = time.perf_counter() - began
    with (
        tempfile.TemporaryDirectory() as folder,
        local_cluster(n_workers, memory_bytes=2_000_000_000) as client,
    ):
        memory = _Memory()
        memory.start()
        result = run_sweep(plan, folder, lambda left: _open(OnDask(client)))
        thirds = memory.thirds()
        table_mb = (result.folder / "table.parquet").stat().st_size / 1e6
    each = 1e3 * (plan_s + result.seconds) / n
    return Overhead(
        n, n_workers, plan_s, result.seconds, each, thirds, table_mb, load=surroundings.load()
    )


def measure_speedup(file: Path, n_workers: int) -> SpeedUp:
    """Run a sweep one by one, then on processes, then once more.

    One by one is on one worker: it has one thread and the same way of asking for memory, so that
    sums agree to the last digit.
    """
    plan = load_plan(file)
    surroundings = Surroundings()
    with tempfile.TemporaryDirectory() as alone, tempfile.TemporaryDirectory() as both:
        one_by_one = _command(file, alone, 1)
        together = _command(file, both, n_workers)
        again = _command(file, both, n_workers)
        same = [Path(run.folder, "table.csv").read_bytes() for run in (one_by_one, together)]
        assert same[0] == same[1], "the two ways differ"
        assert again.n_reused == len(plan.cases), "something was computed again"
    return SpeedUp(
        name=plan.name,
        n_cases=len(plan.cases),
        n_workers=n_workers,
        one_by_one_s=one_by_one.told_s,
        together_s=together.told_s,
        cases_per_minute=60.0 * len(plan.cases) / together.told_s,
        of_ideal=one_by_one.told_s / n_workers / together.told_s,
        one_by_one_command_s=one_by_one.command_s,
        together_command_s=together.command_s,
        command_of_ideal=one_by_one.command_s / n_workers / together.command_s,
        again_command_s=again.command_s,
        n_stages=plan.n_stages(),
        n_solved=plan.n_distinct_stages(),
        load=surroundings.load(),
    )


class _Run(NamedTuple):
    """What one command took."""

    told_s: float
    command_s: float
    folder: str
    n_reused: int


def _command(file: Path, results: str, n_workers: int) -> _Run:
    words = ["sweep", str(file), "--results", results, "-j", str(n_workers), "--json", "--quiet"]
    call = "import sys; from vbsim.cli import main; sys.exit(main())"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", call, *words, "--no-figures"],
        check=True,
        capture_output=True,
        text=True,
    )
    command_s = time.perf_counter() - began
    told = json.loads(done.stdout)
    return _Run(told["seconds"], command_s, told["folder"], told["reused"])


class _open:  # noqa: N801
    """A context manager of something that is open already."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __enter__(self) -> Any:
        return self._thing

    def __exit__(self, *error: object) -> None:
        return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stub", type=int, help="cases that solve nothing")
    parser.add_argument("--speedup", type=Path, help="sweep file to run both ways")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", type=Path, help="file that records are added to")
    given = parser.parse_args()
    records: list[Overhead | SpeedUp] = []
    if given.stub:
        records.append(measure_overhead(given.stub, given.workers))
    if given.speedup:
        records.append(measure_speedup(given.speedup, given.workers))
    for record in records:
        told = record.to_dict()
        for name in ("machine", "versions", "commit", "taken"):
            told.pop(name)
        print(told)
    if given.record:
        write_records(given.record, records)


if __name__ == "__main__":
    main()
