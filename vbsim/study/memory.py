"""Memory of a run, forecast before any work, so that a case too large is refused at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from vbsim.checks import InvalidCase
from vbsim.fem import forecast_mesh_bytes, forecast_tetra_bytes
from vbsim.fem.swept_multigrid import COARSEST_POINTS
from vbsim.materials.constituents import POINTS_THROUGH
from vbsim.mesh.hexa import BodyLayout, coarsest_points
from vbsim.mesh.hexa.body import Region
from vbsim.mesh.tetra import TetraCounts

__all__ = [
    "available_bytes",
    "refuse_mesh_too_large",
    "refuse_tetra_too_large",
    "refuse_too_large",
    "run_bytes",
    "solver_bytes",
]

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


def solver_bytes(layout: BodyLayout, *, has_laws: bool, has_cement: bool = False) -> int:
    """Return the memory that solving a stage on hexahedra needs beside the stage itself, bytes.

    Parameters
    ----------
    layout : BodyLayout
        The mesh.
    has_laws : bool
        Whether it faces a strength test or a step of mechanics.
    has_cement : bool
        Whether cells of the core may hold cement, which has a law of its own.

    Notes
    -----
    Layers that `cement_layer_mm` adds are not known before any work.
    """
    plan, n_layers, regions = layout.plan, layout.n_layers, layout.regions()
    n_cells = plan.n_cells * n_layers
    n_thin = int(np.isin(regions, (Region.SHELL, Region.ENDPLATE)).sum())
    n_filled = int((regions == Region.CORE).sum()) if has_cement else 0
    n_entries = n_cells + (POINTS_THROUGH - 1) * n_thin + n_filled
    return forecast_mesh_bytes(
        plan.n_points * (n_layers + 1),
        n_cells,
        coarsest_points=coarsest_points(plan, n_layers, COARSEST_POINTS),
        n_entries=n_entries if has_laws else None,
        n_thin=n_thin,
    )


def refuse_mesh_too_large(
    layout: BodyLayout, size_mm: float, *, has_laws: bool, has_cement: bool = False
) -> None:
    """Raise `InvalidCase` if a stage on hexahedra could not be solved; say which size would fit."""
    needed = solver_bytes(layout, has_laws=has_laws, has_cement=has_cement)
    _refuse_size(needed, layout.plan.n_cells * layout.n_layers, size_mm, has_laws)


def refuse_tetra_too_large(
    counts: TetraCounts, size_mm: float, *, order: int, has_laws: bool
) -> None:
    """Raise `InvalidCase` if a stage on tetrahedra could not be solved; say which size would fit.

    Parameters
    ----------
    counts : TetraCounts
        The mesh, as it is expected.
    size_mm : float
        Wanted edge of its cells, mm.
    order : {1, 2}
        Order of the cells.
    has_laws : bool
        Whether it faces a strength test or a step of mechanics.
    """
    needed = forecast_tetra_bytes(counts.n_points, order=order, has_laws=has_laws)
    _refuse_size(needed, counts.n_cells, size_mm, has_laws)


def _refuse_size(needed: int, n_cells: int, size_mm: float, has_laws: bool) -> None:
    available = available_bytes()
    if available is None or needed <= available:
        return
    fitting = math.ceil(100.0 * size_mm * (needed / max(available, 1)) ** (1.0 / 3.0)) / 100.0
    what = "strength tests or mechanics" if has_laws else "a solve"
    raise InvalidCase(
        f"= {size_mm:g}: {what} on {n_cells:,} cells need about "
        f"{needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free; {fitting:g} would fit",
        "mesh.size_mm",
    )
