"""Where a result comes from: program, machine, inputs, accuracy, origin of every constant."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vbsim
from vbsim.data import Constant
from vbsim.study.identity import program_sha256

if TYPE_CHECKING:
    from vbsim.fem.response import SolverReport
    from vbsim.study.case import Case
    from vbsim.study.pipeline import Stage

__all__ = ["provenance", "setting", "citations", "commit", "cpu", "package_version"]

_PACKAGES = ("numpy", "scipy", "numba", "pydantic", "vtk", "SimpleITK", "matplotlib")

# What each status code of a constant means, for readers of the file.
STATUS = {
    "R": "read in the paper",
    "Rc": "read in an open transcription",
    "M": "from memory, to be verified before it is quoted",
    "D": "derived here from others",
    "C": "calibrated here",
}


def provenance(
    case: Case, stages: Sequence[Stage], constants: Mapping[str, Constant]
) -> dict[str, Any]:
    """Return the origin of a result as plain data.

    Parameters
    ----------
    case : Case
        The resolved case.
    stages : sequence of Stage
        Its solved stages.
    constants : mapping of str to Constant
        Every published number that the run looked up; those of the case itself are added.
    """
    here = setting()
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        **here,
        "machine": {**here["machine"], "threads": case.solver.threads or "all"},
        "digest": case.digest,
        "inputs": case.inputs(),
        "seeds": dict(_seeds(case.resolved())),
        "tolerance": case.solver.tolerance,
        "solves": {stage.name: [_solve(report) for report in stage.solver] for stage in stages},
        "constants": citations({**case.constants(), **constants}),
    }


def setting() -> dict[str, Any]:
    """Return program, packages and machine as plain data."""
    return {
        "program": {
            "name": "vbsim",
            "version": vbsim.__version__,
            "commit": commit(),
            "sources_sha256": program_sha256(),
        },
        "python": sys.version.split()[0],
        "packages": {name: package_version(name) for name in _PACKAGES},
        "machine": {
            "system": platform.platform(),
            "cpu": cpu(),
            "processors": os.cpu_count(),
        },
    }


def citations(constants: Mapping[str, Constant]) -> list[dict[str, Any]]:
    """Return value, unit, status and source of constants, by path."""
    return [
        {
            "constant": path,
            "value": found.value,
            "unit": found.unit,
            "status": found.status,
            "meaning_of_status": STATUS.get(found.status, found.status),
            "source": found.source,
        }
        for path, found in sorted(constants.items())
    ]


def _solve(report: SolverReport) -> dict[str, Any]:
    return {
        "n_dof": report.n_dof,
        "iterations": list(report.iterations),
        "relative_residual": report.relative_residual,
        "seconds": report.seconds,
    }


def _seeds(value: Any, at: str = "") -> list[tuple[str, int]]:
    if isinstance(value, list):
        return [s for i, item in enumerate(value) for s in _seeds(item, f"{at}[{i}]")]
    if not isinstance(value, dict):
        return []
    found: list[tuple[str, int]] = []
    for key, item in value.items():
        place = f"{at}.{key}" if at else key
        found += [(place, item)] if key == "seed" else _seeds(item, place)
    return found


def package_version(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit() -> str | None:
    """Return the commit of the package, from its own folder or from its installation record."""
    root = Path(vbsim.__file__).resolve().parent.parent
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
            return done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            return None
    try:
        record = distribution("vbsim").read_text("direct_url.json")
        info = json.loads(record or "{}").get("vcs_info", {})
        return str(info["commit_id"]) if "commit_id" in info else None
    except (PackageNotFoundError, ValueError):
        return None


def cpu() -> str:
    """Return what the processor calls itself."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
