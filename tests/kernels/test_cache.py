"""Kernels on disk: compiled anew when a law in another file has changed, and only then."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import vbsim.kernels
from vbsim.kernels.cache import source_stamp

LAW = "from vbsim.kernels import inlined\n\n\n@inlined\ndef law(x):\n    return {factor} * x\n"
OUTER = (
    "from vbsim.kernels import kernel\nfrom vbsim.kernels.folder import (\n    laws,\n)\n\n\n"
    "@kernel\ndef outer(x):\n    return laws.law(x) + 1.0\n"
)
ASK = "from vbsim.kernels.outer import outer; print(outer(1.0), *outer.stats.cache_hits.values())"


@pytest.fixture
def kernels(tmp_path):
    folder = tmp_path / "vbsim" / "kernels"
    (folder / "folder").mkdir(parents=True)
    for name in ("__init__.py", "cache.py"):
        shutil.copy(Path(vbsim.kernels.__file__).parent / name, folder)
    for package in (folder.parent, folder / "folder"):
        (package / "__init__.py").touch()
    return folder


def test_a_law_that_has_changed_is_compiled_anew(kernels):
    def asked():
        environment = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_")}
        found = subprocess.run(
            [sys.executable, "-c", ASK],
            cwd=kernels.parents[1],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return [float(word) for word in found.stdout.split()]

    law = kernels / "folder" / "laws.py"
    (kernels / "outer.py").write_text(OUTER, encoding="utf-8")
    law.write_text(LAW.format(factor=2.0), encoding="utf-8")
    assert asked() == [3.0]
    assert asked() == [3.0, 1.0]
    law.write_text(LAW.format(factor=5.0), encoding="utf-8")
    assert asked() == [6.0]


def test_every_kernel_has_its_own_sources():
    folder = Path(vbsim.kernels.__file__).parent
    stamps = [source_stamp(path) for path in folder.glob("*.py")]
    assert len(set(stamps)) == len(stamps) > 20
