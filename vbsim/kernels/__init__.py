"""Compiled kernels: NumPy arrays in, arrays out; nothing here knows a unit or raises.

Every kernel is made by `kernel`, so that cache, error model and release of the interpreter lock are
decided once. ``NUMBA_DISABLE_JIT=1`` runs the same code in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["kernel", "inlined"]

# FMA contraction is allowed, re-association is not: sums keep their order, so that results do not
# depend on vector width or thread count.
_FLAGS = {"contract"}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: cached on disk, without the interpreter lock, NumPy division rules."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=_FLAGS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a piece that is inlined into kernels."""
    return njit(cache=True, nogil=True, error_model="numpy", fastmath=_FLAGS, inline="always")(
        function
    )
