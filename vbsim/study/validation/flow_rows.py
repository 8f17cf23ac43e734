"""The computed side of validation for injection and curing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vbsim.augmentation import CementFill, Curing, Injection
from vbsim.augmentation.injection import Rheology
from vbsim.fracture import Wedge
from vbsim.measures import share_with_interval
from vbsim.specimen import Specimen
from vbsim.study.pipeline import physics_warnings
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.found import Found
from vbsim.study.validation.table import Entry

# Time after mixing at which handling ends where no surgeon waits, min.
_NEVER_MIN = 60.0

__all__ = ["i1", "i2", "i3", "i4", "t1"]


def i1(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Share of the pressure in the cannula."""
    given = entry.given
    step = Injection(
        volume_ml=given["volume_ml"],
        rate_ml_per_min=given["rate_ml_per_min"],
        start_min=given["start_min"],
        side="left",
    )
    told = _told(_applied(step, bench.specimen(entry.setup)))
    peak = told["injection_pressure_peak"]
    return {"share": Found(told["cannula_pressure_share"], f"peak {peak:.2f} MPa behind it")}


def i2(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Leak through a hole, by time and cement."""
    given = entry.given
    hole = {
        "kind": "cortical_defect",
        "angle_deg": 0.0,
        "radius_mm": given["hole_radius_mm"],
        "depth_mm": given["hole_depth_mm"],
    }
    outlets = {"veins": False, "pedicle_tracks": False, "own": [hole]}

    def leak(name: str, start_min: float) -> float:
        # On the bench all of it is pressed out, however late.
        cement = Rheology.model_validate(name)
        viscosity = cement.model_copy(update={"handling_end_min": _NEVER_MIN})
        step = Injection(
            volume_ml=given["volume_ml"],
            rate_ml_per_min=given["rate_ml_per_min"],
            start_min=start_min,
            viscosity=viscosity,
            side="left",
            outlets=outlets,
            tip_left=tuple(given["tip_mm"]),
        )
        return _told(_applied(step, bench.specimen(entry.setup)))["leaked_volume"]

    early = leak("low_viscosity", given["early_min"])
    late = leak("low_viscosity", given["late_min"])
    high = leak("high_viscosity", given["early_min"])
    return {
        "late": Found(_ratio(late, early), f"{early:.2f} to {late:.2f} ml"),
        "high": Found(_ratio(high, early), f"{early:.2f} to {high:.2f} ml"),
    }


def i3(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Risk of a leak over seeds, by cement."""
    given = entry.given
    coarse = Bench(spacing_mm=max(bench.spacing_mm, given["spacing_mm"]))
    broken = coarse.specimen(entry.setup, Wedge(grade=given["grade"]))

    def leaking(viscosity: str) -> int:
        return sum(
            _told(_injected(broken, given, viscosity, seed))["leaked_volume"] >= given["seen_ml"]
            for seed in range(given["seeds"])
        )

    low, high = leaking("low_viscosity"), leaking("high_viscosity")
    share, least, most = (100.0 * part for part in share_with_interval(low, given["seeds"]))
    return {
        "risk_ratio": Found(_ratio(high, low), f"{low} and {high} of {given['seeds']} leak"),
        "any_leak": Found(share, f"95 %: {least:.0f} to {most:.0f}"),
    }


def i4(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Perimeter ratio of the fill, by cement."""
    given = entry.given

    def ratio(viscosity: str) -> float:
        found = []
        for seed in range(given["seeds"]):
            step = Injection(
                volume_ml=given["volume_ml"],
                rate_ml_per_min=given["rate_ml_per_min"],
                start_min=given["start_min"],
                viscosity=viscosity,
                side="left",
                outlets="none",
                seed=seed,
            )
            told = _told(_applied(step, bench.specimen(entry.setup)))
            found.append(told["cement_circularity"])
        return float(np.mean(found))

    low, high = ratio("low_viscosity"), ratio("high_viscosity")
    return {
        "high_over_low": Found(_ratio(high, low), f"{low:.3f} to {high:.3f}"),
        "high": Found(high),
    }


def t1(bench: Bench, entry: Entry) -> Mapping[str, Found]:
    """Temperatures while curing."""
    found: dict[str, Found] = {}
    for key, volume_ml in entry.given["volumes_ml"].items():
        told = _cured(bench, entry, volume_ml)
        for place, name in (
            ("centre", "centre"),
            ("anterior", "anterior_cortex"),
            ("canal", "canal"),
        ):
            found[f"{place}_{key}"] = Found(told[f"temperature_peak_{name}"])
            found[f"{place}_time"] = Found(told[f"time_above_50c_{name}"] / 60.0)
    small = _cured(bench, entry, entry.given["small_ml"])
    found["interface_small"] = Found(small["temperature_peak_interface"])
    return found


def _cured(bench: Bench, entry: Entry, volume_ml: float) -> dict[str, float]:
    fill = CementFill(volume_ml=volume_ml, distribution="central")
    return _told(Curing().apply(bench.specimen(entry.setup, fill)))


def _injected(specimen: Specimen, given: Mapping[str, Any], viscosity: str, seed: int) -> Specimen:
    step = Injection(
        volume_ml=given["volume_ml"],
        start_min=given["start_min"],
        viscosity=viscosity,
        seed=seed,
    )
    return _applied(step, specimen)


def _applied(step: Injection, specimen: Specimen) -> Specimen:
    """Inject without a warning for every leak: leaks are what is counted."""
    with physics_warnings():
        return step.apply(specimen)


def _told(specimen: Specimen) -> dict[str, float]:
    return {q.name: q.value for q in specimen.report}


def _ratio(above: float, below: float) -> float:
    """Return a ratio; NaN where nothing leaked at all."""
    return above / below if below > 0.0 else float("nan")
