"""One case from its parameters to its table: build every stage, load each alike, compare."""

from __future__ import annotations

import hashlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from vbsim import measures
from vbsim.checks import InvalidCase, InvalidInput, NotConverged, Parameters, PhysicsWarning
from vbsim.fem import Settings, respond, solve_modes
from vbsim.fem.loads import Lateral, Strength
from vbsim.fem.response import PlatenModes, Response, SolverReport
from vbsim.fracture import FRACTURE_KINDS
from vbsim.mesh.tetra import TetraBody
from vbsim.quantities import Quantity
from vbsim.specimen import Specimen
from vbsim.specimen.failure import FailureResponse
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.fitters import TetraFitter
from vbsim.study import memory
from vbsim.study.case import AnyVertebra, Case, Voxels
from vbsim.study.failures import failed
from vbsim.study.faults import located
from vbsim.study.hexa import pictured, pictured_failures
from vbsim.study.results import NO_TEST, Row
from vbsim.study.store import StageStore
from vbsim.study.tetra import Tetra

__all__ = [
    "Stage",
    "Progress",
    "as_voxels",
    "failures_on_voxels",
    "build_stages",
    "solve_stages",
    "measure_stages",
    "tabulate",
    "test_names",
]

log = logging.getLogger("vbsim.study")

Progress = Callable[[str, float], None]
"""Called with what is being done and the share of the work that is done, 0 to 1."""


@dataclass(frozen=True, eq=False)
class Stage:
    """One stage of a case.

    Parameters
    ----------
    name : str
        Unique within the case.
    n_steps : int
        Steps of the case done so far.
    specimen : Specimen or FittedSpecimen
        The stage, potted: on its grid, or on the mesh that fits it.
    bare : Specimen
        The stage as its last step left it; its `history` tells of the steps.
    report : tuple of Quantity
        What the step that led here told of itself.
    responses : mapping of str to Response
        Converged linear responses by test name; empty before solving.
    failures : mapping of str to FailureResponse
        Responses to strength tests by test name.
    solver : tuple of SolverReport
        How it was solved.
    was_kept : bool
        Whether an earlier run had solved it.
    measured : mapping of str to tuple of Quantity
        Measures by test name, the shape's own under ``""``; empty before measuring.
    """

    name: str
    n_steps: int
    specimen: AnySpecimen
    bare: Specimen
    report: tuple[Quantity, ...] = ()
    responses: Mapping[str, Response] = field(default_factory=dict)
    failures: Mapping[str, FailureResponse] = field(default_factory=dict)
    solver: tuple[SolverReport, ...] = ()
    was_kept: bool = False
    measured: Mapping[str, tuple[Quantity, ...]] = field(default_factory=dict)


def as_voxels(case: Case, stage: Stage) -> tuple[Specimen, Mapping[str, Response]]:
    """Return the potted specimen and the responses of a stage on a grid, for pictures."""
    if isinstance(stage.specimen, FittedSpecimen):
        return pictured(stage.specimen, stage.responses, case.potting)
    return stage.specimen, stage.responses


def failures_on_voxels(stage: Stage) -> Mapping[str, FailureResponse]:
    """Return the responses to strength tests on a grid, for pictures."""
    if isinstance(stage.specimen, FittedSpecimen):
        return pictured_failures(stage.specimen, stage.failures)
    return stage.failures


def silent(doing: str, done: float) -> None:
    """Report progress to nobody."""


# Building -----------------------------------------------------------------------------------------


def build_stages(
    case: Case, *, earlier: Sequence[Stage] = (), kept: Path | None = None
) -> tuple[Stage, ...]:
    """Return every stage of a case, potted and not yet loaded.

    Parameters
    ----------
    case : Case
        The case.
    earlier : sequence of Stage
        First stages of a case that is the same up to there; they are taken as they are, loaded or
        not, and the rest is built on them.
    kept : Path, optional
        Folder in which tetrahedra, drawn at random, are kept, so that the same are found again.

    Raises
    ------
    InvalidCase
        If the geometry refuses something: a volume that does not fit, a cut-off vertebra. Names the
        place in the case.
    """
    stages = list(earlier)
    if not stages:
        intact = _intact(case, kept)
        stages.append(_potted(case, intact, 0, (), intact))
    for index in range(len(stages) - 1, len(case.steps)):
        step = case.steps[index]
        with _blamed(f"steps[{index}]", step):
            specimen = step.apply(stages[-1].bare)
        stages.append(_potted(case, specimen, index + 1, stages, stages[0].bare))
    return tuple(stages)


