"""The injection step in a body: books, limits, seeds, needles, refusals."""

import numpy as np
import pytest

from vbsim.augmentation import CementFill, Injection
from vbsim.augmentation.injection import Needle, Outlet, Outlets, Rheology
from vbsim.augmentation.injection.medium import permeability_mm2
from vbsim.augmentation.injection.outlets import COMPARTMENTS
from vbsim.checks import InvalidInput, PhysicsWarning
from vbsim.fracture import Wedge

pytestmark = pytest.mark.filterwarnings("ignore::vbsim.checks.PhysicsWarning")

SPACING_MM = 2.0


@pytest.fixture(scope="module")
def bone(make_block_specimen):
    return make_block_specimen(SPACING_MM)


@pytest.fixture(scope="module")
def broken(bone):
    return Wedge(grade=2).apply(bone)


def told(specimen):
    return {q.name: q.value for q in specimen.report}


def test_without_a_way_out_nothing_leaks_and_all_is_placed(bone):
    filled = Injection(volume_ml=3.0, outlets="none").apply(bone)
    found = told(filled)
    assert found["leaked_volume"] == 0.0
    assert found["cement_volume_placed"] == pytest.approx(3.0, rel=1e-9)
    assert filled.cement_volume_ml == pytest.approx(3.0, rel=1e-9)
    assert found["injection_complete"] == 1.0
    assert filled.name == "augmented"


def test_injected_is_placed_plus_leaked(broken):
    filled = Injection(volume_ml=6.0, side="left", seed=3).apply(broken)
    found = told(filled)
    both = found["cement_volume_placed"] + found["leaked_volume"]
    assert both == pytest.approx(found["injected_volume"], rel=1e-9)
    parts = sum(found[f"leaked_{name}"] for name in COMPARTMENTS)
    assert parts == pytest.approx(found["leaked_volume"], abs=1e-12)


def test_cement_stays_in_the_pores(broken):
    filled = Injection(volume_ml=4.0).apply(broken)
    (filling,) = filled.cements
    assert (filling.fraction <= broken.pore_fraction + 1e-9).all()
    # Cells are full but for the front.
    mostly = filling.saturation[filling.saturation > 0.0]
    assert np.median(mostly) == 1.0


def test_one_needle_fills_its_side(bone):
    left = told(Injection(volume_ml=2.0, side="left").apply(bone))
    right = told(Injection(volume_ml=2.0, side="right").apply(bone))
    assert left["cement_left_share"] > 0.5 > right["cement_left_share"]
    both = told(Injection(volume_ml=2.0).apply(bone))
    assert both["cement_left_share"] == pytest.approx(0.5, abs=0.03)


def test_a_mirrored_bone_mirrors_the_fill(make_block_specimen):
    even = make_block_specimen(SPACING_MM, heterogeneity_sd=0.0)
    left = Injection(volume_ml=2.0, side="left").apply(even).cement_fraction
    right = Injection(volume_ml=2.0, side="right").apply(even).cement_fraction
    moved = np.abs(left[:, :, ::-1] - right).sum() / right.sum()
    # The solver's tolerance decides which of two like cells is full first.
    assert moved < 0.01


def test_later_and_thicker_cement_takes_more_pressure(bone):
    def peak(**given):
        return told(Injection(volume_ml=1.0, outlets="none", **given).apply(bone))

    early, late = peak(start_min=4.0), peak(start_min=8.0)
    thin_needle = peak(start_min=4.0, needle={"gauge": 13})
    assert late["injection_pressure_peak"] > 2.0 * early["injection_pressure_peak"]
    assert late["intravertebral_pressure_peak"] > 2.0 * early["intravertebral_pressure_peak"]
    assert thin_needle["injection_pressure_peak"] > 1.5 * early["injection_pressure_peak"]


def test_a_seed_draws_once_and_for_all(broken):
    step = Injection(volume_ml=4.0, seed=8)
    first, again = step.apply(broken), step.apply(broken)
    np.testing.assert_array_equal(first.cement_fraction, again.cement_fraction)
    other = Injection(volume_ml=4.0, seed=9).apply(broken)
    assert not np.array_equal(first.cement_fraction, other.cement_fraction)


def test_seeds_draw_the_published_spread():
    outlets = Outlets(network=False, pedicle_tracks=False, defects=False)
    radii = []
    for seed in range(200):
        for mouth in outlets.lay_out(_Anatomy(), (), np.random.default_rng(seed)):
            if mouth.kind == "basivertebral":
                radii.append(mouth.channel.radius_mm)
    assert 2.0 <= min(radii) < 2.1
    assert 2.9 < max(radii) <= 3.0


class _Anatomy:
    """A round body of 20 mm radius."""

    void = fracture = mechanics = None

    def __init__(self):
        self.anatomy = self
        self.frame = self
        self.landmarks = self
        self.basivertebral_mm = (0.0, 20.0, 0.0)

    def wall_radius(self, theta, height):
        return 20.0

    def inferior_at(self, x, y):
        return np.full(np.shape(x), -10.0)

    def superior_at(self, x, y):
        return np.full(np.shape(x), 10.0)


def test_defects_appear_at_the_published_rate_in_broken_bone_only(bone, broken):
    outlets = Outlets(veins=False, pedicle_tracks=False)

    def n_defects(specimen):
        found = [outlets.lay_out(specimen, (), np.random.default_rng(s)) for s in range(300)]
        return sum(m.kind == "cortical_defect" for mouths in found for m in mouths)

    assert n_defects(bone) == 0
    # 12.2 % of 300, three standard deviations.
    assert n_defects(broken) == pytest.approx(36.6, abs=17.0)


