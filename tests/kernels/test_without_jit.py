"""The kernels are plain Python too: the same products come out with the compiler switched off."""

import os
import subprocess
import sys
from pathlib import Path


def test_kernels_run_without_the_compiler():
    tests = Path(__file__).with_name("test_voxel_kernel.py")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tests)]
    command += ["-k", "shape0 or shape1 or held or diagonal"]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
