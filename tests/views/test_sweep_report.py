"""The report of a sweep: every case, what failed and why, one page."""

import json
import re

import pytest
from chromium import browser

from vbsim.cli import main
from vbsim.study.sweep import load_plan, read_table, run_sweep
from vbsim.views.report import is_sweep, sweep_report

# 4 mm cells: nothing here asks whether the numbers are good. 40 ml do not fit.
SWEEP = """\
name = "a <sweep>"
[vertebra]
level = "L1"
[mesh]
spacing_mm = 4.0
[[steps]]
kind = "cement"
volume_ml = 2.0
distribution = "central"
[sweep.grid]
"steps[0].volume_ml" = [2, 4, 40]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("sweep")
    (place / "sweep.toml").write_text(SWEEP)
    plan = load_plan(place / "sweep.toml")
    return run_sweep(plan, place / "results").folder


@pytest.fixture(scope="module")
def page(folder):
    return sweep_report(folder)


def data(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.S).group(1))


def test_a_sweep_is_told_from_a_result(folder, small_result):
    assert is_sweep(folder)
    assert not is_sweep(small_result.folder)


def test_every_finished_case_is_in_the_chart_with_its_numbers(page, folder):
    told = data(page)
    assert told["parameters"] == ["volume_ml"]
    table = read_table(folder).where("stage == 'augmented'")
    at = told["columns"].index("stiffness_n_per_mm")
    assert [row[at] for row in told["rows"]] == pytest.approx(
        table.columns["stiffness_n_per_mm"].tolist()
    )


def test_the_answer_names_the_range_and_what_moves_it(page):
    assert "Augmented stiffness vs intact runs from" in page
    assert "(volume ml 2)" in page
    assert "Volume ml has the strongest effect: from 2 to 4" in page


def test_what_failed_is_told_with_its_reason(page):
    assert "1 of 3 cases gave no result" in page
    assert "volume ml 40" in page
    assert "must be at most" in page


def test_a_page_refers_to_nothing_outside_itself(page):
    references = re.findall(r'(?:src|href)\s*=\s*"([^"]*)"', page)
    assert all(found.startswith(("#", "data:")) for found in references)
    assert "<sweep>" not in page


def test_the_command_writes_it(folder, capsys):
    assert main(["report", str(folder)]) == 0
    assert (folder / "report.html").is_file()


def test_chart_and_table_are_drawn_and_answer(page, tmp_path):
    (tmp_path / "report.html").write_text(page)
    with browser(tmp_path / "profile") as opened:
        opened.size(800, 900)
        opened.open((tmp_path / "report.html").as_uri())
        opened.until("document.querySelectorAll('#plot circle').length === 2")
        assert opened.evaluate("document.querySelectorAll('#table tbody tr').length") == 2
        first = "document.querySelector('#table tbody tr td:nth-child(2)').textContent"
        assert opened.evaluate(first) == "2"
        opened.evaluate("document.querySelectorAll('#table th')[1].click()")
        opened.evaluate("document.querySelectorAll('#table th')[1].click()")
        assert opened.evaluate(first) == "4"
        assert opened.evaluate("document.documentElement.scrollWidth") <= 800
        assert opened.complaints == []
