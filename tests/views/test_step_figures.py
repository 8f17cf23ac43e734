"""Figures and animations of steps are drawn from what the step recorded."""

import pytest
from PIL import Image

from vbsim.augmentation import Curing, Injection
from vbsim.views.stages import StageView
from vbsim.views.step_figures import animations, step_figures


@pytest.fixture(scope="module")
def injected(make_block_specimen):
    return Injection(volume_ml=2.0, outlets="none").apply(make_block_specimen(3.0))


def test_an_injection_is_drawn(injected):
    figures = step_figures(StageView("augmented", injected))
    assert list(figures) == ["augmented_injection.png"]
    axes = [a for sub in figures["augmented_injection.png"].subfigs for a in sub.axes]
    assert {a.get_ylabel() for a in axes} >= {"pressure (MPa)", "leaked (ml)"}


def test_curing_is_drawn(injected):
    cured = Curing(duration_min=1.0, margin_mm=4.0).apply(injected)
    figures = step_figures(StageView("cured", cured))
    assert list(figures) == ["cured_curing.png"]


def test_an_animation_has_every_moment(injected, tmp_path):
    animations(StageView("augmented", injected), tmp_path)
    with Image.open(tmp_path / "augmented_injection.gif") as picture:
        # Moments that look alike are one frame.
        assert 2 < picture.n_frames <= len(injected.series[0].times_s)


def test_a_stage_without_a_series_has_no_such_figure(make_block_specimen):
    assert step_figures(StageView("intact", make_block_specimen(3.0))) == {}
