"""Where the shared real data lie; tests that need them skip elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("VBSIM_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def shared(*parts: str) -> Path:
    """Path of a shared file, or skip."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"shared data not found: {'/'.join(parts)} (set VBSIM_SHARED_DATA)")
    return path
