"""Measures in a reader's words: labels, units and digits, one list for screen and report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from vbsim.measures.heights import PLACES
from vbsim.study.results import NO_TEST, Row

__all__ = ["BENDING", "COMPRESSION", "FAILURE", "SHAPE", "Line", "Sheet", "sheets", "shown_lines"]


class Line(NamedTuple):
    """One line of a table.

    Attributes
    ----------
    quantity : str
        Name in the tidy table.
    label : str
        What a reader sees.
    unit : str
        Unit as shown.
    factor : float
        Shown value / stored value.
    digits : int
        Digits behind the point.
    hidden_at_zero : bool
        Leave the line out where every stage has 0.
    words : tuple of str
        What is shown in place of the numbers 0, 1 and so on; empty to show the number.
    """

    quantity: str
    label: str
    unit: str
    factor: float = 1.0
    digits: int = 1
    hidden_at_zero: bool = False
    words: tuple[str, ...] = ()


SHAPE = (
    Line("height_anterior", "Anterior height", "mm"),
    Line("height_middle", "Middle height", "mm"),
    Line("height_posterior", "Posterior height", "mm"),
    Line("wedge_angle", "Wedge angle (+ short in front)", "deg"),
    Line("genant_grade", "Genant grade", "", digits=0),
    Line("height_lost_anterior", "Anterior height lost", "% of intact", digits=0),
    Line("height_lost_middle", "Middle height lost", "% of intact", digits=0),
    Line(
        "height_restored_anterior_prescribed",
        "Anterior height restored by posture (prescribed)",
        "% of lost",
        digits=0,
    ),
    Line(
        "height_restored_middle_prescribed",
        "Middle height restored by posture (prescribed)",
        "% of lost",
        digits=0,
    ),
    Line(
        "height_restored_anterior_mechanics",
        "Anterior height restored (computed)",
        "% of lost",
        digits=0,
    ),
    Line(
        "height_restored_middle_mechanics",
        "Middle height restored (computed)",
        "% of lost",
        digits=0,
    ),
    Line("height_anterior_under_load", "Anterior height under load", "mm"),
    Line("treatment_load", "  the load", "N", digits=0),
    Line("collapse_force_peak", "Force at first peak of the collapse", "N", digits=0),
    Line("collapse_recovered", "Loss of height that came back", "% of loss", digits=0),
    Line("balloon_volume", "Balloons", "ml"),
    Line("balloon_pressure", "Pressure in them", "MPa", digits=2),
    Line("cavity_volume", "Cavity left", "ml"),
    Line("settled_anterior", "Anterior height settled", "mm", digits=2),
    Line("cement_volume", "Cement", "ml"),
    Line("filling_fraction", "Filling, of the body as it is now", "%"),
    Line("filling_fraction_intact", "  of the intact body", "%"),
    Line("cement_gap_superior", "Cement to upper endplate, gap", "mm"),
    Line("cement_gap_inferior", "Cement to lower endplate, gap", "mm"),
    Line("leak_margin_posterior_wall", "Cement to posterior wall (geometric)", "mm"),
    Line("cement_left_share", "Cement on the left", "%", 100.0, 0),
    Line("leaked_volume", "Leaked", "ml", digits=2),
    Line("leaked_canal", "  into the canal", "ml", digits=2, hidden_at_zero=True),
    Line("leaked_vein", "  into veins", "ml", digits=2, hidden_at_zero=True),
    Line("leaked_disc", "  into a disc", "ml", digits=2, hidden_at_zero=True),
    Line("leaked_paravertebral", "  beside the body", "ml", digits=2, hidden_at_zero=True),
    Line("injection_pressure_peak", "Pressure behind the needle, peak", "MPa", digits=2),
    Line("intravertebral_pressure_peak", "  at its tip", "MPa", digits=3),
    Line("temperature_peak_cement", "Cement, hottest while curing", "C", digits=0),
    Line("temperature_peak_interface", "  bone at the cement", "C", digits=0),
    Line("temperature_peak_canal", "  spinal canal", "C", digits=0),
    Line("necrosis_47c_1min", "Bone above 47 C for 1 min", "ml", digits=2),
    Line("necrosis_henriques", "  dead after Henriques & Moritz", "ml", digits=2),
)

COMPRESSION = (
    Line("stiffness", "Stiffness, caps included", "kN/mm", 1e-3, 2),
    Line("stiffness_restored", "  of intact", "%", digits=0),
    Line("stiffness_endplate", "Stiffness, endplate to endplate", "kN/mm", 1e-3, 2),
    Line("strength_estimate_crawford", "Strength, linear estimate (Crawford)", "kN", 1e-3, 2),
    Line("strength_estimate_pistoia", "Strength, linear estimate (Pistoia)", "kN", 1e-3, 2),
    Line("strength_estimate_yield", "Strength, linear estimate (yield strain)", "kN", 1e-3, 2),
    Line("height_anterior_loaded", "Anterior height, standing", "mm", digits=2),
    Line("height_middle_loaded", "Middle height, standing", "mm", digits=2),
    Line("height_posterior_loaded", "Posterior height, standing", "mm", digits=2),
    Line(
        "height_restored_anterior_loaded",
        "Anterior height restored, standing",
        "% of lost",
        digits=1,
    ),
    Line(
        "height_restored_anterior_computed",
        "  of which computed (elastic)",
        "% of lost",
        digits=1,
    ),
    Line("platen_tilt", "Tilt of the platen, standing", "deg", digits=3, hidden_at_zero=True),
    Line("load_share_cement", "Load through cement at mid-height", "%", 100.0, 0, True),
    Line("load_share_trabecular", "Load through trabecular bone", "%", 100.0, 0),
    Line("load_share_shell", "Load through the shell", "%", 100.0, 0, True),
    Line("endplate_stress_superior", "Stress under upper endplate, standing", "MPa", digits=2),
    Line("endplate_stress_superior_change", "  change against intact", "%", digits=0),
    Line("endplate_stress_inferior", "Stress above lower endplate, standing", "MPa", digits=2),
    Line("endplate_stress_inferior_change", "  change against intact", "%", digits=0),
)

BENDING = (
    Line("bending_stiffness", "Bending stiffness, caps included", "N m/deg", 1e-3, 2),
    Line("bending_stiffness_vs_intact", "  of intact", "%", 100.0, 0),
    Line("strain_energy", "Strain energy", "N mm"),
)


_STRENGTH = Line("strength", "Strength", "kN", 1e-3, 2)
_DEFINED = Line(
    "strength_definition", "  which is", "", words=("", "peak", "at 1.9 %", "0.2 % offset")
)
_OF_INTACT = Line("strength_vs_intact", "  of intact", "%", 100.0, 0)

FAILURE = (
    _STRENGTH,
    _DEFINED,
    _OF_INTACT,
    Line("strain_at_strength", "  apparent strain at it", "%", 100.0, 2),
    Line("energy_to_strength", "  energy up to it", "J", digits=2),
    Line("strength_offset", "Force at the 0.2 % offset", "kN", 1e-3, 2),
    Line("force_at_strain", "Force at 1.9 % apparent strain", "kN", 1e-3, 2),
    Line("failure_share_endplate_upper", "Failure at the upper endplate", "%", 100.0, 0),
    Line("failure_share_endplate_lower", "Failure at the lower endplate", "%", 100.0, 0),
    Line("failure_share_wall", "Failure in the wall", "%", 100.0, 0),
    Line("failure_share_core", "Failure in the core", "%", 100.0, 0),
    Line("failure_share_cement", "Failure in the cement", "%", 100.0, 0, True),
)


SUMMARY = (
    *(Line(f"height_{place}", f"{place.capitalize()} height", "mm") for place in PLACES),
    Line("height_lost_anterior", "  anterior height lost", "% of intact", digits=0),
    Line("stiffness", "Stiffness", "kN/mm", 1e-3, 2),
    Line("stiffness_restored", "  of intact", "%", digits=0),
    _STRENGTH,
    _DEFINED,
    _OF_INTACT,
)


class Sheet(NamedTuple):
    """One table: a title, and lines with a text for every stage.

    Attributes
    ----------
    title : str
        What the table is about.
    stages : tuple of str
        Heads of the columns, as the stages are named.
    lines : tuple of (Line, tuple of str)
        The lines that have anything to show; the text is empty where a stage has no value.
    """

    title: str
    stages: tuple[str, ...]
    lines: tuple[tuple[Line, tuple[str, ...]], ...]


def sheets(rows: Sequence[Row]) -> list[Sheet]:
    """Return one table for the shape and one for each test, stages as columns."""
    stages = tuple(dict.fromkeys(row.stage for row in rows))
    tests = list(dict.fromkeys((row.test, row.platen) for row in rows))
    found = []
    if len(stages) > 1 and any(row.quantity == "strength" for row in rows):
        # The first value of a quantity: its first test.
        first = {(r.stage, r.quantity): r.value for r in reversed(rows)}
        found.append(Sheet("Height and strength", stages, shown_lines(SUMMARY, stages, first)))
    for test, platen in tests:
        values = {(r.stage, r.quantity): r.value for r in rows if r.test == test}
        if test == NO_TEST:
            lines = shown_lines(SHAPE, stages, values)
            found.append(Sheet("Shape and filling, unloaded", stages, lines))
            continue
        has_bending = any(quantity == "bending_stiffness" for _, quantity in values)
        title = f"{test.replace('_', ' ').capitalize()}, platen {platen.replace('_', ' ')}"
        load = next((v for (_, q), v in values.items() if q == "standing_load"), None)
        title += f"; standing means {load:.0f} N" if load is not None else ""
        has_failed = any(quantity.startswith("failure_share") for _, quantity in values)
        wanted = BENDING if has_bending else FAILURE if has_failed else COMPRESSION
        lines = shown_lines(wanted, stages, values)
        found.append(Sheet(title, stages, lines))
    return found


def shown_lines(
    lines: Iterable[Line], stages: Sequence[str], values: Mapping[tuple[str, str], float]
) -> tuple[tuple[Line, tuple[str, ...]], ...]:
    """Return the lines that have anything to show, with their texts by stage.

    Parameters
    ----------
    lines : iterable of Line
        What may be shown.
    stages : sequence of str
        Columns.
    values : mapping
        Numbers by stage and quantity.
    """
    kept = []
    for line in lines:
        found = [values.get((stage, line.quantity)) for stage in stages]
        if any(value or (value == 0 and not line.hidden_at_zero) for value in found):
            kept.append((line, tuple(_shown(value, line) for value in found)))
    return tuple(kept)


def _shown(value: float | None, line: Line) -> str:
    if value is None:
        return ""
    if line.words:
        return line.words[int(value)]
    text = f"{value * line.factor:.{line.digits}f}"
    # A minus sign before nothing but zeros is noise.
    return text.removeprefix("-") if not text.strip("-0.") else text
