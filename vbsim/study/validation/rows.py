"""The computed side of validation: one small function for each comparison."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from vbsim import measures
from vbsim.anatomy.frame import SAGITTAL_STATIONS
from vbsim.augmentation import CementFill
from vbsim.fracture import Biconcave, Crush, Wedge
from vbsim.materials import BoneCementLaw, Cement, cement
from vbsim.specimen import Specimen
from vbsim.study.validation import flow_rows
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.closed_forms import CLOSED_FORMS
from vbsim.study.validation.found import Found
from vbsim.study.validation.mechanics import MECHANICS, reload_stiffness
from vbsim.study.validation.steps import CrushBy, Section, Step, WithoutShell
from vbsim.study.validation.strengths import (
    STRENGTHS,
    connected_gain,
    crushed_strength,
    restoring_strength,
    s3_strength,
)
from vbsim.study.validation.table import Entry, Setup

__all__ = ["Found", "COMPARISONS", "worst_loss_percent"]

FloatArray = NDArray[np.float64]

# Fill that restores stiffness, to this many percent of the body.
_FILL_TOLERANCE = 0.1

# A filled voxel counts as full from here on (round-off of its partial volumes).
_FULL = 1.0 - 1e-9

# Partial volumes below this are round-off, not bone.
_BONE = 1e-6


Comparison = Callable[[Bench, Entry], Mapping[str, Found]]
"""Takes the test bench and the published side; gives a value for each of its rows, by key."""


# Intact -------------------------------------------------------------------------------------------


def s1(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Stiffness of a whole vertebra at the cohort's mean density."""
    return {"stiffness": Found(bench.stiffness(entry.setup))}


