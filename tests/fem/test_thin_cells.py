"""Cells whose laws are asked through their thickness: closed forms of plates, and a slow twin."""

from __future__ import annotations

import numpy as np
import pytest
from plates_twin import moments_of, plate
from solids import distorted
from test_inelastic_mesh import TIGHT, E, solid

from vbsim.checks import InvalidInput
from vbsim.fem.assembled import reference_tables
from vbsim.fem.equilibrium import (
    HOLD,
    Equilibrium,
    EquilibriumSettings,
    Leg,
    Status,
    load,
    move,
)
from vbsim.fem.equilibrium.cells import Means, Memory, ThinCells, first_moments
from vbsim.materials.constituents import Constituents, Part, through_thickness
from vbsim.materials.laws import Crushable, Quadric, Softening, crushing
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.order import brick

YIELD, SLOPE = 2.0, 0.5
WIDTH, THICK, LONG = 2.0, 0.5, 20.0


def layered(body, law, *, thin=True, across=2):
    part = Part("wall", np.arange(body.domain.n_cells), law)
    return Constituents.join(through_thickness(part, across) if thin else [part])


def constants_of(body):
    return body.materials.mean_constants().reshape(-1, 9)


def strip(*, thin=True):
    """A strip one cell thick between platens, thin along y, free sideways."""
    mesh = brick((1, 1, 8), (WIDTH, THICK, LONG))
    body = solid(mesh, np.full(mesh.n_cells, E), "hex8i")
    law = Quadric(constants_of(body), YIELD, softening=Softening(slope=SLOPE))
    made = layered(body, law, thin=thin, across=1)
    return Equilibrium(body, made, lateral="sliding", settings=TIGHT)


def bent(test, curvature, steps=20):
    """Turn the upper platen until the strip has a curvature, without axial force."""
    leg = Leg("bend", load(0.0), move(curvature * LONG), HOLD, first=1 / steps, largest=1 / steps)
    assert test.run(leg) is Status.DONE
    return test


def test_strip_bends_elastically_and_then_at_its_plastic_moment():
    rigidity = E * WIDTH * THICK**3 / 12.0
    yields_at = YIELD * WIDTH * THICK**2 / 6.0 / rigidity  # curvature at first yield of the faces
    test = bent(strip(), 10.0 * yields_at)
    steps = test.history
    curvature = np.array([step.tilt_x_rad for step in steps]) / LONG
    moment = np.array([step.moment_x_n_mm for step in steps])
    early = curvature < 1.4 * yields_at
    assert early.sum() >= 2
    assert moment[early] == pytest.approx(rigidity * curvature[early], rel=1e-6)
    plastic = 1.5 * rigidity * yields_at  # sigma b t^2 / 4
    # hardening, by the inelastic strain at two thirds of the height
    kappa = 2.0 / 3.0 * 0.5 * THICK * curvature[-1] - YIELD / E
    assert moment[-1] == pytest.approx(plastic * (1.0 + SLOPE * kappa), rel=2e-3)
    assert moment[-1] == pytest.approx(plastic, rel=0.02)
    # Cells that know their mean strain alone never yield.
    flat = bent(strip(thin=False), 10.0 * yields_at, steps=2).history[-1]
    assert flat.moment_x_n_mm == pytest.approx(10.0 * rigidity * yields_at, rel=1e-6)
    assert flat.dissipated_n_mm == 0.0


def test_a_bent_strip_springs_back_by_its_moment_over_its_rigidity():
    rigidity = E * WIDTH * THICK**3 / 12.0
    bound = YIELD * WIDTH * THICK**2 / 6.0 / rigidity
    test = bent(strip(), 6.0 * bound)
    most = test.history[-1]
    assert test.run(Leg("let go", load(0.0), load(0.0), HOLD)) is Status.DONE
    last = test.history[-1]
    left = most.tilt_x_rad - most.moment_x_n_mm * LONG / rigidity
    assert last.tilt_x_rad == pytest.approx(left, rel=2e-3)
    spent = np.array([step.dissipated_n_mm for step in test.history])
    assert np.all(np.diff(spent) >= -1e-12)
    # two points that yield alike are free of stress once the moment is gone
    assert last.work_n_mm == pytest.approx(spent[-1], rel=4e-3)


