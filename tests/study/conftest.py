"""One small study, run once for all tests that look at a finished result."""

import pytest
from small_study import small_case

from vbsim.study import pipeline, run_case


@pytest.fixture(scope="session")
def case():
    return small_case()


@pytest.fixture(scope="session")
def results(tmp_path_factory):
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="session")
def result(case, results):
    return run_case(case, results)


@pytest.fixture
def solves(monkeypatch):
    """Names of the stages that are really solved."""
    solved = []
    original = pipeline.solve_modes

    def counted(body, **options):
        solved.append(body.name)
        return original(body, **options)

    monkeypatch.setattr(pipeline, "solve_modes", counted)
    return solved
