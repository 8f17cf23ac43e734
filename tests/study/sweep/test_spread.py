import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.study.sweep import design
from vbsim.study.sweep.expressions import evaluate
from vbsim.study.sweep.spread import Choice, LogNormal, Normal, Uniform

QUANTILES = (np.arange(20_000) + 0.5) / 20_000


@pytest.mark.parametrize(
    ("spread", "mean", "sd"),
    [
        (Uniform(min=2.0, max=4.0), 3.0, 2.0 / np.sqrt(12.0)),
        (Normal(mean=65.0, sd=15.0), 65.0, 15.0),
        (LogNormal(mean=80.0, sd=20.0), 80.0, 20.0),
        # Half a normal distribution: mean sd sqrt(2 / pi), variance sd^2 (1 - 2 / pi).
        (Normal(mean=0.0, sd=1.0, min=0.0), np.sqrt(2 / np.pi), np.sqrt(1 - 2 / np.pi)),
    ],
)
def test_a_spread_has_the_mean_and_deviation_it_names(spread, mean, sd):
    found = np.array(spread.values(QUANTILES))
    # The midpoint rule on 20 000 quantiles leaves less than this in the tails.
    assert found.mean() == pytest.approx(mean, rel=1e-3)
    assert found.std() == pytest.approx(sd, rel=2e-3)


def test_truncated_values_stay_between_their_bounds_and_keep_the_shape_inside():
    found = np.array(Normal(mean=65.0, sd=15.0, min=40.0, max=90.0).values(QUANTILES))
    assert 40.0 <= found.min() < found.max() <= 90.0
    whole = np.array(Normal(mean=65.0, sd=15.0).values(QUANTILES))
    inside = whole[(whole > 40.0) & (whole < 90.0)]
    assert found.mean() == pytest.approx(inside.mean(), rel=1e-3)
    assert np.median(found) == pytest.approx(np.median(inside), rel=1e-3)


def test_a_logarithmic_uniform_spread_has_the_geometric_mean_as_median():
    found = Uniform(min=1.0, max=100.0, scale="log").values(QUANTILES)
    assert np.median(found) == pytest.approx(10.0, rel=1e-3)


def test_choices_come_as_often_as_their_weights():
    found = Choice(values=["a", "b", "c"], weights=[1, 2, 1]).values(QUANTILES)
    assert [found.count(name) for name in "abc"] == [5000, 10000, 5000]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Uniform(min=2.0, max=1.0),
        lambda: Uniform(min=0.0, max=1.0, scale="log"),
        lambda: Normal(mean=1.0, sd=0.0),
        lambda: Choice(values=[]),
        lambda: Choice(values=[1, 2], weights=[1]),
        lambda: Choice(values=[1, 2], weights=[0, 0]),
    ],
)
def test_impossible_spreads_are_refused(wrong):
    with pytest.raises(InvalidInput):
        wrong()


@pytest.mark.parametrize("method", ["latin_hypercube", "sobol", "random"])
def test_a_design_is_reproducible_and_depends_on_its_seed(method):
    first, again = (design.points(method, 64, 3, seed=1) for _ in range(2))
    other = design.points(method, 64, 3, seed=2)
    assert first.shape == (64, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.0 < first.min() < first.max() < 1.0


def test_a_latin_hypercube_has_one_point_in_every_row_and_column():
    found = design.points("latin_hypercube", 50, 4, seed=0)
    for column in found.T:
        assert sorted((column * 50).astype(int)) == list(range(50))


def test_a_design_of_indices_comes_in_blocks():
    pytest.importorskip("SALib", reason="needs SALib: pip install 'vbsim[sensitivity]'")
    assert len(design.points("sobol_indices", 8, 3, seed=0)) == 8 * 5
    assert len(design.points("morris", 6, 3, seed=0)) == 6 * 4
    with pytest.raises(InvalidInput, match="power of two"):
        design.points("sobol_indices", 7, 3, seed=0)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a > 1 and b == 'x'", False),
        ("a > 1 or b == 'x'", True),
        ("not a > 1", True),
        ("0 < a <= 1", True),
        ("a in [1, 2] and b not in ['y']", True),
        ("-a + 2 ** 3 / 4 == 1", True),
        ("max(a, 5) == 5 and abs(-2) == 2", True),
    ],
)
def test_conditions_mean_what_they_say(text, wanted):
    assert bool(np.all(evaluate(text, {"a": 1, "b": "x"}))) is wanted


@pytest.mark.parametrize(
    "text", ["__import__('os')", "a.b", "a[0]", "lambda: 1", "a if b else 1", "f'{a}'", "", "a >"]
)
def test_nothing_but_conditions_is_evaluated(text):
    with pytest.raises(InvalidInput):
        evaluate(text, {"a": 1, "b": "x"})
