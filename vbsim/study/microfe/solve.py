"""Solve an image: crop it, turn its load axis to z, hold its end planes, move one."""

from __future__ import annotations

import logging
import resource
import sys
import time
from collections.abc import Callable
from ctypes import CDLL
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from vbsim import data
from vbsim.checks import InvalidInput, NotConverged
from vbsim.fem import forecast_bytes, recovery
from vbsim.fem.krylov import ConjugateGradients, Outcome
from vbsim.fem.layout import Team
from vbsim.fem.linear import Settings
from vbsim.fem.problem import Dropped, PlatenProblem
from vbsim.fem.response import Status
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.memory import available_bytes
from vbsim.study.microfe.image import ModulusImage
from vbsim.study.microfe.solution import AxialTest, ImageSolution, Solved, Work

__all__ = ["MICROFE", "load_kernels", "peak_bytes", "solve_image"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
Progress = Callable[[str, float], None]

log = logging.getLogger("vbsim.study")

MICROFE = Settings(tolerance=1e-6, max_iterations=2000)
"""Thin struts need more iterations than a whole vertebra; energies are good to ten digits."""

_LONGEST_EDGE = 3.0  # of a voxel, in terms of its shortest
_AXES = {"z": 0, "y": 1, "x": 2}  # of an array [z, y, x]


class _Ends(NamedTuple):
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    pivot_mm: FloatArray


class _Body(NamedTuple):
    domain: VoxelGrid
    materials: StiffnessField
    ends: _Ends


def solve_image(
    image: ModulusImage,
    test: AxialTest,
    *,
    largest_part: bool = False,
    settings: Settings = MICROFE,
    progress: Progress | None = None,
) -> ImageSolution:
    """Solve an axial test of an image of moduli.

    Parameters
    ----------
    image : ModulusImage
        Young's modulus of every voxel.
    test : AxialTest
        Ends, axis, load, Poisson's ratio.
    largest_part : bool
        Keep the largest face-connected part alone, before the end planes are looked for. Otherwise
        every part that joins both end planes carries load; the others are left out.
    settings : Settings
        Tolerance, bound on the iterations, threads.
    progress : callable, optional
        Told what is being done, and the share of the iterations that is done.

    Raises
    ------
    InvalidInput
        If voxels are longer than three times their shortest edge, or nothing joins the ends.
    NotConverged
        If the iteration stops short.
    """
    tell = progress or _ignore
    watch = _Watch()
    tell("setting up", 0.0)
    problem, grid, lost = _problem(image, test, largest_part, Team(settings.threads))
    _check_size(problem, image.name)
    del image  # a caller who hands it over has its memory back
    _give_back()
    unit = _unit_motion(problem, settings, tell)
    work = Work(
        problem.operator.n_dof,
        unit.outcome.iterations,
        unit.outcome.relative_residual,
        *watch.read(),
        peak_bytes(),
    )
    descent = _descent_mm(test, unit.stiffness)
    limit = _descent_at_failure_mm(problem, unit.field)
    problem.to_mm(unit.field)
    np.multiply(unit.field, descent, out=unit.field)
    layout = problem.operator.layout
    return ImageSolution(
        test=test,
        reaction_n=unit.stiffness * descent,
        displacement_mm=-descent,
        stiffness_n_per_mm=unit.stiffness,
        energy_n_mm=0.5 * unit.stiffness * descent**2,
        apparent_modulus_mpa=unit.stiffness * _slenderness(grid, _AXES[test.axis]),
        failure_load_pistoia_n=unit.stiffness * limit,
        equilibrium_error=unit.equilibrium_error,
        n_cells=layout.n_cells,
        fill=layout.n_cells / grid.n_cells,
        dropped=Dropped(*(a + b for a, b in zip(lost, problem.dropped, strict=True))),
        work=work,
        solved=Solved(grid, _AXES[test.axis], layout, unit.field, problem.operator.moduli[0]),
    )


def load_kernels(threads: int | None = None) -> None:
    """Solve a small block, so that what follows measures neither compiling nor loading kernels."""
    block = ModulusImage(np.ones((6, 6, 6), np.float32), VoxelGrid((6, 6, 6), (1.0, 1.0, 1.0)))
    problem, _, _ = _problem(block, AxialTest(force_n=1.0), False, Team(threads))
    recovery.effective_strain(problem.operator, _unit_motion(problem, MICROFE, _ignore).field)


def peak_bytes() -> int:
    """Return the largest memory that this process has had so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


# From image to problem ----------------------------------------------------------------------------


def _problem(
    image: ModulusImage, test: AxialTest, largest_part: bool, team: Team
) -> tuple[PlatenProblem, VoxelGrid, Dropped]:
    """Return the problem, what it covers in the axes of the image, what was dropped before it."""
    edges = image.grid.spacing_mm
    if max(edges) > _LONGEST_EDGE * min(edges) * (1.0 + 1e-6):
        sizes = " x ".join(f"{h:g}" for h in edges)
        raise InvalidInput(
            f"{image.name}: voxels of {sizes} mm: must have edges within {_LONGEST_EDGE:g}:1; "
            "resample the image"
        )
    axis = _AXES[test.axis]
    moduli, corner, lost = _cropped(image, axis, largest_part)
    n_z, n_y, n_x = moduli.shape
    turned = VoxelGrid((n_z, n_y, n_x), _exchanged(edges, axis))
    plane = np.arange((n_y + 1) * (n_x + 1))
    ends = _Ends(plane, plane + n_z * len(plane), np.zeros(3))
    body = _Body(turned, StiffnessField.isotropic(moduli, test.poisson), ends)
    del moduli
    try:
        problem = PlatenProblem(body, test.lateral, team)
    except NotConverged:
        raise InvalidInput(
            f"{image.name}: no load path: must have face-connected material from the lowest to "
            f"the highest plane of material along {test.axis}; look for gaps and loose voxels "
            "(--largest-part), or choose another axis"
        ) from None
    box = list(problem.box)
    box[0], box[axis] = box[axis], box[0]
    window = [slice(c + s.start, c + s.stop) for c, s in zip(corner, box, strict=True)]
    return problem, image.grid.crop(window), lost


def _cropped(
    image: ModulusImage, axis: int, largest_part: bool
) -> tuple[NDArray[np.float32], tuple[int, ...], Dropped]:
    """Return the moduli around the material with the load axis first, where they begin, losses."""
    solid, lost = image.moduli_mpa != 0, Dropped(0, 0)
    if largest_part:
        solid, lost = _largest(solid)
    window = tuple(
        slice(int(line[0]), int(line[-1]) + 1)
        for line in (np.flatnonzero(solid.any(axis=other)) for other in ((1, 2), (0, 2), (0, 1)))
    )
    part = np.swapaxes(image.moduli_mpa[window], 0, axis)
    moduli = np.ascontiguousarray(part, dtype=np.float32)
    if lost.n_parts:
        moduli = np.where(np.swapaxes(solid[window], 0, axis), moduli, np.float32(0.0))
    return moduli, tuple(part.start for part in window), lost


def _largest(solid: BoolArray) -> tuple[BoolArray, Dropped]:
    """Return the cells of the largest face-connected part, and what is not in it."""
    parts, n_parts = ndimage.label(solid)
    if n_parts == 1:
        return solid, Dropped(0, 0)
    sizes = np.zeros(n_parts + 1, np.int64)
    for layer in parts:  # widened to int64 meanwhile
        sizes += np.bincount(layer.ravel(), minlength=n_parts + 1)
    sizes[0] = 0
    kept = int(sizes.argmax())
    return parts == kept, Dropped(n_parts - 1, int(sizes.sum() - sizes[kept]))


def _exchanged(edges: tuple[float, float, float], axis: int) -> tuple[float, float, float]:
    """Return edges (x, y, z) with z and the axis (counted z, y, x) exchanged."""
    changed = list(edges)
    changed[2], changed[2 - axis] = changed[2 - axis], changed[2]
    x, y, z = changed
    return x, y, z


def _give_back() -> None:
    """Give memory that set-up has freed back to the system, where the C library can."""
    trim = getattr(CDLL(None), "malloc_trim", None)
    if trim is not None:  # the GNU one keeps holes between what is still used
        trim(0)


def _check_size(problem: PlatenProblem, name: str) -> None:
    """Log what will be solved; refuse it where it does not fit into memory."""
    layout, dropped = problem.operator.layout, problem.dropped
    if dropped.n_parts:
        log.warning(
            "%s parts with %s voxels do not join the ends and are left out",
            f"{dropped.n_parts:,}",
            f"{dropped.n_cells:,}",
        )
    needed = forecast_bytes(
        layout.n_points,
        layout.n_cells,
        box_points=int(np.prod(layout.point_shape)),
        motions=1,
        keeps_fields=False,
    )
    log.info(
        "%s voxels with material, %s degrees of freedom, about %.0f MB for the solver",
        f"{layout.n_cells:,}",
        f"{problem.operator.n_dof:,}",
        needed / 1e6,
    )
    available = available_bytes()
    if available is not None and needed > available:
        raise InvalidInput(
            f"{name}: {problem.operator.n_dof:,} degrees of freedom need about "
            f"{needed / 1e9:.1f} GB, and {available / 1e9:.1f} GB are free; coarsen or crop it"
        )


# From problem to numbers --------------------------------------------------------------------------


class _Unit(NamedTuple):
    """The upper end plane moved down by 1 mm: covariant field, N/mm, imbalance of the ends."""

    field: FloatArray
    outcome: Outcome
    stiffness: float
    equilibrium_error: float


def _unit_motion(problem: PlatenProblem, settings: Settings, tell: Progress) -> _Unit:
    solver = ConjugateGradients(problem.operator, problem.multigrid)
    digits = np.log(settings.tolerance)

    def after(iteration: int, residual: float) -> None:
        share = np.log(max(residual, settings.tolerance)) / digits
        tell(f"iteration {iteration}, {residual:.0e}", float(np.clip(share, 0.0, 1.0)))

    field, outcome = problem.solve(
        solver, 0, tolerance=settings.tolerance, limit=settings.max_iterations, progress=after
    )
    if not outcome.converged:
        raise NotConverged(
            f"the solver stopped at a relative residual of {outcome.relative_residual:.1e} after "
            f"{outcome.iterations} iterations (wanted {settings.tolerance:.0e}): "
            f"{Status.STALLED.value}",
            outcome,
        )
    force = solver.spare
    (*_, lower), (*_, upper) = problem.reactions(field, force)
    # The work of the end is twice the energy, whose error is the square of that of the field; the
    # sum of the forces on a plane is off by as much as the field is.
    stiffness = float(np.vdot(field, force))
    return _Unit(field, outcome, stiffness, float(abs(lower + upper)) / stiffness)


def _descent_mm(test: AxialTest, stiffness: float) -> float:
    """Return how far the upper end plane comes down."""
    if test.displacement_mm is not None:
        return -test.displacement_mm
    assert test.force_n is not None
    return test.force_n / stiffness


def _descent_at_failure_mm(problem: PlatenProblem, field: FloatArray) -> float:
    """Return the descent at which the material fails, from the covariant field of 1 mm."""
    limits = "measures.strength.pistoia"
    strain = recovery.effective_strain(problem.operator, field)
    share = 1.0 - data.value(f"{limits}.volume_fraction")
    # A hair below the share keeps a cell whose volume ends exactly there.
    place = int(np.ceil(share * len(strain) * (1.0 - 1e-12))) - 1
    strain.partition(place)
    return float(data.value(f"{limits}.effective_strain") / strain[place])


def _slenderness(grid: VoxelGrid, axis: int) -> float:
    """Return height / area of the box of a grid along an axis counted (z, y, x), 1/mm."""
    sizes = np.array(grid.shape) * np.array(grid.spacing_mm[::-1])
    return float(sizes[axis] ** 2 / np.prod(sizes))


class _Watch:
    """Processor and wall time since it was made."""

    def __init__(self) -> None:
        self._begun = time.process_time(), time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Return both, s."""
        return time.process_time() - self._begun[0], time.perf_counter() - self._begun[1]


def _ignore(doing: str, done: float) -> None:
    """Take a report of progress and show nothing."""
