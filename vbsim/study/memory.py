"""Memory of a run, forecast before any work, so that a case too large is refused at once."""

from __future__ import annotations

import math
from pathlib import Path

from vbsim.checks import InvalidCase

__all__ = ["run_bytes", "available_bytes", "refuse_too_large"]

# Measured on the L1 example with three stages, above the program itself: 650 to 740 bytes per cell
# of the grid at 1 to 0.5 mm; a third of it stays with every stage, the rest passes through.
_PROGRAM = 300_000_000
_PER_CELL = 300
_PER_CELL_AND_STAGE = 150


def run_bytes(n_cells: int, n_stages: int) -> int:
    """Return about how much memory a run needs at its peak, bytes.

    Parameters
    ----------
    n_cells : int
        Cells of the whole grid, empty ones included.
    n_stages : int
        Stages of the case.
    """
    return _PROGRAM + n_cells * (_PER_CELL + _PER_CELL_AND_STAGE * n_stages)


def available_bytes() -> int | None:
    """Return the memory that can be had without swapping, bytes; None where nobody tells."""
    found = []
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
        limit = Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii").strip()
        if limit != "max":
            found.append(int(limit) - int(used))
    except (OSError, ValueError):
        pass
    return min(found) if found else None


def refuse_too_large(
    n_cells: int, n_stages: int, spacing_mm: float, place: str = "mesh.spacing_mm"
) -> None:
    """Raise `InvalidCase` if a run would not fit into memory; say which spacing would."""
    needed, available = run_bytes(n_cells, n_stages), available_bytes()
    if available is None or needed <= available:
        return
    share = max(available - _PROGRAM, 1) / (needed - _PROGRAM)
    fitting = math.ceil(100.0 * spacing_mm / share ** (1.0 / 3.0)) / 100.0
    raise InvalidCase(
        f"= {spacing_mm:g}: {n_cells:,} cells in {n_stages} stages need about "
        f"{needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free; {fitting:g} would fit",
        place,
    )
