import os

import numpy as np
import pytest

from vbsim.fem.response import PlatenModes, SolverReport
from vbsim.study.store import StageStore

SEED = 4


@pytest.fixture
def modes():
    rng = np.random.default_rng(SEED)
    displacement = rng.standard_normal((3, 3, 4, 5, 6))
    displacement[:, :, 1:3, 2] = 0.0
    report = SolverReport((7, 8, 9), 1.2345678901234567e-9, 360, 0.25)
    stiffness = rng.standard_normal((3, 3))
    return PlatenModes(displacement, stiffness, rng.standard_normal((3, 2, 3)), "held", report)


def test_a_kept_stage_comes_back_with_every_digit(tmp_path, modes):
    store = StageStore(tmp_path / "stages")
    store.keep("a" * 64, modes)
    again = store.load("a" * 64)
    for name in ("displacement_mm", "stiffness", "reactions_n"):
        assert np.array_equal(getattr(again, name), getattr(modes, name))
    assert again.lateral == modes.lateral
    assert again.report == modes.report


def test_what_is_not_kept_is_none(tmp_path):
    assert StageStore(tmp_path / "stages").load("a" * 64) is None


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half a file", b"text"])
def test_a_damaged_file_counts_as_absent(tmp_path, modes, content):
    store = StageStore(tmp_path)
    store.keep("a" * 64, modes)
    next(tmp_path.glob("*.npz")).write_bytes(content)
    assert store.load("a" * 64) is None


def test_a_truncated_file_counts_as_absent(tmp_path, modes):
    store = StageStore(tmp_path)
    store.keep("a" * 64, modes)
    path = next(tmp_path.glob("*.npz"))
    path.write_bytes(path.read_bytes()[:-200])
    assert store.load("a" * 64) is None


def test_the_stage_unused_for_longest_makes_room(tmp_path, modes):
    StageStore(tmp_path).keep("a" * 64, modes)
    size = next(tmp_path.glob("*.npz")).stat().st_size
    store = StageStore(tmp_path, limit_bytes=int(2.5 * size))
    store.keep("b" * 64, modes)
    for age, name in enumerate("ab"):
        os.utime(tmp_path / f"{name * 32}.npz", (age, age))
    assert store.load("a" * 64) is not None
    store.keep("c" * 64, modes)
    assert sorted(path.name[0] for path in tmp_path.glob("*.npz")) == ["a", "c"]
