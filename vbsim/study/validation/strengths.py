"""Comparisons that need a failure load: the strength test of intact and filled bodies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from vbsim import measures
from vbsim.augmentation import CementFill
from vbsim.fracture import Wedge
from vbsim.specimen import Specimen
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.steps import Step
from vbsim.study.validation.table import Entry, Setup

__all__ = ["STRENGTHS", "connected_gain", "crushed_strength", "restoring_strength", "s3_strength"]

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


def s3_strength(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength over density: points and slope."""
    asked: dict[str, float] = entry.given["vbmd_mg_cm3"]
    found = {
        f"strength_{key}": bench.strength(_changed(entry.setup, vbmd_mg_cm3=vbmd))
        for key, vbmd in asked.items()
    }
    slope, at_zero = np.polyfit(list(asked.values()), list(found.values()), 1)
    line = (float(slope), f"F = {at_zero:.2f} + {slope:.4f} vBMD")
    return {"strength_slope": line, **{key: (value, "") for key, value in found.items()}}


def s6(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength by level against L1, the same density and law everywhere."""
    strengths = _by_level(bench, entry)
    reference = strengths["L1"]
    return {
        level: (100.0 * (kn / reference - 1.0), f"{kn:.2f} kN")
        for level, kn in strengths.items()
        if level != "L1"
    }


def s7(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Rise of strength from one level to the next."""
    strengths = _by_level(bench, entry)
    slope = float(np.polyfit(np.arange(len(strengths)), list(strengths.values()), 1)[0])
    first, *_, last = strengths
    words = f"{first} {strengths[first]:.2f} to {last} {strengths[last]:.2f} kN"
    return {"rise": (slope, words)}


def _by_level(bench: Bench, entry: Entry) -> dict[str, float]:
    """Return the strength of every level, kN, on voxels no finer than asked for."""
    coarse = bench.coarser(entry.given["spacing_mm"])
    return {
        level: coarse.strength(_changed(entry.setup, level=level))
        for level in entry.given["levels"]
    }


def s9(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """How well densities and axial rigidity predict strength in a random cohort."""
    given = entry.given
    coarse, rng = bench.coarser(given["spacing_mm"]), np.random.default_rng(given["seed"])
    rows = []
    for _ in range(given["cases"]):
        setup = _drawn(entry.setup, given, rng)
        specimen = coarse.specimen(setup)
        body_ml = float(specimen.tissue.body.sum()) * specimen.domain.cell_volume_mm3 / 1000.0
        predictors = (
            setup.bone.vbmd_mg_cm3,
            specimen.bone_mineral_mg / body_ml,
            _axial_rigidity_kn(specimen),
        )
        rows.append((*predictors, coarse.strength(setup)))
    trabecular, integral, rigidity, strength = np.array(rows).T
    r2 = [float(np.corrcoef(x, strength)[0, 1] ** 2) for x in (trabecular, integral, rigidity)]
    words = f"R2 {r2[0]:.2f} trabecular, {r2[1]:.2f} integral density, {r2[2]:.2f} rigidity"
    return {"integral": (r2[1] - r2[0], words), "rigidity": (r2[2] - r2[1], "")}


def _drawn(setup: Setup, given: Mapping[str, Any], rng: np.random.Generator) -> Setup:
    """Return a random vertebra: level, size, density and thickness of the wall."""
    levels = given["levels"]
    return _changed(
        setup,
        level=levels[int(rng.integers(len(levels)))],
        plan_scale=float(np.clip(rng.normal(1.0, given["scale_sd"]), 0.75, 1.25)),
        vbmd_mg_cm3=float(np.clip(rng.normal(*given["vbmd_mean_sd"]), 30.0, 300.0)),
        shell_thickness_mm=float(np.clip(rng.normal(*given["shell_mean_sd"]), 0.15, 0.8)),
    )


def _axial_rigidity_kn(specimen: Specimen) -> float:
    """Return the least sum of axial modulus times area over the middle half of the body, kN."""
    fields = specimen.compartment_stiffness()
    h_x, h_y, _ = specimen.domain.spacing_mm
    per_layer = sum(
        field.axial_modulus_mpa().sum(axis=(1, 2))
        for name, field in fields.items()
        if name != "cap"
    )
    layers = np.flatnonzero(specimen.tissue.body.any(axis=(1, 2)))
    quarter = len(layers) // 4
    return float(per_layer[layers[quarter : len(layers) - quarter]].min() * h_x * h_y / 1000.0)


def restoring_strength(bench: Bench, entry: Entry, *crush: Step) -> tuple[float, str]:
    """Return the fill with which a crushed body is as strong as the intact one, % of the body."""
    setup, fills = entry.setup, np.array(entry.given["strength_fill_percent"])
    intact = bench.strength(setup)
    found = [bench.strength(setup, *crush)]
    for percent in fills:
        fill = CementFill(filling_fraction_percent=float(percent), distribution="central")
        found.append(bench.strength(setup, *crush, fill))
        if not found[-1] < intact:
            break
    asked, ratio = np.append(0.0, fills)[: len(found)], np.array(found) / intact
    words = ", ".join(f"{p:.0f} % {r:.2f}" for p, r in zip(asked, ratio, strict=True))
    if not ratio[-1] >= 1.0:
        return float("nan"), f"strength of intact: {words}"
    return float(np.interp(1.0, ratio[-2:], asked[-2:])), f"strength of intact: {words}"


def crushed_strength(bench: Bench, entry: Entry, crush: Step) -> tuple[float, str]:
    """Return the strength of a body with a drawn fracture over that of the intact one."""
    intact, crushed = bench.strength(entry.setup), bench.strength(entry.setup, crush)
    return crushed / intact, f"{intact:.2f} to {crushed:.2f} kN"


def _changed(setup: Setup, **what: Any) -> Setup:
    """Return a set-up with other parameters of its vertebra or bone."""
    own = {key: what[key] for key in what if key in type(setup.bone).model_fields}
    other = {key: what[key] for key in what if key not in own}
    vertebra = type(setup.vertebra)(**{**setup.vertebra.model_dump(exclude_unset=True), **other})
    return setup.model_copy(
        update={"bone": setup.bone.model_copy(update=own), "vertebra": vertebra}
    )


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
            setup,
            wedge,
            CementFill(filling_fraction_percent=percent, distribution=shape),
        )
        for shape in ("column", "central")
    )
    intact = bench.strength(setup)
    words = f"intact {intact:.2f}, full {full:.2f}, partial {partial:.2f} kN"
    return {"partial_over_full": (partial / full, words), "full_over_intact": (full / intact, "")}


def connected_gain(bench: Bench, setup: Setup, *steps: Step) -> tuple[float, str]:
    """Return the gain of strength by the last of some steps, percent."""
    bare = bench.strength(setup, *steps[:-1])
    filled = bench.strength(setup, *steps)
    return 100.0 * (filled / bare - 1.0), f"{bare:.2f} to {filled:.2f} kN"


STRENGTHS: Mapping[str, Comparison] = {
    "S2": s2,
    "S4": s4,
    "S6": s6,
    "S7": s7,
    "S9": s9,
    "S11": s11,
    "F10": f10,
    "C7": c7,
}
"""The function of every comparison that needs a failure load."""
