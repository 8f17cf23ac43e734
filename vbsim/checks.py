"""Errors, warnings and the parameter base class: bad input is named once, before any work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic._internal._model_construction import ModelMetaclass

from vbsim import data

__all__ = [
    "VbsimError",
    "InvalidInput",
    "InvalidCase",
    "NotConverged",
    "MissingExtra",
    "PhysicsWarning",
    "Parameters",
    "require",
    "frozen",
]

T = TypeVar("T", bound=np.generic)


class VbsimError(Exception):
    """Base of every error that vbsim raises on purpose."""


class InvalidInput(VbsimError, ValueError):
    """A parameter, file or geometry that cannot be used; says who, what came, what is allowed."""


class InvalidCase(InvalidInput):
    """A case file that cannot be used; `path` names the place in the file."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.path = path


class NotConverged(VbsimError, RuntimeError):
    """An iteration that stopped short; `report` holds what was reached, never a usable result."""

    def __init__(self, message: str, report: object = None) -> None:
        super().__init__(message)
        self.report = report


class MissingExtra(VbsimError, ImportError):
    """An optional package is needed; the message carries the install line."""


class PhysicsWarning(UserWarning):
    """Something physical that a user should know: '0.4 ml of cement outside the cortex'."""


def require(condition: bool, parameter: str, value: object, allowed: str) -> None:
    """Raise `InvalidInput` unless `condition` holds.

    Examples
    --------
    >>> require(-1.0 > 0, "volume_ml", -1.0, "a positive number of millilitres")
    Traceback (most recent call last):
        ...
    vbsim.checks.InvalidInput: volume_ml = -1.0: must be a positive number of millilitres
    """
    if not condition:
        raise InvalidInput(f"{parameter} = {value!r}: must be {allowed}")


def frozen(array: NDArray[T]) -> NDArray[T]:
    """Return a C-contiguous read-only array (a copy only where the layout asks for one)."""
    result = np.ascontiguousarray(array)
    if result is array and array.flags.writeable:
        result = array.view()
    result.flags.writeable = False
    return result


class _OneError(ModelMetaclass):
    """Turns pydantic's error into `InvalidInput` for a direct call.

    Also remembers the published constants that the call looked up for its defaults and checks, so
    that a run can cite them although they were looked up before it began.

    Nested models are built by the validator without this call, so inside a case file the location
    of the wrong value survives to the outermost reader.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        with data.recording() as used:
            try:
                made = super().__call__(*args, **kwargs)
            except ValidationError as error:
                raise InvalidInput(describe(error, cls.__name__)) from None
        # Beside the fields, like a cached property: no part of equality or of a file.
        made.__dict__["constants_"] = used
        return made


def describe(error: ValidationError, owner: str) -> str:
    """Say in one line each what is wrong with which parameter and what came."""
    lines = []
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"])
        # What came to a check of several parameters together is all of them: no help.
        is_told = place and item["type"] not in ("missing", "extra_forbidden")
        came = f" = {item['input']!r}" if is_told else ""
        words = (owner, f"{place}{came}", item["msg"].removeprefix("Value error, "))
        lines.append(": ".join(word for word in words if word))
    return "\n".join(lines)


class Parameters(BaseModel, metaclass=_OneError):
    """Base of every parameter object: declared once, serves API, case file, JSON Schema and docs.

    Immutable, unknown names refused, NaN and infinity refused.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        arbitrary_types_allowed=True,
        validate_default=True,
        ser_json_inf_nan="constants",
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with changed fields; what was computed from the old ones is dropped."""
        copied = super().model_copy(update=update, deep=deep)
        for name in set(copied.__dict__) - {*type(self).model_fields, "constants_"}:
            del copied.__dict__[name]
        return copied
