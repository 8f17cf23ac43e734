import io

import numpy as np
import pytest
from matplotlib.colors import LogNorm

from vbsim import measures, views
from vbsim.anatomy import Vertebra
from vbsim.augmentation import CementFill
from vbsim.checks import InvalidInput
from vbsim.fem import Compression, recovery, solve
from vbsim.fracture import Wedge
from vbsim.materials import Bone
from vbsim.measures import Fields
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.views import section_figures, sections

SPACING_MM = 2.0
FIGURES = {
    "sections_density.png",
    "sections_cement.png",
    "sections_stress.png",
    "sections_compression.png",
    "sections_energy.png",
    "load_sharing.png",
    "stages.png",
    "endplates.png",
    "radiographs.png",
}
SECTIONS = [name for name in sorted(FIGURES) if name.startswith("sections")]


@pytest.fixture(scope="module")
def stages():
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=SPACING_MM)
    intact = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=80.0))
    fractured = Wedge(grade=2).apply(intact)
    augmented = CementFill(volume_ml=4.0).apply(fractured)
    found = []
    for stage in (intact, fractured, augmented):
        potted = Potting().apply(stage)
        response = solve(potted, Compression())
        rows = (*measures.geometry(potted), *measures.measure(potted, response))
        found.append(views.StageView(stage.name, potted, response, rows))
    return found


@pytest.fixture(scope="module")
def figures(stages):
    return views.case_figures(stages)


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def images(figure):
    """The images of values: those whose colours come from the figure's own scale."""
    bars = {id(axes) for axes in figure.axes if axes.get_label() == "<colorbar>"}
    panels = [axes for axes in figure.axes if id(axes) not in bars]
    return [axes.images[-1] for axes in panels if axes.images]


def test_a_study_has_every_figure_and_none_is_empty(figures):
    assert set(figures) == FIGURES
    for figure in figures.values():
        drawn = pixels(figure)
        # ink on at least a hundredth of the page, in many colours
        assert (drawn < 250).any(axis=-1).mean() > 0.01
        assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 20


def test_text_stays_on_the_page(figures):
    for name, figure in figures.items():
        figure.canvas.draw()
        width, height = figure.canvas.get_width_height()
        box = figure.get_tightbbox(figure.canvas.get_renderer())
        # tightbbox is in inches; a tenth of an inch covers rounding to pixels
        assert box.x0 > -0.1, name
        assert box.y0 > -0.1, name
        assert box.x1 < width / figure.dpi + 0.1, name
        assert box.y1 < height / figure.dpi + 0.1, name


def test_headings_do_not_overlap(figures):
    for name, figure in figures.items():
        figure.canvas.draw()
        renderer = figure.canvas.get_renderer()
        boxes = [text.get_window_extent(renderer) for text in figure.texts if text.get_text()]
        for k, one in enumerate(boxes):
            for other in boxes[k + 1 :]:
                assert not one.overlaps(other), name


def test_png_is_written_at_200_dpi(figures, tmp_path):
    figure = figures["sections_density.png"]
    views.save(figure, tmp_path / "sections.png")
    from matplotlib.image import imread

    drawn = imread(tmp_path / "sections.png")
    width, height = figure.get_size_inches()
    assert drawn.shape[:2] == (round(200 * height), round(200 * width))


def test_sections_share_one_colour_scale_over_stages_and_planes(figures):
    for name in SECTIONS:
        shown = images(figures[name])
        assert len(shown) == 6
        scales = {(image.norm.vmin, image.norm.vmax, image.cmap.name) for image in shown}
        assert len(scales) == 1
    assert isinstance(images(figures["sections_stress.png"])[0].norm, LogNorm)


def test_panels_share_one_length_scale(figures):
    figure = figures["sections_density.png"]
    width, height = figure.get_size_inches()
    scales = []
    for image in images(figure):
        axes = image.axes
        box = axes.get_position()
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        scales += [box.width * width / (right - left), box.height * height / (top - bottom)]
    assert scales == pytest.approx([scales[0]] * len(scales))


def test_front_is_on_the_left_and_the_head_on_top(stages):
    found = stages[0].specimen
    cut = sections.section(found, "sagittal")
    assert cut.across_mm[0] < cut.across_mm[-1]
    assert cut.height_mm[0] < cut.height_mm[-1]
    # the hollow back wall of the body lies on the right
    middle = np.abs(cut.height_mm).argmin()
    body = cut.across_mm[cut.body[middle] > 0.5]
    lines = cut.outline.walls
    assert lines[0][:, 0].max() < body.min() + SPACING_MM
    assert lines[1][:, 0].min() > body.max() - SPACING_MM
    # an anterior wedge: the upper endplate is low in front
    wedge = sections.section(stages[1].specimen, "sagittal").outline.superior
    assert wedge[0, 1] < wedge[-1, 1] - 5.0


def test_section_outline_encloses_the_bone(stages):
    for stage in stages:
        for plane in sections.PLANES:
            cut = sections.section(stage.specimen, plane)
            across, height = np.meshgrid(cut.across_mm, cut.height_mm)
            upper = np.interp(across, *cut.outline.superior.T)
            lower = np.interp(across, *cut.outline.inferior.T)
            bone = cut.body > 0.5
            # half bone: the surface is within half a voxel of the centre
            assert (height[bone] < upper[bone] + 0.6 * SPACING_MM).all()
            assert (height[bone] > lower[bone] - 0.6 * SPACING_MM).all()


