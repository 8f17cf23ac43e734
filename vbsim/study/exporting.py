"""Stages of a case as models for other codes, on the same cells as they are solved here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require
from vbsim.fem import Settings, solve
from vbsim.fem.response import Response
from vbsim.materials.field import StiffnessField
from vbsim.mesh import VoxelGrid
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.io.abaqus_write import write_abaqus
from vbsim.mesh.io.febio import write_febio
from vbsim.mesh.io.files import WRITABLE
from vbsim.mesh.io.model import Held, Model
from vbsim.mesh.io.vtu import write_vtu
from vbsim.mesh.mesh import Mesh
from vbsim.specimen.fitted import AnySpecimen, FittedSpecimen
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import Ends
from vbsim.study.case import Case
from vbsim.study.hexa import fitted_mesh
from vbsim.study.pipeline import Progress, Stage, build_stages, silent, solve_stages, test_names

__all__ = ["FORMATS", "export_stage", "stage_mesh", "stage_model"]

FloatArray = NDArray[np.float64]


def _write_fields(path: Path, model: Model) -> None:
    write_vtu(path, model.mesh)


FORMATS: dict[str, Callable[[Path, Model], None]] = {
    "calculix": write_abaqus,
    "febio": write_febio,
    "vtu": _write_fields,
}
"""What a stage can be exported to."""


def stage_mesh(case: Case, stage: str | None = None) -> Mesh:
    """Return the mesh of a stage in the world with tissue, density and modulus; nothing is solved.

    Parameters
    ----------
    case : Case
        The case; voxels become hexahedra where there is material.
    stage : str, optional
        Name of the stage; the last by default.
    """
    found = _named(build_stages(case), stage)
    if isinstance(found.specimen, FittedSpecimen):
        return fitted_mesh(found.specimen, {})
    return _voxel_mesh(found.specimen)[0]


def export_stage(
    case: Case,
    path: str | Path,
    kind: str,
    *,
    stage: str | None = None,
    test: str | None = None,
    progress: Progress = silent,
) -> Model:
    """Solve a stage under one test and write it for another code.

    Parameters
    ----------
    case : Case
        The case.
    path : path
        File to write.
    kind : str
        A key of `FORMATS`.
    stage, test : str, optional
        Names; the last stage and the first test by default.
    progress : callable, optional
        Told what is being done.

    Returns
    -------
    Model
        What was written; `expected_n` is the reaction of the upper platen as computed here.
    """
    require(kind in FORMATS, "to", kind, f"one of {', '.join(FORMATS)}")
    model = stage_model(case, stage=stage, test=test, progress=progress)
    try:
        FORMATS[kind](Path(path), model)
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from None
    return model


def stage_model(
    case: Case,
    *,
    stage: str | None = None,
    test: str | None = None,
    progress: Progress = silent,
) -> Model:
    """Return a stage under one test as a model with prescribed displacements of its platens.

    Coordinates are those of the body frame, along whose axes the bone's stiffness is given.
    Voxels become plain cells of full integration, and are solved as such: walls thinner than a
    voxel bend more stiffly in them than in a run of the case.
    """
    names = test_names(case)
    chosen = test or names[0]
    require(chosen in names, "test", chosen, f"one of {', '.join(names)}")
    found = _named(build_stages(case), stage)
    load = case.tests[names.index(chosen)]
    if load.kind == "strength":
        raise InvalidInput("export: a strength test has no linear model; name another with --test")
    if isinstance(found.specimen, Specimen):
        settings = Settings(tolerance=case.solver.tolerance, threads=case.solver.threads)
        response = solve(_Plain.of(found.specimen), load, settings=settings)
    else:
        only = case.model_copy(update={"tests": (load,)})
        solved = solve_stages(only, [found], progress=progress)[0]
        response = next(iter(solved.responses.values()))
    title = f"{case.name}, {found.name}, {chosen}"
    return _model(title, found.specimen, response, load.lateral)


class _Plain(NamedTuple):
    """A potted grid whose materials are fully integrated, as other codes have them."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: Ends | None

    @classmethod
    def of(cls, specimen: Specimen) -> _Plain:
        field = specimen.materials
        units = tuple(unit._replace(bending=unit.mean) for unit in field.units)
        return cls(specimen.domain, StiffnessField(units, field.moduli), specimen.ends)