@pytest.mark.parametrize("element", ["hex8", "hex8i"])
@pytest.mark.parametrize("across", [0, 2])
def test_elastic_cells_are_the_linear_element(element, across):
    """On distorted cells, whichever way they are thin: the strain is small, the law linear."""
    counts = np.full(3, 3)
    counts[across] = 2
    size = np.full(3, 3.0)
    size[across] = 0.5
    mesh = distorted(tuple(counts), tuple(size), 0.06)
    body = solid(mesh, np.linspace(0.5, 1.5, mesh.n_cells) * E, element)
    made = layered(body, Quadric(constants_of(body), 1e3), across=across)
    test = Equilibrium(body, made, settings=TIGHT).body
    u = np.random.default_rng(2).normal(size=test.free.shape) * 1e-3
    force, product = np.empty_like(u), np.empty_like(u)
    assert test.forces(u, 0.0, 0.0, force) == 0
    linear = np.empty_like(u)
    test.problem.matrix.product(u, linear)  # given away: the remainder of the element
    assert not np.allclose(linear, force)
    fresh = Equilibrium(body, Constituents.elastic(body.materials), settings=TIGHT).body
    fresh.forces(u, 0.0, 0.0, linear)
    test.product(u, product)
    size = np.abs(linear).max()
    assert force == pytest.approx(linear, abs=1e-9 * size)
    assert product == pytest.approx(linear, abs=1e-9 * size)
    # What the points do not see resists every motion or none.
    remainder = test._base.to_scipy().toarray()
    assert np.linalg.eigvalsh(remainder)[0] > -1e-9 * np.abs(remainder).max()


def test_distorted_column_yields_uniformly_at_the_closed_form():
    mesh = distorted((3, 2, 3), (3.0, 2.0, 3.0), 0.25)
    body = solid(mesh, np.full(mesh.n_cells, E), "hex8i")
    law = Quadric(constants_of(body), YIELD, softening=Softening(slope=5.0))
    test = Equilibrium(body, layered(body, law), lateral="sliding", settings=TIGHT)
    strain = 0.03
    assert test.run(Leg("load", move(3.0 * strain), first=0.25, largest=0.25)) is Status.DONE
    kappa = (strain - YIELD / E) / (1.0 + YIELD * 5.0 / E)
    stress = YIELD * (1.0 + 5.0 * kappa)
    assert test.history[-1].force_n == pytest.approx(6.0 * stress, rel=1e-6)
    assert test.body.rows[:, 0] == pytest.approx(kappa, rel=1e-6)


def crushed_cells():
    """Thin distorted cells of crushable bone, and a displacement far beyond yield."""
    mesh = distorted((2, 2, 4), (4.0, 4.0, 2.0), 0.08)
    body = solid(mesh, np.full(mesh.n_cells, E), "hex8i")
    law = Crushable(constants_of(body), 0.01 * E, crushing("shell"))
    rng = np.random.default_rng(7)
    x, y, z = mesh.points.T
    u = np.stack([0.03 * z * x, 0.02 * z * y + 0.04 * z, -0.05 * z], axis=1)
    return body, layered(body, law), u + rng.normal(size=u.shape) * 0.01


def cells_of(body, made):
    tables = reference_tables(body.element)
    slopes = np.ascontiguousarray(tables.slopes[:, :, :8])
    means = Means(body.domain, slopes, tables.weights)
    numbers = np.arange(body.domain.n_cells)
    rest = np.ascontiguousarray(constants_of(body))
    return ThinCells(means, made, numbers, rest, 1, body.element), means


def memory(cells, made):
    n, rows = len(cells.cells), np.zeros((len(cells.entries), made.n_state))
    return Memory(rows, rows.copy(), np.zeros(n, np.float32), np.zeros(n, np.float32))


def test_moments_and_points_are_those_of_the_twin():
    body, made, u = crushed_cells()
    mesh, element = body.domain, body.element
    cells, means = cells_of(body, made)
    states = memory(cells, made)
    assert cells.evaluate(u, 0.0, states) == 0
    n_yielding = 0
    for c in (0, 5, 11):
        corners = mesh.points[mesh.cells[c]]
        mean, bend, normal, volume = moments_of(corners, element, 2)
        assert cells._plates.bends[c] == pytest.approx(bend, abs=1e-12)
        assert cells._plates.normal[c] == pytest.approx(normal, abs=1e-12)
        assert means.volumes_mm3[c] == pytest.approx(volume, rel=1e-12)
        own = u[mesh.cells[c]]
        F, G = np.eye(3) + own.T @ mean, own.T @ bend
        chosen = np.flatnonzero(made.cell == c)
        points = [
            (made.height[j], made.weight[j], made.params[j], np.zeros(made.n_state)) for j in chosen
        ]
        stress, new, relief = plate(made.law[chosen[0]], F, G, normal, points)
        size = np.abs(stress).max()
        assert cells._stress[c].reshape(2, 3, 3) == pytest.approx(stress, abs=1e-8 * size)
        assert cells._relief[c] == pytest.approx(relief, abs=1e-9)
        rows = states.new[np.flatnonzero(made.cell[cells.entries] == c)]
        assert rows == pytest.approx(np.array(new), abs=1e-8)
        n_yielding += int((rows[:, 0] > 1e-4).sum())
    assert n_yielding >= 4


