"""What a sweep has finished: a journal with a line for each case, rolled up into Parquet parts.

A case is in the ledger when its line is whole. A line is appended in one write; a process killed
on the way leaves a torn last line, which counts as absent. Every writer has files of its own, so
that many processes can work on one sweep; where two did the same case, one of them counts.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from vbsim.checks import VbsimError
from vbsim.study.results import ASIDE, file_written_aside
from vbsim.study.sweep.outcome import Outcome

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Ledger"]

PART_CASES = 256
"""Cases of a journal that is rolled up; a part of that many is some hundred kilobytes."""


class Ledger:
    """The finished cases of a sweep.

    Parameters
    ----------
    folder : Path
        Where journals and parts lie; made when the first case is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writer = uuid.uuid4().hex[:8]
        self._n_parts = 0
        self._handle: int | None = None
        self._size = 0
        self._held: list[Outcome] = []

    # Writing --------------------------------------------------------------------------------------

    def add(self, outcome: Outcome) -> None:
        """Append one case; when this returns, no death of a process can lose it.

        Raises
        ------
        VbsimError
            If it cannot be written; what was there before is whole.
        """
        try:
            if self._handle is None:
                self._open()
            assert self._handle is not None
            self._append(outcome.to_line().encode("utf-8"))
            self._held.append(outcome)
            if len(self._held) >= PART_CASES:
                self._roll_up()
        except OSError as error:
            raise VbsimError(
                f"cannot write {self.folder}: {error.strerror}; what is finished is kept: make "
                "room and run again"
            ) from None

    def close(self) -> None:
        """Roll up what is left; a disk that is full leaves the journal, which is as good."""
        try:
            if self._held:
                self._roll_up()
        except OSError:
            pass
        finally:
            self._shut()

    def _open(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_CREAT | os.O_WRONLY | os.O_APPEND
        self._handle = os.open(self._file("jsonl"), flags, 0o666)
        self._size = os.fstat(self._handle).st_size

    def _append(self, line: bytes) -> None:
        assert self._handle is not None
        written = 0
        try:
            while written < len(line):
                written += os.write(self._handle, line[written:])
        except OSError:
            os.ftruncate(self._handle, self._size)
            raise
        self._size += written

    def _roll_up(self) -> None:
        """Turn the journal into a part; the part counts from the moment it has its name."""
        import pyarrow.parquet as pq

        with file_written_aside(self._file("parquet")) as aside:
            pq.write_table(to_arrow(self._held), aside, compression="zstd")
        journal = self._file("jsonl")
        self._shut()
        journal.unlink()
        self._held = []
        self._n_parts += 1

    def _shut(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _file(self, ending: str) -> Path:
        return self.folder / f"{self._writer}-{self._n_parts:05d}.{ending}"

    # Reading --------------------------------------------------------------------------------------

    def statuses(self) -> dict[str, str]:
        """Return how each finished case ended, by digest."""
        import pyarrow.parquet as pq

        found: dict[str, str] = {}
        for path in self._parts():
            table = pq.read_table(path, columns=["digest", "status"])
            digests, ends = table["digest"].to_pylist(), table["status"].to_pylist()
            for digest, status in zip(digests, ends, strict=True):
                _put(found, digest, status)
        for outcome in self._journalled():
            _put(found, outcome.digest, outcome.status.value)
        return found

    def table(self) -> pa.Table:
        """Return every finished case once, one row each, its measures as a list."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        tables = [pq.read_table(path, schema=schema()) for path in self._parts()]
        journalled = list(self._journalled())
        if journalled:
            tables.append(to_arrow(journalled))
        if not tables:
            return schema().empty_table()
        whole = pa.concat_tables(tables)
        kept: dict[str, tuple[int, str]] = {}
        pairs = zip(whole["digest"].to_pylist(), whole["status"].to_pylist(), strict=True)
        for row, (digest, status) in enumerate(pairs):
            if digest not in kept or _outranks(status, kept[digest][1]):
                kept[digest] = (row, status)
        return whole.take([row for row, _ in kept.values()])

    def outcomes(self, wanted: set[str]) -> Iterator[Outcome]:
        """Yield the finished cases with certain digests."""
        for row in self.table().to_pylist():
            if row["digest"] in wanted:
                yield Outcome.from_plain(row)

    def _parts(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("*.parquet") if not p.name.startswith(ASIDE))

    def _journalled(self) -> Iterator[Outcome]:
        for path in sorted(self.folder.glob("*.jsonl")):
            if path.with_suffix(".parquet").exists():
                continue  # Its writer died between rolling it up and removing it.
            try:
                lines = path.read_text(encoding="utf-8", errors="replace").splitlines(True)
            except FileNotFoundError:
                continue  # Rolled up meanwhile; the part is found on the next look.
            for line in lines:
                try:
                    yield Outcome.from_line(line)
                except (ValueError, TypeError, KeyError):
                    continue


def _put(found: dict[str, str], digest: str, status: str) -> None:
    if digest not in found or _outranks(status, found[digest]):
        found[digest] = status


def _outranks(status: str, other: str) -> bool:
    """Say whether a later end of the same case counts instead of an earlier one: done does."""
    return other != "done"


def schema() -> pa.Schema:
    """Return the columns of a part: one row a case, its measures nested."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    names = ("stage", "test", "platen", "quantity")
    row = [*((name, text) for name in names), ("value", number), ("unit", text)]
    solver = pa.struct([("n_dof", number), ("iterations", number), ("relative_residual", number)])
    return pa.schema(
        [
            ("digest", text),
            ("status", text),
            ("advice", text),
            ("log", text),
            ("rows", pa.list_(pa.struct(row))),
            ("warnings", pa.list_(text)),
            ("solver", solver),
            ("seconds", number),
            ("host", text),
            ("n_reused", pa.int64()),
        ]
    )


def to_arrow(outcomes: list[Outcome]) -> pa.Table:
    """Return outcomes as a table, one row each."""
    import pyarrow as pa

    return pa.Table.from_pylist([outcome.to_plain() for outcome in outcomes], schema=schema())
