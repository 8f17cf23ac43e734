"""The step: amounts, repeats, mirror, spacing, names."""

from dataclasses import replace

import numpy as np
import pytest

from vbsim.augmentation import (
    Bipedicular,
    CementFill,
    Column,
    Lobulated,
    Posterolateral,
    Unipedicular,
)
from vbsim.augmentation.distribution import DISTRIBUTIONS
from vbsim.checks import InvalidInput
from vbsim.materials.cement import cement


def report_of(specimen):
    return {q.name: q.value for q in specimen.report}


def test_percent_is_of_the_body_as_it_is(body):
    specimen = body()
    filled = CementFill(filling_fraction_percent=20.0).apply(specimen)
    # The level is exact to round-off.
    assert filled.cement_volume_ml == pytest.approx(0.2 * specimen.volume_ml(), rel=1e-9)
    assert report_of(filled)["filling_fraction"] == pytest.approx(20.0, rel=1e-9)


def test_too_many_percent_are_refused_in_percent(body):
    with pytest.raises(InvalidInput, match=r"filling_fraction_percent = 99.0: .* at most .* %"):
        CementFill(filling_fraction_percent=99.0).apply(body())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "give volume_ml or filling_fraction_percent"),
        ({"volume_ml": 1.0, "filling_fraction_percent": 5.0}, "not both"),
        ({"volume_ml": -1.0}, "volume_ml"),
        ({"volume_ml": float("nan")}, "volume_ml"),
        ({"volume_ml": 1.0, "cement": "chewing gum"}, "pmma"),
        ({"volume_ml": 1.0, "distribution": "bipediculer"}, "did you mean 'bipedicular'"),
        ({"volume_ml": 1.0, "distribution": {"kind": "unipedicular", "side": "up"}}, "side"),
        ({"volume_ml": 1.0, "distribution": {"kind": "column", "tip": [0, 0, 0]}}, "tip"),
        ({"volume_ml": 1.0, "law": "magic"}, "law"),
        ({"volume_ml": 1.0, "distribution": "image"}, "path"),
    ],
)
def test_bad_parameters_are_refused_by_name(given, said):
    with pytest.raises(InvalidInput, match=said):
        CementFill(**given)


def test_cement_and_law_go_with_the_filling(body):
    fill = CementFill(
        volume_ml=2.0, cement="silicone", law={"kind": "pure", "interface_factor": 0.5}
    )
    (placed,) = fill.apply(body()).cements
    assert placed.cement == cement("silicone")
    assert placed.law.kind == "pure"
    assert placed.law.interface_factor == 0.5


def test_two_fillings_add_up_and_do_not_overlap(body):
    specimen = body()
    first = CementFill(volume_ml=3.0, distribution="unipedicular_left").apply(specimen)
    second = CementFill(volume_ml=2.5, distribution="unipedicular_left", cement="silicone").apply(
        first
    )
    assert second.name == "augmented_2"
    assert len(second.cements) == 2
    report = report_of(second)
    assert report["cement_volume"] == pytest.approx(5.5, rel=1e-9)
    assert report["cement_volume_placed"] == pytest.approx(2.5, rel=1e-9)
    assert np.all(second.cement_fraction <= specimen.pore_fraction + 1e-12)
    np.testing.assert_array_equal(second.cements[0].fraction, first.cements[0].fraction)


def test_a_second_filling_has_only_the_rest_to_fill(body):
    specimen = body()
    fill = CementFill(volume_ml=3.0, distribution="central")
    before, after = fill.largest_volume_ml(specimen), fill.largest_volume_ml(fill.apply(specimen))
    assert after == pytest.approx(before - 3.0, abs=2e-4)  # both are rounded down to 4 decimals