def test_tangent_is_the_derivative_of_the_forces():
    body, made, u = crushed_cells()
    test = Equilibrium(body, made, settings=TIGHT).body
    d = np.random.default_rng(6).normal(size=u.shape)
    ahead, behind, product = np.empty_like(u), np.empty_like(u), np.empty_like(u)
    assert test.forces(u, 0.0, 0.0, ahead) == 0
    test.product(d, product)
    assert test.n_yielding() > 4
    for force, step in ((ahead, 1e-6), (behind, -1e-6)):
        test.forces(u + step * d, 0.0, 0.0, force)
    size = np.abs(product).max()
    assert product == pytest.approx((ahead - behind) / 2e-6, abs=1e-5 * size)


def test_stress_turns_with_the_body():
    body, made, u = crushed_cells()
    cells, _ = cells_of(body, made)
    assert cells.evaluate(u, 0.0, memory(cells, made)) == 0
    before = cells._stress.reshape(-1, 2, 3, 3).copy()
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
    turn *= np.linalg.det(turn)
    x = body.domain.points
    assert cells.evaluate((x + u) @ turn.T - x, 0.0, memory(cells, made)) == 0
    now = cells._stress.reshape(-1, 2, 3, 3)
    assert now == pytest.approx(np.einsum("ij,csjk->csik", turn, before), abs=1e-8 * E)


def test_every_constituent_of_a_thin_cell_must_lie_in_its_thickness():
    mesh = brick((1, 1, 1), (1.0, 1.0, 0.2))
    body = solid(mesh, [E])
    wall = Part("wall", np.arange(1), Quadric(constants_of(body), YIELD))
    mixed = Constituents.join([*through_thickness(wall, 2), wall._replace(name="rest")])
    with pytest.raises(InvalidInput, match=r"height.*all constituents of a thin cell"):
        Equilibrium(body, mixed)


def test_a_bent_cell_has_the_slope_of_its_strain():
    for across in range(3):
        size = np.ones(3)
        size[across] = 0.1
        mesh = brick((1, 1, 1), tuple(size))
        bends, normal = first_moments(mesh, ELEMENTS["hex8i"], np.arange(1), np.array([across]))
        assert np.abs(normal[0]) == pytest.approx(np.eye(3)[across])
        # u = z x with z from -1 to 1 has the slope 1 along x, and nothing along z
        x, z = mesh.points[:, (across + 1) % 3], 20.0 * mesh.points[:, across] - 1.0
        slope = (z * x)[mesh.cells[0]] @ bends[0]
        assert slope[(across + 1) % 3] == pytest.approx(1.0)


def folded(n_cells, *, thin):
    """Share of its shortening that a clamped strip gets back after it has buckled and folded."""
    mesh = brick((1, 1, n_cells), (WIDTH, THICK, 10.0))
    points = mesh.points.copy()
    points[:, 1] += 0.05 * np.sin(np.pi * points[:, 2] / 10.0) ** 2
    body = solid(mesh.with_points(points), np.full(mesh.n_cells, E), "hex8i")
    ductile = {"plateau": 1.0, "most_damage": 0.0, "crushed_tension": 0.67, "backbone": 0.0}
    law = Crushable(constants_of(body), 0.01 * E, crushing("shell").model_copy(update=ductile))
    made = layered(body, law, thin=thin, across=1)
    settings = EquilibriumSettings(tolerance=1e-6)
    test = Equilibrium(body, made, lateral="held", settings=settings)
    assert test.run(Leg("fold", move(2.0), first=0.01, largest=0.05)) is Status.DONE
    assert test.run(Leg("let go", load(0.0), first=0.1, largest=0.2)) is Status.DONE
    return 1.0 - test.history[-1].axial_mm / 2.0


def test_a_folded_wall_springs_back_by_as_much_on_finer_cells():
    """A fifth to a third of it; where laws see mean strains, more and more, up to all of it."""
    thin = [folded(n, thin=True) for n in (12, 16, 24)]
    assert all(0.15 < share < 0.4 for share in thin)
    coarse, fine = (folded(n, thin=False) for n in (8, 16))
    assert fine > 1.5 * coarse > 1.5 * max(thin)
