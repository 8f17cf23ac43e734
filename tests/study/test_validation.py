"""The validation table: its integrity, its verdicts, and a few cheap rows on coarse voxels."""

import json
import math
import re
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.data import value
from vbsim.materials import BoneCementLaw
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen
from vbsim.study.validation import (
    Bench,
    Verdict,
    entries,
    strengths,
    to_json,
    to_markdown,
    validate,
)
from vbsim.study.validation import rows as comparisons
from vbsim.study.validation.rows import COMPARISONS, Found, worst_loss_percent
from vbsim.study.validation.steps import CrushBy, Section, WithoutShell

COARSE_MM = 3.0  # half a second per solve; nothing here asks whether the model is right
INF = math.inf
JSON_KEYS = [
    "id",
    "quantity",
    "unit",
    "computed",
    "published",
    "band",
    "in_band",
    "calibrated",
    "source",
]

# Set before any result was known. A change here is a change of what counts as agreement.
BANDS = {
    "S1": {"stiffness": (14.1, 24.5)},
    "S3": {
        "slope": (0.0715, 0.1485),
        "at_60": (5.57, 21.17),
        "at_90": (8.87, 24.47),
        "at_120": (12.17, 27.77),
        "at_150": (15.47, 31.07),
        "strength_slope": (0.0226, 0.0470),
        "strength_at_60": (-0.402, 4.398),
        "strength_at_90": (0.642, 5.442),
        "strength_at_120": (1.686, 6.486),
        "strength_at_150": (2.73, 7.53),
    },
    "S12": {"change": (-70.0, -30.0)},
    "S13": {"share": (27.0, 56.0)},
    "S2": {"strength": (2.3, 5.5)},
    "S4": {"strain": (0.48, 0.80)},
    "S6": {
        "T6": (-34.5, -14.5),
        "T7": (-25.4, -5.4),
        "T8": (-16.9, 3.1),
        "T9": (-12.1, 7.9),
        "T10": (-12.1, 7.9),
        "T11": (-3.8, 16.2),
        "T12": (-7.8, 12.2),
        "L2": (-1.5, 18.5),
        "L3": (3.7, 23.7),
        "L4": (7.6, 27.6),
        "L5": (12.5, 32.5),
    },
    "S7": {"rise": (0.10, 0.25)},
    "S9": {"integral": (0.1, INF), "rigidity": (0.1, INF)},
    "S11": {"ratio": (1.10, 1.35)},
    "F1": {"ratio": (0.29, 0.65), "mechanics": (0.29, 0.65)},
    "F2": {"ratio": (0.70, 1.08), "drawn": (0.70, 1.08)},
    "F3": {"recovered": (17.0, 45.0)},
    "F10": {"ratio": (1.5, INF)},
    "F8": {"grade_1": (20.0, 25.0), "grade_2": (25.0, 40.0), "grade_3": (40.0, INF)},
    "C1": {"fill": (22.0, 37.0), "strength": (8.0, 25.0)},
    "C2": {"fill": (22.0, 37.0), "ratio": (0.9, INF)},
    "C7": {"partial_over_full": (0.50, 0.85), "full_over_intact": (0.79, 1.33)},
    "C8": {
        "connected": (15.0, 50.0),
        "connected_strength": (25.0, 70.0),
        "partial": (0.0, 20.0),
    },
    "C9": {"ratio": (0.4, 0.8)},
    "C10": {"ratio": (-INF, 0.8)},
    "C12": {"against_fractured": (1.0, INF), "against_intact": (-INF, 1.0)},
    "I1": {"share": (90.0, 99.0)},
    "I2": {"late": (0.35, 1.0), "high": (0.12, 0.77)},
    "I4": {"high_over_low": (1.02, 2.5), "high": (0.6, 1.0)},
    "I3": {"risk_ratio": (0.29, 0.51), "any_leak": (60.0, 85.0)},
    "T1": {
        "centre_at_6": (49.0, 112.0),
        "centre_at_10": (49.0, 112.0),
        "anterior_at_6": (44.0, 113.0),
        "anterior_at_10": (44.0, 113.0),
        "canal_at_6": (39.0, 57.0),
        "canal_at_10": (39.0, 57.0),
        "centre_time": (0.0, 8.0),
        "anterior_time": (0.0, 5.5),
        "canal_time": (0.0, 2.5),
        "interface_small": (37.0, 55.0),
    },
    "H1": {"balloon": (80.0, INF), "vertebroplasty": (15.0, 45.0)},
    "H2": {"loss": (5.5, 18.0), "ratio": (2.0, INF)},
    "H3": {"restored": (20.0, 45.0), "angle": (4.0, 10.0)},
    "H4": {"balloon": (15.0, 45.0), "held_open": (40.0, 70.0), "pressure": (0.7, 1.6)},
    "H7": {"gain": (-1.5, 1.5)},
    "V1": {"error": (0.0, 1e-10)},
    "V2": {"error": (0.0, 1e-8)},
    "V3": {"error": (0.0, 1e-8)},
    "V4": {"error": (0.0, 2.0), "order": (1.8, INF)},
    "V10": {"displacement": (1.8, INF), "stress": (0.8, INF)},
    "V15": {"yield": (0.0, 1e-6), "slope": (0.0, 1e-6)},
    "V16": {"change": (-10.0, 10.0)},
}


