"""Linear tests on plain blocks: closed forms, equilibrium, energy, threads, failures."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from blocks import Block, block
from scipy import ndimage

from vbsim.checks import InvalidInput, NotConverged
from vbsim.fem import (
    Compression,
    Flexion,
    LateralBending,
    Settings,
    forecast_bytes,
    respond,
    solve,
    solve_modes,
)
from vbsim.fem.layout import Team
from vbsim.fem.problem import PlatenProblem
from vbsim.fem.recovery import energy_density, strain, stress, von_mises
from vbsim.materials.field import LAMBDA, MU, StiffnessField

SEED = 5


def rough_block(shape=(12, 9, 10), poisson=0.3, voids=0.1):
    rng = np.random.default_rng(SEED)
    modulus = np.exp(rng.normal(5.0, 1.0, shape)) * (rng.random(shape) > voids)
    return block(StiffnessField.isotropic(modulus, poisson))


@pytest.mark.parametrize("lateral", ["held", "sliding", "lower_held"])
def test_responses_are_in_equilibrium_and_carry_their_loads(lateral):
    modes = solve_modes(rough_block(), lateral=lateral)
    assert modes.report.relative_residual < 1e-9
    loads = (
        Compression(force_n=250.0, lateral=lateral),
        Compression(
            force_n=250.0, lateral=lateral, platen="ball_joint", load_offset_mm=(1.0, -2.0)
        ),
        Flexion(moment_n_mm=-300.0, force_n=20.0, lateral=lateral),
        LateralBending(moment_n_mm=500.0, lateral=lateral),
    )
    for load in loads:
        response = respond(modes, load)
        assert response.equilibrium_error < 1e-7
    assert respond(modes, loads[0]).force_n == pytest.approx(250.0, rel=1e-12)
    np.testing.assert_allclose(respond(modes, loads[2]).moment_n_mm, [-300.0, 0.0], atol=1e-6)


def test_an_unbalanced_solve_is_told():
    loose = solve_modes(rough_block(), settings=Settings(tolerance=1e-2))
    assert respond(loose, Flexion()).equilibrium_error > 1e-5


def test_work_of_the_platen_is_twice_the_strain_energy():
    # Without bending modes (uniform strain) the energy of the mean strain is all there is.
    body = block(StiffnessField.isotropic(np.full((6, 4, 5), 100.0), 0.3))
    response = solve(body, Compression(force_n=100.0, lateral="sliding"))
    eps = strain(response.displacement_mm, body.domain)
    sigma = stress(eps, body.materials)
    energy = energy_density(eps, sigma).sum() * body.domain.cell_volume_mm3
    assert energy == pytest.approx(0.5 * response.force_n * response.motion[0], rel=1e-8)
    np.testing.assert_allclose(sigma[..., 2], -100.0 / 20.0, rtol=1e-7)
    np.testing.assert_allclose(von_mises(sigma), 5.0, rtol=1e-7)


def test_platen_stiffness_is_symmetric_positive_and_loads_combine():
    modes = solve_modes(rough_block())
    assert np.linalg.eigvalsh(modes.stiffness).min() > 0
    guided = respond(modes, Compression())
    ball = respond(modes, Compression(platen="ball_joint"))
    assert guided.motion[1:].tolist() == [0.0, 0.0]
    # A platen that may tilt gives way more.
    assert ball.motion[0] > guided.motion[0]
    np.testing.assert_allclose(ball.moment_n_mm, 0.0, atol=1e-6)


def test_load_line_in_front_tilts_forward():
    body = block(StiffnessField.isotropic(np.full((8, 6, 6), 100.0), 0.3))
    modes = solve_modes(body)
    front = respond(modes, Compression(platen="ball_joint", load_offset_mm=(0.0, -1.0)))
    descent = -front.displacement_mm[2, -1]
    assert descent[0].mean() > descent[-1].mean()  # y = 0 is the front
    bent = respond(modes, Flexion())
    assert bent.motion[1] > 0
    assert -bent.displacement_mm[2, -1, 0].mean() > 0
    left = respond(modes, LateralBending())
    assert -left.displacement_mm[2, -1, :, -1].mean() > 0  # the left side, large x, goes down


def test_tilt_stiffness_of_a_slender_column():
    # M / theta = E I / H; n layers of square full-integration cells are stiffer by the shear
    # that a trilinear cell takes on when it bends, G / (E n^2).
    E, n_z, n_y, n_x = 100.0, 60, 4, 6
    body = block(StiffnessField.isotropic(np.full((n_z, n_y, n_x), E), 0.0))
    modes = solve_modes(body, lateral="sliding")
    exact = E * n_x * n_y**3 / 12 / n_z
    assert modes.stiffness[1, 1] == pytest.approx(exact * (1 + 0.5 / n_y**2), rel=1e-7)


def test_threads_change_no_digit():
    body = rough_block((36, 30, 30), voids=0.2)
    found = [
        solve(body, Compression(), settings=Settings(threads=threads)).displacement_mm
        for threads in (1, 2)
    ]
    assert np.array_equal(found[0], found[1])


def test_selective_reduction_softens_near_incompressible_bending():
    # At nu 0.48 full integration locks in bending; the reduced volumetric part must not.
    from vbsim.materials.field import LAMBDA, LAMBDA_MEAN, MU, lame

    lam, mu = lame(100.0, 0.48)
    shape = (24, 3, 3)
    full = StiffnessField((LAMBDA, MU), np.stack([np.full(shape, lam), np.full(shape, mu)]))
    reduced = StiffnessField((LAMBDA_MEAN, MU), full.moduli)
    stiff = [solve_modes(block(field), lateral="sliding").stiffness for field in (full, reduced)]
    assert stiff[1][0, 0] == pytest.approx(stiff[0][0, 0], rel=1e-6)  # uniform strain: the same
    assert stiff[1][1, 1] < 0.9 * stiff[0][1, 1]


def test_parts_that_hang_in_the_air_change_nothing():
    modulus = np.zeros((8, 5, 9))
    modulus[:, :, :4] = 100.0
    alone = solve(block(StiffnessField.isotropic(modulus)), Compression())
    modulus[2:4, 2, 7:] = 500.0
    beside = solve(block(StiffnessField.isotropic(modulus)), Compression())
    assert beside.motion[0] == pytest.approx(alone.motion[0], rel=1e-8)


def test_bodies_that_cannot_be_solved_are_refused():
    modulus = np.full((6, 3, 3), 100.0)
    modulus[3] = 0.0
    with pytest.raises(NotConverged, match="no load path"):
        solve(block(StiffnessField.isotropic(modulus)), Compression())
    bare = block(StiffnessField.isotropic(np.ones((2, 2, 2))))
    with pytest.raises(InvalidInput, match="Potting"):
        solve(Block(bare.domain, bare.materials, None), Compression())
    with pytest.raises(NotConverged, match="relative residual") as caught:
        solve(rough_block(), Compression(), settings=Settings(max_iterations=2))
    assert caught.value.report.iterations == (2, 2, 2)


def test_a_similar_body_is_a_good_start():
    body = rough_block((24, 20, 20))
    modes = solve_modes(body)
    moduli = np.array(body.materials.moduli[0])
    moduli[10:12, 8:12, 8:12] *= 1.2
    changed = block(StiffnessField.isotropic(moduli))
    cold = solve_modes(changed)
    warm = solve_modes(changed, start=modes)
    assert sum(warm.report.iterations) < sum(cold.report.iterations)
    np.testing.assert_allclose(warm.stiffness, cold.stiffness, rtol=1e-7, atol=1e-4)
    again = solve_modes(body, start=modes)
    assert again.report.iterations == (0, 0, 0)
    with pytest.raises(InvalidInput, match="same grid"):
        solve_modes(rough_block((4, 3, 3)), start=modes)


def test_a_response_needs_modes_of_the_same_ends():
    modes = solve_modes(rough_block((4, 3, 3)))
    with pytest.raises(InvalidInput, match="lateral"):
        respond(modes, Compression(lateral="sliding"))


def struts(n):
    """A smooth random field, 30 % full: struts of about eight cells."""
    field = ndimage.gaussian_filter(
        np.random.default_rng(SEED).standard_normal((n,) * 3), 3.0, mode="wrap"
    )
    return np.where(field < np.quantile(field, 0.3), 100.0, 0.0)


@pytest.mark.parametrize("n_units", [1, 2])
@pytest.mark.parametrize(
    "modulus", [np.full((40, 40, 40), 100.0), struts(64)], ids=["full", "porous"]
)
def test_memory_is_what_was_forecast(modulus, n_units):
    field = StiffnessField((LAMBDA, MU)[-n_units:], np.stack([modulus] * n_units))
    body = block(field)
    problem = PlatenProblem(body, "held", Team(1))
    layout = problem.operator.layout
    forecast = forecast_bytes(
        layout.n_points,
        layout.n_cells,
        box_points=int(np.prod(layout.point_shape)),
        n_units=n_units,
    )
    del problem
    tracemalloc.start()
    solve_modes(body, settings=Settings(tolerance=0.1, threads=1))
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # what is fitted (runs of cells, coarser grids) is a tenth of the whole
    assert forecast == pytest.approx(used, rel=0.1)
