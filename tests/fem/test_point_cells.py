"""Tetrahedra whose laws are asked at every integration point: beside closed forms and one law."""

from __future__ import annotations

import numpy as np
import pytest
from solids import cut, distorted
from test_inelastic_mesh import TIGHT, YIELD, E, bent_moment, solid

from vbsim.checks import InvalidInput
from vbsim.fem.equilibrium import Equilibrium, Leg, Status, load, move
from vbsim.materials.constituents import Constituents, Part, at_points
from vbsim.materials.laws import Quadric, Softening
from vbsim.mesh.order import brick

SLOPE = 5.0


def column(cells=slice(None), strength=YIELD):
    """A column of distorted tetrahedra that may widen freely; laws at the points of some cells."""
    mesh = cut(distorted((2, 2, 2), (3.0, 2.0, 3.0), 0.25), "tetra10")
    body = solid(mesh, np.linspace(0.5, 1.5, mesh.n_cells) * E, "tet10")
    constants = body.materials.mean_constants().reshape(-1, 9)
    chosen = np.arange(mesh.n_cells)[cells]
    rest = np.setdiff1d(np.arange(mesh.n_cells), chosen)
    law = Quadric(constants[chosen], strength, softening=Softening(slope=SLOPE))
    parts = at_points(Part("wall", chosen, law), 4)
    if len(rest):
        law = Quadric(constants[rest], strength, softening=Softening(slope=SLOPE))
        parts.append(Part("core", rest, law))
    return body, Constituents.join(parts)


@pytest.mark.parametrize("cells", [slice(None), slice(0, None, 2)])
def test_elastic_cells_are_the_linear_element(cells):
    body, made = column(cells, strength=1e3)
    test = Equilibrium(body, made, settings=TIGHT).body
    u = np.random.default_rng(2).normal(size=test.free.shape) * 1e-3
    force, product, linear = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    assert test.forces(u, 0.0, 0.0, force) == 0
    test.product(u, product)
    fresh = Equilibrium(body, Constituents.elastic(body.materials), settings=TIGHT).body
    fresh.forces(u, 0.0, 0.0, linear)
    size = np.abs(linear).max()
    assert force == pytest.approx(linear, abs=1e-9 * size)
    assert product == pytest.approx(linear, abs=1e-9 * size)
    if cells == slice(None):
        # All of the element is given away.
        remainder = test._base.to_scipy().toarray()
        assert np.abs(remainder).max() < 1e-9 * E


def test_tangent_is_the_derivative_of_the_forces():
    body, made = column(slice(0, None, 2))
    test = Equilibrium(body, made, settings=TIGHT).body
    rng = np.random.default_rng(6)
    u, d = (rng.normal(size=test.free.shape) * size for size in (0.01, 1.0))
    ahead, behind, product = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    test.forces(u, 0.0, 0.0, ahead)
    test.product(d, product)
    assert test.n_yielding() > 4
    for force, step in ((ahead, 1e-6), (behind, -1e-6)):
        test.forces(u + step * d, 0.0, 0.0, force)
    assert product == pytest.approx((ahead - behind) / 2e-6, rel=1e-5, abs=1e-4)


def test_a_beam_of_one_layer_comes_to_its_plastic_moment():
    """One cube across the depth, cut into six: 94 % too strong with one law a cell."""
    assert bent_moment("tet10", 1, points=4) == pytest.approx(1.0, abs=0.04)
    assert bent_moment("tet10", 1) > 1.8


def test_work_is_what_was_dissipated_once_the_load_is_off_and_state_goes_on():
    body, made = column(slice(0, None, 2))
    test = Equilibrium(body, made, lateral="sliding", settings=TIGHT)
    assert test.run(Leg("load", move(0.1), first=0.02, largest=0.02)) is Status.DONE
    again = Equilibrium(body, made, lateral="sliding", settings=TIGHT, state=test.state())
    for solver in (test, again):
        assert solver.run(Leg("unload", load(0.0))) is Status.DONE
    last, other = test.history[-1], again.history[-1]
    assert last.work_n_mm == pytest.approx(last.dissipated_n_mm, rel=0.02)
    assert other.axial_mm == pytest.approx(last.axial_mm, rel=1e-6)
    assert other.dissipated_n_mm == pytest.approx(last.dissipated_n_mm, rel=1e-6)


def test_part_of_the_points_is_refused():
    mesh = cut(brick((1, 1, 1), (1.0, 1.0, 1.0)), "tetra10")
    body = solid(mesh, np.full(mesh.n_cells, E), "tet10")
    law = Quadric(body.materials.mean_constants().reshape(-1, 9), YIELD)
    parts = at_points(Part("wall", np.arange(mesh.n_cells), law), 3)
    with pytest.raises(InvalidInput, match=r"height.*every integration point"):
        Equilibrium(body, Constituents.join(parts))
