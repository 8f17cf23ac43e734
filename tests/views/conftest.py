"""One small study with its folder, for tests of what is read back and shown."""

import pytest

from vbsim.cli import screen
from vbsim.study import Case, run_case
from vbsim.study.stored import open_study

# 3 mm cells: two seconds a stage; nothing here asks whether the numbers are good.
CASE = {
    "name": "L1 <wedge> & cement",
    "vertebra": {"level": "L1"},
    "mesh": {"spacing_mm": 3.0},
    "steps": [
        {"kind": "wedge", "grade": 2},
        {"kind": "cement", "volume_ml": 4.0, "distribution": "unipedicular_left"},
    ],
    "tests": [{"kind": "compression"}],
}


@pytest.fixture(scope="session")
def small_result(tmp_path_factory):
    return run_case(Case(**CASE), tmp_path_factory.mktemp("shown"), draw=screen.draw)


@pytest.fixture(scope="session")
def small_study(small_result):
    return open_study(small_result.folder)
