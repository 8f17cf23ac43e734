"""Records of measurements: what was done, how well, what it took, on what."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import vbsim
from vbsim.checks import InvalidInput, require
from vbsim.study.provenance import commit, cpu, package_version

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = [
    "Line",
    "Measured",
    "Record",
    "Surroundings",
    "machine",
    "now",
    "read_records",
    "restored",
    "versions",
    "write_records",
]

T = TypeVar("T", bound="DataclassInstance")

_PACKAGES = ("numpy", "scipy", "numba")
_TICKS = float(os.sysconf("SC_CLK_TCK"))


class Surroundings:
    """How busy other processes keep this machine from now on."""

    def __init__(self) -> None:
        self._begun = time.perf_counter(), _busy_s(), own_cpu_s()

    def load(self) -> float:
        """Return how many processors they have kept busy on average since."""
        now, busy, own = time.perf_counter(), _busy_s(), own_cpu_s()
        wall_s = max(now - self._begun[0], 1.0 / _TICKS)
        if busy is None or self._begun[1] is None:
            return os.getloadavg()[0]
        return max((busy - self._begun[1]) - (own - self._begun[2]), 0.0) / wall_s


def own_cpu_s() -> float:
    """Return the processor time of this process and of its children that have ended, s."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def _busy_s() -> float | None:
    """Return the processor time of everything on this machine, s, if the system tells."""
    try:
        first = Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return None
    user, nice, system, _, _, irq, soft, steal = (int(word) for word in first.split()[1:9])
    return (user + nice + system + irq + soft + steal) / _TICKS


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


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What every record of a measurement tells: on what, when, and how busy the machine was.

    Parameters
    ----------
    load : float
        Processors of the machine that others kept busy meanwhile, on average; timings are
        trustworthy well below 1.
    machine : str
        Processor and number of cores.
    versions : dict
        Versions of program and packages.
    commit : str or None
        Commit of the program.
    taken : str
        When, UTC.
    """

    load: float
    machine: str = field(default_factory=machine)
    versions: dict[str, str] = field(default_factory=versions)
    commit: str | None = field(default_factory=commit)
    taken: str = field(default_factory=now)

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name, what was measured first."""
        values = asdict(self)
        common = {item.name: values.pop(item.name) for item in fields(Measured)}
        return {**values, **common}


@dataclass(frozen=True)
class Record(Measured):
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

    @property
    def dof_per_s(self) -> float:
        """Free components solved for per second of processor time."""
        return self.dof / self.cpu_s

    def to_dict(self) -> dict[str, Any]:
        """Return everything by name."""
        return {**super().to_dict(), "dof_per_s": self.dof_per_s}


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
    require(path.is_file(), "records", str(path), "a file")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            records.append(restored(kind, json.loads(line)))
        except (ValueError, InvalidInput) as error:
            raise InvalidInput(f"{path}, line {number}: {error}") from None
    return records
