"""A small TOML writer for resolved cases and templates; reading is the standard library's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vbsim.checks import InvalidInput

__all__ = ["to_toml", "inline"]


def inline(value: Any) -> str:
    """Return one TOML value on one line.

    Examples
    --------
    >>> inline({"kind": "unipedicular", "tip_mm": [1.0, 2]})
    '{ kind = "unipedicular", tip_mm = [1.0, 2] }'
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quoted(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, Mapping):
        inside = ", ".join(f"{_key(k)} = {inline(v)}" for k, v in value.items() if v is not None)
        return f"{{ {inside} }}" if inside else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(inline(item) for item in value)}]"
    raise InvalidInput(f"{value!r} has no place in a TOML file")


def to_toml(table: Mapping[str, Any]) -> str:
    """Return a TOML document; None is left out, tables follow the plain keys.

    Parameters
    ----------
    table : mapping
        Plain values, tables and lists of tables.

    Examples
    --------
    >>> print(to_toml({"schema": 1, "steps": [{"kind": "wedge"}], "mesh": {"spacing_mm": 1.0}}))
    schema = 1
    <BLANKLINE>
    [[steps]]
    kind = "wedge"
    <BLANKLINE>
    [mesh]
    spacing_mm = 1.0
    <BLANKLINE>
    """
    plain = {k: v for k, v in table.items() if v is not None and not _is_block(v)}
    blocks = [f"{_key(k)} = {inline(v)}\n" for k, v in plain.items()]
    text = "".join(blocks)
    for key, value in table.items():
        if isinstance(value, Mapping):
            text += f"\n[{_key(key)}]\n{_lines(value)}"
        elif _is_block(value):
            text += "".join(f"\n[[{_key(key)}]]\n{_lines(item)}" for item in value)
    return text


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(k)} = {inline(v)}\n" for k, v in table.items() if v is not None)


def _is_block(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    is_list = isinstance(value, list | tuple)
    return is_list and len(value) > 0 and all(isinstance(item, Mapping) for item in value)


def _key(key: str) -> str:
    bare = key.replace("_", "").replace("-", "")
    return key if bare.isascii() and bare.isalnum() else _quoted(key)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
