"""One small study, run once for all tests that look at a finished result."""

import pytest

from vbsim.study import Case, run_case

# 4 mm cells: a second per stage; nothing here asks whether the numbers are good.
SPACING_MM = 4.0


def small_case(**changes):
    content = {
        "name": "small wedge",
        "vertebra": {"level": "L1"},
        "mesh": {"spacing_mm": SPACING_MM},
        "steps": [
            {"kind": "wedge", "grade": 2},
            {"kind": "cement", "volume_ml": 4.0, "distribution": "central"},
        ],
        "tests": [{"kind": "compression"}, {"kind": "flexion"}],
    }
    return Case(**(content | changes))


@pytest.fixture(scope="session")
def case():
    return small_case()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def result(case, results):
    return run_case(case, results)
