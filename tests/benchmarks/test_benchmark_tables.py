"""Tables, plot and comparison made from records."""

from dataclasses import replace
from pathlib import Path

import compare
import counting
import fitted
import kernel
import pytest
import tables
from parts import PARTS, Profile

from vbsim.checks import InvalidInput
from vbsim.study.benchmark import Record, write_records

ROOT = Path(__file__).parents[2]

SOLVE = Record(
    name="vbsim",
    structure="body",
    dof=1_000_000,
    n_cells=330_000,
    threads=1,
    tolerance=1e-8,
    iterations=20,
    relative_residual=5e-9,
    reaction_n=1000.0,
    stiffness_n_per_mm=10_000.0,
    cpu_s=0.5,
    wall_s=0.5,
    setup_cpu_s=0.1,
    peak_bytes=300_000_000,
    bytes_per_dof=60.0,
    load=0.1,
)
PEER = replace(SOLVE, name="Other", cpu_s=20.0, reaction_n=1000.001, iterations=9)
RATE = kernel.Rate("product", "float32", 1, 1, 1000, 1e8, 40.0, 192.0, 8e9, 38.4e9, load=0.1)
ASSEMBLY = fitted.Fitted("vbsim 0.1.0", "assembly", 9000, 0.5, 7.0, 10, 10_000_000, 0.1, 0.4)
OTHER = replace(ASSEMBLY, name="Other", cpu_s=5.0, check=7.0 * (1.0 + 1e-9))
PROFILE = Profile("body", 1_000_000, 20, 0.5, dict.fromkeys(PARTS, 0.1), load=0.1)


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    write_records(folder / "voxels.jsonl", [replace(SOLVE, cpu_s=9.0), SOLVE])
    write_records(folder / "voxels.jsonl", [replace(SOLVE, dof=6_000_000, cpu_s=4.0)])
    write_records(folder / "peers.jsonl", [SOLVE, PEER])
    write_records(folder / "kernel.jsonl", [RATE])
    write_records(folder / "parts.jsonl", [PROFILE])
    write_records(folder / "fitted.jsonl", [ASSEMBLY, OTHER])
    return folder


def row(text, *cells):
    line = next(line for line in text.splitlines() if line.startswith(f"| {cells[0]} |"))
    found = [cell.strip() for cell in line.strip("|").split("|")]
    assert [cell for cell in cells if cell in found] == list(cells), line


def test_tables_hold_the_last_record_of_every_solve(records):
    text = tables.tables(records)
    assert text.count("| body | 1,000,000 |") == 1
    assert "| body | 1,000,000 | 1 | 1e-08 | 20 | 0.50 |" in text
    assert "| body | 6,000,000 | 1 | 1e-08 | 20 | 4.00 |" in text


def test_peers_are_shown_as_ratios_with_their_reaction(records):
    text = tables.tables(records)
    row(text, "Other", "20.00", "40.0", "1000.0010", "1e-06")
    row(text, "vbsim", "0.50", "1.0", "1000.0000")


def test_the_kernel_is_shown_beside_bandwidth_and_peak(records):
    # 1e8 elements/s of 40 bytes are 4 of 8 GB/s; of 192 operations 19.2 of 38.4 GFLOP/s
    assert RATE.share_of_bandwidth == pytest.approx(0.5)
    assert RATE.share_of_peak == pytest.approx(0.5)
    row(tables.tables(records), "product", "float32", "100", "4.0", "50%", "19.2")


def test_packages_on_fitted_meshes_are_shown_as_ratios(records):
    text = tables.tables(records)
    assert "| assembly | Other | 9,000 | 5.00 | 10.0 | 0.40 | 10 |  |  | 1e-09 | 0.1 |" in text


def test_a_readme_keeps_what_is_around_the_tables(records, tmp_path):
    readme, figure = tmp_path / "README.md", tmp_path / "figures" / "plot.png"
    readme.write_text(f"before\n{tables.BEGIN}\nold\n{tables.END}\nafter\n")
    words = ["--records", str(records), "--readme", str(readme), "--figure", str(figure)]
    tables.main(words)
    once = readme.read_text()
    tables.main(words)
    assert readme.read_text() == once
    assert once.startswith("before\n")
    assert once.endswith("\nafter\n")
    assert "old" not in once
    assert figure.stat().st_size > 0


def test_a_readme_without_marks_is_refused():
    with pytest.raises(InvalidInput, match="tables: begin"):
        tables.replaced("no marks", "new")


def test_the_readme_shows_the_records():
    """What is printed is what was measured: no figure is typed by hand."""
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    assert tables.replaced(text, tables.tables(ROOT / "benchmarks" / "records")) == text


def test_two_files_are_paired_and_their_ratio_is_after_over_before():
    after = [replace(SOLVE, cpu_s=0.25), replace(SOLVE, dof=5)]
    said = compare.table([SOLVE, PEER], after)
    assert "      0.5      0.25 x  0.50" in said
    assert said.endswith("2 solves are in one file only")


def test_operations_are_counted_as_they_are_done():
    before = counting.Counted.done
    a, b = counting.Counted(2.0), 0.5
    assert -(a * b + b) - 1.0 == -2.5
    assert counting.Counted.done - before == 3


def test_operations_of_the_kernel_are_countable():
    # 21 parity sums with 45 constants, there and back, by rows: about two hundred
    counts = kernel.count_operations()
    assert 150 < counts[1, "product"] < counts[1, "smoother"] < 300
    assert counts[1, "product"] < counts[3, "product"] < 400


def test_bytes_follow_from_the_vectors_that_are_swept():
    # u in, result out, inverse diagonal, modulus
    assert counting.bytes_per_element(1, "product", 8) == 24 + 24 + 12 + 4
    assert counting.bytes_per_element(3, "product", 4) == 12 + 12 + 12 + 12
