"""Two files of records side by side: ``python compare.py BEFORE AFTER``.

Solves are paired by solver, structure, size, threads and tolerance; a ratio below 1 is better.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vbsim.study.benchmark import Record, read_records

MEASURED = ("cpu_s", "setup_cpu_s", "wall_s", "iterations", "bytes_per_dof")
ROW = "{:38s} {:>12s} {:>7s}" + " {:>28s}" * len(MEASURED) + " {:>11s}"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args(words)
    print(table(*(read_records(path, Record) for path in (options.before, options.after))))


def table(before: list[Record], after: list[Record]) -> str:
    """Return one line for each solve that both have: before, after, ratio."""
    old = {_key(record): record for record in before}
    new = {_key(record): record for record in after}
    lines = [ROW.format("solve", "dof", "threads", *MEASURED, "load")]
    for key, record in new.items():
        if key in old:
            lines.append(_line(old[key], record))
    alone = len(new.keys() ^ old.keys())
    return "\n".join([*lines, f"{alone} solves are in one file only"])


def _key(record: Record) -> tuple[str, str, int, int, float]:
    return record.name, record.structure, record.dof, record.threads, record.tolerance


def _line(old: Record, new: Record) -> str:
    cells = []
    for name in MEASURED:
        first, second = float(getattr(old, name)), float(getattr(new, name))
        ratio = f"{second / first:.2f}" if first else "-"
        cells.append(f"{first:9.4g} {second:9.4g} x {ratio:>5s}")
    title = f"{new.name}, {new.structure}"[:38]
    loads = f"{old.load:.1f} -> {new.load:.1f}"
    return ROW.format(title, f"{new.dof:,}", str(new.threads), *cells, loads)


if __name__ == "__main__":
    main()
