"""Memory of solves on meshes: what is forecast is what they take."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from solids import cut
from test_inelastic_mesh import YIELD, E, solid, yielding

from vbsim.anatomy import Vertebra
from vbsim.fem import Settings, forecast_mesh_bytes, forecast_tetra_bytes, solve_modes
from vbsim.fem.equilibrium import Equilibrium, Leg, move
from vbsim.fem.swept_multigrid import COARSEST_POINTS
from vbsim.materials import Bone
from vbsim.materials.constituents import Constituents
from vbsim.mesh.hexa import coarsest_points
from vbsim.mesh.order import brick
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.crushing_cells import crushable_cells
from vbsim.specimen.loading import settings
from vbsim.specimen.yielding_cells import yielding_cells
from vbsim.study.hexa import Hexa
from vbsim.study.memory import solver_bytes

# What is not counted (Python's own objects, grids whose lines do not halve) is a tenth and more of
# so small a mesh; the forecast has a fixed part for factors that these meshes do not need.
TOLERANCE, FIXED = 0.15, 25e6


@pytest.fixture(scope="module")
def body():
    vertebra, mesh = Vertebra(level="L1"), Hexa(size_mm=2.0, sampling_mm=2.0)
    grid = mesh.around(vertebra, Potting())
    specimen = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=80.0))
    fitted = mesh.fitter(vertebra, specimen.anatomy.frame, Potting()).fit(specimen)
    return replace(fitted, name="measured")


def forecast(body, **given):
    mesh, sweep = body.domain, body.sweep
    coarsest = coarsest_points(sweep.plan, sweep.n_layers, COARSEST_POINTS)
    return forecast_mesh_bytes(mesh.n_points, mesh.n_cells, coarsest_points=coarsest, **given)


def peak(work) -> int:
    tracemalloc.start()
    work()
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return used


def test_memory_of_a_linear_solve_is_what_was_forecast(body):
    assert body.materials.moduli.any()  # made beforehand, as by a run

    def solve():
        solve_modes(body, settings=Settings(tolerance=0.1, threads=1))

    solve()  # kernels and libraries are loaded
    used = peak(solve)
    assert forecast(body) - FIXED == pytest.approx(used, rel=TOLERANCE)


@pytest.mark.parametrize("laws", [crushable_cells, yielding_cells])
def test_memory_of_mechanics_and_strength_is_what_was_forecast(body, laws):
    made = laws(body)
    made = made if isinstance(made, Constituents) else Constituents.join(made)

    def crush():
        solver = Equilibrium(body, made, settings=settings()._replace(threads=1, tolerance=0.01))
        solver.run(Leg("crush", move(0.2), first=1.0, largest=1.0))

    crush()
    used = peak(crush)
    given = {"n_entries": len(made.cell), "n_thin": len(np.unique(made.cell[made.height != 0.0]))}
    wanted = forecast(body, **given)
    assert wanted - FIXED == pytest.approx(used, rel=TOLERANCE)
    # what a case counts before any work is what the body then holds
    assert solver_bytes(body.body.layout, has_laws=True) == pytest.approx(wanted, rel=0.01)


def test_memory_on_tetrahedra_is_what_was_forecast():
    mesh = cut(brick((9, 9, 9), (9.0, 9.0, 9.0)), "tetra10")
    body = solid(mesh, np.full(mesh.n_cells, E), "tet10")
    made = yielding(body.materials, YIELD)

    def solve():
        solve_modes(body, settings=Settings(tolerance=0.1, threads=1))

    def crush():
        solver = Equilibrium(body, made, settings=settings()._replace(threads=1, tolerance=0.01))
        solver.run(Leg("crush", move(0.02), first=1.0, largest=1.0))

    for work, has_laws in ((solve, False), (crush, True)):
        work()
        wanted = forecast_tetra_bytes(mesh.n_points, order=2, has_laws=has_laws)
        assert wanted == pytest.approx(peak(work), rel=TOLERANCE)
