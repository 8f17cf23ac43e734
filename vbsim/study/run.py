"""Run a case into a folder: every number, field and picture, and where it all comes from."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from vbsim import data
from vbsim.checks import VbsimError
from vbsim.data import Constant
from vbsim.mesh.io.vtu import write_vtu
from vbsim.quantities import DEFINITIONS
from vbsim.specimen.fitted import FittedSpecimen
from vbsim.study.case import Case
from vbsim.study.compiling import compilation_told
from vbsim.study.failures import write_history, write_steps
from vbsim.study.fields import stage_fields, write_vti
from vbsim.study.geometry import needles_of, write_vtp
from vbsim.study.hexa import fitted_mesh
from vbsim.study.logs import logged_to
from vbsim.study.pipeline import (
    Progress,
    Stage,
    as_voxels,
    build_stages,
    failures_on_voxels,
    measure_stages,
    physics_warnings,
    silent,
    solve_stages,
    tabulate,
)
from vbsim.study.provenance import provenance
from vbsim.study.results import (
    STAGES,
    SUMMARY,
    Row,
    StudyResult,
    load_result,
    result_folder,
    write_csv,
    write_json,
    written_aside,
)
from vbsim.study.series import write_table, write_vtkhdf
from vbsim.study.store import StageStore
from vbsim.study.toml import to_toml

__all__ = ["run_case", "compute", "Computed", "find_result", "Draw"]

log = logging.getLogger("vbsim.study")

Draw = Callable[[Case, Sequence[Stage], Sequence[Row], Path], None]
"""Writes the pictures of a case's stages into a folder; the views, above this chapter, bring it."""


FIGURES = "figures"
HISTORIES = "histories"

# Share of a progress bar that solving takes; the rest is writing and drawing.
_SOLVING = 0.8


class Computed(NamedTuple):
    """What a case gives before anything is written.

    Attributes
    ----------
    stages : tuple of Stage
        Its stages, solved and measured.
    rows : tuple of Row
        The tidy table.
    constants : dict of str to Constant
        Every published number that was looked up, by path.
    warnings : tuple of str
        What a user should know.
    """

    stages: tuple[Stage, ...]
    rows: tuple[Row, ...]
    constants: dict[str, Constant]
    warnings: tuple[str, ...]


def find_result(case: Case, results: str | Path = "results") -> StudyResult | None:
    """Return the result of an earlier run of the same case, or None."""
    return load_result(result_folder(Path(results), case.name, case.digest), case.digest)


def run_case(
    case: Case,
    results: str | Path = "results",
    *,
    draw: Draw | None = None,
    progress: Progress = silent,
) -> StudyResult:
    """Run a case, or load what an earlier run of the same case left.

    Parameters
    ----------
    case : Case
        The case.
    results : path
        Folder that holds the folder of each case, and the stages they share.
    draw : callable, optional
        Writes the pictures; none are drawn without it.
    progress : callable, optional
        Told what is being done and how far it is.

    Returns
    -------
    StudyResult
        The table and its folder.

    Raises
    ------
    InvalidCase
        Before anything is solved, with the place in the case.
    NotConverged
        If a solve stopped short; no folder is left.
    VbsimError
        If the result's folder cannot be written. One that is there but damaged is no reason: it is
        moved to ``<folder>.damaged-<n>``.
    """
    earlier = find_result(case, results)
    if earlier is not None:
        log.info("%s: loaded from %s", case.name, earlier.folder)
        if draw is not None and not (earlier.folder / FIGURES).is_dir():
            _draw_later(case, earlier, draw, progress)
        return earlier
    results = Path(results)
    folder = result_folder(results, case.name, case.digest)
    started = time.perf_counter()

    def is_whole(place: Path) -> bool:
        return load_result(place, case.digest) is not None

    with written_aside(folder, is_whole=is_whole) as aside, logged_to(aside / "run.log", log):
        log.info("%s, digest %s", case.name, case.digest[:12])
        store = StageStore(results / STAGES)
        found = compute(case, store=store, progress=partial(_scaled, progress))
        stages, rows, constants, warned = found
        progress("writing", _SOLVING)
        # Fields and radiographs look up numbers of their own, such as the attenuation of water.
        with data.recording() as shown:
            _write_fields(aside, case, stages)
            if draw is not None:
                progress("drawing", 0.5 * (1.0 + _SOLVING))
                (aside / FIGURES).mkdir()
                draw(case, stages, rows, aside / FIGURES)
        _write_numbers(aside, case, stages, rows, {**shown, **constants}, warned)
        log.info("done in %.1f s", time.perf_counter() - started)
    result = load_result(folder, case.digest)
    if result is None:
        raise VbsimError(f"{folder} was written, but cannot be read back")
    return StudyResult(result.name, result.digest, folder, result.rows, result.summary)


