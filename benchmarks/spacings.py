"""What benchmarks of one body on several spacings share: options, the clock, lines and records."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

from vbsim.study.benchmark import write_records
from vbsim.study.benchmark.record import Line

WARM_MM = 4.0
"""Spacing on which everything is done once before, to compile its kernels."""


def options(words: str | None) -> argparse.ArgumentParser:
    """Return the options of a benchmark whose docstring is given."""
    parser = argparse.ArgumentParser(description=(words or "").splitlines()[0])
    parser.add_argument("--spacings", type=float, nargs="+", default=[1.0])
    parser.add_argument("--records", type=Path, help="file of records to add to")
    return parser


class Spent(NamedTuple):
    """Time of this process and of the world, s."""

    cpu_s: float
    wall_s: float


class Clock:
    """Measures from when it is made."""

    def __init__(self) -> None:
        self._begun = process_time(), perf_counter()

    def spent(self) -> Spent:
        """Return what has been spent since."""
        return Spent(process_time() - self._begun[0], perf_counter() - self._begun[1])


def tell(told: Iterable[tuple[str, Line]], records: Path | None) -> None:
    """Print the line of each record as it comes, and add it to a file of records if given."""
    for line, record in told:
        print(line, flush=True)
        if records is not None:
            write_records(records, [record])
