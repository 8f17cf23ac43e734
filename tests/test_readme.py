"""What the README shows runs as it is printed."""

import re
import tomllib
from pathlib import Path

import pytest

from vbsim.cli import app, main
from vbsim.study import build_stages, load_case, read_case
from vbsim.study.sweep import make_plan
from vbsim.study.template import template

README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    text = README.read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def test_the_readme_shows_code_and_a_case():
    assert blocks("python")
    assert blocks("toml")


@pytest.mark.parametrize("code", blocks("python"))
def test_the_code_of_the_readme_runs(code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("text", [t for t in blocks("toml") if "[sweep" not in t])
def test_the_cases_of_the_readme_can_be_run(text):
    stages = build_stages(read_case(tomllib.loads(text)))
    assert len(stages) > 1


def test_the_sweep_of_the_readme_varies_its_case():
    case, sweep = (tomllib.loads(text) for text in blocks("toml"))
    plan = make_plan(case | sweep)
    assert len(plan.cases) == 4 * 2 * 50
    assert list(plan.columns.values()) == ["volume_ml", "distribution", "vbmd_mg_cm3"]


def test_the_case_of_the_readme_and_the_template_are_the_demo():
    demo = load_case(README.parent / "examples" / "l1_wedge_bipedicular.toml").digest
    (shown,) = (text for text in blocks("toml") if "steps" in tomllib.loads(text))
    assert read_case(tomllib.loads(shown)).digest == demo
    assert read_case(tomllib.loads(template())).digest == demo


def test_the_numbers_of_the_readme_are_those_of_the_demo(tmp_path, capsys):
    shown = re.search(r"<!-- demo -->\n```\n(.*?)^```", README.read_text(), re.M | re.S).group(1)
    demo = README.parent / "examples" / "l1_wedge_bipedicular.toml"
    words = ["run", str(demo), "--results", str(tmp_path), "--quiet", "--no-figures"]
    assert main(words) == 0
    printed = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    # The first line joins the case's name and the head of the table.
    rows = [" ".join(line.split()) for line in shown.splitlines()[1:]]
    assert [row for row in rows if row not in printed] == []


def test_every_command_of_the_readme_exists():
    from typer.main import get_command

    known = set(get_command(app).commands)
    used = set(re.findall(r"^\s*(?:\.venv/bin/)?vbsim (\w+)", README.read_text(), re.MULTILINE))
    assert used <= known
