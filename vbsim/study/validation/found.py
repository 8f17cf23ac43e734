"""What a comparison computes."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Found"]


class Found(NamedTuple):
    """A computed value; `detail` says in a few words what else belongs to it."""

    value: float
    detail: str = ""
