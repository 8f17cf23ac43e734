"""One stage against another: what was lost, what was restored, by posture or by mechanics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from vbsim import data
from vbsim.measures.heights import PLACES
from vbsim.measures.stress import ENDPLATES
from vbsim.quantities import Quantity, define, quantity

__all__ = ["compare"]

RATIOS = (
    "stiffness",
    "stiffness_endplate",
    "bending_stiffness",
    "strength",
    "strength_offset",
    "force_at_strain",
    "energy_to_strength",
    "strength_estimate_crawford",
    "strength_estimate_pistoia",
    "strength_estimate_yield",
)

for _name in RATIOS:
    for _stage in ("intact", "fractured"):
        define(f"{_name}_vs_{_stage}", "1", f"Quotient of {_name} and its {_stage} value.")
define("stiffness_restored", "%", "Stiffness as a percentage of the intact one, caps included.")
for _end in ENDPLATES:
    define(
        f"endplate_stress_{_end}_change",
        "%",
        f"Change of the mean axial stress next to the {_end} endplate against intact.",
    )
for _place in PLACES:
    define(
        f"height_lost_{_place}",
        "%",
        f"Loss of {_place} height against intact, as a percentage of the intact height; unloaded.",
    )
    define(
        f"height_restored_{_place}_prescribed",
        "%",
        f"{_place.capitalize()} height regained since the fracture as a percentage of the height "
        "that the fracture took; unloaded. Prescribed by the posture of a reduction step, not "
        "computed: linear elasticity alone restores no height, and without such a step this is 0.",
    )
    define(
        f"height_restored_{_place}_mechanics",
        "%",
        f"{_place.capitalize()} height regained since the fracture as a percentage of the height "
        "that the fracture took; unloaded. Computed: the body was deformed by the loads of the "
        "steps.",
    )
    define(
        f"height_restored_{_place}_loaded",
        "%",
        f"{_place.capitalize()} height regained since the fracture as a percentage of the height "
        "lost, all heights under the standing load: the prescribed posture and the computed "
        "elastic part together.",
    )
    define(
        f"height_restored_{_place}_computed",
        "%",
        f"Elastic part of height_restored_{_place}_loaded: shortening under the standing load that "
        "the stage spares against the fractured one, as a percentage of the height lost. The only "
        "part that linear mechanics computes.",
    )
define(
    "wedge_angle_corrected_prescribed",
    "deg",
    "Wedge angle of the fractured stage minus the wedge angle now; unloaded. Prescribed by the "
    "posture of a reduction step, not computed.",
)
define(
    "wedge_angle_corrected_mechanics",
    "deg",
    "Wedge angle of the fractured stage minus the wedge angle now; unloaded. Computed from the "
    "loads of the steps.",
)

Values = Mapping[str, float]


def compare(
    current: Iterable[Quantity],
    *,
    intact: Iterable[Quantity] | None = None,
    fractured: Iterable[Quantity] | None = None,
    by_mechanics: bool = False,
) -> tuple[Quantity, ...]:
    """Return what one stage has lost and regained, from its measures and those of earlier stages.

    Compares what is there: rows of geometry give heights, rows of a test give ratios and heights
    under load. Give rows of one and the same test. A percentage of a height that was hardly lost
    (less than 0.5 mm) is left out.

    Parameters
    ----------
    current : iterable of Quantity
        Measures of the stage.
    intact, fractured : iterable of Quantity or None
        The same measures of the intact and of the fractured stage, as far as there are such.
    by_mechanics : bool
        Whether the shape now was computed from loads; otherwise posture has prescribed it.

    Examples
    --------
    >>> intact, now = Quantity("stiffness", 10e3, "N/mm"), Quantity("stiffness", 8e3, "N/mm")
    >>> [(q.name, q.value, q.unit) for q in compare([now], intact=[intact])]
    [('stiffness_vs_intact', 0.8, '1'), ('stiffness_restored', 80.0, '%')]
    """
    how = "mechanics" if by_mechanics else "prescribed"
    now = _by_name(current)
    before = _by_name(intact) if intact is not None else None
    broken = _by_name(fractured) if fractured is not None else None
    found: list[Quantity] = []
    if before is not None:
        found += _against_intact(now, before)
    if broken is not None:
        found += _ratios(now, broken, "fractured")
        if "wedge_angle" in now and "wedge_angle" in broken:
            corrected = broken["wedge_angle"] - now["wedge_angle"]
            found.append(quantity(f"wedge_angle_corrected_{how}", corrected))
    if before is not None and broken is not None:
        for place in PLACES:
            found += _height_restored(place, now, before, broken, how)
    return tuple(found)


def _by_name(rows: Iterable[Quantity]) -> Values:
    return {row.name: row.value for row in rows}


def _ratios(now: Values, before: Values, stage: str) -> list[Quantity]:
    return [
        quantity(f"{name}_vs_{stage}", now[name] / before[name])
        for name in RATIOS
        if name in now and name in before
    ]


def _against_intact(now: Values, intact: Values) -> list[Quantity]:
    found = _ratios(now, intact, "intact")
    if "stiffness" in now and "stiffness" in intact:
        restored = 100.0 * now["stiffness"] / intact["stiffness"]
        found.append(quantity("stiffness_restored", restored))
    for end in ENDPLATES:
        name = f"endplate_stress_{end}"
        if name in now and name in intact:
            change = 100.0 * (now[name] / intact[name] - 1.0)
            found.append(quantity(f"{name}_change", change))
    for place in PLACES:
        name = f"height_{place}"
        if name in now and name in intact:
            lost = 100.0 * (1.0 - now[name] / intact[name])
            found.append(quantity(f"height_lost_{place}", lost))
    return found


def _height_restored(
    place: str, now: Values, intact: Values, fractured: Values, how: str
) -> list[Quantity]:
    least = data.value("measures.comparison.least_lost_height_mm")
    found = []
    for name, result in (
        (f"height_{place}", f"height_restored_{place}_{how}"),
        (f"height_{place}_loaded", f"height_restored_{place}_loaded"),
    ):
        if not all(name in stage for stage in (now, intact, fractured)):
            continue
        lost = intact[name] - fractured[name]
        if lost < least:
            continue
        found.append(quantity(result, 100.0 * (now[name] - fractured[name]) / lost))
        shorter = f"shortening_{place}"
        if name.endswith("_loaded") and shorter in now and shorter in fractured:
            spared = 100.0 * (fractured[shorter] - now[shorter]) / lost
            found.append(quantity(f"height_restored_{place}_computed", spared))
    return found
