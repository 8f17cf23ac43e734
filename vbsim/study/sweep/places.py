"""Places in a case: ``steps[1].volume_ml`` read from and written into plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from vbsim.checks import InvalidInput

__all__ = ["split", "with_value", "column_names"]

_PLACE = re.compile(r"[a-z_][a-z0-9_]*(\[\d+\])*(\.[a-z_][a-z0-9_]*(\[\d+\])*)*")

Part = str | int


def split(place: str) -> tuple[Part, ...]:
    """Return the keys and indices of a place.

    Examples
    --------
    >>> split("steps[1].distribution.side")
    ('steps', 1, 'distribution', 'side')
    """
    if not _PLACE.fullmatch(place):
        raise InvalidInput(
            f"{place!r} is no place in a case; one is written like steps[1].volume_ml"
        )
    words = re.findall(r"[a-z0-9_]+", place)
    return tuple(int(word) if word.isdigit() else word for word in words)


def with_value(data: Any, place: str | Sequence[Part], value: Any) -> Any:
    """Return plain data with another value at a place; what is not on the way is shared.

    Tables that are missing on the way are made.

    Raises
    ------
    InvalidInput
        If the way leads through something that is no table or list, or past a list's end.

    Examples
    --------
    >>> with_value({"steps": [{"kind": "wedge"}]}, "steps[0].grade", 3)
    {'steps': [{'kind': 'wedge', 'grade': 3}]}
    """
    parts = split(place) if isinstance(place, str) else tuple(place)
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(first, int):
        if not isinstance(data, list) or first >= len(data):
            length = len(data) if isinstance(data, list) else 0
            raise InvalidInput(f"index [{first}] is past the end; the case has {length} there")
        return [*data[:first], with_value(data[first], rest, value), *data[first + 1 :]]
    if data is None:
        data = {}
    if not isinstance(data, Mapping):
        raise InvalidInput(
            f"{first} stands inside {data!r}, which is no table; write a table there"
        )
    return {**data, first: with_value(data.get(first), rest, value)}


def column_names(places: Sequence[str], given: Mapping[str, str]) -> dict[str, str]:
    """Return a short column name for every place: the given one, or as few keys as tell it apart.

    Examples
    --------
    >>> column_names(["bone.seed", "steps[0].grade", "steps[1].grade"], {})
    {'bone.seed': 'seed', 'steps[0].grade': 'steps_0_grade', 'steps[1].grade': 'steps_1_grade'}
    """
    last = [str(split(place)[-1]) for place in places]
    names = {}
    for place, key in zip(places, last, strict=True):
        whole = "_".join(str(part) for part in split(place))
        names[place] = given.get(place, key if last.count(key) == 1 else whole)
    return names
