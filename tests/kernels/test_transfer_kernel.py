"""Transfer between grids against sparse trilinear interpolation over the whole box."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import sparse

from vbsim.fem.layout import Layout
from vbsim.kernels import runs, transfer

SEED = 3


def interpolation_1d(n_fine: int, factor: int) -> sparse.csr_array:
    """Fine point i from coarse points i / factor, linear."""
    n_cells = n_fine - 1
    n_coarse = -(-n_cells // factor) + 1
    dense = np.zeros((n_fine, n_coarse))
    for i in range(n_fine):
        dense[i, i // factor] += 0.5 if i % factor else 1.0
        if i % factor:
            dense[i, i // factor + 1] += 0.5
    return sparse.csr_array(dense)


def two_grids(factors: tuple[int, int, int], shape: tuple[int, int, int], fill: float):
    """Random fine cells, the coarse cells above them, and the dense interpolation between."""
    solid = np.random.default_rng(SEED).random(shape) < fill
    coarse_shape = tuple(-(-n // f) for n, f in zip(shape, factors, strict=True))
    coarse = np.zeros(coarse_shape, bool)
    z, y, x = np.nonzero(solid)
    coarse[z // factors[0], y // factors[1], x // factors[2]] = True
    one = [interpolation_1d(n + 1, f) for n, f in zip(shape, factors, strict=True)]
    whole = sparse.kron(one[0], sparse.kron(one[1], one[2])).tocsr()
    return Layout(solid), Layout(coarse), whole


def flat(layout: Layout) -> np.ndarray:
    z, y, x = layout.index()
    _, n_y, n_x = layout.point_shape
    return (z.astype(int) * n_y + y) * n_x + x


def parents_of(fine: Layout, coarse: Layout, factors: np.ndarray) -> np.ndarray:
    parents = np.full((4, len(fine.points.length)), -1, np.int32)
    transfer.relate(fine.points, coarse.points, factors, parents)
    return parents


CASES = [
    (factors, shape, fill)
    for factors in product((1, 2), repeat=3)
    if max(factors) == 2
    for shape in ((6, 5, 9), (7, 4, 8))
    for fill in (0.15, 1.0)
]


@pytest.mark.parametrize(("factors", "shape", "fill"), CASES)
def test_transfers_are_trilinear_interpolation_and_its_transpose(factors, shape, fill):
    fine, coarse, whole = two_grids(factors, shape, fill)
    expected = whole[flat(fine)][:, flat(coarse)]
    halved = np.array(factors)
    parents = parents_of(fine, coarse, halved)
    line = np.empty(shape[2] + 3)
    share = 1.0 / halved[::-1]  # covariant components
    rng = np.random.default_rng(SEED)

    above = rng.standard_normal((3, coarse.n_points))
    dinv = (rng.random((3, fine.n_points)) < 0.8).astype(float)
    out, x = np.empty((3, fine.n_points)), rng.standard_normal((3, fine.n_points))
    before = x.copy()
    arguments = (above, 1.25, halved, parents, fine.points, 0, shape[0] + 1, line, dinv, out, x)
    transfer.prolong(*arguments)
    for c in range(3):
        wanted = 1.25 * share[c] * (expected @ above[c]) * dinv[c]
        np.testing.assert_allclose(out[c], wanted, atol=1e-14)
    np.testing.assert_allclose(x, before + out, atol=1e-14)

    below = rng.standard_normal((3, fine.n_points))
    got = np.full((3, coarse.n_points), np.nan)
    top = len(coarse.points.plane) - 1
    for start, stop in ((0, 2), (2, top)):  # slabs of planes fit together
        transfer.restrict(
            below, fine.points, halved, parents, coarse.points, start, stop, line, got
        )
    for c in range(3):
        np.testing.assert_allclose(got[c], share[c] * (expected.T @ below[c]), atol=1e-14)


def held_above(flags: np.ndarray, factors: tuple[int, int, int]) -> np.ndarray:
    shape = tuple(-(-(n - 1) // f) + 1 for n, f in zip(flags.shape, factors, strict=True))
    coarse = np.empty(shape, np.uint8)
    transfer.hold(flags, np.array(factors), coarse)
    return coarse


@pytest.mark.parametrize("n_z", [5, 6, 7, 8])
def test_a_held_end_plane_stays_held_to_its_edge_on_every_coarser_grid(n_z):
    """Also at coarse points beside the body, which touch it from the side."""
    solid = np.zeros((n_z, 9, 9), bool)
    solid[:, 1:8, 2:7] = True
    flags = np.zeros((n_z + 1, 10, 10), np.uint8)
    layout = Layout(solid)
    flags[n_z] = runs.HELD_Z
    runs.flag(layout.points, transfer.ACTIVE, flags)
    while flags.shape[0] > 2:
        flags = held_above(flags, (2, 2, 2))
        active = np.zeros(tuple(n - 1 for n in flags.shape), bool)
        coarse = np.add.reduceat(solid, np.arange(0, solid.shape[0], 2), axis=0)
        coarse = np.add.reduceat(coarse, np.arange(0, solid.shape[1], 2), axis=1)
        active = np.add.reduceat(coarse, np.arange(0, solid.shape[2], 2), axis=2)
        solid = np.asarray(active, bool)
        runs.flag(Layout(solid).points, transfer.ACTIVE, flags)
        z = np.nonzero(flags[-1] & transfer.ACTIVE)
        assert len(z[0]) > 0
        assert np.all(flags[-1][z] & runs.HELD_Z)
        assert not np.any(flags[:-1] & runs.HELD_Z)
