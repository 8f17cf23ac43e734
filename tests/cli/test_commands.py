import json
import signal
import subprocess
import sys
import tomllib

import pytest

from vbsim.cli import main
from vbsim.study import Case, load_case

# 4 mm cells: a second per stage; nothing here asks whether the numbers are good.
CASE = """\
name = "short"
[vertebra]
level = "L1"
[mesh]
spacing_mm = 4.0
[[steps]]
kind = "cement"
volume_ml = 3.0
distribution = "central"
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "case.toml").write_text(CASE)
    return folder


def vbsim(capsys, *words):
    code = main([str(word) for word in words])
    return code, capsys.readouterr()


def run(workplace, capsys, *more):
    words = ["run", workplace / "case.toml", "--results", workplace / "results", *more]
    return vbsim(capsys, *words)


def test_run_prints_a_table_and_leaves_a_folder(workplace, capsys):
    code, said = run(workplace, capsys)
    assert code == 0
    assert "Stiffness, caps included" in said.out
    assert "intact" in said.out
    assert "augmented" in said.out
    folder = next(workplace.glob("results/short-*"))
    assert str(folder) in said.out
    assert sorted(path.suffix for path in (folder / "figures").iterdir()) == [".png"] * 9


def test_json_output_is_json_and_nothing_else(workplace, capsys):
    code, said = run(workplace, capsys, "--json", "--quiet")
    assert code == 0
    assert said.err == ""
    printed = json.loads(said.out)
    assert list(printed) == ["name", "digest", "folder", "measures"]
    assert printed["name"] == "short"
    assert {tuple(item) for item in printed["measures"]} == {
        ("stage", "test", "quantity", "value", "unit")
    }


def test_a_second_run_loads_the_same_numbers(workplace, capsys):
    first = run(workplace, capsys, "--json")[1].out
    code, said = run(workplace, capsys, "--json")
    assert code == 0
    assert said.out == first
    assert "loaded from" in said.err


def test_quiet_says_nothing_on_stderr(workplace, capsys):
    assert run(workplace, capsys, "--quiet")[1].err == ""


def test_results_that_cannot_be_written_are_bad_input(workplace, capsys):
    occupied = workplace / "a file"
    occupied.write_text("")
    code, said = vbsim(capsys, "run", workplace / "case.toml", "--results", occupied)
    assert code == 2
    assert "a file" in said.err


def test_inspect_shows_the_case_and_solves_nothing(workplace, capsys, monkeypatch):
    from vbsim.study import pipeline

    def never(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr(pipeline, "solve_modes", never)
    code, said = vbsim(capsys, "inspect", workplace / "case.toml")
    assert code == 0
    assert 'kind = "cement"' in said.out
    assert "degrees of freedom" in said.out
    assert "largest volume that fits" in said.out


def test_the_forecast_of_unknowns_is_what_the_solver_finds(workplace, capsys):
    _, said = vbsim(capsys, "inspect", workplace / "case.toml", "--json")
    forecast = json.loads(said.out)
    run(workplace, capsys)
    folder = next(workplace.glob("results/short-*"))
    origin = json.loads((folder / "provenance.json").read_text())
    solved = max(reports[0]["n_dof"] for reports in origin["solves"].values())
    # Points on the platens are counted in the forecast and held in the solve: a few planes.
    assert solved <= forecast["n_dof"] <= 1.4 * solved


def test_init_writes_a_case_that_runs_as_it_is(tmp_path, capsys):
    code, said = vbsim(capsys, "init", tmp_path / "new.toml")
    assert code == 0
    assert "vbsim run" in said.out
    case = load_case(tmp_path / "new.toml")
    assert [step.kind for step in case.steps] == ["wedge", "cement"]


def test_the_defaults_that_init_shows_are_the_defaults(tmp_path, capsys):
    vbsim(capsys, "init", tmp_path / "new.toml")
    text = (tmp_path / "new.toml").read_text()
    lines = [
        line.removeprefix("# ") if line.startswith("# ") and " = " in line.split("#")[1] else line
        for line in text.splitlines()
        if "key = value" not in line
    ]
    (tmp_path / "all.toml").write_text("\n".join(lines))
    assert len(tomllib.loads("\n".join(lines))["bone"]) > 8
    assert load_case(tmp_path / "all.toml") == load_case(tmp_path / "new.toml")


def test_init_never_overwrites(tmp_path, capsys):
    path = tmp_path / "mine.toml"
    path.write_text("precious")
    code, said = vbsim(capsys, "init", path)
    assert code == 2
    assert "left as it is" in said.err
    assert path.read_text() == "precious"


def test_schema_prints_the_json_schema(capsys):
    code, said = vbsim(capsys, "schema")
    assert code == 0
    assert json.loads(said.out) == Case.model_json_schema(by_alias=True)


def test_cite_names_a_source_for_every_constant(workplace, capsys):
    code, said = vbsim(
        capsys, "cite", workplace / "case.toml", "--results", workplace / "none", "--json"
    )
    assert code == 0
    found = {item["constant"]: item for item in json.loads(said.out)}
    assert all(item["source"] for item in found.values())
    files = {path.partition(".")[0] for path in found}
    assert {"anatomy", "bone", "cements", "loads", "measures"} <= files


def test_a_rehearsal_cites_what_the_run_cites(workplace, capsys):
    run(workplace, capsys)
    words = ["cite", workplace / "case.toml", "--json", "--results"]
    rehearsed = vbsim(capsys, *words, workplace / "none")[1].out
    from_result = vbsim(capsys, *words, workplace / "results")[1].out
    assert json.loads(rehearsed) == json.loads(from_result)


def test_version_is_the_packages(capsys):
    import vbsim as package

    assert vbsim(capsys, "--version")[1].out == f"vbsim {package.__version__}\n"


def test_no_command_shows_the_help(capsys):
    _, said = vbsim(capsys)
    assert "run" in said.out + said.err


def test_an_iteration_that_stops_short_exits_with_3(tmp_path, capsys, monkeypatch):
    from vbsim.checks import NotConverged
    from vbsim.study import pipeline

    def stalled(*args, **kwargs):
        raise NotConverged("stopped at 1e-3")

    monkeypatch.setattr(pipeline, "solve_modes", stalled)
    (tmp_path / "case.toml").write_text(CASE)
    code, said = run(tmp_path, capsys)
    assert code == 3
    assert "stopped at 1e-3" in said.err
    assert list(tmp_path.glob("results/*")) == []


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_process_exits_with_130_and_leaves_nothing(tmp_path, signum):
    (tmp_path / "case.toml").write_text(CASE.replace("4.0", "1.0"))
    words = [sys.executable, "-c", "import sys; from vbsim.cli import main; sys.exit(main())"]
    process = subprocess.Popen(
        [*words, "run", "case.toml"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # Shells have what they run in the background ignore interrupts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    # Wait for the first line of the log, so that the run is under way.
    process.stderr.readline()
    process.send_signal(signum)
    process.communicate(timeout=60)
    assert process.returncode == 130
    left = [path.name for path in (tmp_path / "results").iterdir() if path.name != ".stages"]
    assert left == []


@pytest.mark.parametrize(
    "words",
    ["import vbsim", "from vbsim.cli import main; main(['--help'])"],
    ids=["import", "help"],
)
def test_heavy_packages_stay_out_until_they_are_needed(words):
    code = f"{words}\nimport sys; print(sorted(sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0].strip("[' ") for name in done.stderr.split(",")}
    heavy = {"numba", "scipy", "pyvista", "vtkmodules", "matplotlib", "SimpleITK", "meshio"}
    # Numbers and models alone would treble the time that --help takes.
    heavy |= {"numpy", "pydantic", "dask", "pyarrow", "jinja2"}
    assert loaded & heavy == set()
