"""The published side of validation: rows with their specimen, source, band and known misses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NamedTuple

from pydantic import Field

from vbsim.anatomy import Vertebra
from vbsim.checks import Parameters, require
from vbsim.fem.loads import Lateral
from vbsim.materials import Bone
from vbsim.specimen import Potting

__all__ = ["Setup", "Row", "Entry", "entries", "chosen"]

# What a row of the file may say; the rest is said once for its comparison.
_ROW_KEYS = {"quantity", "unit", "published", "published_text", "band", "note"}


class Setup(Parameters):
    """The vertebra that a row means and how its ends are held; the platen is guided throughout."""

    vertebra: Vertebra = Field(description="Level and size.")
    bone: Bone = Field(default_factory=Bone, description="Density and law.")
    potting: Potting = Field(default_factory=Potting, description="Caps or pads.")
    lateral: Lateral = Field("held", description="Which outer faces are held sideways.")


class Row(NamedTuple):
    """One published quantity.

    Attributes
    ----------
    id : str
        The comparison it belongs to, ``S3``.
    key : str
        Name within the comparison.
    quantity : str
        What is compared, in words.
    unit : str
        Unit of published value, band and computed value.
    published : float, (float, float) or None
        Value or range; None where words alone were published.
    published_text : str
        The same for a table.
    band : tuple of float
        Lowest and highest value that counts as agreement, limits included; infinite where open.
    calibrated : bool
        Whether agreement is no prediction: the row is set aside for calibration or follows from
        such a number.
    source : str
        Where it was published, on what.
    note : str
        Likely cause of a miss, of the row or of its whole comparison; empty if none is known.
    """

    id: str
    key: str
    quantity: str
    unit: str
    published: float | tuple[float, float] | None
    published_text: str
    band: tuple[float, float]
    calibrated: bool
    source: str
    note: str

    def is_in_band(self, computed: float) -> bool:
        """Return whether a computed value agrees; NaN never does.

        Examples
        --------
        >>> row = next(iter(entries()["S1"].rows.values()))
        >>> [row.is_in_band(value) for value in (14.0, 19.3, float("nan"))]
        [False, True, False]
        """
        low, high = self.band
        return low <= computed <= high


class Entry(NamedTuple):
    """One comparison: a specimen, its conditions and the quantities that were published for it.

    Attributes
    ----------
    id, title, conditions, source, status : str
        What it is called, in words how it was made, where it was published and how it was read.
    setup : Setup
        Vertebra, bone, caps.
    given : mapping
        The other conditions, as numbers by name.
    rows : mapping of str to Row
        Quantities by key.
    """

    id: str
    title: str
    conditions: str
    source: str
    status: str
    setup: Setup
    given: Mapping[str, Any]
    rows: Mapping[str, Row]


@cache
def entries() -> Mapping[str, Entry]:
    """Return every comparison of ``data/validation.toml``, by id, in file order."""
    text = files("vbsim.data").joinpath("validation.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    return MappingProxyType({name: _entry(name, table) for name, table in tables.items()})


def chosen(only: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return the comparisons with the ids asked for, in file order; all if none is named."""
    known = entries()
    wanted = {name.upper() for name in only}
    unknown = sorted(wanted - set(known))
    require(not unknown, "only", ", ".join(unknown), "some of " + ", ".join(known))
    return tuple(entry for name, entry in known.items() if not wanted or name in wanted)


def _entry(name: str, table: Mapping[str, Any]) -> Entry:
    for key, row in table["rows"].items():
        unknown = sorted(set(row) - _ROW_KEYS)
        require(not unknown, f"{name}.rows.{key}", unknown, "keys " + ", ".join(sorted(_ROW_KEYS)))
    rows = {
        key: Row(
            id=name,
            key=key,
            quantity=row["quantity"],
            unit=row["unit"],
            published=_published(row.get("published")),
            published_text=row.get("published_text") or _shown(row["published"]),
            band=(float(row["band"][0]), float(row["band"][1])),
            calibrated=table.get("calibrated", False),
            source=table["source"],
            note=row.get("note", table.get("note", "")),
        )
        for key, row in table["rows"].items()
    }
    return Entry(
        id=name,
        title=table["title"],
        conditions=table["conditions"],
        source=table["source"],
        status=table["status"],
        # A closed form has no vertebra, and asks for none.
        setup=Setup(**table.get("setup", {"vertebra": {"level": "L1"}})),
        given=MappingProxyType(table.get("given", {})),
        rows=MappingProxyType(rows),
    )


def _published(given: Any) -> float | tuple[float, float] | None:
    if isinstance(given, list):
        low, high = given
        return float(low), float(high)
    return None if given is None else float(given)


def _shown(given: Any) -> str:
    if isinstance(given, list):
        return " to ".join(f"{number:g}" for number in given)
    return f"{given:g}"