def _intact(case: Case, kept: Path | None) -> Specimen:
    with _blamed("vertebra", case.vertebra):
        vertebra = _unread(case.vertebra)
        grid = case.mesh.around(vertebra, case.potting)
        place = f"mesh.{'spacing' if isinstance(case.mesh, Voxels) else 'sampling'}_mm"
        memory.refuse_too_large(grid.n_cells, len(case.steps) + 1, case.mesh.spacing_mm, place)
        intact = Specimen.from_bone(vertebra, grid, case.bone)
        return _with_mesher(case, intact, kept)


def _with_mesher(case: Case, intact: Specimen, kept: Path | None) -> Specimen:
    """Return an intact stage whose mechanics runs on a mesh that fits, if that fits into memory."""
    if isinstance(case.mesh, Voxels):
        return intact
    mesh, frame, laws = case.mesh, intact.anatomy.frame, case.has_laws
    fitter = mesh.fitter(case.vertebra, frame, case.potting)
    if isinstance(fitter, TetraFitter):
        counts = fitter.expected(frame)
        memory.refuse_tetra_too_large(counts, mesh.size_mm, order=fitter.order, has_laws=laws)
        assert isinstance(mesh, Tetra)
        return replace(intact, mesher=mesh.mesher(case.vertebra, frame, kept=kept))
    size, filled = mesh.size_mm, case.has_cement
    memory.refuse_mesh_too_large(fitter.layout, size, has_laws=laws, has_cement=filled)
    return replace(intact, mesher=mesh.mesher(case.vertebra, frame))


def _unread(vertebra: AnyVertebra) -> AnyVertebra:
    """Return a vertebra that has read and cached nothing yet.

    So that every run hears every warning about its images and cites every constant it looks up.
    """
    given = {name: getattr(vertebra, name) for name in type(vertebra).model_fields}
    fresh: AnyVertebra = type(vertebra).model_construct(vertebra.model_fields_set, **given)
    return fresh


def _potted(
    case: Case, specimen: Specimen, n_steps: int, before: Sequence[Stage], intact: Specimen
) -> Stage:
    name = _unused(specimen.name, [stage.name for stage in before])
    log.info(specimen.history[-1])
    if not isinstance(case.mesh, Voxels):
        with _blamed("mesh", case.mesh):
            assert intact.mesher is not None
            fitted = replace(intact.mesher(case.potting).fit(specimen), name=name)
        return Stage(name, n_steps, fitted, specimen, specimen.report)
    with _blamed("potting", case.potting):
        potted = case.potting.apply(specimen)
    return Stage(name, n_steps, replace(potted, name=name), specimen, specimen.report)


def _unused(name: str, taken: Sequence[str]) -> str:
    number = 2
    unused = name
    while unused in taken:
        unused = f"{name}_{number}"
        number += 1
    return unused


@contextmanager
def _blamed(place: str, parameters: Parameters) -> Iterator[None]:
    """Name the place in the case when a constructor or step refuses its input."""
    try:
        yield
    except InvalidCase:
        raise
    except InvalidInput as error:
        names = type(parameters).model_fields
        place, message = located(place, str(error), names)
        raise InvalidCase(message, place) from error


# Loading ------------------------------------------------------------------------------------------


