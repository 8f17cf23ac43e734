"""What a run wrote is what a reader gets back."""

import shutil

import numpy as np
import pytest
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkIOXML import vtkXMLPolyDataReader

from vbsim.anatomy.frame import SAGITTAL_STATIONS
from vbsim.checks import InvalidInput
from vbsim.study import build_stages, solve_stages
from vbsim.study.fields import stage_fields
from vbsim.study.geometry import Part, body_surfaces
from vbsim.study.store import StageStore
from vbsim.study.stored import field_names, open_study, read_fields


@pytest.fixture(scope="module")
def study(result):
    return open_study(result.folder)


def test_fields_come_back_as_they_were_computed(case, results, study):
    stages = solve_stages(case, build_stages(case), store=StageStore(results / ".stages"))
    for stage in stages:
        cells, points = stage_fields(stage.specimen, stage.responses)
        found = study.fields(stage.name)
        for expected, read in ((cells, found.cells), (points, found.points)):
            assert set(read) == set(expected)
            for name, values in expected.items():
                # Written in single precision, and without loss from there.
                stored = np.float32 if values.dtype.kind == "f" else values.dtype
                assert np.array_equal(read[name], values.astype(stored)), name


def test_the_grid_comes_back(case, study):
    grid = build_stages(case)[0].specimen.domain
    found = study.fields("intact", only=()).grid
    assert found.shape == grid.shape
    assert found.spacing_mm == grid.spacing_mm
    # Coordinates are written as text with about 6 digits.
    assert found.origin_mm == pytest.approx(grid.origin_mm, abs=1e-3)
    assert found.axes == pytest.approx(grid.axes, abs=1e-6)


def test_only_what_is_asked_is_read(study):
    found = study.fields("augmented", only=("cement_fraction", "displacement_mm", "no such"))
    assert set(found.cells) == {"cement_fraction"}
    assert set(found.points) == {"displacement_mm"}


def test_the_names_of_fields_are_told_without_reading_them(study):
    cells, points = field_names(study.field_file("augmented"))
    assert "flexion_von_mises_mpa" in cells
    assert set(points) == {"displacement_mm", "flexion_displacement_mm"}


def test_a_study_knows_its_stages_case_and_numbers(study, result):
    assert study.stages == ("intact", "fractured", "augmented")
    assert study.case["vertebra"]["level"] == "L1"
    assert study.value("intact", "stiffness") == result.value("intact", "stiffness")
    assert study.value("intact", "no such quantity") is None


def test_a_folder_without_a_result_is_refused_with_those_inside(tmp_path, result):
    with pytest.raises(InvalidInput, match=f"it holds results: .*{result.folder.name}"):
        open_study(result.folder.parent)
    with pytest.raises(InvalidInput, match=r"no summary\.json"):
        open_study(tmp_path / "nowhere")


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"name": "a", "stages": [], "measures": []}'])
def test_a_damaged_summary_is_refused(tmp_path, content):
    (tmp_path / "summary.json").write_text(content)
    with pytest.raises(InvalidInput, match="damaged"):
        open_study(tmp_path)


def test_an_unknown_stage_and_a_lost_file_are_refused(tmp_path, result):
    shutil.copytree(result.folder, tmp_path / "copy")
    study = open_study(tmp_path / "copy")
    with pytest.raises(InvalidInput, match="intact, fractured, augmented"):
        study.fields("broken")
    study.field_file("intact").unlink()
    with pytest.raises(InvalidInput, match="not kept"):
        study.fields("intact")
    path = study.field_file("augmented")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InvalidInput, match=r"augmented\.vti"):
        read_fields(path)


def read_geometry(study, stage):
    reader = vtkXMLPolyDataReader()
    reader.SetFileName(str(study.geometry_file(stage)))
    reader.Update()
    return reader.GetOutput()


def test_needles_are_in_the_file_from_the_filling_on():
    from small_study import small_case

    from vbsim.study.geometry import needles_of

    case = small_case(
        steps=[{"kind": "cement", "volume_ml": 2.0, "distribution": "unipedicular_left"}]
    )
    intact, augmented = build_stages(case)
    assert needles_of(case, intact) == ()
    (needle,) = needles_of(case, augmented)
    assert needle.side == "left"


def test_parts_are_told_apart(study):
    body = read_geometry(study, "augmented")
    parts = vtk_to_numpy(body.GetCellData().GetArray("part"))
    # The small study's cement comes without a needle.
    assert set(parts) == {Part.SUPERIOR_ENDPLATE, Part.INFERIOR_ENDPLATE, Part.WALL}
    assert body.GetNumberOfPolys() == len(parts)


def test_endplates_of_the_file_have_the_heights_of_the_table(case, study):
    frame = build_stages(case)[1].specimen.anatomy.frame
    body = read_geometry(study, "fractured")
    points = frame.to_body(vtk_to_numpy(body.GetPoints().GetData()))
    faces = vtk_to_numpy(body.GetPolys().GetConnectivityArray()).reshape(-1, 4)
    parts = vtk_to_numpy(body.GetCellData().GetArray("part"))
    front, back = frame.sagittal_extent_mm()
    for fraction, place in zip(SAGITTAL_STATIONS, ("anterior", "middle", "posterior"), strict=True):
        at = np.array([0.0, front + fraction * (back - front)])
        ends = []
        for part in (Part.SUPERIOR_ENDPLATE, Part.INFERIOR_ENDPLATE):
            near = points[np.unique(faces[parts == part])]
            ends.append(near[np.hypot(*(near[:, :2] - at).T).argmin(), 2])
        # The nearest point of the mesh lies within 2 mm of the station, on a slope of up to 1/3.
        expected = study.value("fractured", f"height_{place}")
        assert ends[0] - ends[1] == pytest.approx(expected, abs=0.8)


def test_faces_look_outwards(case):
    frame = build_stages(case)[0].specimen.anatomy.frame
    volume = 0.0
    for surface in body_surfaces(frame).values():
        a, b, c, d = (frame.to_body(surface.points_mm[k]) for k in surface.quads.T)
        for one, two, three in ((a, b, c), (a, c, d)):
            volume += np.einsum("ij,ij->i", one, np.cross(two, three)).sum() / 6.0
    # Endplates and wall close the body: its volume, with the sign of outward faces.
    expected = 1000.0 * build_stages(case)[0].specimen.volume_ml()
    # Sampled at 4 mm on one side, facets of 2 to 3 mm on the other.
    assert volume == pytest.approx(expected, rel=0.05)