def compute(
    case: Case,
    *,
    earlier: Sequence[Stage] = (),
    store: StageStore | None = None,
    progress: Progress = silent,
) -> Computed:
    """Build, solve and measure every stage of a case; write nothing but kept stages.

    Parameters
    ----------
    case : Case
        The case.
    earlier : sequence of Stage
        First stages of a case that is the same up to there; their numbers are taken over.
    store : StageStore, optional
        Where solved stages are kept.
    progress : callable, optional
        Told what is being done and how far it is.

    Raises
    ------
    InvalidCase, NotConverged
        As `run_case`.
    """
    with data.recording() as constants, physics_warnings() as warned, compilation_told():
        kept = None if store is None else store.folder
        stages = build_stages(case, earlier=earlier, kept=kept)
        stages = solve_stages(case, stages, store=store, progress=progress)
        stages = measure_stages(case, stages)
        rows = tabulate(case, stages)
    for warning in warned:
        log.warning(warning)
    return Computed(stages, rows, constants, tuple(warned))


def _draw_later(case: Case, earlier: StudyResult, draw: Draw, progress: Progress) -> None:
    """Add the pictures that an earlier run left out; kept stages are not solved again."""
    with physics_warnings():
        store = StageStore(earlier.folder.parent / STAGES)
        stages = build_stages(case, kept=store.folder)
        stages = solve_stages(case, stages, store=store, progress=progress)
    with written_aside(earlier.folder / FIGURES) as aside:
        draw(case, stages, earlier.rows, aside)


def _scaled(progress: Progress, doing: str, done: float) -> None:
    progress(doing, _SOLVING * done)


def _write_numbers(
    folder: Path,
    case: Case,
    stages: Sequence[Stage],
    rows: Sequence[Row],
    constants: Mapping[str, Constant],
    warned: Sequence[str],
) -> None:
    resolved = to_toml(case.resolved())
    (folder / "case.resolved.toml").write_text(resolved, encoding="utf-8")
    write_csv(folder / "measures.csv", rows)
    write_json(folder / "provenance.json", provenance(case, stages, constants))
    write_json(folder / SUMMARY, _summary(case, stages, rows, warned))


def _write_fields(folder: Path, case: Case, stages: Sequence[Stage]) -> None:
    (folder / "fields").mkdir()
    (folder / "geometry").mkdir()
    _write_mechanics(folder, case, stages)
    for stage in stages:
        frame = stage.specimen.anatomy.frame
        write_vtp(folder / "geometry" / f"{stage.name}.vtp", frame, needles_of(case, stage))
        potted, responses = as_voxels(case, stage)
        cells, points = stage_fields(potted, responses, failures_on_voxels(stage))
        write_vti(folder / "fields" / f"{stage.name}.vti", potted.domain, cells, points)
        if isinstance(stage.specimen, FittedSpecimen):
            mesh = fitted_mesh(stage.specimen, stage.responses, stage.failures)
            write_vtu(folder / "fields" / f"{stage.name}.vtu", mesh)
        for test, response in stage.failures.items():
            (folder / HISTORIES).mkdir(exist_ok=True)
            write_history(folder / HISTORIES / f"{stage.name}-{test}.csv", response)
        for series in potted.series:
            name = f"{stage.name}-{series.name}"
            (folder / "series").mkdir(exist_ok=True)
            write_table(folder / "series" / f"{name}.csv", series)
            write_vtkhdf(folder / "fields" / f"{name}.vtkhdf", series)


def _write_mechanics(folder: Path, case: Case, stages: Sequence[Stage]) -> None:
    """Write the equilibria of every step of mechanics, ``<stage>-<kind of step>.csv``."""
    done = 0
    for stage in stages:
        mechanics = getattr(stage.bare, "mechanics", None)
        steps = mechanics.history if mechanics is not None else ()
        if len(steps) > done:
            (folder / HISTORIES).mkdir(exist_ok=True)
            kind = case.steps[stage.n_steps - 1].kind
            write_steps(folder / HISTORIES / f"{stage.name}-{kind}.csv", steps[done:])
        done = len(steps)


def _summary(
    case: Case, stages: Sequence[Stage], rows: Sequence[Row], warned: Sequence[str]
) -> dict[str, Any]:
    used = dict.fromkeys(row.quantity for row in rows)
    return {
        "name": case.name,
        "digest": case.digest,
        "schema": case.schema_version,
        "stages": [_tell(stage) for stage in stages],
        "warnings": list(warned),
        "measures": [row._asdict() for row in rows],
        "definitions": {name: DEFINITIONS[name].text for name in used if name in DEFINITIONS},
    }


def _tell(stage: Stage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "history": list(stage.bare.history),
        "solved_by_an_earlier_run": stage.was_kept,
        "equilibrium_error": {
            **{t: r.equilibrium_error for t, r in stage.responses.items()},
            **{t: max(s.residual for s in r.steps) for t, r in stage.failures.items()},
        },
        "status": {t: r.status.value for t, r in stage.failures.items()},
    }