def solve_stages(
    case: Case,
    stages: Sequence[Stage],
    *,
    store: StageStore | None = None,
    progress: Progress = silent,
) -> tuple[Stage, ...]:
    """Return the stages with their responses to every test; solve only what is not kept.

    A stage that comes with responses is taken as solved.

    Raises
    ------
    NotConverged
        If a stage could not be solved; nothing of it is kept.
    """
    solved = []
    for index, stage in enumerate(stages):
        if stage.responses or stage.failures:
            solved.append(replace(stage, was_kept=True))
            continue
        progress(f"loading {stage.name}", index / len(stages))
        share = partial(_share_of, progress, index, len(stages))
        if solved and _is_as_stiff(stage.specimen, solved[-1].specimen):
            solved.append(_as_before(case, stage, solved[-1], store, share))
            continue
        solved.append(_solved(case, stage, store, share))
    progress("loaded", 1.0)
    return tuple(solved)


def _as_before(
    case: Case, stage: Stage, before: Stage, store: StageStore | None, progress: Progress
) -> Stage:
    """Return a stage with the linear responses of the one before, which is as stiff everywhere."""
    log.info("%s: as stiff as %s everywhere, not solved again", stage.name, before.name)
    return replace(
        stage,
        responses=before.responses,
        failures=_failures(case, stage, store, progress),
        solver=before.solver,
        was_kept=before.was_kept,
    )


def _is_as_stiff(one: AnySpecimen, other: AnySpecimen) -> bool:
    """Say whether two stages are one body to the linear solver: curing may change nothing of it."""
    if not (isinstance(one, Specimen) and isinstance(other, Specimen)):
        return False
    if one.ends is None or other.ends is None or one.materials.units != other.materials.units:
        return False
    return np.array_equal(one.materials.moduli, other.materials.moduli) and all(
        np.array_equal(a, b) for a, b in zip(one.ends, other.ends, strict=True)
    )


def _share_of(progress: Progress, index: int, n_stages: int, doing: str, done: float) -> None:
    """Report the progress of one stage as a share of the progress of all."""
    progress(doing, (index + done) / n_stages)


def _solved(case: Case, stage: Stage, store: StageStore | None, progress: Progress) -> Stage:
    named = list(zip(test_names(case), case.tests, strict=True))
    linear = [(name, test) for name, test in named if not isinstance(test, Strength)]
    ends = list(dict.fromkeys(test.lateral for _, test in linear))
    found = {}
    was_kept = True
    for lateral in ends:
        key = _key(case, stage, lateral)
        modes = store.load(key) if store else None
        if modes is None:
            modes = _modes(case, stage, lateral, progress)
            was_kept = False
            if store:
                store.keep(key, modes)
        found[lateral] = modes
    responses = {
        name: replace(respond(found[test.lateral], test), test=name) for name, test in linear
    }
    reports = tuple(modes.report for modes in found.values())
    failures = _failures(case, stage, store, progress)
    return replace(stage, responses=responses, failures=failures, solver=reports, was_kept=was_kept)


def _key(case: Case, stage: Stage, asked: Any) -> str:
    """Return the name under which what a stage answers is kept.

    Tetrahedra are drawn at random: what was solved on other cells does not fit these.
    """
    specimen = stage.specimen
    if isinstance(specimen, FittedSpecimen) and isinstance(specimen.body, TetraBody):
        mesh = specimen.domain
        drawn = hashlib.sha256(mesh.points.tobytes() + mesh.cells.tobytes()).hexdigest()
        return case.stage_digest(stage.n_steps, asked, drawn)
    return case.stage_digest(stage.n_steps, asked)


def _failures(
    case: Case, stage: Stage, store: StageStore | None, progress: Progress
) -> dict[str, FailureResponse]:
    """Return the responses of a stage to the strength tests."""
    found = {}
    for name, test in zip(test_names(case), case.tests, strict=True):
        if isinstance(test, Strength):
            key = _key(case, stage, test.model_dump(mode="json", exclude={"name"}))
            response = failed(
                stage.specimen,
                test.model_copy(update={"name": name}),
                threads=case.solver.threads,
                kept=store.folder / f"{key[:32]}.failure.npz" if store else None,
                progress=progress,
            )
            found[name] = replace(response, test=name)
    return found


