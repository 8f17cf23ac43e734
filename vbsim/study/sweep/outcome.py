"""What became of one case of a sweep: rows, or a status with advice; never silence."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from vbsim.study.results import Row

__all__ = ["Status", "Outcome"]


class Status(StrEnum):
    """How a case ended."""

    DONE = "done"
    REFUSED = "refused"
    """Its parameters do not fit together: more cement than the body holds."""
    NOT_CONVERGED = "not_converged"
    ERROR = "error"
    """Something that nobody foresaw; the log holds the traceback."""
    LOST = "lost"
    """Its process died again and again."""

    @property
    def is_final(self) -> bool:
        """Whether running the same case again would end the same way."""
        return self in (Status.DONE, Status.REFUSED, Status.NOT_CONVERGED)


@dataclass(frozen=True)
class Outcome:
    """What became of one case.

    Parameters
    ----------
    digest : str
        sha256 of the case.
    status : Status
        How it ended.
    advice : str
        What went wrong and what to do about it; empty if done.
    log : str
        Log of the case; kept if it failed.
    rows : tuple of Row
        The tidy table.
    warnings : tuple of str
        What a user should know of its physics.
    solver : dict
        ``n_dof``, ``iterations`` and ``relative_residual``, the largest of all stages.
    seconds : float
        Processor time of the case, without what it shares with others, s.
    host : str
        Machine and process.
    n_reused : int
        Stages that another case or run had solved.
    constants : tuple of str
        Published numbers that it looked up; not kept in the table.
    """

    digest: str
    status: Status
    advice: str = ""
    log: str = ""
    rows: tuple[Row, ...] = ()
    warnings: tuple[str, ...] = ()
    solver: dict[str, float] | None = None
    seconds: float = 0.0
    host: str = ""
    n_reused: int = 0
    constants: tuple[str, ...] = ()

    def to_line(self) -> str:
        """Return the outcome as one line of JSON."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "constants"}
        return json.dumps(plain | {"status": self.status.value}, separators=(",", ":")) + "\n"

    @staticmethod
    def from_line(line: str) -> Outcome:
        """Return the outcome in a line; raises ValueError or TypeError for half a line."""
        return Outcome.from_plain(json.loads(line))

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Outcome:
        """Return the outcome in plain data."""
        rows = tuple(Row(*row) if isinstance(row, list) else Row(**row) for row in plain["rows"])
        return Outcome(
            **{
                **plain,
                "rows": rows,
                "status": Status(plain["status"]),
                "warnings": tuple(plain["warnings"]),
            }
        )

    def to_plain(self) -> dict[str, Any]:
        """Return the outcome as plain data for a table with a row for each case."""
        plain = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "constants"}
        rows = [row._asdict() for row in self.rows]
        return plain | {"status": self.status.value, "rows": rows, "warnings": list(self.warnings)}
