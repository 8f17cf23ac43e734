"""One small study with its folder, for tests of what is read back and shown."""

import pytest
from small_case import CASE

from vbsim.cli import screen
from vbsim.study import Case, run_case
from vbsim.study.stored import open_study


@pytest.fixture(scope="session")
def small_result(tmp_path_factory):
    return run_case(Case(**CASE), tmp_path_factory.mktemp("shown"), draw=screen.draw)


@pytest.fixture(scope="session")
def small_study(small_result):
    return open_study(small_result.folder)