def s3(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Stiffness over density: points and slope."""
    asked: dict[str, float] = entry.given["vbmd_mg_cm3"]
    found = {
        key: bench.stiffness(_with_density(entry.setup, vbmd_mg_cm3))
        for key, vbmd_mg_cm3 in asked.items()
    }
    slope, at_zero = np.polyfit(list(asked.values()), list(found.values()), 1)
    line = Found(float(slope), f"K = {at_zero:.2f} + {slope:.3f} vBMD")
    strengths = {key: Found(*pair) for key, pair in s3_strength(bench, entry).items()}
    return {"slope": line, **{key: Found(value) for key, value in found.items()}, **strengths}


def s12(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Stiffness lost with the shell."""
    whole, bare = bench.stiffness(entry.setup), bench.stiffness(entry.setup, WithoutShell())
    return {"change": Found(100.0 * (bare / whole - 1.0), f"{whole:.1f} to {bare:.1f} kN/mm")}


def s13(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Axial force that the shell carries at mid-height."""
    shares = {q.name: q.value for q in measures.load_sharing(*bench.response(entry.setup))}
    return {"share": Found(100.0 * shares["load_share_shell"])}


# Fractured ----------------------------------------------------------------------------------------


def f1(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Stiffness left after a crush."""
    intact = bench.stiffness(entry.setup)
    crushed = bench.stiffness(entry.setup, CrushBy(height_loss=entry.given["height_loss"]))
    return {
        "ratio": Found(crushed / intact, f"{intact:.1f} to {crushed:.1f} kN/mm"),
        "mechanics": Found(*reload_stiffness(bench, entry)),
    }


_OTHERS = {**MECHANICS, **STRENGTHS, **CLOSED_FORMS}


def _from_elsewhere(name: str) -> Comparison:
    """Return a comparison of another module in the form of this module."""

    def found(bench: Bench, entry: Entry) -> Mapping[str, Found]:
        return {key: Found(*pair) for key, pair in _OTHERS[name](bench, entry).items()}

    return found


def f2(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Strength left after a crush, by mechanics and drawn."""
    crush = CrushBy(height_loss=entry.given["height_loss"])
    drawn = Found(*crushed_strength(bench, entry, crush))
    return {**_from_elsewhere("F2")(bench, entry), "drawn": drawn}


def f8(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Worst loss of height, read from the voxels, of each grade and shape."""
    intact = bench.specimen(entry.setup)
    found = {}
    for key, grade in entry.given["grades"].items():
        shapes: tuple[Step, ...] = (Wedge(grade=grade), Biconcave(grade=grade), Crush(grade=grade))
        losses = [worst_loss_percent(shape.apply(intact), intact) for shape in shapes]
        low, high = entry.rows[key].band
        nearest = min(losses, key=lambda loss: min(loss - low, high - loss))
        names = ("wedge", "biconcave", "crush")
        words = ", ".join(f"{n} {loss:.1f}" for n, loss in zip(names, losses, strict=True))
        found[key] = Found(nearest, words)
    return found


def worst_loss_percent(specimen: Specimen, intact: Specimen) -> float:
    """Return the largest loss of height at the three sagittal stations, read from voxels, %."""
    now, before = (_heights_mm(stage, intact) for stage in (specimen, intact))
    return float(100.0 * np.max(1.0 - now / before))


def _heights_mm(specimen: Specimen, intact: Specimen) -> FloatArray:
    """Return anterior, middle and posterior height of the columns of voxels there, (3,), mm."""
    x, y, _ = specimen.body_axes()
    frame = intact.anatomy.frame
    extents = _extents_mm(specimen)
    heights = []
    for fraction in SAGITTAL_STATIONS:
        at_x, at_y = frame.station_mm(fraction)
        strip = np.abs(x) <= np.abs(at_x).max()
        heights.append(np.interp(at_y[0], y, extents[:, strip].mean(axis=1)))
    return np.array(heights)


def _extents_mm(specimen: Specimen) -> FloatArray:
    """Return the distance from the lowest to the topmost bone of every column, (n_y, n_x), mm.

    The two outermost voxels at each end count by their partial volumes (a fracture moves a surface
    by any part of a voxel, which spreads it over two); 0 where a column holds no bone.
    """
    body = specimen.tissue.body
    is_bone = body > _BONE
    lowest = is_bone.argmax(axis=0)
    topmost = len(body) - 1 - is_bone[::-1].argmax(axis=0)
    ends = (lowest, lowest + 1, topmost - 1, topmost)
    parts = sum(np.take_along_axis(body, layer[None], axis=0)[0] for layer in ends)
    layers = np.where(topmost - lowest >= 3, topmost - lowest - 3 + parts, 0.0)
    return np.asarray(layers * specimen.domain.spacing_mm[2])


# Augmented ----------------------------------------------------------------------------------------


def c1(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Compact fill with which a crushed body is as stiff as it was."""
    crush = CrushBy(height_loss=entry.given["height_loss"])
    return {
        "fill": _restoring_fill(bench, entry, cement("pmma")),
        "strength": Found(*restoring_strength(bench, entry, crush)),
    }


def c2(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Compact fill of another cement, and what the cement's modulus does at one fill."""
    soft, stiff = (_cement(entry.given[f"{name}_mpa"]) for name in ("soft", "stiff"))
    crush = CrushBy(height_loss=entry.given["height_loss"])
    fill_percent = entry.given["fill_percent"]
    softer, stiffer = (
        bench.stiffness(entry.setup, crush, _central(fill_percent, filler))
        for filler in (soft, stiff)
    )
    words = f"{softer:.1f} and {stiffer:.1f} kN/mm"
    return {
        "fill": _restoring_fill(bench, entry, stiff),
        "ratio": Found(softer / stiffer, words),
    }


def c8(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Gain of stiffness by a connected and by a partial fill of a section."""
    setup, percent = entry.setup, entry.given["fill_percent"]
    bare = bench.stiffness(setup, Section())
    shapes = {"connected": _column(percent), "partial": _central(percent, cement("pmma"))}
    found = {}
    for key, fill in shapes.items():
        filled = bench.stiffness(setup, Section(), fill)
        words = f"{bare:.1f} to {filled:.1f} kN/mm"
        found[key] = Found(100.0 * (filled / bare - 1.0), words)
    gain = connected_gain(bench, setup, Section(), shapes["connected"])
    return {**found, "connected_strength": Found(*gain)}


def c9(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Modulus of filled bone against that of the cement."""
    region = _region_modulus_mpa(bench, entry, BoneCementLaw())
    pure = cement("pmma").youngs_modulus_mpa
    return {"ratio": Found(region / pure, f"{region:.0f} of {pure:.0f} MPa")}


def c10(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Modulus of filled bone against the rule of mixtures."""
    region = _region_modulus_mpa(bench, entry, BoneCementLaw())
    mixed = _region_modulus_mpa(bench, entry, BoneCementLaw(kind="rule_of_mixtures"))
    return {"ratio": Found(region / mixed, f"{region:.0f} of {mixed:.0f} MPa")}


def c12(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Order of stiffness of a wedge fracture, filled and not."""
    setup, given = entry.setup, entry.given
    wedge = Wedge(grade=given["grade"])
    intact, fractured = bench.stiffness(setup), bench.stiffness(setup, wedge)
    augmented = bench.stiffness(setup, wedge, CementFill(volume_ml=given["volume_ml"]))
    words = f"intact {intact:.1f}, fractured {fractured:.1f}, augmented {augmented:.1f} kN/mm"
    return {
        "against_fractured": Found(augmented / fractured, words),
        "against_intact": Found(augmented / intact),
    }


COMPARISONS: Mapping[str, Comparison] = {
    "S1": s1,
    "S2": _from_elsewhere("S2"),
    "S3": s3,
    "S4": _from_elsewhere("S4"),
    "S6": _from_elsewhere("S6"),
    "S7": _from_elsewhere("S7"),
    "S9": _from_elsewhere("S9"),
    "S11": _from_elsewhere("S11"),
    "S12": s12,
    "S13": s13,
    "F1": f1,
    "F2": f2,
    "F3": _from_elsewhere("F3"),
    "F8": f8,
    "F10": _from_elsewhere("F10"),
    "C1": c1,
    "C2": c2,
    "C7": _from_elsewhere("C7"),
    "C8": c8,
    "C9": c9,
    "C10": c10,
    "C12": c12,
    "I1": flow_rows.i1,
    "I2": flow_rows.i2,
    "I3": flow_rows.i3,
    "I4": flow_rows.i4,
    "T1": flow_rows.t1,
    "H1": _from_elsewhere("H1"),
    "H2": _from_elsewhere("H2"),
    "H3": _from_elsewhere("H3"),
    "H4": _from_elsewhere("H4"),
    "H7": _from_elsewhere("H7"),
    **{name: _from_elsewhere(name) for name in CLOSED_FORMS},
}
"""The function of every comparison of ``data/validation.toml``."""


# Parts --------------------------------------------------------------------------------------------


def _with_density(setup: Setup, vbmd_mg_cm3: float) -> Setup:
    bone = setup.bone.model_copy(update={"vbmd_mg_cm3": vbmd_mg_cm3})
    return setup.model_copy(update={"bone": bone})


def _cement(youngs_modulus_mpa: float) -> Cement:
    return cement("pmma").model_copy(
        update={
            "name": f"cement of {youngs_modulus_mpa:g} MPa",
            "youngs_modulus_mpa": youngs_modulus_mpa,
        }
    )


def _central(percent: float, filler: Cement) -> CementFill:
    return _fill(percent, distribution="central", cement=filler)


def _column(percent: float, law: BoneCementLaw | None = None) -> CementFill:
    return _fill(percent, distribution="column", law=law or BoneCementLaw())


def _fill(percent: float, **how: Any) -> CementFill:
    return CementFill(filling_fraction_percent=percent, **how)


def _restoring_fill(bench: Bench, entry: Entry, filler: Cement) -> Found:
    """Return the fill with which the crushed body is as stiff as the intact one, % of the body."""
    setup, most = entry.setup, float(entry.given["most_fill_percent"])
    crush = CrushBy(height_loss=entry.given["height_loss"])
    intact = bench.stiffness(setup)

    def excess(percent: float) -> float:
        return bench.stiffness(setup, crush, _central(percent, filler)) / intact - 1.0

    if excess(most) < 0.0:
        return Found(float("nan"), f"not restored by {most:g} %")
    percent = float(brentq(excess, 0.0, most, xtol=_FILL_TOLERANCE))
    placed_ml = percent / 100.0 * bench.specimen(setup, crush).volume_ml()
    of_intact = 100.0 * placed_ml / bench.specimen(setup).volume_ml()
    return Found(percent, f"{placed_ml:.1f} ml, {of_intact:.0f} % of the body before its fracture")


def _region_modulus_mpa(bench: Bench, entry: Entry, law: BoneCementLaw) -> float:
    """Return the mean axial modulus of the voxels that a connected fill has filled, MPa."""
    fill = _column(entry.given["fill_percent"], law)
    specimen = bench.specimen(entry.setup, Section(), fill)
    (filling,) = specimen.cements
    is_full = (filling.saturation >= _FULL) & (specimen.tissue.trabecular >= _FULL)
    field = specimen.materials
    c = np.array([unit.mean for unit in field.units]).T @ field.moduli[:, is_full]
    stiffness = np.array([[c[0], c[3], c[4]], [c[3], c[1], c[5]], [c[4], c[5], c[2]]])
    compliance = np.linalg.inv(np.moveaxis(stiffness, -1, 0))
    return float(np.mean(1.0 / compliance[:, 2, 2]))
