"""Comparisons that need mechanics: collapse, what it leaves, and how treatments lift it again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from vbsim.augmentation import Balloon, CementFill
from vbsim.fem.equilibrium import Leg, move
from vbsim.fracture import Cleft, Collapse, Traction, Wedge
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Specimen
from vbsim.specimen.loading import led, settings, under_load
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.table import Entry, Setup

__all__ = ["MECHANICS", "reload_stiffness"]

# Voxels of these comparisons are never finer than this, mm: each of them follows some hundred
# equilibria.
_SPACING_MM = 2.0


# Losses of height below this are no basis of a ratio, percent.
_LEAST_LOSS = 1.0

Comparison = Callable[[Bench, Entry], Mapping[str, tuple[float, str]]]


def intact(setup: Setup, spacing_mm: float) -> Specimen:
    """Return the intact vertebra of a comparison."""
    grid = VoxelGrid.around(setup.vertebra, spacing_mm=max(spacing_mm, _SPACING_MM))
    return Specimen.from_bone(setup.vertebra, grid, setup.bone)


@lru_cache(maxsize=4)
def collapsed(setup: Setup, spacing_mm: float, step: Collapse) -> tuple[Specimen, Specimen]:
    """Return a vertebra before and after a collapse."""
    before = intact(setup, spacing_mm)
    return before, step.apply(before)


# Fractured ----------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _reloaded(setup: Setup, spacing_mm: float, loss_percent: float) -> dict[str, float]:
    """Return what a crush by mechanics leaves on reloading to where it had been."""
    step = Collapse(height_loss_percent=loss_percent, measured="mean", caps=setup.potting)
    _, after = collapsed(setup, spacing_mm, step)
    body = after.mechanics
    told = {item.name: item.value for item in after.report}
    first = body.history[0]
    deepest = max(item.axial_mm for item in body.history)
    solver = body.equilibrium(settings())
    start = np.array([solver.motion[0], 0.0])
    led(solver, Leg("reload", move(deepest), first=0.02, largest=0.08), "reload")
    path = np.array([start, *([s.axial_mm, s.force_n] for s in solver.history)])
    moved, forces = np.diff(path, axis=0).T
    return {
        "stiffness": float((forces / moved).max() / (first.force_n / first.axial_mm)),
        "strength": float(path[:, 1].max() / told["collapse_force_peak"]),
        "recovered": told["collapse_recovered"],
        "peak_n": told["collapse_force_peak"],
        "back_n": float(path[:, 1].max()),
    }


def reload_stiffness(bench: Bench, entry: Entry) -> tuple[float, str]:
    """Return the steepest tangent on reloading / the first of the intact body."""
    found = _reloaded(entry.setup, bench.spacing_mm, 100.0 * entry.given["height_loss"])
    return found["stiffness"], "steepest tangent on reloading"


def f2(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Strength on reloading against that of the intact body."""
    found = _reloaded(entry.setup, bench.spacing_mm, 100.0 * entry.given["height_loss"])
    words = f"{found['peak_n']:.0f} to {found['back_n']:.0f} N"
    return {"ratio": (found["strength"], words)}


