"""What is wrong with a case file: the place, what came, what is allowed, the nearest valid key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from vbsim.checks import InvalidCase, InvalidInput
from vbsim.study.toml import inline

__all__ = ["Fault", "faults", "refuse", "located", "nearest", "models_in"]

Location = tuple[int | str, ...]

# Endings that name a unit; longest first, so that `_mg_cm3` is not read as `_cm3`.
_UNITS = (
    "mg_cm3", "mg_ml", "g_cm3", "kg_m3", "n_per_mm", "n_mm", "n_m", "mm3", "cm3", "mm", "cm", "um",
    "m", "ml", "cc", "l", "mpa", "gpa", "kpa", "pa", "kn", "n", "deg", "rad", "percent", "fraction",
    "hu",
)  # fmt: skip
# A guess that shares less than this with a known name is worse than none.
_LIKENESS = 0.6


class Fault(NamedTuple):
    """One thing wrong with a case.

    Attributes
    ----------
    path : str
        Place in the file, ``steps[1].volume_ml``.
    message : str
        What came and what is allowed.
    """

    path: str
    message: str


class _Place(NamedTuple):
    """Where a location leads: keys that are in the file, and the models that may stand there."""

    keys: Location
    models: tuple[type[BaseModel], ...]


def refuse(error: ValidationError, data: Any, model: type[BaseModel]) -> InvalidCase:
    """Return the `InvalidCase` that names every fault, one per line."""
    found = faults(error, data, model)
    first, *others = found
    message = first.message + "".join(f"\n{fault.path}: {fault.message}" for fault in others)
    return InvalidCase(message, first.path)


def faults(error: ValidationError, data: Any, model: type[BaseModel]) -> list[Fault]:
    """Return what is wrong, in file order, each place once.

    Parameters
    ----------
    error : ValidationError
        What the schema said.
    data : dict
        The file as read.
    model : type
        The outermost model, `Case`.
    """
    found: dict[str, Fault] = {}
    for item in error.errors(include_url=False):
        place = _follow(item["loc"], data, model)
        fault = _misplaced(item, place, model) or _explain(item, place)
        # A misspelt key is usually also a missing one: the first message says it better.
        found.setdefault(fault.path, fault)
    listed = [fault for fault in found.values() if not _is_echo(fault, found)]
    hinted = [fault for fault in listed if "did you mean" in fault.message]
    silenced = {_quoted_guess(fault) for fault in hinted}
    return [f for f in listed if not (f.message == _MISSING and f.path in silenced)] or listed


_MISSING = "required, but missing"


def _is_echo(fault: Fault, found: Mapping[str, Fault]) -> bool:
    """Say whether a list is only called too short because what is in it is wrong."""
    is_short = "at least" in fault.message and "after validation" in fault.message
    return is_short and any(path.startswith(f"{fault.path}[") for path in found)


def _quoted_guess(fault: Fault) -> str:
    parent, _, _ = fault.path.rpartition(".")
    guess = fault.message.partition("did you mean ")[2].rstrip("?").split(" ")[0]
    return f"{parent}.{guess}" if parent else guess


def _explain(item: ErrorDetails, place: _Place) -> Fault:
    kind, came = item["type"], item["input"]
    if kind == "extra_forbidden":
        return Fault(_spell(place.keys), _unknown_key(str(place.keys[-1]), place.models))
    if kind == "missing":
        return Fault(_spell(place.keys), _MISSING)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        expected = item.get("ctx", {}).get("expected_tags", "")
        known = [name.strip(" '") for name in expected.split(",") if name] or _kinds(place.models)
        tag = came.get("kind") if isinstance(came, Mapping) else None
        path = _spell((*place.keys, "kind"))
        if tag is None:
            return Fault(path, f"{_MISSING}; one of {', '.join(known)}")
        return Fault(path, f"{_show(tag)} is not a known kind{_guess(str(tag), known)}")
    if kind in ("literal_error", "enum"):
        allowed = item["ctx"]["expected"]
        names = [name.strip(" '") for name in allowed.replace(" or ", ", ").split(",")]
        hint = _near(str(came), names)
        return Fault(_spell(place.keys), f"= {_show(came)}: must be {allowed}{hint}")
    if kind == "value_error":
        return _refused(item, place)
    message = re.sub(r"^(Input|String|Tuple|List) should ", "must ", item["msg"])
    return Fault(_spell(place.keys), f"= {_show(came)}: {message}")


def _refused(item: ErrorDetails, place: _Place) -> Fault:
    """Return what a validator of ours said, without repeating the value it already names."""
    error, came = item["ctx"]["error"], item["input"]
    path = _spell(place.keys)
    if isinstance(error, InvalidCase) and error.path:
        return Fault(error.path, str(error).removeprefix(f"{error.path}: "))
    path, message = located(path, str(error), {n for m in place.models for n in _names(m)})
    if place.keys:
        message = message.removeprefix(f"{place.keys[-1]} = {came!r}: ")
    _, _, allowed = message.partition("must be one of ")
    if allowed and "did you mean" not in message:
        message += _near(str(came), [name.strip() for name in allowed.split(",")])
    return Fault(path, message if isinstance(came, Mapping) else f"= {_show(came)}: {message}")


def located(place: str, message: str, names: Iterable[str]) -> tuple[str, str]:
    """Return place and message, the place with the parameter that the message starts with.

    Examples
    --------
    >>> located("steps[1]", "volume_ml = 9.0: must be less", ["volume_ml", "kind"])
    ('steps[1].volume_ml', '= 9.0: must be less')
    """
    first = re.match(r"[a-z_]+(?= = |: )", message)
    if first is None or first.group() not in set(names):
        return place, message
    return f"{place}.{first.group()}", message[first.end() :].removeprefix(":").strip()


def _misplaced(item: ErrorDetails, place: _Place, model: type[BaseModel]) -> Fault | None:
    """Return a hint if a key of the top level was written below the head of a table."""
    key = place.keys[-1] if len(place.keys) > 1 else None
    if item["type"] != "extra_forbidden" or key not in _names(model):
        return None
    hint = f"{key} belongs to the top of the file, before the first [table]"
    return Fault(_spell(place.keys), f"unknown key; {hint}")


def _unknown_key(key: str, models: tuple[type[BaseModel], ...]) -> str:
    known = sorted({name for model in models for name in _names(model)})
    stem, unit = _split_unit(key)
    for name in known:
        other_stem, other_unit = _split_unit(name)
        if unit and other_unit and stem == other_stem and unit != other_unit:
            return f"unknown key; did you mean {name} (given in {_spell_unit(other_unit)})?"
        if not unit and name.startswith(f"{key}_"):
            return f"unknown key; did you mean {name}?"
    return f"unknown key{_guess(key, known)}"


def _guess(word: str, known: Iterable[str]) -> str:
    names = list(known)
    near = _near(word, names)
    return near or f"; known are {', '.join(names)}"


def _near(word: str, known: list[str]) -> str:
    guess = nearest(word, known)
    return f"; did you mean {guess}?" if guess else ""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name most like a word, or None if none is.

    Examples
    --------
    >>> nearest("volum_ml", ["volume_ml", "cement"])
    'volume_ml'
    """
    lowered = {name.lower(): name for name in known}
    matches = difflib.get_close_matches(word.lower(), lowered, n=1, cutoff=_LIKENESS)
    return lowered[matches[0]] if matches else None


