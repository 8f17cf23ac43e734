"""Quantities: a number with its name, unit and definition; the rows of every table."""

from __future__ import annotations

from typing import NamedTuple

from vbsim.checks import InvalidInput

__all__ = ["Quantity", "Definition", "DEFINITIONS", "define", "quantity"]


class Definition(NamedTuple):
    """What a quantity means.

    Attributes
    ----------
    name : str
        Key in tables, e.g. ``stiffness``.
    unit : str
        Unit of the value; ``1`` if dimensionless.
    text : str
        One sentence that says how it is measured.
    """

    name: str
    unit: str
    text: str


class Quantity(NamedTuple):
    """One measured number.

    Attributes
    ----------
    name : str
        A name in `DEFINITIONS`.
    value : float
        The number, in `unit`.
    unit : str
        Unit; ``1`` if dimensionless.
    """

    name: str
    value: float
    unit: str


DEFINITIONS: dict[str, Definition] = {}


def define(name: str, unit: str, text: str) -> Definition:
    """Register the meaning of a quantity; called once per quantity where it is computed."""
    if name in DEFINITIONS and DEFINITIONS[name] != Definition(name, unit, text):
        raise InvalidInput(f"quantity {name!r} is defined twice with different meanings")
    DEFINITIONS[name] = Definition(name, unit, text)
    return DEFINITIONS[name]


def quantity(name: str, value: float) -> Quantity:
    """Return the `Quantity` of a defined name."""
    return Quantity(name, float(value), DEFINITIONS[name].unit)
