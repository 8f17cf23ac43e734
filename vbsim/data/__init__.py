"""Published numbers as files: each with value, unit, source and status; never numbers in code.

A file is a TOML table whose leaves are tables with the keys ``value``, ``unit``, ``status`` and
``source``. A ``source`` may be a key of ``sources.toml``. Status codes: ``R`` read in the paper,
``Rc`` read in an open transcription, ``M`` from memory and to be verified before it is quoted,
``D`` derived here from the others, ``C`` calibrated here (names the command that repeats it).
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

__all__ = ["Constant", "constant", "value", "names", "recording"]


class Constant(NamedTuple):
    """A published number with its origin."""

    key: str
    value: Any
    unit: str
    status: str
    source: str


_used: ContextVar[dict[str, Constant] | None] = ContextVar("used_constants", default=None)


@cache
def _table(name: str) -> dict[str, Any]:
    text = files(__name__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def constant(path: str) -> Constant:
    """Return one constant by its dotted path, ``"cements.pmma.youngs_modulus_mpa"``.

    The first part names the file. Every look-up inside `recording` is remembered, so that a run
    can cite what it used.

    Examples
    --------
    >>> constant("anatomy.levels.L1.height_posterior_mm").unit
    'mm'
    """
    file, *keys = path.split(".")
    node: Any = _table(file)
    for key in keys:
        if not isinstance(node, dict) or key not in node:
            raise KeyError(f"no constant {path!r}: {key!r} is not in vbsim/data/{file}.toml")
        node = node[key]
    if not isinstance(node, dict) or "value" not in node:
        raise KeyError(f"{path!r} names a group, not a constant")
    source = _table("sources").get(node["source"], {}).get("text", node["source"])
    found = Constant(path, node["value"], node["unit"], node["status"], source)
    used = _used.get()
    if used is not None:
        used[path] = found
    return found


def value(path: str) -> Any:
    """Return the bare value of one constant (see `constant`)."""
    return constant(path).value


def names(path: str) -> tuple[str, ...]:
    """Return the names inside a group, ``names("cements")``, in file order."""
    file, *keys = path.split(".")
    node: Any = _table(file)
    for key in keys:
        node = node[key]
    return tuple(node)


@contextmanager
def recording() -> Iterator[dict[str, Constant]]:
    """Collect every constant looked up inside the block, by path; blocks may be nested."""
    used: dict[str, Constant] = {}
    outer = _used.get()
    token = _used.set(used)
    try:
        yield used
    finally:
        _used.reset(token)
        if outer is not None:
            outer.update(used)
