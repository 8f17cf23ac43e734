"""The record of one solve: what was solved, how well, what it took, on what."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import vbsim
from vbsim.checks import InvalidInput
from vbsim.study.provenance import commit, cpu, package_version

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Line",
    "Record",
    "load_average",
    "machine",
    "now",
    "read_records",
    "restored",
    "versions",
    "write_records",
]

T = TypeVar("T", bound="DataclassInstance")

_PACKAGES = ("numpy", "scipy", "numba")


def load_average() -> float:
    """Return how many processes were busy on this machine during the last minute."""
    return os.getloadavg()[0]


def machine() -> str:
    """Return the processor and the number of cores."""
    return f"{cpu()}, {os.cpu_count()} cores"


def versions(*more: str) -> dict[str, str]:
    """Return the versions of Python, vbsim, and packages."""
    found = {name: package_version(name) or "" for name in (*_PACKAGES, *more)}
    return {"python": sys.version.split()[0], "vbsim": vbsim.__version__, **found}


def now() -> str:
    """Return the time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Record:
    """One solve.

    Parameters
    ----------
    name : str
        Solver.
    structure : str
        What was solved: a generated structure or a named image.
    dof, n_cells : int
        Free components and cells with material.
    threads : int
        Threads or processes.
    tolerance : float
        Wanted residual, relative to the forces of the moved platen on the free points.
    iterations : int
        Iterations of the conjugate gradients.
    relative_residual : float
        Residual that was reached.
    reaction_n, stiffness_n_per_mm : float
        Reaction at the displacement of the test, and reaction / displacement.
    cpu_s, wall_s : float
        Processor time, of all threads, and wall time of set-up and solve, s.
    setup_cpu_s : float
        Processor time before the first iteration, s.
    peak_bytes : int
        Largest memory of the process.
    bytes_per_dof : float
        Memory above that of the process before the body was there / `dof`.
    load : float
        Mean number of busy processes on the machine in the minute before; timings are
        trustworthy below 1.
    machine : str
        Processor and number of cores.
    versions : dict
        Versions of program and packages.
    commit : str or None
        Commit of the program.
    taken : str
        When, UTC.
    """

    name: str
    structure: str
    dof: int
    n_cells: int
    threads: int
    tolerance: float
    iterations: int
    relative_residual: float
    reaction_n: float
    stiffness_n_per_mm: float
    cpu_s: float
    wall_s: float
    setup_cpu_s: float
    peak_bytes: int
    bytes_per_dof: float
    load: float
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)
    commit: str | None = field(default_factory=commit)
    taken: str = field(default_factory=now)

    @property
    def dof_per_s(self) -> float:
        """Free components solved for per second of processor time."""
        return self.dof / self.cpu_s

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name."""
        return {**asdict(self), "dof_per_s": self.dof_per_s}


class Line(Protocol):
    """Anything that is written as one line of a file of records."""

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name."""


def restored(kind: type[T], values: dict[str, Any]) -> T:
    """Return the record (a dataclass) of which `values` holds every field; others are ignored."""
    names = {item.name for item in fields(kind)}
    if names - values.keys():
        raise InvalidInput(f"not a {kind.__name__}: lacks {sorted(names - values.keys())}")
    return kind(**{name: values[name] for name in names})


def write_records(path: Path, records: Iterable[Line]) -> None:
    """Append records to a file, one JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        for record in records:
            stream.write(json.dumps(record.to_dict()) + "\n")


def read_records(path: Path, kind: type[T]) -> list[T]:
    """Return the records of a file.

    Raises
    ------
    InvalidInput
        Naming file and line if something in it is no such record.
    """
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records.append(restored(kind, json.loads(line)))
        except (ValueError, InvalidInput) as error:
            raise InvalidInput(f"{path}, line {number}: {error}") from None
    return records