def _named(stages: tuple[Stage, ...], name: str | None) -> Stage:
    names = [stage.name for stage in stages]
    wanted = name or names[-1]
    require(wanted in names, "stage", wanted, f"one of {', '.join(names)}")
    return stages[names.index(wanted)]


def _model(title: str, specimen: AnySpecimen, response: Response, lateral: str) -> Model:
    if isinstance(specimen, FittedSpecimen):
        mesh = replace(
            specimen.domain,
            cell_data=fitted_mesh(specimen, {"": response}).cell_data,
            point_data={"displacement_mm": response.displacement_mm.T},
        )
        element, constants = specimen.element, specimen.materials.mean_constants()
        displacement = response.displacement_mm.T
    else:
        mesh, points, cells = _voxel_mesh(specimen)
        frame = specimen.anatomy.frame
        displacement = response.displacement_mm.reshape(3, -1).T[points]
        mesh = replace(
            mesh.with_points(frame.to_body(mesh.points)),
            point_data={"displacement_mm": displacement},
        )
        element = ELEMENTS["hex8"]
        constants = specimen.materials.mean_constants().reshape(-1, 9)[cells]
    held = [Held("lower_platen", 2)]
    upper = mesh.point_sets["upper_platen"]
    held.append(Held("upper_platen", 2, np.asarray(displacement[upper, 2], dtype=np.float64)))
    ends = {"held": ("lower_platen", "upper_platen"), "lower_held": ("lower_platen",)}
    for name in ends.get(lateral, ()):
        held += [Held(name, 0), Held(name, 1)]
    if lateral == "sliding":
        mesh = _pinned(mesh)
        held += [Held("pin_xy", 0), Held("pin_xy", 1), Held("pin_y", 1)]
    return Model(
        title, mesh, element, constants, tuple(held), "upper_platen", -float(response.force_n)
    )


def _pinned(mesh: Mesh) -> Mesh:
    """Return the mesh with two points that hold the sideways rigid motion and feel no force."""
    lower = mesh.point_sets["lower_platen"]
    x = mesh.points[lower, 0]
    sets = {"pin_xy": lower[[x.argmin()]], "pin_y": lower[[x.argmax()]]}
    return replace(mesh, point_sets={**mesh.point_sets, **sets})


def _voxel_mesh(specimen: Specimen) -> tuple[Mesh, NDArray[np.int64], NDArray[np.int64]]:
    """Return the voxels with material as hexahedra in the world, their points and their cells.

    Points and cells are flat indices into the grid.
    """
    grid = specimen.domain
    cells = np.flatnonzero(specimen.materials.moduli.any(axis=0))
    k, j, i = np.unravel_index(cells, grid.shape)
    ring = ((0, 0), (0, 1), (1, 1), (1, 0))  # (y, x)
    corners = np.stack(
        [
            np.ravel_multi_index((k + dz, j + dy, i + dx), grid.point_shape)
            for dz in (0, 1)
            for dy, dx in ring
        ],
        axis=1,
    )
    points, which = np.unique(corners, return_inverse=True)
    place = np.full(grid.n_points, -1, np.int64)
    place[points] = np.arange(len(points))
    local = np.stack(
        [a.ravel()[points] for a in np.meshgrid(*grid.faces_local()[::-1], indexing="ij")][::-1],
        axis=1,
    )
    sets = {}
    if specimen.ends is not None:
        ends = {"lower_platen": specimen.ends.lower, "upper_platen": specimen.ends.upper}
        sets = {name: place[end][place[end] >= 0] for name, end in ends.items()}
    data: dict[str, NDArray[np.generic]] = {
        "tissue": specimen.labels().ravel()[cells],
        "vbmd_mg_cm3": specimen.vbmd_mg_cm3.ravel()[cells],
        "youngs_modulus_mpa": specimen.youngs_modulus_mpa.ravel()[cells],
        "cement_fraction": specimen.cement_fraction.ravel()[cells],
    }
    mesh = Mesh(
        grid.to_world(local),
        which.reshape(-1, 8).astype(np.int32),
        point_sets=sets,
        cell_data=data,
    )
    return mesh, points.astype(np.int64), cells


def check_suffix(path: Path) -> None:
    """Refuse a file whose suffix names no format of meshes."""
    require(path.suffix.lower() in WRITABLE, "file", str(path), f"named {', '.join(WRITABLE)}")
