"""The small sweep, run once in this process: what every other way must give too."""

import pytest
from small_sweep import plan, run


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    results = tmp_path_factory.mktemp("undisturbed")
    return run(plan(), results)


@pytest.fixture(scope="session")
def wanted(undisturbed):
    """The table as it must be, every digit of it."""
    return (undisturbed.folder / "table.csv").read_text()