def rows():
    return [row for entry in entries().values() for row in entry.rows.values()]


def row(name, key):
    return entries()[name].rows[key]


def test_bands_are_those_that_were_set():
    found = {
        name: {key: one.band for key, one in entry.rows.items()}
        for name, entry in entries().items()
    }
    assert found == BANDS


def test_every_comparison_has_its_function_and_every_function_its_comparison():
    assert list(entries()) == list(COMPARISONS)


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.id)
def test_every_comparison_says_on_what_and_where_it_was_published(entry):
    assert entry.conditions
    assert re.search(r"\b(19|20)\d\d\b|doi|PMC", entry.source) or (
        entry.status == "standard" or "year not recorded" in entry.source
    )
    assert set(entry.status.split("+")) <= {"A", "D", "C", "S", "M", "standard"}


@pytest.mark.parametrize("one", rows(), ids=lambda one: f"{one.id}-{one.key}")
def test_published_values_agree_with_themselves(one):
    low, high = one.band
    assert low < high
    assert one.unit
    assert one.published_text
    for published in np.atleast_1d(one.published if one.published is not None else []):
        assert one.is_in_band(float(published))


def test_rows_for_calibration_are_flagged():
    assert {one.id for one in rows() if one.calibrated} == {
        "F1",
        "F2",
        "F3",
        "C8",
        "C9",
        "C10",
        "I2",
    }


@pytest.mark.parametrize("name", ["C9", "C10"])
def test_a_modulus_row_gives_back_the_factor_of_the_law(monkeypatch, name):
    def found():
        return COMPARISONS[name](Bench(spacing_mm=COARSE_MM), entries()[name])["ratio"].value

    own = found()
    law = BoneCementLaw()
    halved = partial(BoneCementLaw, reduction=0.5 * law.reduction)
    monkeypatch.setattr(comparisons, "BoneCementLaw", halved)
    assert found() == pytest.approx(0.5 * own, rel=1e-6)
    assert row(name, "ratio").calibrated


