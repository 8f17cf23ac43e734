"""How long the voxel solver takes, and how much memory, as bodies grow.

Every solve is a process of its own, so that its peak memory is its own: ``vbsim bench voxels``.
Making the body and compiling are not measured. Nothing is compared with other programs here: see
``peers.py``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

from vbsim.study.benchmark import Record, restored, write_records

SHORT = "0.06,0.3,1"
ROW = "{:12s} {:>11s} {:>7s} {:>5s} {:>9s} {:>9s} {:>9s} {:>9s} {:>6s} {:>5s}"
HEAD = ("structure", "dof", "threads", "iter", "cpu s", "set-up s", "wall s", "Mdof/cpu s", "B/dof")


def main(words: list[str] | None = None) -> None:
    options = _options(words)
    print(ROW.format(*HEAD, "load"))
    for structure in options.structures.split(","):
        for size in options.sizes.split(","):
            for threads in options.threads.split(","):
                record = best(
                    options.repeat, structure, float(size) * 1e6, int(threads), options.tolerance
                )
                show(record)
                if options.record:
                    write_records(options.record, [record])


def _options(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default=SHORT, help="millions of degrees of freedom")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--structures", default="body", help="body, trabecular, block")
    parser.add_argument("--tolerance", type=float, default=1e-8)
    parser.add_argument("--repeat", type=int, default=1, help="the quickest of so many is kept")
    parser.add_argument("--record", type=Path, help="file to which records are added")
    return parser.parse_args(words)


def best(repeat: int, structure: str, dof: float, threads: int, tolerance: float) -> Record:
    """Return the record with the least processor time."""
    records = [solve(structure, dof, threads, tolerance) for _ in range(repeat)]
    return min(records, key=lambda record: record.cpu_s)


def solve(structure: str, dof: float, threads: int, tolerance: float) -> Record:
    """Solve one body in a process of its own."""
    options = {
        "dof": dof,
        "structure": structure,
        "threads": threads,
        "tolerance": tolerance,
    }
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "vbsim", "bench", "voxels", "--json", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return restored(Record, json.loads(done.stdout))


def show(record: Record) -> None:
    print(
        ROW.format(
            record.structure,
            f"{record.dof:,}",
            str(record.threads),
            str(record.iterations),
            f"{record.cpu_s:.2f}",
            f"{record.setup_cpu_s:.2f}",
            f"{record.wall_s:.2f}",
            f"{record.dof_per_s / 1e6:.2f}",
            f"{record.bytes_per_dof:.0f}",
            f"{record.load:.1f}",
        ),
        flush=True,
    )


if __name__ == "__main__":
    main()