def _modes(case: Case, stage: Stage, lateral: Lateral, progress: Progress) -> PlatenModes:
    settings = Settings(tolerance=case.solver.tolerance, threads=case.solver.threads)
    motions = count()

    def tell(motion: str) -> None:
        progress(f"{stage.name}: {motion}", next(motions) / 3.0)

    try:
        modes = solve_modes(stage.specimen, lateral=lateral, settings=settings, progress=tell)
    except NotConverged as error:
        raise NotConverged(f"{stage.name}: {error}", error.report) from error
    report = modes.report
    log.info(
        "%s: %d degrees of freedom, iterations %s, residual %.1e, %.2f s",
        stage.name,
        report.n_dof,
        "/".join(map(str, report.iterations)),
        report.relative_residual,
        report.seconds,
    )
    return modes


def test_names(case: Case) -> tuple[str, ...]:
    """Return a name for every test: its own or its kind, numbered when repeated."""
    names: list[str] = []
    for test in case.tests:
        names.append(_unused(test.label(), names))
    return tuple(names)


# Comparing ----------------------------------------------------------------------------------------


def measure_stages(case: Case, stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return solved stages with their measures, so that cases that share them measure them once."""
    tests = ("", *test_names(case))
    return tuple(
        stage
        if stage.measured
        else replace(stage, measured={t: _measured(case, stage, t, stages[0]) for t in tests})
        for stage in stages
    )


def tabulate(case: Case, stages: Sequence[Stage]) -> tuple[Row, ...]:
    """Return the tidy table: every measure of every stage, and its ratios to earlier stages.

    ``_vs_intact`` compares with the first stage, ``_vs_fractured`` with the latest fracture before.
    """
    tests = {"": None, **dict(zip(test_names(case), case.tests, strict=True))}
    rows: list[Row] = []
    measured: dict[tuple[str, str], tuple[Quantity, ...]] = {}
    for stage in stages:
        intact, fractured = stages[0], _latest_fracture(case, stages, stage)
        for test in tests:
            found = stage.measured.get(test) or _measured(case, stage, test, intact)
            measured[stage.name, test] = found
            compared = measures.compare(
                found,
                intact=measured[intact.name, test] if stage is not intact else None,
                fractured=measured[fractured.name, test] if fractured else None,
                by_mechanics=getattr(stage.specimen, "mechanics", None) is not None,
            )
            response = stage.responses.get(test) or stage.failures.get(test)
            labels = (test, response.platen) if response else (NO_TEST, NO_TEST)
            rows += [
                Row(stage.name, *labels, q.name, q.value, q.unit)
                for q in _finite((*found, *compared))
            ]
    return tuple(rows)


def _measured(case: Case, stage: Stage, test: str, intact: Stage) -> tuple[Quantity, ...]:
    if not test:
        frame = None if stage is intact else intact.specimen.anatomy.frame
        return (*measures.geometry(stage.specimen, frame), *stage.report)
    if test in stage.failures:
        return measures.failure(stage.specimen, stage.failures[test])
    kind = next(t.kind for n, t in zip(test_names(case), case.tests, strict=True) if n == test)
    return measures.measure(
        stage.specimen,
        stage.responses[test],
        kind=kind,
        standing_load_n=case.standing_load_n,
    )


def _latest_fracture(case: Case, stages: Sequence[Stage], current: Stage) -> Stage | None:
    earlier = stages[1 : stages.index(current)]
    broken = [s for s in earlier if case.steps[s.n_steps - 1].kind in FRACTURE_KINDS]
    return broken[-1] if broken else None


def _finite(found: Sequence[Quantity]) -> list[Quantity]:
    kept = []
    for item in found:
        if abs(item.value) < float("inf"):
            kept.append(item)
        else:
            log.info("%s is not defined here and is left out", item.name)
    return kept


@contextmanager
def physics_warnings() -> Iterator[list[str]]:
    """Collect warnings about physics instead of showing them one by one; others pass through."""
    collected: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", PhysicsWarning)
        yield collected
    for item in caught:
        if issubclass(item.category, PhysicsWarning):
            if str(item.message) not in collected:
                collected.append(str(item.message))
        else:
            warnings.warn_explicit(item.message, item.category, item.filename, item.lineno)
