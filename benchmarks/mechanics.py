"""How long an L1 takes to its strength, and to a collapse by a quarter and back.

The collapse is unloaded and loaded again to where it had been.

An adult L1 of 65 mg/cm3 between PMMA caps, guided, on voxels of the spacings asked for. Making the
body and compiling kernels are not measured: the same is done on coarse voxels before.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from vbsim.anatomy import Vertebra
from vbsim.fem import Strength
from vbsim.fem.equilibrium import Leg, Step, move
from vbsim.fracture import Collapse
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import inverted_corners, jacobian
from vbsim.specimen.failure import load_to_failure
from vbsim.specimen.loading import led, settings
from vbsim.study.benchmark import Surroundings, write_records
from vbsim.study.benchmark.record import Measured

WARM_MM = 4.0
LOSS_PERCENT = 25.0


@dataclass(frozen=True)
class MechanicsRecord(Measured):
    """One task on one spacing."""

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


def body(spacing_mm: float) -> Specimen:
    """Return the intact vertebra."""
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    return Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))


def strength(spacing_mm: float) -> dict[str, Any]:
    """Load to failure."""
    potted = Potting().apply(body(spacing_mm))
    begun = process_time(), perf_counter()
    response = load_to_failure(potted, Strength(platen="guided"))
    ratio = jacobian(response.displacement_mm, potted.domain)
    solid = potted.materials.moduli.any(axis=0)
    return {
        **counted(response.steps, begun),
        "dof": 3 * int(potted.domain.points_of(solid).sum()),
        "peak_n": float(response.force_n.max()),
        "inverted_centres": int((ratio[solid] <= 0.0).sum()),
        "inverted_corners": inverted_corners(response.displacement_mm, potted),
    }


def collapse(spacing_mm: float) -> dict[str, Any]:
    """Collapse, unload, load again to where it had been."""
    intact = body(spacing_mm)
    begun = process_time(), perf_counter()
    after = Collapse(height_loss_percent=LOSS_PERCENT, measured="mean").apply(intact)
    solver = after.mechanics.equilibrium(settings())
    deepest = max(step.axial_mm for step in after.mechanics.history)
    led(solver, Leg("reload", move(deepest), first=0.02, largest=0.08), "reload")
    told = {item.name: item.value for item in after.report}
    potted = after.mechanics.reference
    solid = potted.materials.moduli.any(axis=0)
    ratio = jacobian(after.mechanics.displacement_mm, potted.domain)
    return {
        **counted((*after.mechanics.history, *solver.history), begun),
        "dof": 3 * int(potted.domain.points_of(solid).sum()),
        "peak_n": told["collapse_force_peak"],
        "inverted_centres": int((ratio[solid] <= 0.0).sum()),
        "inverted_corners": int(told["corners_inverted"]),
    }


def counted(steps: tuple[Step, ...], begun: tuple[float, float]) -> dict[str, Any]:
    """Return iterations and times."""
    return {
        "cpu_s": process_time() - begun[0],
        "wall_s": perf_counter() - begun[1],
        "steps": len(steps),
        "newton": int(np.sum([step.newton for step in steps])),
        "krylov": int(np.sum([step.krylov for step in steps])),
    }


TASKS = {"strength": strength, "collapse": collapse}


def main() -> None:
    """Do the tasks and print a line each."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--spacings", type=float, nargs="+", default=[1.0])
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--records", type=Path, help="file of records to add to")
    given = parser.parse_args()
    for task in given.tasks:
        TASKS[task](WARM_MM)
        for spacing_mm in given.spacings:
            around = Surroundings()
            found = TASKS[task](spacing_mm)
            record = MechanicsRecord(task, spacing_mm, **found, load=around.load())
            print(
                f"{task} at {spacing_mm:g} mm, {record.dof:,} degrees of freedom: "
                f"{record.cpu_s:.1f} s CPU, {record.steps} steps, {record.newton} Newton, "
                f"{record.krylov} CG, {record.peak_n:.0f} N; inverted: "
                f"{record.inverted_centres} centres, {record.inverted_corners} corners",
                flush=True,
            )
            if given.records:
                write_records(given.records, [record])


if __name__ == "__main__":
    main()