def _split_unit(key: str) -> tuple[str, str]:
    for unit in _UNITS:
        if key.endswith(f"_{unit}"):
            return key.removesuffix(f"_{unit}"), unit
    return key, ""


def _spell_unit(unit: str) -> str:
    special = {"mg_cm3": "mg/cm3", "n_per_mm": "N/mm", "n_mm": "N mm", "mpa": "MPa", "n": "N"}
    return special.get(unit, unit.replace("_", "/"))


def _show(value: Any) -> str:
    try:
        text = inline(value)
    except InvalidInput:
        text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _spell(keys: Location) -> str:
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text or "case"


# The way from a location of the schema to a place in the file -------------------------------------


def _follow(location: Location, data: Any, model: type[BaseModel]) -> _Place:
    """Drop the parts of a location that name a branch of a union instead of a key."""
    node: Any = data
    models: tuple[type[BaseModel], ...] = (model,)
    keys: list[int | str] = []
    names_branch = False
    for part in location:
        if isinstance(part, int):
            keys.append(part)
            node = node[part] if isinstance(node, list) and part < len(node) else None
        elif names_branch:
            models = tuple(m for m in models if _tag(m) == part) or _likeliest(models, node)
            names_branch = False
        else:
            keys.append(part)
            inside = _inside(models, part)
            # A key without models inside is a leaf: what may stand beside it is still of interest.
            models = inside or models
            node = node.get(part) if isinstance(node, Mapping) else None
            names_branch = len(inside) > 1
    return _Place(tuple(keys), models)


def _inside(models: tuple[type[BaseModel], ...], key: str) -> tuple[type[BaseModel], ...]:
    found: list[type[BaseModel]] = []
    for model in models:
        field = next((f for n, f in model.model_fields.items() if key in (n, f.alias)), None)
        if field is not None:
            found.extend(models_in(field.annotation))
    return tuple(found)


def _likeliest(models: tuple[type[BaseModel], ...], node: Any) -> tuple[type[BaseModel], ...]:
    """Keep the models that share the most keys with a table, where its kind does not decide."""
    if not isinstance(node, Mapping) or len(models) < 2:
        return models
    shared = [len(_names(model) & set(node)) for model in models]
    return tuple(m for m, n in zip(models, shared, strict=True) if n == max(shared))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return every model class named in a type, ``list[Wedge | Crush]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in models_in(part)]


def _names(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


def _tag(model: type[BaseModel]) -> str:
    field = model.model_fields.get("kind")
    return str(field.default) if field is not None else ""


def _kinds(models: tuple[type[BaseModel], ...]) -> list[str]:
    return [tag for tag in map(_tag, models) if tag]
