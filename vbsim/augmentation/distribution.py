"""The distributions by name: the one list that case files, sweeps and tests read."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from vbsim.augmentation.grown import Cleft, Lobulated
from vbsim.augmentation.imported import FromImage
from vbsim.augmentation.shapes import (
    Anterior,
    Bipedicular,
    Central,
    Column,
    Posterolateral,
    Unipedicular,
)

__all__ = ["DISTRIBUTIONS", "AnyDistribution", "DistributionChoice"]

DISTRIBUTIONS: Mapping[str, Mapping[str, str]] = {
    "bipedicular": {"kind": "bipedicular"},
    "unipedicular_left": {"kind": "unipedicular", "side": "left"},
    "unipedicular_right": {"kind": "unipedicular", "side": "right"},
    "central": {"kind": "central"},
    "anterior": {"kind": "anterior"},
    "posterolateral": {"kind": "posterolateral"},
    "column": {"kind": "column"},
    "cleft": {"kind": "cleft"},
    "lobulated": {"kind": "lobulated"},
    "image": {"kind": "image"},
}
"""Short names, and the table each stands for. A new distribution is one class, named here and in
`AnyDistribution`."""

AnyDistribution = Annotated[
    Bipedicular
    | Unipedicular
    | Central
    | Anterior
    | Posterolateral
    | Column
    | Cleft
    | Lobulated
    | FromImage,
    Field(discriminator="kind"),
]
"""One of the distribution classes, told apart by ``kind``."""


def _from_name(given: Any) -> Any:
    """Return the table that a short name stands for; anything else as it is."""
    if not isinstance(given, str):
        return given
    if given not in DISTRIBUTIONS:
        near = get_close_matches(given, DISTRIBUTIONS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"must be one of {', '.join(DISTRIBUTIONS)}, or a table{hint}")
    return dict(DISTRIBUTIONS[given])


_Name = Annotated[str, Field(json_schema_extra={"enum": list(DISTRIBUTIONS)})]

DistributionChoice = Annotated[
    AnyDistribution,
    BeforeValidator(_from_name, json_schema_input_type=_Name | AnyDistribution),
]
"""A distribution, its table, or its short name."""
