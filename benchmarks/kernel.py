"""How near the element product is to what this machine can do.

Bytes and operations per element are counted (``counting.py``), bandwidth and rate of operations are
measured in the same run (``machine.py``). Not compared with other programs, and not with a stored
matrix: no peer offers a product of this kind by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import counting
import numpy as np
from machine import copy_bytes_per_s, least_time, operations_per_s
from plain_block import operator_of

from vbsim.study.benchmark import Surroundings, write_records
from vbsim.study.benchmark.record import Measured

_UNITS = (1, 3)
_MODES = ("product", "smoother")
_TYPES = {"float64": np.float64, "float32": np.float32}


@dataclass(frozen=True)
class Rate(Measured):
    """Throughput of one kernel beside the machine's limits.

    `share_of_bandwidth` and `share_of_peak` are of what the same number of threads reached in the
    same run; the larger one says what limits the kernel, and 1 minus it what is left to gain.
    """

    mode: str
    dtype: str
    n_units: int
    threads: int
    n_elements: int
    elements_per_s: float
    bytes_per_element: float
    operations_per_element: float
    copy_bytes_per_s: float
    peak_operations_per_s: float

    @property
    def share_of_bandwidth(self) -> float:
        """Bytes moved per second / those of a copy."""
        return self.elements_per_s * self.bytes_per_element / self.copy_bytes_per_s

    @property
    def share_of_peak(self) -> float:
        """Operations per second / those of multiply-adds in the cache."""
        return self.elements_per_s * self.operations_per_element / self.peak_operations_per_s


def main(words: list[str] | None = None) -> None:
    options = _options(words)
    counts = count_operations()
    print(HEAD)
    for threads in (int(word) for word in options.threads.split(",")):
        copied = copy_bytes_per_s(threads, options.repeat)
        for (name, dtype), mode, n_units in product(_TYPES.items(), _MODES, _UNITS):
            if mode == "smoother" and dtype is np.float64:
                continue  # the cycle is single precision throughout
            around = Surroundings()
            found = elements_per_s(options, mode, dtype, n_units, threads)
            load = around.load()
            rate = Rate(
                mode=mode,
                dtype=name,
                n_units=n_units,
                threads=threads,
                n_elements=options.edge**3,
                elements_per_s=found,
                bytes_per_element=counting.bytes_per_element(
                    n_units, mode, np.dtype(dtype).itemsize
                ),
                operations_per_element=counts[n_units, mode],
                copy_bytes_per_s=copied,
                peak_operations_per_s=operations_per_s(dtype, threads, options.repeat),
                load=load,
            )
            print(line(rate), flush=True)
            if options.record:
                write_records(options.record, [rate])


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--edge", type=int, default=256, help="cells along each axis of the block")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--repeat", type=int, default=5, help="the quickest of so many is kept")
    parser.add_argument("--record", type=Path, help="file to which records are added")
    return parser.parse_args(words)


def count_operations() -> dict[tuple[int, str], float]:
    """Return operations per element by number of unit materials and mode."""
    cases = list(product(_UNITS, _MODES))
    words = [f"{n_units}{mode}" for n_units, mode in cases]
    script = Path(counting.__file__)
    done = subprocess.run(
        [sys.executable, str(script), *words],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return dict(zip(cases, json.loads(done.stdout), strict=True))


def elements_per_s(
    options: argparse.Namespace, mode: str, dtype: type, n_units: int, threads: int
) -> float:
    operator = operator_of(options.edge, n_units, threads=threads)
    vectors = [np.full(operator.shape, 1e-3, dtype) for _ in range(2 if mode == "product" else 4)]
    vectors += [vectors[0]] * (4 - len(vectors))
    took = least_time(lambda: counting.apply(operator, mode, *vectors), options.repeat)
    return float(operator.layout.n_cells / took)


HEAD = (
    "mode      type     units  threads  M elements/s  GB/s  of copy   GFLOP/s  of peak"
    "   (bytes, operations per element)"
)


def line(rate: Rate) -> str:
    moved = rate.elements_per_s * rate.bytes_per_element
    done = rate.elements_per_s * rate.operations_per_element
    return (
        f"{rate.mode:9s} {rate.dtype:8s} {rate.n_units:5d} {rate.threads:8d} "
        f"{rate.elements_per_s / 1e6:13.1f} {moved / 1e9:5.1f} {rate.share_of_bandwidth:8.0%} "
        f"{done / 1e9:9.1f} {rate.share_of_peak:8.0%}   "
        f"({rate.bytes_per_element:.0f}, {rate.operations_per_element:.0f})"
    )


if __name__ == "__main__":
    main()
