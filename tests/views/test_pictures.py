"""Figures look as they did: every one beside a small picture of it that was looked at.

``python tests/views/test_pictures.py`` draws the small pictures anew; look at them before they are
kept.
"""

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vbsim.checks import InvalidInput
from vbsim.views import scenes
from vbsim.views.scenes import drawing

PICTURES = Path(__file__).parent / "pictures"
WIDTH = 280
NAMES = [
    "cutaway",
    "endplates",
    "load_sharing",
    "radiographs",
    "sections_cement",
    "sections_compression",
    "sections_density",
    "sections_energy",
    "sections_stress",
    "stages",
]


def small(picture):
    height = round(picture.height * WIDTH / picture.width)
    return picture.convert("RGB").resize((WIDTH, height), Image.Resampling.BOX)


def drawn(study, name):
    if name != "cutaway":
        return Image.open(study.folder / "figures" / f"{name}.png")
    if not scenes.can_show():
        drawing._choose_renderer()
    stream = io.BytesIO()
    scenes.cutaway(scenes.panes_of(study)).savefig(stream, dpi=200)
    return Image.open(stream)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_looks_as_it_did(small_study, name):
    try:
        found = np.asarray(small(drawn(small_study, name))).astype(int)
    except InvalidInput as error:
        pytest.skip(str(error))
    with Image.open(PICTURES / f"{name}.png") as kept:
        expected = np.asarray(kept.convert("RGB")).astype(int)
    assert found.shape[1] == expected.shape[1]
    assert abs(found.shape[0] - expected.shape[0]) <= 1
    rows = min(len(found), len(expected))
    apart = abs(found[:rows] - expected[:rows]).max(axis=-1)
    # Other versions of the drawing libraries move edges by a part of a pixel and letters by one;
    # a turned picture, another colour map or a lost panel is far beyond both.
    hint = "if the change is meant: python tests/views/test_pictures.py, and look at them"
    assert apart.mean() < 4.0, f"mean difference {apart.mean():.1f} of 255; {hint}"
    assert (apart > 60).mean() < 0.02, hint


def test_the_comparison_tells_a_mirrored_picture(small_study):
    with Image.open(PICTURES / "radiographs.png") as kept:
        expected = np.asarray(kept.convert("RGB")).astype(int)
    apart = abs(expected[:, ::-1] - expected).max(axis=-1)
    assert apart.mean() > 4.0


if __name__ == "__main__":
    from conftest import CASE

    from vbsim.cli import screen
    from vbsim.study import Case, run_case
    from vbsim.study.stored import open_study

    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        study = open_study(run_case(Case(**CASE), folder, draw=screen.draw).folder)
        for name in NAMES:
            small(drawn(study, name)).save(PICTURES / f"{name}.png", optimize=True)