def test_left_and_right_mirror_each_other(make_block_specimen):
    specimen = make_block_specimen(1.5, seed=3)
    flipped = replace(
        specimen,
        vbmd_mg_cm3=specimen.vbmd_mg_cm3[..., ::-1],
        vbmd_intact_mg_cm3=specimen.vbmd_intact_mg_cm3[..., ::-1],
    )
    for left, right in (
        (Unipedicular(side="left"), Unipedicular(side="right")),
        (Posterolateral(side="left"), Posterolateral(side="right")),
    ):
        one = CementFill(volume_ml=3.3, distribution=left).apply(specimen)
        other = CementFill(volume_ml=3.3, distribution=right).apply(flipped)
        # The same sums in another order: round-off of the level.
        np.testing.assert_allclose(
            one.cements[0].saturation, other.cements[0].saturation[..., ::-1], atol=1e-9
        )
        left_share = report_of(one)["cement_left_share"]
        assert left_share == pytest.approx(1.0 - report_of(other)["cement_left_share"], abs=1e-9)


def test_two_needles_fill_a_symmetric_body_evenly(smooth_body):
    report = report_of(CementFill(volume_ml=4.0).apply(smooth_body))
    assert report["cement_left_share"] == pytest.approx(0.5, abs=1e-9)


# 2 mm cells cut by the surface hold their share by a linear rule, 1 mm cells by a finer one: the
# misplaced share is a tenth of the cells on the surface. A front adds its first-order error.
@pytest.mark.parametrize(
    ("shape", "tolerance"),
    [
        (Bipedicular(), 0.05),
        (Column(), 0.05),
        (Bipedicular(endplate_gap_mm=2.0), 0.05),
        (Lobulated(), 0.16),
    ],
)
def test_every_spacing_places_the_same_shape(make_block_specimen, shape, tolerance):
    fine, coarse = (
        CementFill(volume_ml=4.0, distribution=shape)
        .apply(make_block_specimen(h, heterogeneity_sd=0.0))
        .cement_fraction
        for h in (1.0, 2.0)
    )
    # Both grids lie symmetric about the body: the coarse one reaches up to a cell farther.
    margins = [((2 * n - m) // 2,) * 2 for n, m in zip(coarse.shape, fine.shape, strict=True)]
    n_z, n_y, n_x = coarse.shape
    merged = np.pad(fine, margins).reshape(n_z, 2, n_y, 2, n_x, 2).mean(axis=(1, 3, 5))
    difference = np.abs(merged - coarse).sum() / coarse.sum()
    assert difference < tolerance


def test_a_gap_under_the_endplates_is_measured_as_given(make_block_specimen):
    for h in (1.0, 2.0):
        specimen = make_block_specimen(h, heterogeneity_sd=0.0)
        fill = CementFill(volume_ml=3.0, distribution=Column(endplate_gap_mm=3.0))
        report = report_of(fill.apply(specimen))
        assert report["cement_gap_superior"] == pytest.approx(3.0, abs=0.5 * h)
        assert report["cement_gap_inferior"] == pytest.approx(3.0, abs=0.5 * h)


def test_a_column_reaches_both_endplates(body):
    report = report_of(CementFill(volume_ml=3.0, distribution="column").apply(body()))
    assert report["cement_gap_superior"] == report["cement_gap_inferior"] == 0.0
    assert report["cement_contact_superior"] > 10.0


def test_short_names_stand_for_tables():
    for name, table in DISTRIBUTIONS.items():
        extra = {"path": "x.nii"} if name == "image" else {}
        long = CementFill(volume_ml=1.0, distribution=dict(table) | extra)
        if not extra:
            assert CementFill(volume_ml=1.0, distribution=name) == long


def test_a_filling_survives_its_own_table():
    fill = CementFill(volume_ml=2.0, distribution="unipedicular_right", cement="silicone")
    table = fill.model_dump(mode="json", exclude_none=True)
    assert CementFill(**table) == fill


def test_the_schema_lists_names_and_tables():
    schema = CementFill.model_json_schema()["properties"]["distribution"]["anyOf"]
    assert "unipedicular_left" in schema[0]["enum"]
    assert "bipedicular" in schema[1]["discriminator"]["mapping"]