def test_the_screen_counts_predictions_apart_from_calibrated_rows(capsys, monkeypatch):
    monkeypatch.setitem(COMPARISONS, "S12", lambda bench, entry: {"change": Found(-20.0)})
    monkeypatch.setitem(COMPARISONS, "C10", lambda bench, entry: {"ratio": Found(0.6)})
    assert main(["validate", "S12", "C10", "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "1 of 2 in band: 0 of 1 predictions, 1 of 1 calibrated rows" in out
    assert "no prediction" in out


@pytest.mark.parametrize(
    ("computed", "agrees"),
    [(14.1, True), (24.5, True), (19.0, True), (14.09, False), (25.0, False), (math.nan, False)],
)
def test_verdict_is_the_band_limits_included(computed, agrees):
    assert Verdict(row("S1", "stiffness"), computed).in_band is agrees


def test_open_bands_have_one_limit():
    assert Verdict(row("C12", "against_intact"), 0.2).in_band
    assert not Verdict(row("C12", "against_intact"), 1.2).in_band
    assert Verdict(row("C2", "ratio"), 1.0e6).in_band


def test_a_miss_has_a_cause_and_a_hit_has_none():
    hit, miss = (Verdict(row("C12", "against_intact"), value) for value in (0.9, 1.1))
    assert hit.cause == ""
    assert "crushed bone" in miss.cause


def test_json_has_one_object_a_row_and_no_infinities():
    verdicts = [Verdict(row("C12", "against_intact"), 0.9), Verdict(row("C1", "fill"), math.nan)]
    found = json.loads(to_json(verdicts))["rows"]
    assert [list(one) for one in found] == [JSON_KEYS, JSON_KEYS]
    assert found[0]["band"] == [None, 1.0]
    assert found[0]["in_band"] is True
    assert found[1]["computed"] is None
    assert found[1]["in_band"] is False


def test_an_unknown_row_is_refused_with_the_known_ones():
    with pytest.raises(InvalidInput, match=r"only = 'S99': .* S1, .* C12"):
        validate("S1", "S99")


def test_rows_are_found_in_any_case_and_told_in_file_order(monkeypatch):
    monkeypatch.setitem(COMPARISONS, "S12", lambda bench, entry: {"change": Found(-40.0)})
    monkeypatch.setitem(COMPARISONS, "S1", lambda bench, entry: {"stiffness": Found(19.0)})
    told = []
    verdicts = validate("s12", "S1", progress=lambda doing, done: told.append((doing, done)))
    assert [verdict.row.id for verdict in verdicts] == ["S1", "S12"]
    assert [done for _, done in told] == [0.0, 0.5]


def test_a_comparison_that_fails_is_a_row_without_value(monkeypatch):
    def failing(bench, entry):
        raise InvalidInput("does not fit")

    monkeypatch.setitem(COMPARISONS, "C12", failing)
    monkeypatch.setitem(COMPARISONS, "S1", lambda bench, entry: {"stiffness": Found(19.0)})
    first, *failed = validate("S1", "C12")
    assert first.in_band
    assert [math.isnan(verdict.computed) for verdict in failed] == [True, True]
    assert {verdict.detail for verdict in failed} == {"does not fit"}


# Computed -----------------------------------------------------------------------------------------


def test_cemented_region_has_the_modulus_of_the_default_law():
    (verdict,) = validate("C9", spacing_mm=COARSE_MM)
    # exact: the bone inside does not contribute
    assert verdict.computed == pytest.approx(value("bone.composite.modulus_factor"), rel=1e-9)
    assert verdict.in_band


def test_grades_are_met_on_the_voxels():
    for verdict in validate("F8", spacing_mm=1.0):
        assert verdict.in_band, verdict


def test_a_crush_by_a_quarter_takes_a_quarter_of_the_voxels_height():
    bench, setup = Bench(spacing_mm=1.0), entries()["C1"].setup
    crushed = bench.specimen(setup, CrushBy(height_loss=0.25))
    # Half a voxel of 16 to 22 mm is 2 to 3 %.
    assert worst_loss_percent(crushed, bench.specimen(setup)) == pytest.approx(25.0, abs=3.0)


def test_the_shell_carries_some_of_the_load_and_is_solved_once():
    bench, entry = Bench(spacing_mm=COARSE_MM), entries()["S12"]
    first = COMPARISONS["S12"](bench, entry)["change"].value
    again = COMPARISONS["S12"](bench, entry)["change"].value
    assert -90.0 < first < -10.0
    assert again == first
    assert bench.n_solves == 2


def test_without_shell_nothing_else_is_missing():
    bench, setup = Bench(spacing_mm=COARSE_MM), entries()["S12"].setup
    whole, bare = bench.specimen(setup), bench.specimen(setup, WithoutShell())
    assert not bare.tissue.shell.any()
    assert bare.tissue.endplate is not None
    np.testing.assert_array_equal(bare.tissue.trabecular, whole.tissue.trabecular)
    np.testing.assert_array_equal(bare.tissue.endplate, whole.tissue.endplate)


def test_a_section_is_flat_and_holds_no_endplate():
    setup = entries()["C8"].setup
    grid = VoxelGrid.around(setup.vertebra, spacing_mm=1.0)
    section = Section().apply(Specimen.from_bone(setup.vertebra, grid, setup.bone))
    assert not section.tissue.endplate.any()
    layers = np.flatnonzero(section.tissue.body.any(axis=(1, 2)))
    for points, plane in ((section.ends.lower, layers[0]), (section.ends.upper, layers[-1] + 1)):
        z = np.unravel_index(points, grid.point_shape)[0]
        assert set(z) == {plane}
    # Rims of 22 to 24 mm less two bowls and endplates.
    assert 16 <= len(layers) <= 20


@dataclass
class LinearBench:
    """A bench whose stiffness is a line over the fill: intact 1, fractured 0.5."""

    gain_per_percent: float

    def stiffness(self, setup, *steps):
        if not steps:
            return 1.0
        return 0.5 + self.gain_per_percent * steps[-1].filling_fraction_percent

    def strength(self, setup, *steps):
        filled = steps and hasattr(steps[-1], "filling_fraction_percent")
        return self.stiffness(setup, *steps) if filled or not steps else 0.5

    def specimen(self, setup, *steps):
        @dataclass
        class Body:
            def volume_ml(self):
                return 12.0 if steps else 16.0

        return Body()


def test_the_restoring_fill_is_where_stiffness_crosses_the_intact_one():
    both = COMPARISONS["C1"](LinearBench(0.02), entries()["C1"])
    found = both["fill"]
    assert found.value == pytest.approx(25.0, abs=0.1)  # the fill's own tolerance
    assert both["strength"].value == pytest.approx(25.0, rel=1e-9)  # a line: exact
    assert found.detail == "3.0 ml, 19 % of the body before its fracture"


def test_a_fill_that_never_restores_has_no_value():
    both = COMPARISONS["C1"](LinearBench(0.001), entries()["C1"])
    found = both["fill"]
    assert math.isnan(found.value)
    assert math.isnan(both["strength"].value)
    assert found.detail == "not restored by 40 %"


def test_markdown_has_a_line_a_row_and_the_causes_of_misses():
    verdicts = [Verdict(row("C12", "against_intact"), 1.1, "a | b"), Verdict(row("C1", "fill"), 30)]
    text = to_markdown(verdicts, spacing_mm=1.0)
    assert text.startswith("1 of 2 in band, voxels of 1 mm")
    assert "| C12 | stiffness, augmented / intact | 1.1 | < 1 | to 1 | 1 | **no** | a / b |" in text
    assert (
        "| C1 | fill that restores stiffness | 30 | 29.8 | 22 to 37 | % of body | yes |  |" in text
    )
    assert text.count("\n- ") == 1
    assert "crushed bone" in text


# Command ------------------------------------------------------------------------------------------


def test_the_command_prints_json_alone_on_stdout(capsys):
    code = main(["validate", "--only", "C9", "C10", "--json", "--spacing-mm", "3"])
    out = capsys.readouterr()
    found = json.loads(out.out)["rows"]
    assert code == 0
    assert [one["id"] for one in found] == ["C9", "C10"]
    assert "C9 Modulus of the cement region" in out.err


def test_the_command_prints_misses_and_exits_with_0(capsys, monkeypatch):
    monkeypatch.setitem(COMPARISONS, "S12", lambda bench, entry: {"change": Found(-20.0)})
    assert main(["validate", "S12", "--quiet"]) == 0
    out = capsys.readouterr()
    assert "0 of 1 in band" in out.out
    assert "MISS S12" in out.out
    assert out.err == ""


def test_the_command_refuses_an_unknown_row(capsys):
    assert main(["validate", "S99"]) == 2
    assert "S99" in capsys.readouterr().err


def test_closed_forms_are_met():
    verdicts = validate("V1", "V2", "V3", "V4", "V10", "V15", "V16")
    assert len(verdicts) == 10
    for verdict in verdicts:
        assert verdict.in_band, verdict


def test_a_random_cohort_has_other_bodies_and_the_same_numbers_again():
    setup, given = entries()["S9"].setup, entries()["S9"].given
    first, second, again = (
        strengths._drawn(setup, given, np.random.default_rng(seed)) for seed in (1, 2, 1)
    )
    assert first == again
    assert first != second
    assert first.vertebra.plan_scale != second.vertebra.plan_scale
    assert {first.vertebra.level, second.vertebra.level} <= set(given["levels"])


def test_axial_rigidity_follows_the_modulus():
    setup = entries()["S9"].setup
    bench = Bench(spacing_mm=COARSE_MM)
    rich, poor = (
        strengths._axial_rigidity_kn(bench.specimen(strengths._changed(setup, vbmd_mg_cm3=vbmd)))
        for vbmd in (200.0, 60.0)
    )
    assert 1.0 < rich / poor < (200.0 / 60.0) ** 1.06  # the wall does not follow density


def test_the_cannula_takes_the_pressure_on_any_voxels():
    (verdict,) = validate("I1", spacing_mm=COARSE_MM)
    assert verdict.in_band


def test_curing_heats_as_on_the_bench():
    verdicts = {one.row.key: one for one in validate("T1", spacing_mm=COARSE_MM)}
    assert verdicts["centre_at_10"].in_band
    assert verdicts["centre_at_10"].computed > verdicts["anterior_at_10"].computed
    assert verdicts["canal_at_10"].computed > verdicts["canal_at_6"].computed
