"""Pages opened in a real browser: no complaint, no request, and the view answers the mouse."""

import pytest
from chromium import browser

from vbsim.views.report import case_report


@pytest.fixture(scope="module")
def page(small_study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    path = folder / "report.html"
    path.write_text(case_report(small_study), encoding="utf-8")
    with browser(folder / "profile") as opened:
        opened.size(1280, 900)
        opened.open(path.as_uri())
        opened.until("Boolean(document.querySelector('.scene').viewer)")
        yield opened


VIEWER = "document.querySelector('.scene').viewer"
# Colours that are not grey, of the drawing alone.
COLOURED = f"""(() => {{
  {VIEWER}.drawing.draw({VIEWER}.panes, {VIEWER}.look());
  const {{ gl }} = {VIEWER}.drawing, {{ width, height }} = {VIEWER}.canvas;
  const bytes = new Uint8Array(4 * width * height);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, bytes);
  let coloured = 0;
  for (let k = 0; k < bytes.length; k += 4) {{
    const spread = Math.max(bytes[k], bytes[k + 1], bytes[k + 2]);
    if (spread - Math.min(bytes[k], bytes[k + 1], bytes[k + 2]) > 60) coloured++;
  }}
  return coloured / (width * height);
}})()"""


def middle(page):
    page.evaluate("document.querySelector('canvas').scrollIntoView({block: 'center'})")
    box = page.evaluate(
        "(() => { const b = document.querySelector('canvas').getBoundingClientRect();"
        " return [b.left, b.top, b.width, b.height]; })()"
    )
    left, top, width, height = box
    return left + 0.83 * width, top + 0.45 * height


@pytest.mark.parametrize("width", [1280, 800])
def test_every_figure_is_visible_within_the_width(page, width):
    page.size(width, 900)
    boxes = page.evaluate(
        "[...document.querySelectorAll('img, canvas')].map((e) => {"
        " const b = e.getBoundingClientRect();"
        " return [b.left, b.right, b.height, e.naturalWidth ?? 1]; })"
    )
    assert len(boxes) == 10  # nine figures and the view
    for left, right, height, pixels in boxes:
        assert 0 <= left < right <= width
        assert height > 100
        assert pixels > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_view_shows_the_field_on_the_cut(page):
    # Bone is grey to beige; only the field has strong colours.
    assert page.evaluate(COLOURED) > 0.01
    page.evaluate(f"{VIEWER}.set({{ axis: 'none' }})")
    without = page.evaluate(COLOURED)
    page.evaluate(f"{VIEWER}.set({{ axis: 'sagittal' }})")
    assert without < 0.2 * page.evaluate(COLOURED)


def test_the_view_answers_a_drag(page):
    page.size(1280, 900)
    camera = f"[{VIEWER}.drawing.camera.azimuth, {VIEWER}.drawing.camera.elevation]"
    before, picture = page.evaluate(camera), page.evaluate(f"{VIEWER}.canvas.toDataURL()")
    x, y = middle(page)
    page.drag((x, y), (x - 80, y + 30))
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    after = page.evaluate(camera)
    assert after[0] == pytest.approx(before[0] + 0.45 * 80)
    assert after[1] == pytest.approx(before[1] + 0.45 * 30)
    assert page.evaluate(f"{VIEWER}.canvas.toDataURL()") != picture


def test_pointing_at_the_cut_reads_the_fields_values(page, small_study):
    page.evaluate(f"{VIEWER}.view('left lateral')")
    page.evaluate(f"{VIEWER}.set({{ axis: 'sagittal', cut: 0.5 }})")
    x, y = middle(page)
    page.point_at((x, y))
    said = page.evaluate("document.querySelector('.readout').textContent").splitlines()
    assert said[0].startswith("augmented, voxel")
    assert any(line.startswith("von Mises stress: ") and line.endswith(" MPa") for line in said)
    # From the left, in the middle of the pane, one looks at the middle of the body.
    place = [int(word) for word in said[0].split("voxel ")[1].split()[:3]]
    shape = page.evaluate(f"{VIEWER}.panes[2].scene.stages[2].shape")
    assert place[0] == shape[0] // 2
    assert abs(place[1] - shape[1] / 2) <= 2
    # A little above the middle of the canvas.
    assert 0 <= place[2] - shape[2] / 2 <= 4


def test_the_front_is_on_the_left_seen_from_the_left(page):
    page.evaluate(f"{VIEWER}.view('left lateral')")
    right = page.evaluate(f"{VIEWER}.drawing.camera.basis().right")
    assert right == pytest.approx([0, 1, 0], abs=1e-9)  # to the back
    page.evaluate(f"{VIEWER}.view('anterior')")
    assert page.evaluate(f"{VIEWER}.drawing.camera.basis().right") == pytest.approx([1, 0, 0])


def test_the_page_asks_nobody_and_complains_of_nothing(page):
    page.evaluate("1")
    assert page.complaints == []
    outside = [url for url in page.requests if not url.startswith(("file:", "data:", "blob:"))]
    assert outside == []
    assert sum(url.startswith("file:") for url in page.requests) == 1


def test_a_time_means_the_nearest_moment_of_each_stage(page):
    code = (
        "[nearest([0, 10, 40], 24), nearest([0, 10, 40], 26), nearest([], 5), nearest([0], null)]"
    )
    assert page.evaluate(code) == [1, 2, -1, -1]