def test_stress_section_is_that_of_the_whole_field(stages):
    from vbsim.fem import recovery

    stage = stages[1]
    specimen, response = stage.specimen, stage.response
    found = sections.von_mises(specimen, response, "coronal", scale=0.5)
    stress = recovery.stress(Fields(specimen, response).strain, specimen.materials)
    _, y, _ = specimen.body_axes()
    first = np.searchsorted(y, 0.0) - 1
    whole = recovery.von_mises(stress)[:, first : first + 2]
    weight = specimen.tissue.body[:, first : first + 2]
    total = weight.sum(axis=1)
    shown = np.isfinite(found)
    expected = 0.5 * (whole * weight).sum(axis=1)[shown] / total[shown]
    np.testing.assert_allclose(found[shown], expected, rtol=1e-12)
    np.testing.assert_array_equal(shown, total / 2 >= 0.2)


def test_cement_is_drawn_where_it_was_placed(stages):
    assert not np.nan_to_num(sections.cement(stages[1].specimen, "coronal")).any()
    filled = sections.cement(stages[2].specimen, "coronal")
    assert np.nanmax(filled) <= 1.0
    assert np.nanmax(filled) > 0.9
    cut = sections.section(stages[2].specimen, "sagittal")
    # two boluses beside the midline: the projection shows what the plane misses
    assert cut.cement_projected.max() > 0.9
    assert (cut.cement_projected >= cut.cement - 1e-12).all()


def test_bars_carry_the_measured_values(stages, figures):
    said = {text.get_text() for axes in figures["stages.png"].axes for text in axes.texts}
    for stage in stages:
        values = stage.values()
        assert f"{values['stiffness'] / 1e3:.1f}" in said
        assert f"{values['height_anterior']:.1f}" in said


def test_stages_that_were_not_loaded_are_drawn_without_stress(stages):
    bare = [stage._replace(response=None, measures=()) for stage in stages[:2]]
    found = views.case_figures(bare)
    unloaded = {"sections_density.png", "stages.png", "endplates.png", "radiographs.png"}
    assert set(found) == unloaded
    said = {text.get_text() for axes in found["stages.png"].axes for text in axes.texts}
    assert "not\nloaded" in said


def test_stress_of_a_stage_that_was_not_loaded_is_refused(stages):
    with pytest.raises(InvalidInput, match="stage intact"):
        views.sections_stress([stages[0]._replace(response=None)], load_n=400.0)


def test_no_stages_are_refused():
    with pytest.raises(InvalidInput, match="stages"):
        views.case_figures([])


def test_figures_do_not_depend_on_the_run(stages):
    first, second = io.BytesIO(), io.BytesIO()
    for stream in (first, second):
        views.stage_bars(stages).savefig(stream, metadata={"Software": None})
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize(
    ("low", "high", "ends"),
    [
        (0.13, 3.0, (0.1, 5.0)),
        (0.2, 5.0, (0.2, 5.0)),
        (0.07, 0.3, (0.05, 0.5)),
        (1.0, 7.0, (1, 10)),
    ],
)
def test_stress_scale_ends_on_round_numbers(low, high, ends):
    assert section_figures._round_ends(low, high) == pytest.approx(ends)


def test_drawing_leaves_the_callers_settings_alone(stages):
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    views.stage_bars(stages)
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("plane", ["sagittal", "coronal"])
def test_sections_of_stress_are_the_fields_near_the_plane(stages, plane):
    stage = stages[2]
    strain = recovery.strain(stage.response.displacement_mm, stage.specimen.domain)
    stress = recovery.stress(strain, stage.specimen.materials)
    xx, yy, zz, yz, xz, xy = np.moveaxis(stress, -1, 0)
    tensor = np.moveaxis(np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]), (0, 1), (-2, -1))
    fields = {
        sections.compression: -np.linalg.eigvalsh(tensor)[..., 0],
        sections.energy: 1000.0 * recovery.energy_density(strain, stress),
        sections.von_mises: recovery.von_mises(stress),
    }
    for of, field in fields.items():
        drawn = of(stage.specimen, stage.response, plane)
        expected = sections._in_body(
            field[sections._layers(stage.specimen, plane)], stage.specimen, plane
        )
        assert drawn == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True)
    twice = sections.energy(stage.specimen, stage.response, plane, scale=2.0)
    once = sections.energy(stage.specimen, stage.response, plane)
    assert twice == pytest.approx(4.0 * once, nan_ok=True)


def test_profiles_leave_out_a_stage_of_the_same_shape(stages):
    figure = views.endplate_profiles(stages)
    (legend,) = (axes.get_legend() for axes in figure.axes if axes.get_legend())
    assert [text.get_text() for text in legend.get_texts()] == ["Intact", "Fractured, augmented"]


def test_profiles_pass_through_the_heights_of_the_table(stages):
    figure = views.endplate_profiles(stages)
    (curves,) = (axes for axes in figure.axes if axes.get_legend())
    at, height = curves.lines[0].get_data()
    measured = stages[0].values()
    for percent, place in ((5, "anterior"), (50, "middle"), (95, "posterior")):
        # Both are means over the same strip; the curve has a point at every percent.
        assert height[np.argmin(abs(at - percent))] == pytest.approx(measured[f"height_{place}"])


def test_cement_is_the_brightest_part_of_a_radiograph(stages):
    for name, found in views.radiographs(stages[2]).items():
        before = views.radiographs(stages[1])[name]
        assert found.attenuation.max() > 1.5 * before.attenuation.max(), name
        assert (found.attenuation >= before.attenuation - 1e-9).all(), name
