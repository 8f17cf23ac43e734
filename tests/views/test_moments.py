"""What steps and loads did over time is shown where and when it was."""

import shutil

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.specimen.series import Series
from vbsim.study.moments import moments_of
from vbsim.study.series import write_vtkhdf
from vbsim.study.stored import open_study
from vbsim.views import scenes
from vbsim.views.browser import scene_bytes
from vbsim.views.catalogue import look_of
from vbsim.views.scenes import drawing

SEED = 3
TIMES = np.array([0.0, 4.0, 30.0])
WINDOW = (slice(3, 9), slice(2, 7), slice(4, 10))


@pytest.fixture(scope="module")
def frames():
    shape = (len(TIMES), *(part.stop - part.start for part in WINDOW))
    rng = np.random.default_rng(SEED)
    return {
        "saturation": rng.random(shape).astype(np.float32),
        "temperature_c": (37.0 + 30.0 * rng.random(shape)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def study(small_result, frames, tmp_path_factory):
    """The small study, whose last stage also recorded an injection and a load test."""
    folder = tmp_path_factory.mktemp("moving") / "result"
    shutil.copytree(small_result.folder, folder)
    grid = open_study(folder).fields("augmented").grid.crop(WINDOW)
    series = Series("injection", {"time_s": TIMES}, grid, TIMES, frames)
    write_vtkhdf(folder / "fields" / "augmented-injection.vtkhdf", series)
    (folder / "histories").mkdir()
    steps = "leg,axial_mm,force_n\nload,-0.1,900\nload,-0.2,1700\nload,-0.3,1600\n"
    (folder / "histories" / "augmented-strength.csv").write_text(steps)
    return open_study(folder)


@pytest.fixture(scope="module")
def panes(study):
    return scenes.panes_of(study, ["fractured", "augmented"])


def test_a_moment_lies_where_it_was_recorded(study, frames):
    fields = study.fields("augmented")
    moments = moments_of(study, "augmented", fields.grid)
    assert moments_of(study, "intact", fields.grid) is None
    np.testing.assert_array_equal(moments.times_s, TIMES)
    assert [moments.nearest(t) for t in (-1.0, 3.0, 29.0)] == [0, 1, 2]
    then = moments.at(fields, 1)
    saturation = then.cells["cement_saturation"].copy()
    np.testing.assert_array_equal(saturation[WINDOW], frames["saturation"][1])
    saturation[WINDOW] = 0.0
    assert not saturation.any()
    np.testing.assert_array_equal(then.cells["vbmd_mg_cm3"], fields.cells["vbmd_mg_cm3"])
    assert moments.largest["temperature_c"] == frames["temperature_c"].max()


def test_moments_of_another_grid_are_refused(study):
    elsewhere = study.fields("augmented").grid.crop((slice(0, 5), slice(0, 5), slice(0, 5)))
    moments = moments_of(study, "augmented", elsewhere)
    with pytest.raises(InvalidInput, match="does not lie on the grid of its stage"):
        moments.frame(0)


def test_a_pane_goes_to_a_moment_and_back(panes, frames):
    before, after = panes
    assert before.at(4.0) is before
    then = after.at(4.0)
    assert then.title == "Augmented, 4 s"
    bone = np.isfinite(then.values(look_of("temperature"))[WINDOW])
    shown = then.values(look_of("temperature"))[WINDOW][bone]
    np.testing.assert_array_equal(shown, frames["temperature_c"][1][bone])
    assert after.at(None) is after
    # Without a moment, what only the record has is shown as it was at the end.
    last = after.values(look_of("temperature"))[WINDOW][bone]
    np.testing.assert_array_equal(last, frames["temperature_c"][-1][bone])


def test_the_window_has_sliders_over_time_and_load(panes):
    try:
        if not scenes.can_show():
            drawing._choose_renderer()
    except InvalidInput as error:
        pytest.skip(str(error))
    window = scenes.Window(panes, off_screen=True)
    window.go_to(4.0)
    assert [pane.title for pane in window.shown] == ["Fractured", "Augmented, 4 s"]
    voxel = int(np.flatnonzero(np.isfinite(panes[1].values(look_of("temperature"))))[0])
    assert "Temperature" in window.read(1, voxel)
    # Only the stage with a history has a curve; past its end the mark stays on the last step.
    window.load_history.go_to(1)
    assert window.load_history.words == {1: "step 2 of 3: 0.200 mm, 1700 N"}
    window.load_history.go_to(9)
    assert window.load_history.words == {1: "step 3 of 3: 0.300 mm, 1600 N"}
    window.plotter.close()


def test_a_page_holds_the_moments(study, panes, frames):
    from test_scene_block import Block

    block = Block(scene_bytes(study, ["fractured", "augmented"]))
    assert [stage["times_s"] for stage in block.head["stages"]] == [[], TIMES.tolist()]
    assert block.field("temperature")["high"] == 80.0
    there = block.head["stages"][1]["volumes"]
    assert {f"{name}@{k}" for name in ("cement", "temperature") for k in range(3)} <= set(there)
    assert not any("@" in name for name in block.head["stages"][0]["volumes"])
    shown = block.volume(1, "temperature@1").astype(float)
    values = panes[1].at(4.0).values(look_of("temperature"))
    # The page is cropped to the material; what has no meaning is 0 in both.
    found = np.sort(shown[shown > 0])
    expected = np.sort(values[np.isfinite(values)])
    levels = 1.0 + np.round(254.0 * np.clip((expected - 40.0) / 40.0, 0.0, 1.0))
    np.testing.assert_array_equal(found, levels)
