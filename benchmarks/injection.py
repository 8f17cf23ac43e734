"""How long 5 ml of cement take to inject into a broken L1, and 20 minutes of curing to follow.

An L1 of an older woman, 65 mg/cm3, wedge of grade 2; low viscosity through both pedicles with the
ways out of one seed, on voxels of the spacings asked for. Making the body and compiling kernels are
not measured: the same is done on coarse voxels before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from spacings import WARM_MM, Clock, options, tell

from vbsim.anatomy import Vertebra
from vbsim.augmentation import Curing, Injection
from vbsim.fracture import Wedge
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen
from vbsim.study.benchmark import Surroundings
from vbsim.study.benchmark.record import Measured
from vbsim.study.pipeline import physics_warnings

INJECTED = Injection(volume_ml=5.0, start_min=5.0, seed=1)
CURED = Curing(duration_min=20.0)


@dataclass(frozen=True)
class InjectionRecord(Measured):
    """One task on one spacing; `unbalanced` is a share of what was injected or set free."""

    task: str
    spacing_mm: float
    cells: int
    steps: int
    leaked_ml: float
    hottest_c: float | None
    unbalanced: float
    cpu_s: float
    wall_s: float


def broken(spacing_mm: float) -> Specimen:
    """Return the vertebra before cement."""
    vertebra = Vertebra(level="L1", person="older_woman")
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    return Wedge(grade=2).apply(Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0)))


def measured(spacing_mm: float) -> list[InjectionRecord]:
    """Inject and cure on one spacing."""
    records: list[InjectionRecord] = []
    body = broken(spacing_mm)
    leaked = 0.0
    for task, step in (("injection", INJECTED), ("curing", CURED)):
        around = Surroundings()
        clock = Clock()
        with physics_warnings():
            body = step.apply(body)
        spent = clock.spent()
        told = {item.name: item.value for item in body.report}
        if task == "injection":
            leaked = told["leaked_volume"]
            given = told["injected_volume"]
            unbalanced = abs(told["cement_volume_placed"] + leaked - given) / given
        else:
            unbalanced = told["energy_error"]
        series = body.series[-1]
        records.append(
            InjectionRecord(
                task,
                spacing_mm,
                int((body.tissue.trabecular > 0.0).sum()),
                len(series.columns["time_s"]),
                leaked,
                told.get("temperature_peak_cement"),
                unbalanced,
                *spent,
                load=around.load(),
            )
        )
    return records


def told(spacings_mm: Sequence[float]) -> Iterator[tuple[str, InjectionRecord]]:
    """Yield a line and a record of each task on each spacing."""
    measured(WARM_MM)
    for spacing_mm in spacings_mm:
        for record in measured(spacing_mm):
            hottest = "" if record.hottest_c is None else f", hottest {record.hottest_c:.0f} C"
            line = (
                f"{record.task} at {spacing_mm:g} mm: {record.cpu_s:.1f} s CPU, "
                f"{record.steps} steps kept, {record.leaked_ml:.3f} ml leaked, "
                f"{record.unbalanced:.0e} unbalanced{hottest}"
            )
            yield line, record


def main() -> None:
    """Do the tasks and print a line each."""
    given = options(__doc__).parse_args()
    tell(told(given.spacings), given.records)


if __name__ == "__main__":
    main()
