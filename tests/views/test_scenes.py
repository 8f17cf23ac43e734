"""Three-dimensional scenes, drawn without a window."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.mesh import VoxelGrid
from vbsim.study.stored import StoredFields
from vbsim.views import scenes
from vbsim.views.catalogue import look_of
from vbsim.views.scenes import Cut, Style, drawing
from vbsim.views.scenes.panes import ticks_of


@pytest.fixture(scope="module", autouse=True)
def _something_draws():
    try:
        if not scenes.can_show():
            drawing._choose_renderer()
    except InvalidInput as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def panes(small_study):
    return scenes.panes_of(small_study)


def picture(panes, style, size=(360, 300)):
    plotter = scenes.scene(panes, style, size=size, has_words=False)
    drawn = np.asarray(plotter.screenshot(return_img=True)).astype(int)
    plotter.close()
    return drawn


def where(drawn, colour, within=40):
    """Columns and rows of the pixels that are nearly of a hue, as shares of the picture."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    # Lit surfaces are darker than their colour: compare the direction, not the length.
    length = np.linalg.norm(drawn, axis=-1) + 1e-9
    like = (drawn @ wanted) / (length * np.linalg.norm(wanted)) > 1.0 - within * 1e-4
    rows, columns = np.nonzero(like & (length > 60) & (np.ptp(drawn, axis=-1) > 12))
    return columns / drawn.shape[1], rows / drawn.shape[0]


# The needle comes from behind on the left.
ONLY_NEEDLE = Style(cut=None, hidden=frozenset({"bone", "cement", "caps", "endplates"}))


@pytest.mark.parametrize(
    ("camera", "side"), [("left lateral", "right"), ("right lateral", "left"), ("superior", "left")]
)
def test_a_left_needle_from_behind_is_seen_where_it_is(panes, camera, side):
    drawn = picture([panes[2]], replace(ONLY_NEEDLE, camera=camera))
    columns, rows = where(drawn, drawing.NEEDLE)
    assert len(columns) > 50
    # From the side, the back is right (left) of the middle; from above, with the front on top and
    # the patient's left on the left of the picture, the needle lies on the left and below.
    assert (columns.mean() > 0.5) == (side == "right")
    if camera == "superior":
        assert rows.mean() > 0.5


def test_stages_before_the_filling_have_no_cement_and_no_needle(panes):
    style = Style(cut=None, hidden=frozenset({"bone", "caps", "endplates"}))
    before, after = picture([panes[1]], style), picture([panes[2]], style)
    assert (before == 255).all()
    assert (after < 250).any()


def test_the_cut_shows_the_colours_of_the_field(panes):
    style = Style(field="density", hidden=frozenset({"bone", "caps", "endplates", "cement"}))
    drawn = picture([panes[0]], style)
    # Density of 65 mg/cm3 on a scale to some hundreds: the blue end of viridis.
    columns, _ = where(drawn, "#3e4989", within=250)
    assert len(columns) > 1000


def test_bone_between_the_eye_and_the_cut_is_taken_away(panes):
    style = Style(camera="left lateral", hidden=frozenset({"caps", "endplates", "cement"}))
    whole = picture([panes[0]], replace(style, cut=None))
    cut = picture([panes[0]], style)
    assert len(where(whole, drawing.BONE)[0]) > 20 * (len(where(cut, drawing.BONE)[0]) + 1)


def test_deformation_moves_what_is_drawn(panes):
    style = Style(cut=None, camera="anterior")
    still, moved = (picture([panes[0]], replace(style, magnify=m)) for m in (0.0, 200.0))

    def top(drawn):
        return np.nonzero((drawn < 250).any(axis=(1, 2)))[0][0]

    # 0.04 mm downwards, 200 times, is 8 mm of a body of 24 mm.
    assert top(moved) > top(still) + 10


def test_panes_share_one_scale_and_differences_have_their_own(panes):
    pair = [panes[0], panes[1], scenes.difference(panes[0], panes[1])]
    figure = scenes.cutaway(pair)
    labels = [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()]
    assert labels == [
        "von Mises stress at 460 N (MPa)",
        "Difference of von Mises stress at 460 N (MPa)",
    ]
    assert [axes.get_title() for axes in figure.axes[:3]] == [
        "Intact",
        "Fractured",
        "Fractured less intact",
    ]


def test_a_difference_is_the_second_less_the_first(panes):
    look = look_of("density")
    found = scenes.difference(panes[0], panes[1]).values(look)
    expected = panes[1].values(look) - panes[0].values(look)
    assert np.array_equal(found, expected, equal_nan=True)
    assert np.nanmax(np.abs(scenes.difference(panes[0], panes[0]).values(look))) == 0.0


def test_stages_on_different_grids_have_no_difference(panes):
    grid = VoxelGrid((2, 2, 2), (1.0, 1.0, 1.0))
    other = scenes.Pane("Other", StoredFields("other", grid, {}, {}), panes[0].load)
    with pytest.raises(InvalidInput, match="different grids"):
        scenes.difference(panes[0], other)


@pytest.mark.parametrize("text", ["diagonal", "axial@far", "@3"])
def test_a_cut_that_makes_no_sense_is_refused(text):
    with pytest.raises(InvalidInput, match="slice"):
        Cut.parse(text)
    assert Cut.parse("coronal@-3.5") == Cut("coronal", -3.5)


