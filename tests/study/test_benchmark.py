"""Bodies made up for benchmarks, and the record of one solve."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from vbsim.checks import InvalidInput
from vbsim.cli import main
from vbsim.study.benchmark import (
    STRUCTURES,
    Record,
    generate,
    read_records,
    restored,
    write_records,
)
from vbsim.study.benchmark.bodies import free_dof

SOLVE_KEYS = (
    "reaction_n",
    "stiffness_n_per_mm",
    "dof",
    "iterations",
    "relative_residual",
    "cpu_s",
    "wall_s",
    "peak_bytes",
)


def record(**changes):
    made = Record(
        name="vbsim",
        structure="body",
        dof=1000,
        n_cells=300,
        threads=1,
        tolerance=1e-8,
        iterations=20,
        relative_residual=5e-9,
        reaction_n=12.5,
        stiffness_n_per_mm=125.0,
        cpu_s=0.5,
        wall_s=0.5,
        setup_cpu_s=0.1,
        peak_bytes=1_000_000,
        bytes_per_dof=60.0,
        load=0.1,
    )
    return replace(made, **changes)


@pytest.mark.parametrize("structure", STRUCTURES)
@pytest.mark.parametrize("dof", [2e4, 3e4, 3e5])
def test_a_body_has_the_wanted_size(structure, dof):
    solid = generate(structure, dof).moduli_mpa > 0
    # a plane of points more or less is 5 % of the smallest body
    assert free_dof(solid) == pytest.approx(dof, rel=0.05)
    for face in (solid[0], solid[-1], solid[:, 0], solid[:, -1], solid[..., 0], solid[..., -1]):
        assert face.any()  # no box around what is solved


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_body_is_the_same_every_time(structure):
    first, second = (generate(structure, 3e4).moduli_mpa for _ in range(2))
    assert np.array_equal(first, second)


def test_the_vertebra_has_shell_core_cement_and_caps():
    moduli = generate("body", 1e5).moduli_mpa
    middle = moduli[len(moduli) // 2]
    row = middle[middle.shape[0] // 2]
    inside = row[row > 0]
    assert inside[0] == inside[-1] == 8000.0
    assert inside[1] != 8000.0  # the shell is one voxel thick
    assert inside[len(inside) // 2] == 2500.0
    core = moduli[~np.isin(moduli, (0.0, 2500.0, 8000.0))]
    # the median of 10 000 log-normal values of log sd 0.5 is within 1 % in two of three cases
    assert np.median(core) == pytest.approx(200.0, rel=0.03)
    for cap in (moduli[0], moduli[-1]):
        assert set(np.unique(cap)) == {0.0, 2500.0}


def test_the_trabecular_structure_is_one_part_of_the_wanted_fill():
    solid = generate("trabecular", 3e5).moduli_mpa > 0
    assert ndimage.label(solid)[1] == 1
    # plates take 32 % of the box, holes a quarter of that
    assert solid.mean() == pytest.approx(0.24, abs=0.02)


def test_slabs_of_the_trabecular_structure_fit_together(monkeypatch):
    whole = generate("trabecular", 2e5).moduli_mpa
    monkeypatch.setattr("vbsim.study.benchmark.bodies._SLAB", 10)
    assert np.array_equal(whole, generate("trabecular", 2e5).moduli_mpa)


def test_what_cannot_be_made_is_refused():
    with pytest.raises(InvalidInput, match=r"structure = 'femur'.*trabecular"):
        generate("femur", 1e5)
    with pytest.raises(InvalidInput, match=r"dof = 10.*20000 or more"):
        generate("body", 10)


def test_records_survive_a_file(tmp_path):
    path = tmp_path / "records" / "some.jsonl"
    written = [record(), record(name="other", commit=None, load=2.5)]
    write_records(path, written[:1])
    write_records(path, written[1:])
    assert read_records(path, Record) == written
    assert record().dof_per_s == 2000.0


def test_a_line_that_is_no_record_is_named(tmp_path):
    path = tmp_path / "some.jsonl"
    write_records(path, [record()])
    with path.open("a") as stream:
        stream.write('{"name": "vbsim"}\n')
    with pytest.raises(InvalidInput, match=r"some.jsonl, line 2: not a Record: lacks .*'dof'"):
        read_records(path, Record)


def test_bench_prints_the_keys_of_solve_and_a_whole_record(capsys):
    assert main(["bench", "voxels", "--dof", "3e4", "--threads", "1", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert not set(SOLVE_KEYS) - printed.keys()
    found = restored(Record, printed)
    assert found.dof == pytest.approx(3e4, rel=0.05)
    assert found.relative_residual <= found.tolerance == 1e-8
    assert 0 <= found.setup_cpu_s < found.cpu_s


def test_bench_shows_a_table(capsys):
    words = "bench voxels --dof 3e4 --structure block --tolerance 1e-4"
    assert main(words.split()) == 0
    said = capsys.readouterr().out
    assert "Degrees of freedom" in said
    assert "Memory per degree of freedom" in said
