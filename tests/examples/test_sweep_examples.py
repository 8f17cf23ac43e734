"""The sweeps among the examples: planned whole, run in part on a coarser grid, pinned."""

import importlib.util
import py_compile
import shutil
import subprocess
from pathlib import Path

import pytest

from vbsim.study.sweep import load_plan, make_plan, run_sweep
from vbsim.study.sweep.plan import read_plain

EXAMPLES = Path(__file__).parents[2] / "examples"
# As in test_examples.py: far above what a machine changes, far below what the physics does.
PINNED = 0.01
SPACING_MM = 4.0


def coarse(name, **sweep):
    """Return the plan of an example on a coarse grid, with part of its sweep replaced."""
    data = read_plain(EXAMPLES / f"{name}.toml")
    data["mesh"]["spacing_mm"] = SPACING_MM
    for key, given in sweep.items():
        data["sweep"][key].update(given)
    return make_plan(data)


def test_sweep_volume_distribution(tmp_path):
    whole = load_plan(EXAMPLES / "sweep_volume_distribution.toml")
    assert len(whole.cases) == 96
    # Three intact, three fractured, 96 augmented.
    assert whole.n_distinct_stages() == 102
    part = {"bone.vbmd_mg_cm3": [65], "steps[1].volume_ml": [2, 6]}
    table = run_sweep(coarse("sweep_volume_distribution", grid=part), tmp_path).table()
    augmented = table.where("stage == 'augmented'")
    assert augmented.n_rows == 8
    little, much = (augmented.where(f"volume_ml == {v}") for v in (2, 6))
    stiffness = "stiffness_n_per_mm"
    assert (much.columns[stiffness] > little.columns[stiffness]).all()
    central = much.where("distribution == 'central'").columns["stiffness_vs_intact"][0]
    assert central == pytest.approx(1.022, rel=PINNED)


def test_sweep_uncertainty(tmp_path):
    whole = load_plan(EXAMPLES / "sweep_uncertainty.toml")
    assert len(whole.cases) == 200
    assert len({case.digest for case in whole.cases}) == 200
    result = run_sweep(coarse("sweep_uncertainty"), tmp_path, limit=3)
    assert result.statuses == {"done": 3, "pending": 197}


def test_cohort(tmp_path):
    spec = importlib.util.spec_from_file_location("cohort", EXAMPLES / "cohort.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module.study(tmp_path, spacing_mm=2.0)
    assert table.columns["subject"].tolist() == ["ann"] * 3 + ["ben"] * 3 + ["eve"] * 3
    ratio = table.columns["stiffness_vs_intact"]
    for subject in (ratio[:3], ratio[3:6], ratio[6:]):
        assert list(subject) == sorted(subject)
    assert ratio[-1] == pytest.approx(1.439, rel=PINNED)


def test_scripts_for_clusters_can_be_read():
    # No cluster is here to run them; `dask_slurm.py` needs dask-jobqueue.
    py_compile.compile(EXAMPLES / "cluster" / "dask_slurm.py", doraise=True)
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash to read the array job with")
    subprocess.run([shell, "-n", EXAMPLES / "cluster" / "slurm_array.sh"], check=True)


def test_the_array_job_does_every_part_once(tmp_path, monkeypatch):
    shell = shutil.which("bash")
    if shell is None:
        pytest.skip("no bash to run the array job with")
    done = tmp_path / "done"
    (tmp_path / "vbsim").write_text(f'#!/bin/sh\necho "$@" >> {done}\n')
    (tmp_path / "vbsim").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "3")
    for task in ("1", "2", "3"):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", task)
        subprocess.run([shell, EXAMPLES / "cluster" / "slurm_array.sh", "s.toml"], check=True)
    words = "sweep s.toml -j 0 --part {}/3 --no-figures --results results"
    assert done.read_text().splitlines() == [words.format(k) for k in (1, 2, 3)]