def test_ticks_lie_on_round_numbers(panes):
    look = look_of("von_mises")
    scale = scenes.panes.colours_of(look, (0.1, 5.0), panes[0], None)
    assert ticks_of(scale) == [0.1, 0.2, 0.5, 1.0, 2.0, 5.0]


# Window -------------------------------------------------------------------------------------------


@pytest.fixture
def window(panes):
    made = scenes.Window(panes, off_screen=True)
    yield made
    made.plotter.close()


def shot(window):
    return np.asarray(window.plotter.screenshot(return_img=True))


def test_keys_change_what_is_shown(window):
    before = shot(window)
    window.next_field()
    assert window.style.field == "compression"
    window.toggle("cement")
    assert "cement" in window.style.hidden
    assert (shot(window) != before).any()
    planes = []
    for _ in range(4):
        window.next_cut()
        planes.append(window.style.cut.plane if window.style.cut else None)
    assert planes == ["coronal", "axial", None, "sagittal"]
    window.look_from("anterior")
    assert window.plotter.camera.position[1] < window.plotter.camera.focal_point[1]


def test_every_key_that_is_told_is_bound(window):
    bound = set(window.plotter.iren._key_press_event_callbacks)
    told = {key for keys in scenes.KEYS for key in keys.split()} - {"p", "q"}
    assert told <= bound


def test_sliders_move_cut_threshold_and_deformation(window):
    window.move_cut(4.0)
    assert window.style.cut.at_mm == 4.0
    window.hide_below(50.0)
    low, high = 0.05, 20.0  # the scale lies within
    assert low < window.style.least < high
    window.hide_below(0.0)
    assert window.style.least is None
    window.deform(80.0)
    assert window.style.magnify == 80.0
    assert len(window.plotter.widgets.slider_widgets) == 3


def test_reading_a_voxel_gives_its_values_with_units(window, panes):
    stress = panes[2].values(look_of("von_mises"))
    voxel = int(np.nanargmax(stress))
    said = window.read(2, voxel)
    assert said.startswith("Augmented, voxel")
    assert f"von Mises stress: {stress.flat[voxel]:.4g} MPa" in said


def test_voxels_of_the_cut_know_who_they_are(window, panes):
    mesh = window.plotter.renderers[0].actors["cut"].mapper.dataset
    voxels, values = mesh.cell_data["voxel"], mesh.cell_data["value"]
    expected = panes[0].values(look_of("von_mises")).ravel()[voxels]
    assert np.array_equal(values, expected, equal_nan=True)


def test_cameras_are_linked(window):
    window.plotter.subplot(0, 0)
    window.plotter.camera.zoom(2.0)
    scales = {renderer.camera.parallel_scale for renderer in window.plotter.renderers}
    assert len(scales) == 1


# Command ------------------------------------------------------------------------------------------


def test_view_writes_pictures_movie_and_page_without_a_window(small_result, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes, "can_show", lambda: False)
    folder = str(small_result.folder)
    files = {kind: tmp_path / f"a.{kind}" for kind in ("png", "gif", "html")}
    words = ["--screenshot", files["png"], "--movie", files["gif"], "--html", files["html"]]
    choice = ["--stage", "intact", "--stage", "augmented", "--compare", "--slice", "axial@2"]
    assert main(["view", folder, *choice, *map(str, words)]) == 0
    with Image.open(files["png"]) as still, Image.open(files["gif"]) as turn:
        assert still.width > 1000
        assert turn.n_frames == 48
    assert "scene-0" in files["html"].read_text()


@pytest.mark.parametrize("kind", ["webp", "apng"])
def test_a_turn_keeps_every_picture(panes, tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    scenes.movie(path, panes[2:], n_frames=3, size=(120, 101))
    with Image.open(path) as turn:
        assert (turn.n_frames, turn.size) == (3, (120, 101))


def test_a_film_is_left_to_ffmpeg(panes, tmp_path, monkeypatch):
    path = tmp_path / "a.mp4"
    if shutil.which("ffmpeg"):
        scenes.movie(path, panes[2:], n_frames=3, size=(120, 101))
        assert path.read_bytes()[4:8] == b"ftyp"
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(InvalidInput, match=r"needs the program ffmpeg .* \.gif, \.webp"):
        scenes.movie(path, panes[2:])


def test_two_results_are_compared(small_result, tmp_path, capsys):
    folder = str(small_result.folder)
    page = tmp_path / "two.html"
    assert main(["view", folder, folder, "--html", str(page)]) == 0
    assert 'data-panes="0:2,1:2"' in page.read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--field", "taste"], "von_mises"),
        (["--slice", "diagonal"], "sagittal"),
        (["--camera", "below"], "oblique"),
        (["--stage", "broken"], "intact, fractured, augmented"),
        (["--screenshot", "a.bmp"], ".png"),
        (["--movie", "a.avi"], ".gif"),
        (["--stage", "intact", "--compare"], "two stages"),
        ([], "no display"),
    ],
)
def test_what_cannot_be_shown_is_refused(small_result, capsys, monkeypatch, tmp_path, words, said):
    monkeypatch.setattr(scenes, "can_show", lambda: False)
    monkeypatch.chdir(tmp_path)
    assert main(["view", str(small_result.folder), *words]) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_view_never_writes_over_a_file(small_result, tmp_path, capsys):
    mine = tmp_path / "mine.png"
    mine.write_text("precious")
    assert main(["view", str(small_result.folder), "--screenshot", str(mine)]) == 2
    assert "left as it is" in capsys.readouterr().err
    assert mine.read_text() == "precious"
