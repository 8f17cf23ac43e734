"""A case by mechanics: the histories of its steps, and the figure of force against motion."""

from __future__ import annotations

import csv

import pytest

from vbsim.fem.equilibrium import Step
from vbsim.study import run_case
from vbsim.study.case import read_case
from vbsim.views import StageView
from vbsim.views.case import _mechanics

CASE = {
    "name": "mechanics",
    "vertebra": {"level": "T12"},
    "mesh": {"spacing_mm": 4.5, "margin_mm": 18.0},
    "bone": {"vbmd_mg_cm3": 80.0},
    "steps": [
        {"kind": "collapse", "height_loss_percent": 6.0},
        {"kind": "settling", "cycles": 1, "load_n": 300.0},
    ],
    "tests": [{"kind": "strength", "until_strain": 0.02}],
}


@pytest.fixture(scope="module")
def seen():
    stages = []

    def draw(case, made, rows, folder):
        stages.extend(made)

    return stages, draw


@pytest.fixture(scope="module")
def study(tmp_path_factory, seen):
    return run_case(read_case(CASE), tmp_path_factory.mktemp("results"), draw=seen[1])


def read(path):
    with path.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_step_of_mechanics_leaves_its_own_equilibria(study):
    folder = study.folder / "histories"
    assert {path.name for path in folder.iterdir()} >= {
        "fractured-collapse.csv",
        "settled-settling.csv",
        "settled-strength.csv",
    }
    names = ("fractured-collapse.csv", "settled-settling.csv")
    collapse, settling = (read(folder / name) for name in names)
    assert tuple(collapse[0]) == Step._fields
    assert collapse[0]["leg"] == "collapse"
    assert collapse[-1]["leg"] == "unload"
    assert {row["leg"] for row in settling} == {"rest", "load", "unload"}
    # The second goes on where the first has ended.
    assert float(settling[0]["time_s"]) > float(collapse[-1]["time_s"])
    peak = study.value("fractured", "collapse_force_peak")
    assert max(float(row["force_n"]) for row in collapse) == pytest.approx(peak)


def test_the_figure_is_one_unbroken_line(study, seen):
    stages = [StageView(stage.name, stage.specimen) for stage in seen[0]]
    assert _mechanics(stages[:1]) == {}
    figures = _mechanics(stages)
    assert list(figures) == ["mechanics.png"]
    (axes,) = figures["mechanics.png"].axes
    first, second = (line for line in axes.lines if len(line.get_xdata()) > 1)
    assert first.get_xdata()[0] == 0.0
    assert second.get_xdata()[0] == first.get_xdata()[-1]
