"""Solve a body once and measure what that takes: compiling and making the body are not in it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from vbsim import data
from vbsim.fem import Settings
from vbsim.study.benchmark.record import Record, Surroundings
from vbsim.study.microfe import AxialTest, ModulusImage, load_kernels, solve_image
from vbsim.study.microfe.solve import peak_bytes

__all__ = ["clamped_compression", "measure"]

NAME = "vbsim"


def clamped_compression() -> AxialTest:
    """Return the test of the benchmarks: both ends clamped, the upper one moved down."""
    displacement_mm = data.value("benchmark.test.displacement_mm")
    return AxialTest(bottom="clamped", top="clamped", displacement_mm=displacement_mm)


def measure(
    structure: str,
    make: Callable[[], ModulusImage],
    *,
    test: AxialTest,
    settings: Settings,
) -> Record:
    """Make a body, solve it and return the record.

    Parameters
    ----------
    structure : str
        What the record calls the body.
    make : callable
        Gives the image; called once kernels are loaded, so that its memory counts.
    test : AxialTest
        How it is loaded.
    settings : Settings
        Tolerance and threads.
    """
    load_kernels(settings.threads)
    before = _memory("VmRSS")
    _forget_peak()
    clock = _Clock()
    solution = solve_image(make(), test, settings=settings, progress=clock)
    load = clock.surroundings.load()
    peak = _memory("VmHWM") or peak_bytes()
    work = solution.work
    return Record(
        name=NAME,
        structure=structure,
        dof=work.dof,
        n_cells=solution.n_cells,
        threads=settings.threads or len(os.sched_getaffinity(0)),
        tolerance=settings.tolerance,
        iterations=work.iterations,
        relative_residual=work.relative_residual,
        reaction_n=solution.reaction_n,
        stiffness_n_per_mm=solution.stiffness_n_per_mm,
        cpu_s=work.cpu_s,
        wall_s=work.wall_s,
        setup_cpu_s=clock.setup_s(),
        peak_bytes=peak,
        bytes_per_dof=(peak - before) / work.dof,
        load=load,
    )


class _Clock:
    """Notes the processor time of every report of progress: set-up first, then each iteration."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self.surroundings = Surroundings()

    def __call__(self, doing: str, done: float) -> None:
        """Take a report."""
        if not self._times:
            self.surroundings = Surroundings()
        self._times.append(time.process_time())

    def setup_s(self) -> float:
        """Return the time before the first iteration, taken as long as the mean of the others."""
        begun, *after = self._times
        if not after:
            return 0.0
        one = (after[-1] - after[0]) / max(len(after) - 1, 1)
        return max(after[0] - one - begun, 0.0)


# Memory -------------------------------------------------------------------------------------------


def _memory(what: str) -> int:
    """Return an entry of the process's status, bytes; 0 where the system does not tell."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(what)), 0)


def _forget_peak() -> None:
    """Let the peak begin anew, where the system can: compiling may have taken more than a solve."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    except OSError:
        return
