"""How long an L1 takes to its strength, and to a collapse by a quarter and back.

The collapse is unloaded and loaded again to where it had been.

An adult L1 of 65 mg/cm3 between PMMA caps, guided, on voxels or fitted hexahedra of the sizes asked
for. Making the body and compiling kernels are not measured: the same is done on coarse cells first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from spacings import WARM_MM, Clock, options, tell

from vbsim.anatomy import Vertebra
from vbsim.fem import Strength
from vbsim.fem.equilibrium import Leg, Step, move
from vbsim.fracture import Collapse
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.mesh.mesh import mean_displacement_gradients
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import inverted_corners, jacobian
from vbsim.specimen.failure import load_to_failure
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.loading import led, settings
from vbsim.study.benchmark import Surroundings
from vbsim.study.benchmark.record import Measured
from vbsim.study.hexa import Hexa

LOSS_PERCENT = 25.0


@dataclass(frozen=True)
class MechanicsRecord(Measured):
    """One task on one mesh.

    Parameters
    ----------
    task : str
        ``strength`` or ``collapse``.
    spacing_mm : float
        Edge of the voxels, or about that of the hexahedra.
    dof, steps, newton, krylov : int
        Unknowns and iterations.
    peak_n : float
        Largest force (of a collapse, before it has taken 8 % of the height).
    inverted_centres, inverted_corners : int
        Cells, and corners of cells, that are inside out in the end.
    cpu_s, wall_s : float
        Time.
    mesh : str
        ``voxels`` or ``hexahedra``.
    recovered_percent : float or None
        Part of the lost height that came back on unloading, for a collapse.
    """

    task: str
    spacing_mm: float
    dof: int
    steps: int
    newton: int
    krylov: int
    peak_n: float
    inverted_centres: int
    inverted_corners: int
    cpu_s: float
    wall_s: float
    mesh: str
    recovered_percent: float | None


def on_voxels(spacing_mm: float) -> Specimen:
    """Return the intact vertebra."""
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    return Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))


def on_hexahedra(size_mm: float) -> Specimen:
    """Return the same on a mesh, which samples its fields from voxels of at most 2 mm."""
    vertebra, mesh = Vertebra(level="L1"), Hexa(size_mm=size_mm, sampling_mm=min(size_mm, 2.0))
    grid = mesh.around(vertebra, Potting())
    sampled = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))
    return replace(sampled, mesher=mesh.mesher(vertebra, sampled.anatomy.frame))


BODIES: dict[str, Callable[[float], Specimen]] = {
    "voxels": on_voxels,
    "hexahedra": on_hexahedra,
}


def potted_of(specimen: Specimen) -> AnySpecimen:
    """Return a specimen between caps, on the cells that it is solved on."""
    if specimen.mesher is not None:
        fitted: FittedSpecimen = specimen.mesher(Potting()).fit(specimen)
        return fitted
    return Potting().apply(specimen)


def size_of(potted: AnySpecimen, displacement_mm: Any) -> dict[str, int]:
    """Return degrees of freedom, and the centres and corners of cells that are inside out."""
    solid = potted.materials.moduli.any(axis=0)
    if isinstance(potted, FittedSpecimen):
        H = mean_displacement_gradients(potted.domain, potted.element, displacement_mm.T)
        ratio, dof = np.linalg.det(np.eye(3) + H), 3 * potted.domain.n_points
    else:
        ratio = jacobian(displacement_mm, potted.domain)
        dof = 3 * int(potted.domain.points_of(solid).sum())
    return {
        "dof": dof,
        "inverted_centres": int((ratio[solid] <= 0.0).sum()),
        "inverted_corners": inverted_corners(displacement_mm, potted),
    }


def strength(intact: Specimen) -> dict[str, Any]:
    """Load to failure."""
    potted = potted_of(intact)
    clock = Clock()
    response = load_to_failure(potted, Strength(platen="guided"))
    return {
        **counted(response.steps, clock),
        **size_of(potted, response.displacement_mm),
        "peak_n": float(response.force_n.max()),
        "recovered_percent": None,
    }


def collapse(intact: Specimen) -> dict[str, Any]:
    """Collapse, unload, load again to where it had been."""
    clock = Clock()
    after = Collapse(height_loss_percent=LOSS_PERCENT, measured="mean").apply(intact)
    solver = after.mechanics.equilibrium(settings())
    deepest = max(step.axial_mm for step in after.mechanics.history)
    led(solver, Leg("reload", move(deepest), first=0.02, largest=0.08), "reload")
    told = {item.name: item.value for item in after.report}
    return {
        **counted((*after.mechanics.history, *solver.history), clock),
        **size_of(after.mechanics.reference, after.mechanics.displacement_mm),
        "peak_n": told["collapse_force_peak"],
        "recovered_percent": told["collapse_recovered"],
    }


def counted(steps: tuple[Step, ...], clock: Clock) -> dict[str, Any]:
    """Return iterations and times."""
    return {
        **clock.spent()._asdict(),
        "steps": len(steps),
        "newton": int(np.sum([step.newton for step in steps])),
        "krylov": int(np.sum([step.krylov for step in steps])),
    }


TASKS = {"strength": strength, "collapse": collapse}


def told(
    mesh: str, tasks: Sequence[str], spacings_mm: Sequence[float]
) -> Iterator[tuple[str, MechanicsRecord]]:
    """Yield a line and a record of each task on each spacing."""
    body = BODIES[mesh]
    for task in tasks:
        TASKS[task](body(WARM_MM))
        for spacing_mm in spacings_mm:
            intact = body(spacing_mm)
            around = Surroundings()
            found = TASKS[task](intact)
            record = MechanicsRecord(task, spacing_mm, **found, mesh=mesh, load=around.load())
            back = record.recovered_percent
            line = (
                f"{task} on {record.mesh} of {spacing_mm:g} mm, {record.dof:,} degrees of freedom: "
                f"{record.cpu_s:.1f} s CPU, {record.steps} steps, {record.newton} Newton, "
                f"{record.krylov} CG, {record.peak_n:.0f} N"
                f"{'' if back is None else f', {back:.0f} % came back'}; inverted: "
                f"{record.inverted_centres} centres, {record.inverted_corners} corners"
            )
            yield line, record


def main() -> None:
    """Do the tasks and print a line each."""
    parser = options(__doc__)
    parser.add_argument("--mesh", choices=BODIES, default="voxels")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    given = parser.parse_args()
    tell(told(given.mesh, given.tasks, given.spacings), given.records)


if __name__ == "__main__":
    main()
