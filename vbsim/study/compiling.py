"""Say so while kernels are compiled: only the first run on a machine waits for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from numba.core import event

__all__ = ["compilation_told"]

log = logging.getLogger("vbsim.study")


class _Once(event.Listener):  # type: ignore[misc]
    """Tells of the first compilation; loading a compiled kernel from disk is none."""

    def __init__(self) -> None:
        self._is_told = False

    def on_start(self, event: Any) -> None:
        """Tell, once."""
        if not self._is_told:
            log.info("compiling kernels (first run only)")
        self._is_told = True

    def on_end(self, event: Any) -> None:
        """Do nothing."""


@contextmanager
def compilation_told() -> Iterator[None]:
    """Log that kernels are being compiled if that happens inside the block."""
    with event.install_listener("numba:compile", _Once()):
        yield
