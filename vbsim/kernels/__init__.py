"""Compiled kernels: NumPy arrays in, arrays out; nothing here knows a unit or raises.

Every kernel is made by `kernel`, so that cache, error model and release of the interpreter lock are
decided once. ``NUMBA_DISABLE_JIT=1`` runs the same code in plain Python.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit

from vbsim.kernels.cache import stamp

__all__ = ["kernel", "summed", "inlined"]

# FMA contraction is allowed, re-association is not: the order of sums is the one written down.
_FLAGS = {"contract"}


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a kernel: cached on disk, without the interpreter lock, NumPy division rules."""
    return _compiled(function)


def summed(function: Callable[..., Any]) -> Any:
    """Compile a kernel whose one long sum is taken in the lanes of the processor's vectors.

    Its order then depends on the length of the sum and on the processor, not on threads.
    """
    return _compiled(function, fastmath={"contract", "reassoc"})


def inlined(function: Callable[..., Any]) -> Any:
    """Compile a piece that is inlined into kernels."""
    return _compiled(function, inline="always")


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    settings = {"cache": True, "nogil": True, "error_model": "numpy", "fastmath": _FLAGS} | options
    dispatcher = njit(**settings)(function)
    stamp(dispatcher, function)
    return dispatcher
