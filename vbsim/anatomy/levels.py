"""Levels T5 to L5 and the published dimensions of each."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Literal, get_args

from vbsim.checks import InvalidInput
from vbsim.data import value

__all__ = ["Level", "LEVELS", "LevelReference", "check_level", "level_reference"]

Level = Literal["T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]

LEVELS: tuple[Level, ...] = get_args(Level)
"""The levels that the project covers, from head to foot."""


@dataclass(frozen=True)
class LevelReference:
    """Published mean dimensions of one level, adults of both sexes.

    Parameters
    ----------
    level : str
        ``T5`` ... ``L5``.
    endplate_width_superior_mm, endplate_width_inferior_mm : float
        Left-right extent of the endplates, mm.
    endplate_depth_superior_mm, endplate_depth_inferior_mm : float
        Front-back extent of the endplates, before the back wall's hollow is taken off, mm.
    height_anterior_mm, height_posterior_mm : float
        Height of the body at the front and back rim, mm.
    concavity_superior_mm, concavity_inferior_mm : float
        Depth of the endplates' bowls below the rim, mm.
    canal_width_mm, canal_depth_mm : float
        Spinal canal, mm.
    pedicle_width_mm, pedicle_height_mm : float
        Outer size of the pedicle's isthmus, mm.
    pedicle_transverse_deg : float
        Angle of the pedicle's axis to the sagittal plane, positive towards the midline in front.
    pedicle_sagittal_deg : float
        Angle to the plane of the endplates, positive where the pedicle rises towards the back.
    """

    level: Level
    endplate_width_superior_mm: float
    endplate_width_inferior_mm: float
    endplate_depth_superior_mm: float
    endplate_depth_inferior_mm: float
    height_anterior_mm: float
    height_posterior_mm: float
    concavity_superior_mm: float
    concavity_inferior_mm: float
    canal_width_mm: float
    canal_depth_mm: float
    pedicle_width_mm: float
    pedicle_height_mm: float
    pedicle_transverse_deg: float
    pedicle_sagittal_deg: float


def check_level(level: object) -> Level:
    """Return a known level; refuse any other, with the nearest name.

    Examples
    --------
    >>> check_level("l1")
    Traceback (most recent call last):
        ...
    vbsim.checks.InvalidInput: must be a level from T5 to L5; did you mean 'L1'?
    """
    for known in LEVELS:
        if level == known:
            return known
    raise InvalidInput(
        f"must be a level from {LEVELS[0]} to {LEVELS[-1]}; did you mean {_nearest(str(level))!r}?"
    )


def _nearest(name: str) -> str:
    """Return the level most like a name: the nearest number of the same region, if it has one."""
    parts = re.search(r"([TL])\D*(\d+)", name.upper())
    if parts is None:
        return get_close_matches(name.upper(), LEVELS, n=1, cutoff=0.0)[0]
    region, number = parts[1], int(parts[2])
    return min(
        (known for known in LEVELS if known[0] == region), key=lambda k: abs(int(k[1:]) - number)
    )


def level_reference(level: str) -> LevelReference:
    """Return the published dimensions of one level.

    Examples
    --------
    >>> level_reference("L1").height_posterior_mm
    23.8
    """
    try:
        known = check_level(level)
    except InvalidInput as error:
        raise InvalidInput(f"level = {level!r}: {error}") from None
    names = [field.name for field in fields(LevelReference)[1:]]
    return LevelReference(known, *(float(value(f"anatomy.levels.{known}.{n}")) for n in names))
