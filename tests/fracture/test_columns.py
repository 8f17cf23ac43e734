"""Maps of height: what a column holds is conserved, what fills it stays a share."""

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.fracture.columns import ColumnMap

SEED = 20240611
FACES = np.arange(-10.0, 10.5, 0.5)
N_COLUMNS = 7

# Cumulative sums over 40 cells and their differences: a few hundred roundings of numbers near 1.
ROUND_OFF = 1e-12


def knots(rng, n=4):
    """Random knots inside the faces; the upper end sinks, so nothing leaves through the top."""
    before = np.sort(rng.uniform(-8.0, 8.0, (n, N_COLUMNS)), axis=0)
    pieces = np.diff(before, axis=0) * rng.uniform(0.2, 1.0, (n - 1, N_COLUMNS))
    after = np.concatenate([before[:1], before[0] + np.cumsum(pieces, axis=0)])
    return before, after


def with_opening(before, after):
    """Part the material at the second knot: a gap half as high as the first piece was."""
    wide = np.insert(before, 2, before[1], axis=0)
    lowered = np.insert(after, 1, 0.5 * (after[0] + after[1]), axis=0)
    return wide, lowered


def sampled(field, columns, weights, n_samples=400):
    """The same by brute force: points in every cell after, looked up one column at a time."""
    h = FACES[1] - FACES[0]
    result = np.zeros(field.shape)
    inside = (np.arange(n_samples) + 0.5) / n_samples * h
    for c in range(field.shape[1]):
        before, after = columns.before_mm[:, c], columns.after_mm[:, c]
        for i in range(len(field)):
            z = FACES[i] + inside
            piece = np.searchsorted(after, z) - 1
            source = np.where(z < after[0], z - after[0] + before[0], 0.0)
            source = np.where(z >= after[-1], z - after[-1] + before[-1], source)
            weight = np.ones(n_samples)
            for k in range(len(before) - 1):
                here = piece == k
                share = (z - after[k]) / max(after[k + 1] - after[k], 1e-300)
                source = np.where(here, before[k] + share * (before[k + 1] - before[k]), source)
                hollow = before[k + 1] == before[k]
                weight = np.where(here, 0.0 if hollow else weights[k, c], weight)
            weight = np.where(source < FACES[-1], weight, 0.0)
            cell = np.clip(((source - FACES[0]) // h).astype(int), 0, len(field) - 1)
            result[i, c] = np.mean(weight * field[cell, c])
    return result


def test_an_amount_is_conserved_in_every_column():
    rng = np.random.default_rng(SEED)
    field = rng.random((len(FACES) - 1, N_COLUMNS))
    columns = ColumnMap(FACES, *knots(rng))
    moved = columns.amount(field)
    assert np.allclose(moved.sum(axis=0), field.sum(axis=0), rtol=ROUND_OFF)
    assert not np.allclose(moved, field)


def test_shares_agree_with_brute_force():
    rng = np.random.default_rng(SEED)
    field = rng.random((len(FACES) - 1, N_COLUMNS))
    before, after = knots(rng)
    columns = ColumnMap(FACES, *with_opening(before, after))
    weights = rng.random((columns.n_pieces, N_COLUMNS))
    expected = sampled(field, columns, weights)
    # A jump of a field or weight of at most 1 is placed within one sample of 400 per cell; a cell
    # of 0.5 mm holds at most about eight of them.
    assert np.allclose(columns.share(field, weights), expected, atol=8 / 400)


def test_a_full_column_stays_full_but_for_its_opening():
    rng = np.random.default_rng(SEED)
    before, after = knots(rng)
    columns = ColumnMap(FACES, *with_opening(before, after))
    full = np.ones((len(FACES) - 1, N_COLUMNS))
    total = columns.share(full) + columns.opened()
    above_is_empty = FACES[-1] - (before[-1] - after[-1]).max()
    below_the_loss = FACES[1:] < above_is_empty
    assert np.allclose(total[below_the_loss], 1.0, atol=ROUND_OFF)
    gap = 0.5 * (after[1] - after[0])
    assert np.allclose(columns.opened().sum(axis=0) * (FACES[1] - FACES[0]), gap, atol=ROUND_OFF)


def test_shares_stay_between_none_and_all():
    rng = np.random.default_rng(SEED)
    field = rng.integers(0, 2, (len(FACES) - 1, N_COLUMNS)).astype(float)
    moved = ColumnMap(FACES, *knots(rng)).share(field)
    assert moved.min() >= -ROUND_OFF
    assert moved.max() <= 1.0 + ROUND_OFF


def test_knots_that_stay_change_nothing():
    rng = np.random.default_rng(SEED)
    field = rng.random((len(FACES) - 1, N_COLUMNS))
    before, _ = knots(rng)
    columns = ColumnMap(FACES, before, before)
    assert np.allclose(columns.share(field), field, atol=ROUND_OFF)
    assert np.allclose(columns.amount(field), field, atol=ROUND_OFF)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([0.0, -1.0], [0.0, 1.0]),
        ([0.0, 1.0], [0.0, -1.0]),
        ([0.0, 1.0], [0.0, 0.0]),
        ([0.0], [0.0]),
    ],
    ids=["falls before", "falls after", "compressed to nothing", "one knot"],
)
def test_a_map_that_is_not_monotone_is_refused(before, after):
    with pytest.raises(InvalidInput, match="_mm"):
        ColumnMap(FACES, np.array(before)[:, None], np.array(after)[:, None])
