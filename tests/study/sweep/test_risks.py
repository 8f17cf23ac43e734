"""Shares of cases in which something happened, told from the table of a sweep."""

import numpy as np
import pytest

from vbsim.study.sweep import risks as module
from vbsim.study.sweep.risks import risks
from vbsim.study.sweep.stored_plan import StoredPlan
from vbsim.study.sweep.table import Table


@pytest.fixture
def folder(monkeypatch, tmp_path):
    n = 40
    seeds = np.arange(n) % 20
    viscosity = np.array(["low"] * 20 + ["high"] * 20)
    leaked = np.where(viscosity == "low", seeds % 2 == 0, seeds % 4 == 0).astype(float)
    columns = {
        "seed": seeds,
        "viscosity": viscosity,
        "stage": np.array(["augmented"] * n),
        "test": np.array(["compression"] * n),
        "has_leaked": leaked,
        "leaked_volume_ml": leaked * 0.3,
    }
    columns["has_leaked"][3] = np.nan  # failed
    told = {
        "has_leaked": {"unit": "1", "definition": "1 if cement leaked, else 0."},
        "leaked_volume_ml": {"unit": "ml", "definition": "Cement that left the body."},
    }
    table = Table(columns, told)
    plan = StoredPlan("leaks", "0", ("viscosity", "seed"), (), {}, ("viscosity", "seed"))
    monkeypatch.setattr(module, "read_table", lambda folder: table)
    monkeypatch.setattr(module, "read_plan", lambda folder: plan)
    return tmp_path


def test_seeds_repeat_and_words_tell_apart(folder):
    found = {risk.values["viscosity"]: risk for risk in risks(folder)}
    assert set(found) == {"low", "high"}
    assert (found["low"].n_with, found["low"].n_all) == (10, 19)
    assert (found["high"].n_with, found["high"].n_all) == (5, 20)
    share, low, high = found["high"].share
    assert share == 0.25
    assert (low, high) == pytest.approx((0.1119, 0.4687), abs=1e-4)


def test_a_sweep_without_yes_or_no_tells_none(folder, monkeypatch):
    table = module.read_table(folder)
    told = {"leaked_volume_ml": table.told["leaked_volume_ml"]}
    monkeypatch.setattr(module, "read_table", lambda folder: Table(table.columns, told))
    assert risks(folder) == []
