"""Comparisons that need a failure load: the strength test of intact and filled bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from vbsim import measures
from vbsim.augmentation import CementFill
from vbsim.fracture import Wedge
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.table import Entry, Setup

__all__ = ["STRENGTHS", "connected_gain"]

Comparison = Callable[[Bench, Entry], Mapping[str, tuple[float, str]]]


def s2(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength of a whole vertebra at the cohort's mean density."""
    return {"strength": (bench.strength(entry.setup), "")}


def s4(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength over stiffness and height."""
    strength, stiffness = bench.strength(entry.setup), bench.stiffness(entry.setup)
    height = float(np.mean(bench.specimen(entry.setup).anatomy.frame.heights()))
    words = f"{strength:.2f} kN, {stiffness:.1f} kN/mm, {height:.1f} mm"
    return {"strain": (100.0 * strength / (stiffness * height), words)}


def s11(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength between PMMA caps and between disc-like pads."""
    pads = {"kind": "disc", "thickness_mm": entry.given["pad_mm"]}
    potting = entry.setup.potting.model_copy(update=pads)
    soft: Setup = entry.setup.model_copy(update={"potting": potting})
    stiff_kn = bench.strength(entry.setup)
    soft_kn = bench.strength(soft, until_strain=entry.given["until_strain"])
    return {"ratio": (stiff_kn / soft_kn, f"{stiff_kn:.2f} and {soft_kn:.2f} kN")}


def f10(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Share of the failure at the endplates, with and without cement."""
    fill = CementFill(filling_fraction_percent=entry.given["fill_percent"])
    shares = []
    for steps in ((), (fill,)):
        specimen, response = bench.failure(entry.setup, *steps)
        told = {q.name: q.value for q in measures.failure(specimen, response)}
        shares.append(told["failure_share_endplate_upper"] + told["failure_share_endplate_lower"])
    words = f"{100 * shares[0]:.0f} to {100 * shares[1]:.0f} %"
    return {"ratio": (shares[1] / shares[0], words)}


def c7(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Fill from endplate to endplate and partial fill of a wedge."""
    setup, given = entry.setup, entry.given
    anterior = bench.specimen(setup).anatomy.frame.heights().anterior_mm
    wedge = Wedge(height_anterior_mm=(1.0 - given["height_loss"]) * anterior)
    percent = given["fill_percent"]
    full, partial = (
        bench.strength(
            setup, wedge, CementFill(filling_fraction_percent=percent, distribution=shape)
        )
        for shape in ("column", "central")
    )
    intact = bench.strength(setup)
    words = f"intact {intact:.2f}, full {full:.2f}, partial {partial:.2f} kN"
    return {"partial_over_full": (partial / full, words), "full_over_intact": (full / intact, "")}


def connected_gain(bench: Bench, setup: Setup, *steps: object) -> tuple[float, str]:
    """Return the gain of strength by the last of some steps, percent."""
    bare, filled = bench.strength(setup, *steps[:-1]), bench.strength(setup, *steps)  # type: ignore[arg-type]
    return 100.0 * (filled / bare - 1.0), f"{bare:.2f} to {filled:.2f} kN"


STRENGTHS: Mapping[str, Comparison] = {"S2": s2, "S4": s4, "S11": s11, "F10": f10, "C7": c7}
"""The function of every comparison that needs a failure load."""
