"""A report tells the whole study in one file."""

import html
import re
import shutil

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.study.stored import open_study
from vbsim.views.curves import History, history_figure, load_displacement, read_history
from vbsim.views.report import case_report
from vbsim.views.report.sentences import Citations, answer, methods, question
from vbsim.views.scenes import drawing


@pytest.fixture(scope="module")
def page(small_study):
    return case_report(small_study)


def test_a_page_refers_to_nothing_outside_itself(page):
    references = re.findall(r'(?:src|href|action|data)\s*=\s*"([^"]*)"', page)
    assert references
    assert all(found.startswith(("#", "data:")) for found in references)
    assert "@import" not in page
    assert not re.search(r"url\((?!data:)", page)
    assert not re.search(r"\b(?:fetch|XMLHttpRequest|WebSocket|import)\(", page)


def test_names_from_outside_are_escaped(page):
    assert "<wedge>" not in page
    assert "L1 &lt;wedge&gt; &amp; cement" in page


def test_every_figure_of_the_run_is_in_the_page(page, small_study):
    assert len(small_study.figures) == 9
    assert page.count("<figure>") == 9
    assert page.count("data:image/png;base64,") == 9


def test_question_and_answer_hold_the_numbers_of_the_table(small_study):
    asked = question(small_study)
    assert "4 ml of PMMA (unipedicular)" in asked
    assert "an L1 with a wedge fracture of grade 2" in asked
    said = answer(small_study)
    stiffness = [small_study.value(stage, "stiffness") for stage in small_study.stages]
    assert f"{stiffness[2] / 1e3:.2f} kN/mm" in said
    assert f"{100 * stiffness[2] / stiffness[0]:.0f} % of intact" in said
    assert f"{100 * stiffness[2] / stiffness[1]:.0f} % of fractured" in said
    assert "nothing in this case restores it" in said


def test_methods_state_mesh_law_load_and_tolerance_with_sources(small_study):
    citations = Citations(small_study.provenance["constants"])
    text = " ".join(methods(small_study, citations))
    for words in ("3 mm cubes", "kopperdahl power", "1000 N, guided platen", "1e-9", "multigrid"):
        assert words in text
    assert any("Kopperdahl" in source for source in citations.sources)
    marks = {int(n) for group in re.findall(r"\[([\d, ]+)\]", text) for n in group.split(",")}
    assert marks == set(range(1, len(citations.sources) + 1))


def test_an_intact_study_asks_how_stiff_it_is(tmp_path):
    from vbsim.study import Case, run_case

    case = Case(name="plain", vertebra={"level": "T12"}, mesh={"spacing_mm": 4.0})
    study = open_study(run_case(case, tmp_path).folder)
    assert question(study) == "How stiff is a T12?"
    assert answer(study).startswith("Intact stiffness is")
    assert "drew no figures" in case_report(study)


def test_a_report_without_fields_says_so(small_study, tmp_path):
    shutil.copytree(small_study.folder, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "fields")
    page = case_report(open_study(tmp_path / "copy"))
    assert "fields of this result were not kept" in page
    assert "Open the fields" not in page


def test_load_histories_become_curves(small_study, tmp_path):
    shutil.copytree(small_study.folder, tmp_path / "copy")
    folder = tmp_path / "copy" / "histories"
    folder.mkdir()
    rows = ["step,displacement_mm,force_n,status", "0,0,0,ok", "1,0.2,1500,ok", "2,0.4,1200,cut"]
    for stage in ("intact", "augmented"):
        (folder / f"{stage}-strength.csv").write_text("\n".join(rows) + "\n")
    (folder / "intact-broken.csv").write_text("")
    page = case_report(open_study(tmp_path / "copy"))
    assert page.count("Load against displacement, strength") == 2  # alternative text and caption
    history = read_history(folder / "intact-strength.csv")
    assert (history.stage, history.test) == ("intact", "strength")
    assert set(history.columns) == {"step", "displacement_mm", "force_n"}
    (axes,) = load_displacement([history]).axes
    assert axes.lines[0].get_ydata().tolist() == [0.0, 1.5, 1.2]
    assert axes.lines[1].get_xdata().tolist() == [0.2]  # the peak is marked


def test_traction_after_a_collapse_is_negative():
    crushed = History("fractured", "steps", {"axial_mm": [0.0, 4.0], "force_n": [0.0, -2000.0]})
    pulled = History("reduced", "steps", {"axial_mm": [4.0, 3.0], "force_n": [0.0, 200.0]})
    told = [
        h._replace(columns={k: np.array(v) for k, v in h.columns.items()})
        for h in (crushed, pulled)
    ]
    (axes,) = load_displacement(told).axes
    assert axes.lines[0].get_ydata().tolist() == [0.0, 2.0]
    assert axes.lines[1].get_ydata().tolist() == [0.0, -0.2]
    assert axes.get_ylim()[0] < -0.2
    assert "traction negative" in axes.get_ylabel()


def test_a_history_without_a_force_is_drawn_over_its_first_column(tmp_path):
    path = tmp_path / "augmented-injection.csv"
    path.write_text("time_s,placed_ml,leaked_ml\n0,0,0\n10,1.5,0\n20,3.0,0\n")
    figure = history_figure([read_history(path)])
    (axes,) = (axes for axes in figure.axes if axes.lines)  # what never changes is left out
    assert axes.get_title(loc="left") == "placed ml"
    assert axes.lines[0].get_xdata().tolist() == [0.0, 10.0, 20.0]
    path.write_text("time_s,placed_ml\n0,1\n1,1\n")
    with pytest.raises(InvalidInput, match="nothing changes"):
        history_figure([read_history(path)])


def test_the_command_writes_into_the_folder_and_never_over_a_file(small_result, tmp_path, capsys):
    assert main(["report", str(small_result.folder)]) == 0
    assert (small_result.folder / "report.html").is_file()
    mine = tmp_path / "mine.html"
    mine.write_text("precious")
    assert main(["report", str(small_result.folder), "-o", str(mine)]) == 2
    assert "left as it is" in capsys.readouterr().err
    assert mine.read_text() == "precious"
    assert main(["report", str(tmp_path)]) == 2
    assert "not the folder of a result" in capsys.readouterr().err


def test_the_code_for_pyvista_runs_as_it_stands(page, small_study, monkeypatch):
    import pyvista as pv

    try:
        drawing._choose_renderer()
    except InvalidInput as error:
        pytest.skip(str(error))
    code = html.unescape(re.search(r"<h3>PyVista</h3>\s*<pre>(.*?)</pre>", page, re.S)[1])
    monkeypatch.chdir(small_study.folder)
    monkeypatch.setattr(pv, "OFF_SCREEN", True)
    names = {}
    exec(code, names)
    assert "augmented" in code
    assert 0 < names["bone"].n_cells < names["stage"].n_cells
    assert np.asarray(names["bone"]["von_mises_mpa"]).max() > 0
