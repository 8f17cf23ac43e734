"""What a study or a sweep logs, kept in a file beside its results."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["logged_to"]


@contextmanager
def logged_to(path: Path, log: logging.Logger, *, must_succeed: bool = True) -> Iterator[None]:
    """Append what a logger is told to a file, whatever else listens to it.

    Parameters
    ----------
    path : path
        The file; made with the first line.
    log : logging.Logger
        The logger.
    must_succeed : bool
        Complain on stderr if a line cannot be written; a full disk is no reason for a sweep to.
    """
    handler = logging.FileHandler(path, encoding="utf-8", delay=not must_succeed)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    if not must_succeed:
        handler.handleError = lambda record: None  # type: ignore[method-assign]
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.setLevel(level)
        log.removeHandler(handler)
        handler.close()
