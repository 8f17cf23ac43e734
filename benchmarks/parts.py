"""Where the processor time of a solve goes: products, transfer, vector passes, set-up.

Every compiled kernel is wrapped by a clock, on one thread; what no kernel accounts for is NumPy and
Python. The clocks themselves take about a microsecond a call.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from vbsim.fem import Settings
from vbsim.kernels import runs, transfer, vectors, voxel
from vbsim.study.benchmark import Surroundings, clamped_compression, generate, write_records
from vbsim.study.benchmark.record import Measured
from vbsim.study.microfe import load_kernels, solve_image

SETUP = "set-up"
OTHERS = "threads of NumPy's BLAS"
PARTS = (
    "product, finest grid, double",
    "product, finest grid, single",
    "product, coarser grids",
    "transfer between grids",
    "vector passes, finest grid",
    "vector passes, coarser grids",
    SETUP,
    OTHERS,
    "NumPy and Python",
)


@dataclass(frozen=True)
class Profile(Measured):
    """Shares of the processor time of one solve, by part."""

    structure: str
    dof: int
    iterations: int
    cpu_s: float
    shares: dict[str, float]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="1", help="millions of degrees of freedom")
    parser.add_argument("--structures", default="body", help="body, trabecular, block")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--record", type=Path, help="file to which records are added")
    options = parser.parse_args(words)
    load_kernels(1)
    for structure in options.structures.split(","):
        for size in options.sizes.split(","):
            found = profile(structure, float(size) * 1e6, options.tolerance)
            show(found)
            if options.record:
                write_records(options.record, [found])


def profile(structure: str, dof: float, tolerance: float) -> Profile:
    """Solve one body on one thread and return where the time went."""
    clocks = Clocks()
    settings = Settings(tolerance=tolerance, max_iterations=2000, threads=1)
    with_clocks = ((voxel, "product"), (voxel, "diagonal"), *_public(transfer), *_public(vectors))
    for module, name in (*with_clocks, *_public(runs)):
        clocks.wrap(module, name)
    image, around = generate(structure, dof), Surroundings()
    try:
        solution = solve_image(image, clamped_compression(), settings=settings, progress=clocks)
        load = around.load()
    finally:
        clocks.unwrap()
    work = solution.work
    spent = clocks.by_part(3 * solution.solved.layout.n_points, work.cpu_s)
    return Profile(
        structure=structure,
        dof=work.dof,
        iterations=work.iterations,
        cpu_s=work.cpu_s,
        shares={part: spent[part] / work.cpu_s for part in PARTS},
        load=load,
    )


def _public(module: ModuleType) -> list[tuple[ModuleType, str]]:
    return [(module, name) for name in module.__all__ if hasattr(getattr(module, name), "py_func")]


class Clocks:
    """Clocks around kernels; told of progress, they know when set-up ends."""

    def __init__(self) -> None:
        self._kernels: list[tuple[ModuleType, str, Any]] = []
        self._spent: Counter[tuple[str, str, int, str]] = Counter()
        self._begun = self._first = self._last = (0.0, 0.0)

    def __call__(self, doing: str, done: float) -> None:
        """Take a report of progress: set-up begins, or an iteration is over."""
        self._last = _clocks()
        if not any(self._begun):
            self._begun = self._last

    def wrap(self, module: ModuleType, name: str) -> None:
        """Put a clock around a kernel."""
        kernel = getattr(module, name)
        self._kernels.append((module, name, kernel))
        setattr(module, name, self._timed(module.__name__.rpartition(".")[2], name, kernel))

    def unwrap(self) -> None:
        """Put every kernel back."""
        for module, name, kernel in self._kernels:
            setattr(module, name, kernel)

    def _timed(self, chapter: str, name: str, kernel: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            size, kind = _largest(arguments)
            begun = time.thread_time()
            if name == "product" and not any(self._first):
                self._first = _clocks()
            result = kernel(*arguments)
            self._spent[chapter, name, size, kind] += time.thread_time() - begun
            return result

        return timed

    def by_part(self, finest: int, total: float) -> Counter[str]:
        """Return processor time by part, s; `finest` is the length of a vector there."""
        spent: Counter[str] = Counter()
        for (chapter, name, size, kind), seconds in self._spent.items():
            where = "finest grid" if size == finest else "coarser grids"
            if chapter == "voxel" and name == "product":
                precision = {"float64": ", double", "float32": ", single"}[kind]
                spent[f"product, {where}{precision if size == finest else ''}"] += seconds
            elif chapter == "vectors":
                spent[f"vector passes, {where}"] += seconds
            elif name in ("restrict", "prolong"):
                spent["transfer between grids"] += seconds
        spent[SETUP] = self._first[1] - self._begun[1]
        process, thread = (b - a for a, b in zip(self._begun, self._last, strict=True))
        spent[OTHERS] = process - thread
        spent["NumPy and Python"] = total - spent.total()
        return spent


def _clocks() -> tuple[float, float]:
    """Return the processor time of the process and of this thread, s."""
    return time.process_time(), time.thread_time()


def _largest(arguments: tuple[Any, ...]) -> tuple[int, str]:
    """Return length and type of the longest vector (3, N) among the arguments."""
    found = [(a.size, str(a.dtype)) for a in arguments if _is_vector(a)]
    return max(found, default=(0, ""))


def _is_vector(argument: Any) -> bool:
    return isinstance(argument, np.ndarray) and argument.ndim == 2 and len(argument) == 3


def show(found: Profile) -> None:
    print(
        f"\n{found.structure}, {found.dof:,} degrees of freedom, {found.iterations} iterations, "
        f"{found.cpu_s:.2f} s, load {found.load:.1f}"
    )
    for part in PARTS:
        print(f"  {part:32s} {found.shares[part]:6.1%} {found.shares[part] * found.cpu_s:8.2f} s")


if __name__ == "__main__":
    main()