def test_a_leak_stops_it_where_asked(broken):
    hole = Outlet(kind="cortical_defect", angle_deg=-60.0, radius_mm=3.0, depth_mm=12.0)
    outlets = Outlets(veins=False, own=(hole,))
    on = Injection(volume_ml=6.0, outlets=outlets).apply(broken)
    assert told(on)["leaked_paravertebral"] > 0.3
    step = Injection(volume_ml=6.0, outlets=outlets, stop_at_leak_ml=0.1)
    with pytest.warns(PhysicsWarning, match="the leak reached the limit"):
        stopped = step.apply(broken)
    found = told(stopped)
    assert 0.1 <= found["leaked_volume"] < told(on)["leaked_volume"]
    assert found["injection_complete"] == 0.0
    assert found["has_leaked"] == 1.0


def test_the_series_tells_the_story(broken):
    filled = Injection(volume_ml=3.0).apply(broken)
    (series,) = filled.series
    assert series.name == "injection"
    assert next(iter(series.columns)) == "time_s"
    injected = series.columns["injected_ml"]
    assert injected[0] == 0.0
    assert injected[-1] == pytest.approx(3.0)
    saturation = series.fields["saturation"]
    assert saturation.shape == (len(series.times_s), *series.domain.shape)
    # Cement never leaves a cell again.
    assert (np.diff(saturation, axis=0) >= -1e-6).all()
    assert CementFill(volume_ml=0.5, distribution="central").apply(filled).series == ()


def test_a_second_injection_finds_what_is_left(bone):
    here, there = (8.0, -3.0, 0.0), (-8.0, -3.0, 0.0)
    left = Injection(volume_ml=2.0, side="left", outlets="none", tip_left=here)
    right = Injection(volume_ml=2.0, side="right", outlets="none", tip_right=there)
    first = left.apply(bone)
    second = right.apply(first)
    assert second.cement_volume_ml == pytest.approx(4.0, rel=1e-9)
    with pytest.raises(InvalidInput, match="cement that is already there"):
        left.apply(first)


def test_needles_report_their_margins(bone):
    found = told(Injection(volume_ml=1.0, outlets="none").apply(bone))
    assert found["needle_breach_pedicle_left"] == pytest.approx(
        found["needle_breach_pedicle_right"], abs=1e-9
    )
    beside = Injection(volume_ml=1.0, outlets="none", approach="parapedicular").apply(bone)
    assert told(beside)["needle_breach_pedicle_left"] > 1.0
    wide = Injection(volume_ml=1.0, outlets="none", needle={"gauge": 8}).apply(bone)
    assert told(wide)["needle_margin_canal_left"] < found["needle_margin_canal_left"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tip_left": (60.0, 0.0, 0.0)}, "tip_left = .*inside the body"),
        ({"approach": {"convergence_deg": 60.0}}, "approach: its tip = .*inside the body"),
        ({"outlets": {"own": [{"kind": "endplate_crack"}]}}, "place_mm: must be given"),
        ({"outlets": {"own": [{"kind": "cortical_defect"}]}}, "angle_deg: must be given"),
        ({"outlets": {"own": [{"kind": "pedicle_track"}]}}, "follow the needles"),
        ({"start_min": 10.5}, "sets at 10 min"),
        ({"pressure_limit_mpa": 1e-4}, "moves no cement"),
        ({"needle": {"gauge": 9}}, "gauge = 9: must be one of 8, 10, 11, 12, 13"),
        ({"viscosity": "runny"}, "must be one of low_viscosity, high_viscosity"),
        ({"outlets": "nowhere"}, "must be one of anatomical, none"),
        ({"approach": {"convergence_deg": 90.0}}, "convergence_deg"),
        ({"volume_ml": -1.0}, "volume_ml"),
        ({"marrow_modulus_kpa": -1.0}, "marrow_modulus_kpa"),
    ],
)
def test_what_cannot_be_is_refused(bone, given, message):
    with pytest.raises(InvalidInput, match=message):
        Injection(**({"volume_ml": 2.0} | given)).apply(bone)


def test_cement_ages_faster_in_warm_bone():
    low = Rheology.model_validate("low_viscosity")
    assert low.aged_min(6.0, 6.0) == pytest.approx(6.0)
    # A minute warm-up is behind it: 2 ** 1.4 times as fast from then on.
    late = float(low.aged_min(16.0, 6.0) - low.aged_min(15.0, 5.9))
    assert 1.0 < float(low.aged_min(7.0, 6.0)) - 6.0 < 2.0**1.4
    assert late == pytest.approx(1.0 + (2.0**1.4 - 1.0) * 0.9, rel=0.01)


def test_published_anchors():
    # Derived check of the cannula: 11 G, 125 mm, 100 Pa s, 4 ml/min: 1.04 MPa; 10 G 0.65, 13 G 3.2.
    newton = Rheology(
        consistency_pa_s_n=100.0,
        at_min=0.0,
        time_constant_min=1e4,
        exponent=1.0,
        handling_end_min=60.0,
    )
    rate = 4000.0 / 60.0
    for gauge, expected in ((11, 1.04), (10, 0.65), (13, 3.2)):
        assert Needle(gauge=gauge).pressure_mpa(rate, newton, 100.0) == pytest.approx(
            expected, rel=0.02
        )
    # A bore twice as wide behind: doubling it over two thirds of the length takes 63 % off.
    two_bores = Needle(wide_share=0.67).pressure_mpa(rate, newton, 100.0)
    assert two_bores / Needle().pressure_mpa(rate, newton, 100.0) == pytest.approx(0.37, abs=0.01)
    # Permeability law at BV/TV 0.087 and 0.10: 2.0e-8 and 1.5e-8 m2.
    assert permeability_mm2(0.087) == pytest.approx(2.0e-2, rel=0.03)
    assert permeability_mm2(0.10) == pytest.approx(1.5e-2, rel=0.03)