def f3(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Height that comes back on unloading."""
    found = _reloaded(entry.setup, bench.spacing_mm, 100.0 * entry.given["height_loss"])
    return {"recovered": (found["recovered"], "")}


# Height -------------------------------------------------------------------------------------------


def _wedged(bench: Bench, entry: Entry) -> tuple[Specimen, Specimen]:
    given = entry.given
    step = Collapse(
        height_loss_percent=given["loss_percent"],
        platen="ball_joint",
        anterior_offset_share=given["anterior_offset_share"],
        caps=entry.setup.potting,
    )
    return collapsed(entry.setup, bench.spacing_mm, step)


def _anterior(specimen: Specimen, force_n: float = 0.0) -> float:
    """Return the anterior height, unloaded or under an axial force, mm."""
    if force_n == 0.0:
        return float(specimen.anatomy.frame.heights().anterior_mm)
    return float(under_load(specimen.mechanics, force_n).heights().anterior_mm)


def _restored(before: float, broken: float, now: float) -> float:
    return 100.0 * (now - broken) / (before - broken)


@lru_cache(maxsize=8)
def _lifted(
    setup: Setup, spacing_mm: float, step: Collapse, balloon: Balloon, cement_ml: float
) -> tuple[Specimen, Specimen]:
    """Return a collapsed vertebra after a balloon, and after cement in its cavity."""
    _, broken = collapsed(setup, spacing_mm, step)
    expanded = balloon.apply(broken)
    fill = CementFill(volume_ml=cement_ml, distribution="cleft")
    return expanded, fill.apply(expanded)


def _kyphoplasty(
    bench: Bench, entry: Entry, preload_n: float, *, held_open: bool = False
) -> tuple[Specimen, Specimen]:
    given = entry.given
    step = Collapse(
        height_loss_percent=given["loss_percent"],
        platen="ball_joint",
        anterior_offset_share=given["anterior_offset_share"],
        caps=entry.setup.potting,
    )
    balloon = Balloon(volume_ml=given["balloon_ml"], preload_n=preload_n, held_open=held_open)
    return _lifted(entry.setup, bench.spacing_mm, step, balloon, given["cement_ml"])


def _vertebroplasty(bench: Bench, entry: Entry) -> tuple[Specimen, Specimen, Specimen]:
    before, broken = _wedged(bench, entry)
    fill = CementFill(
        volume_ml=entry.given["cement_ml"],
        injection_pressure_mpa=entry.given["injection_pressure_mpa"],
    )
    return before, broken, fill.apply(broken)


def h1(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Lost height restored without load."""
    before, broken = _wedged(bench, entry)
    _, filled = _kyphoplasty(bench, entry, 0.0)
    *_, injected = _vertebroplasty(bench, entry)
    heights = [_anterior(s) for s in (before, broken, filled, injected)]
    words = f"{heights[0]:.1f}, {heights[1]:.1f} to"
    return {
        "balloon": (_restored(heights[0], heights[1], heights[2]), f"{words} {heights[2]:.1f} mm"),
        "vertebroplasty": (
            _restored(heights[0], heights[1], heights[3]),
            f"{words} {heights[3]:.1f} mm",
        ),
    }


def h2(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Height lost when a balloon is taken out under a preload, and with a stent."""
    _, broken = _wedged(bench, entry)
    before = _anterior(broken)
    force = entry.given["preload_n"]
    losses = []
    for held_open in (False, True):
        expanded, filled = _kyphoplasty(bench, entry, force, held_open=held_open)
        told = {item.name: item.value for item in expanded.report}
        full = _anterior(expanded) if held_open else _anterior(expanded) + told["balloon_loss"]
        losses.append(100.0 * (full - _anterior(filled, force)) / before)
    return {
        "loss": (losses[0], f"of {before:.1f} mm"),
        "ratio": _ratio_of_losses(*losses),
    }


def _ratio_of_losses(balloon: float, stent: float) -> tuple[float, str]:
    """Return a ratio of losses, percent; none where there is hardly a loss to compare."""
    if balloon < _LEAST_LOSS:
        return float("nan"), f"{balloon:.2f} and {stent:.2f} %: too little for a ratio"
    return balloon / max(stent, 0.1 * _LEAST_LOSS), f"stent {stent:.1f} %"


def h3(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Angle and height of a wedge with a cleft that is held by traction while it is filled."""
    before = intact(entry.setup, bench.spacing_mm)
    anterior = before.anatomy.frame.heights().anterior_mm
    left = 1.0 - entry.given["loss_percent"] / 100.0
    broken = Wedge(height_anterior_mm=left * anterior, cleft=Cleft()).apply(before)
    held = Traction(caps=entry.setup.potting).apply(broken)
    filled = CementFill(volume_ml=entry.given["cement_ml"], distribution="cleft").apply(held)
    heights = [_anterior(s) for s in (before, broken, filled)]
    angles = [s.anatomy.frame.wedge_angle_deg() for s in (broken, filled)]
    return {
        "restored": (
            _restored(heights[0], heights[1], heights[2]),
            f"{heights[1]:.1f} to {heights[2]:.1f} mm",
        ),
        "angle": (angles[0] - angles[1], f"{angles[0]:.1f} to {angles[1]:.1f} deg"),
    }


def h4(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Lost height restored under a preload: balloon taken out, and cavity held open."""
    before, broken = _wedged(bench, entry)
    force = entry.given["preload_n"]
    start = [_anterior(before), _anterior(broken, force)]
    found = {}
    for key, held_open in (("balloon", False), ("held_open", True)):
        expanded, filled = _kyphoplasty(bench, entry, force, held_open=held_open)
        now = _anterior(filled, force)
        found[key] = (_restored(start[0], start[1], now), f"{start[1]:.1f} to {now:.1f} mm")
        told = {item.name: item.value for item in expanded.report}
        found["pressure"] = (told["balloon_pressure"], f"{told['balloon_volume']:.1f} ml")
    return found


def h7(bench: Bench, entry: Entry) -> Mapping[str, tuple[float, str]]:
    """Anterior height gained by cement alone, posture kept."""
    _, broken, filled = _vertebroplasty(bench, entry)
    return {"gain": (_anterior(filled) - _anterior(broken), "")}


MECHANICS: Mapping[str, Comparison] = {
    "F2": f2,
    "F3": f3,
    "H1": h1,
    "H2": h2,
    "H3": h3,
    "H4": h4,
    "H7": h7,
}
"""The function of every comparison that needs mechanics."""
