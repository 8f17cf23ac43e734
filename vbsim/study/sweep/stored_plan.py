"""The plan of a sweep in its folder, enough to make the table without the file it came from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import vbsim
from vbsim.checks import InvalidInput
from vbsim.study import provenance
from vbsim.study.identity import program_sha256
from vbsim.study.results import file_written_aside
from vbsim.study.sweep.plan import SAMPLE, Plan
from vbsim.study.toml import to_toml

__all__ = ["StoredPlan", "write_plan", "read_plan", "PLAN"]

PLAN, FILE = "plan.json", "sweep.toml"


@dataclass(frozen=True)
class StoredPlan:
    """The plan as its folder tells it.

    Parameters
    ----------
    name, digest : str
        Name and digest of the sweep.
    columns : tuple of str
        Columns that vary.
    cases : tuple of (int, str, dict)
        Number, digest and values by column of every case.
    program : dict
        Version, commit and digest of the program that planned it.
    varied : tuple of str
        Columns of places in the case; the others only tell cases apart.
    sample : dict or None
        Method, n, seed and column names of the drawn parameters; None if nothing was drawn.
    """

    name: str
    digest: str
    columns: tuple[str, ...]
    cases: tuple[tuple[int, str, dict[str, Any]], ...]
    program: dict[str, str]
    varied: tuple[str, ...] = ()
    sample: dict[str, Any] | None = None


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan, unless it is there already."""
    path = folder / PLAN
    if path.is_file():
        return
    content = {
        "name": plan.name,
        "digest": plan.digest,
        "columns": list(dict.fromkeys(name for case in plan.cases for name in case.values)),
        "varied": _varied(plan),
        "sample": _sample(plan),
        "program": {
            "vbsim_version": vbsim.__version__,
            "vbsim_commit": provenance.commit() or "",
            "vbsim_sources_sha256": program_sha256(),
        },
        "cases": [[case.number, case.digest, case.values] for case in plan.cases],
    }
    (folder / FILE).write_text(to_toml(plan.data), encoding="utf-8")
    with file_written_aside(path) as aside:
        aside.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _varied(plan: Plan) -> list[str]:
    """Return the columns whose effect is of interest; images stand behind their subject's name."""
    own = [plan.columns[place] for place in plan.sweep.places()]
    if plan.sweep.cohort is None:
        return list(dict.fromkeys(own))
    told = [name for name in plan.cases[0].values if name not in (*plan.columns.values(), SAMPLE)]
    return list(dict.fromkeys([*told[:1], *own]))


def _sample(plan: Plan) -> dict[str, Any] | None:
    sample = plan.sweep.sample
    if sample is None:
        return None
    names = [plan.columns[place] for place in sample.spreads]
    return {"method": sample.method, "n": sample.n, "seed": sample.seed, "names": names}


def read_plan(folder: Path) -> StoredPlan:
    """Return the plan in a folder.

    Raises
    ------
    InvalidInput
        If the folder holds no sweep.
    """
    try:
        content = json.loads((folder / PLAN).read_text(encoding="utf-8"))
        cases = tuple(
            (int(number), str(digest), dict(values)) for number, digest, values in content["cases"]
        )
        return StoredPlan(
            content["name"],
            content["digest"],
            tuple(content["columns"]),
            cases,
            content["program"],
            tuple(content["varied"]),
            content["sample"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        raise InvalidInput(f"{folder} holds no sweep (no {PLAN} that can be read)") from None
