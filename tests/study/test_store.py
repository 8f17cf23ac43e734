import errno
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


def test_two_threads_may_keep_the_same_stage(tmp_path, modes, monkeypatch):
    both_write = threading.Barrier(2, timeout=30)
    original = np.savez

    def savez(stream, **arrays):
        both_write.wait()
        original(stream, **arrays)
        both_write.wait()

    monkeypatch.setattr(np, "savez", savez)
    store = StageStore(tmp_path)
    with ThreadPoolExecutor(2) as pool:
        for kept in [pool.submit(store.keep, "a" * 64, modes) for _ in range(2)]:
            kept.result()
    assert np.array_equal(store.load("a" * 64).displacement_mm, modes.displacement_mm)
    assert [path.name for path in tmp_path.iterdir()] == [f"{'a' * 32}.npz"]


def test_a_full_disk_is_told_and_stops_nothing(tmp_path, modes, monkeypatch, caplog):
    def full(stream, **arrays):
        stream.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    store = StageStore(tmp_path)
    with caplog.at_level("WARNING", logger="vbsim.study"):
        store.keep("a" * 64, modes)
    assert "No space left on device" in caplog.text
    assert str(tmp_path) in caplog.text
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_another_run_removes_meanwhile_is_no_error(
    tmp_path, modes, monkeypatch, caplog
):
    store = StageStore(tmp_path)
    store.keep("a" * 64, modes)
    original = Path.stat

    def stat(path, **options):
        if path.name.startswith("a"):
            path.unlink(missing_ok=True)
        return original(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    # There when it was asked for, gone when it was read: asking first is no help.
    monkeypatch.setattr(Path, "is_file", lambda path: True)
    store.keep("b" * 64, modes)
    assert caplog.text == ""
    assert [path.name[0] for path in tmp_path.iterdir()] == ["b"]


def test_what_another_run_is_writing_does_not_count_and_is_not_pruned(tmp_path, modes):
    writing = tmp_path / ".writing-x-stage.npz"
    writing.write_bytes(bytes(10_000_000))
    os.utime(writing, (time.time() - 3600.0,) * 2)
    store = StageStore(tmp_path, limit_bytes=5_000_000)
    for name in "ab":
        store.keep(name * 64, modes)
    assert writing.exists()
    assert all(store.load(name * 64) is not None for name in "ab")
    # A day later whoever wrote it is dead.
    os.utime(writing, (time.time() - 90_000.0,) * 2)
    store.keep("c" * 64, modes)
    assert not writing.exists()
