"""What a case will do, found without solving anything: mesh, unknowns, memory, heights, volumes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from vbsim import measures
from vbsim.augmentation import CementFill
from vbsim.fem import forecast_bytes, forecast_tetra_bytes
from vbsim.mesh.hexa import HexaBody
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.study.case import Case
from vbsim.study.memory import run_bytes, solver_bytes
from vbsim.study.pipeline import Stage, build_stages, physics_warnings

__all__ = ["Forecast", "StageForecast", "forecast"]


@dataclass(frozen=True)
class StageForecast:
    """What one stage will be.

    Parameters
    ----------
    name : str
        Name of the stage.
    history : str
        What made it.
    quantities : dict
        Heights, volumes and what the step tells of itself: value and unit by name.
    largest_volume_ml : float or None
        Largest volume of the step's distribution that would fit, ml; None if it fills nothing.
    """

    name: str
    history: str
    quantities: dict[str, tuple[float, str]]
    largest_volume_ml: float | None = None


@dataclass(frozen=True)
class Forecast:
    """What a case will do.

    Parameters
    ----------
    name, digest : str
        Name and digest of the case.
    shape : tuple of int
        Cells of the grid ``(n_z, n_y, n_x)``.
    spacing_mm : float
        Edge of the cells, mm.
    n_cells : int
        Cells with material, caps included, in the largest stage.
    n_dof : int
        Degrees of freedom at points that touch material, in the largest stage.
    memory_mb : float
        Memory of the run at its peak, program included, MB (10^6 bytes).
    solver_mb : float
        What the solver needs beside the specimen for the largest stage, MB.
    n_solves : int
        Stages times ways of holding the platens, each with three right-hand sides.
    stages : tuple of StageForecast
        What each stage will be.
    warnings : tuple of str
        What a user should know.
    """

    name: str
    digest: str
    shape: tuple[int, int, int]
    spacing_mm: float
    n_cells: int
    n_dof: int
    memory_mb: float
    solver_mb: float
    n_solves: int
    stages: tuple[StageForecast, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> str:
        """Return everything as JSON."""
        return json.dumps(asdict(self), indent=1)


def forecast(case: Case) -> Forecast:
    """Build every stage of a case and count what solving them would take.

    Raises
    ------
    InvalidCase
        Whatever `build_stages` refuses.
    """
    with physics_warnings() as warned:
        stages = build_stages(case)
        told = tuple(_told(case, stages, index) for index in range(len(stages)))
    sizes = [_size(stage.specimen, case) for stage in stages]
    domain = stages[0].bare.domain
    return Forecast(
        name=case.name,
        digest=case.digest,
        shape=domain.shape,
        spacing_mm=domain.spacing_mm[0],
        n_cells=max(cells for cells, _, _ in sizes),
        n_dof=max(dof for _, dof, _ in sizes),
        memory_mb=run_bytes(domain.n_cells, len(stages)) / 1e6,
        solver_mb=max(needed for _, _, needed in sizes) / 1e6,
        n_solves=len(stages) * len({t.lateral for t in case.tests if t.kind != "strength"}),
        stages=told,
        warnings=tuple(warned),
    )


def _told(case: Case, stages: Sequence[Stage], index: int) -> StageForecast:
    stage = stages[index]
    intact = stages[0].specimen.anatomy.frame if index else None
    found = (*measures.geometry(stage.specimen, intact), *stage.report)
    largest = None
    if index and isinstance(case.steps[index - 1], CementFill):
        largest = case.steps[index - 1].largest_volume_ml(stages[index - 1].bare)
    history = stage.bare.history[-1].partition(": ")[2]
    return StageForecast(stage.name, history, {q.name: (q.value, q.unit) for q in found}, largest)


def _size(potted: AnySpecimen, case: Case) -> tuple[int, int, int]:
    """Return cells with material, degrees of freedom, bytes that the solver needs."""
    has_laws, has_cement = case.has_laws, case.has_cement
    if isinstance(potted, FittedSpecimen):
        mesh = potted.domain
        if isinstance(potted.body, HexaBody):
            layout = potted.body.layout
            needed = solver_bytes(layout, has_laws=has_laws, has_cement=has_cement)
        else:
            order = 2 if potted.element.shape.edges else 1
            needed = forecast_tetra_bytes(mesh.n_points, order=order, has_laws=has_laws)
        return mesh.n_cells, 3 * mesh.n_points, needed
    is_filled = potted.materials.moduli.any(axis=0)
    touched = potted.domain.points_of(is_filled)
    n_cells, n_points = int(is_filled.sum()), int(touched.sum())
    # Only the part of the box that holds material is solved.
    spans = (np.flatnonzero(touched.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    box_points = int(np.prod([line[-1] - line[0] + 1 for line in spans]))
    needed = forecast_bytes(
        n_points, n_cells, box_points=box_points, n_units=len(potted.materials.units)
    )
    return n_cells, 3 * n_points, needed
