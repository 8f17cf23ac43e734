"""Strength tests of a study: solved once, kept between runs, told as a curve."""

from __future__ import annotations

import csv
import logging
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vbsim.checks import NotConverged, PhysicsWarning
from vbsim.fem.equilibrium import Status, Step
from vbsim.fem.equilibrium.checkpoint import step_of
from vbsim.fem.loads import Strength
from vbsim.measures import is_padded, offset_strain
from vbsim.specimen.failure import FailureResponse, load_to_failure
from vbsim.specimen.fitted import AnySpecimen
from vbsim.study.results import file_written_aside

__all__ = ["failed", "write_history", "write_steps"]

log = logging.getLogger("vbsim.study")


def failed(
    specimen: AnySpecimen,
    test: Strength,
    *,
    threads: int | None,
    kept: Path | None,
    progress: Callable[[str, float], None],
) -> FailureResponse:
    """Return the response of a specimen to a strength test; solve it unless it is kept.

    Parameters
    ----------
    specimen : Specimen or FittedSpecimen
        Potted.
    test : Strength
        The test, under the name it has in the study.
    threads : int or None
        Threads; all processors if None.
    kept : Path or None
        File that keeps the response; beside it lies the path while it is under way.
    progress : callable
        Told what is being done and the share of it that is done.

    Raises
    ------
    NotConverged
        If no load could be put on at all.
    """
    earlier = _read(kept) if kept else None
    if earlier is None:
        checkpoint = kept.with_suffix(".path.npz") if kept else None
        earlier = _solve(specimen, test, threads, checkpoint, progress)
        if kept:
            _keep(kept, earlier)
            kept.with_suffix(".path.npz").unlink(missing_ok=True)
    if earlier.status in (Status.STEP_TOO_SMALL, Status.TOO_MANY_STEPS):
        reached = f"{100 * earlier.strain[-1]:.1f} % of apparent strain"
        warnings.warn(
            f"{specimen.name}, {test.label()}: stopped at {reached}: {earlier.status.value}",
            PhysicsWarning,
            stacklevel=2,
        )
    elif not earlier.has_peak:
        _tell_no_peak(specimen, test, earlier)
    return earlier


def _tell_no_peak(specimen: AnySpecimen, test: Strength, response: FailureResponse) -> None:
    """Say what a curve without a peak means: another strength, or none between pads."""
    percent = 100.0 * float(response.strain[-1])
    rose = f"{specimen.name}, {test.label()}: the force still rose at {percent:.1f} %"
    if not is_padded(specimen):
        log.info("%s: its strength is the force at 1.9 %% of strain", rose)
    elif offset_strain(np.append(0.0, response.strain), np.append(0.0, response.force_n)):
        log.info("%s: its strength is the force at the 0.2 %% offset", rose)
    else:
        warnings.warn(
            f"{rose} and the pads took all of it, so that there is no strength; raise "
            "until_strain, or take thinner or stiffer pads",
            PhysicsWarning,
            stacklevel=3,
        )


def write_history(path: Path, response: FailureResponse) -> None:
    """Write every step of a strength test, one row a step."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["apparent_strain", *Step._fields])
        for strain, step in zip(response.strain, response.steps, strict=True):
            writer.writerow([repr(float(strain)), *step])


def write_steps(path: Path, steps: Sequence[Step]) -> None:
    """Write equilibria of a step of mechanics, one row each: leg, motions, forces, energies."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(Step._fields)
        writer.writerows(steps)


def _solve(
    specimen: AnySpecimen,
    test: Strength,
    threads: int | None,
    checkpoint: Path | None,
    progress: Callable[[str, float], None],
) -> FailureResponse:
    height = float(np.mean(specimen.anatomy.frame.heights()))

    def tell(step: Step) -> None:
        strain = min(max(step.axial_mm / height, 0.0), test.until_strain)
        doing = f"{specimen.name}: {test.label()}, {100 * strain:.1f} %, {step.force_n:.0f} N"
        progress(doing, strain / test.until_strain)

    if checkpoint is not None:
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
    try:
        response = load_to_failure(
            specimen, test, threads=threads, progress=tell, checkpoint=checkpoint
        )
    except NotConverged as error:
        raise NotConverged(f"{specimen.name}: {error}", error.report) from error
    log.info(
        "%s: %s, %d steps, %d Newton and %d conjugate gradient iterations",
        specimen.name,
        test.label(),
        len(response.steps),
        sum(step.newton for step in response.steps),
        sum(step.krylov for step in response.steps),
    )
    return response


def _keep(path: Path, response: FailureResponse) -> None:
    """Keep a response; a disk that is full or locked is told in the log and stops nothing."""
    try:
        with file_written_aside(path) as aside, aside.open("wb") as stream:
            np.savez(
                stream,
                test=response.test,
                platen=response.platen,
                status=response.status.name,
                legs=np.array([step.leg for step in response.steps]),
                steps=np.array([step[1:] for step in response.steps]),
                height_mm=response.height_mm,
                start_mm=response.start_mm,
                start_dissipated_n_mm=response.start_dissipated_n_mm,
                displacement_mm=response.displacement_mm.astype(np.float32),
                inelastic=response.inelastic,
                damage=response.damage,
                parts=np.array(list(response.by_part)),
                by_part=np.array(list(response.by_part.values()), dtype=np.float32),
            )
    except OSError as error:
        log.warning("a strength test could not be kept in %s: %s", path.parent, error)


def _read(path: Path) -> FailureResponse | None:
    try:
        with np.load(path, allow_pickle=False) as kept:
            rows = zip(kept["legs"], kept["steps"], strict=True)
            values: dict[str, Any] = {
                "test": str(kept["test"]),
                "platen": str(kept["platen"]),
                "status": Status[str(kept["status"])],
                "steps": tuple(step_of(str(leg), row) for leg, row in rows),
                "height_mm": float(kept["height_mm"]),
                "start_mm": float(kept["start_mm"]),
                "start_dissipated_n_mm": float(kept["start_dissipated_n_mm"]),
                "displacement_mm": kept["displacement_mm"].astype(np.float64),
                "inelastic": kept["inelastic"],
                "damage": kept["damage"],
                "by_part": dict(zip(map(str, kept["parts"]), kept["by_part"], strict=True)),
            }
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return FailureResponse(**values)
