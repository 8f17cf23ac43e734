"""The step that injects cement: where it goes, whether it leaks, what pressure it takes."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim.augmentation.approach import (
    Approach,
    ApproachChoice,
    NeedlePath,
    Sides,
    TipLeft,
    TipRight,
)
from vbsim.augmentation.born import Curing, set_under_load
from vbsim.augmentation.describe import describe
from vbsim.augmentation.injection.flow import Flow, Limits, Portion, Status
from vbsim.augmentation.injection.marrow import Marrow
from vbsim.augmentation.injection.medium import medium_of
from vbsim.augmentation.injection.needle import Needle, describe_path
from vbsim.augmentation.injection.outlets import COMPARTMENTS, Outlets, OutletsChoice
from vbsim.augmentation.injection.rheology import Rheology
from vbsim.augmentation.shapes import Withdrawal, withdrawal
from vbsim.checks import InvalidInput, Parameters, PhysicsWarning, frozen
from vbsim.data import value
from vbsim.materials.cement import BoneCementLaw, Cement, cement
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.series import Series
from vbsim.specimen.specimen import CementField, Specimen

__all__ = ["Injection"]

FloatArray = NDArray[np.float64]

MM3_PER_ML = 1000.0

# Leaks below this are not worth a warning, ml.
_WORTH_TELLING_ML = 0.01

define("injected_volume", "ml", "Cement that left the needle.")
define("leaked_volume", "ml", "Cement that left the body; injected = placed + leaked.")
for _name, _place in (
    ("canal", "the spinal canal (basivertebral foramen, defects of the back wall)"),
    ("vein", "segmental veins"),
    ("disc", "a disc, through an endplate crack"),
    ("paravertebral", "the tissue in front and beside, through the wall"),
    ("track", "the needle's own track"),
):
    define(f"leaked_{_name}", "ml", f"Cement that leaked into {_place}.")
define("has_leaked", "1", "1 if as much cement leaked as fluoroscopy shows, else 0.")
define("injection_complete", "1", "1 if all cement asked for was given, 0 if a limit came before.")
define("injection_time", "s", "Time from the first to the last cement.")
define("injection_pressure_peak", "MPa", "Highest pressure behind the needle.")
define("intravertebral_pressure_peak", "MPa", "Highest pressure at the needle's tip.")
define(
    "cannula_pressure_share",
    "%",
    "Mean over the injected volume of the share of the pressure that the needle takes.",
)

_ADVICE: dict[Status, str] = {
    "volume": "all was given",
    "pressure": "stopped: the pressure limit moves no more cement; start earlier, use a wider or "
    "shorter needle, or a cement of lower viscosity",
    "leak": "stopped: the leak reached the limit; stop_at_leak_ml = none goes on",
    "time": "stopped: the cement set; start earlier or inject faster",
}


class Injection(Parameters):
    """Press cement through needles into the pores of the body.

    Darcy flow on the voxel grid: permeability from density, anisotropic; broken bone, clefts,
    cavities and veins are faster; marrow that holds together until a pressure displaces it;
    shear-thinning cement that thickens with time and warmth; pressure drop in the needle. Which
    cement sets the mechanics (`cement`) and how it flows (`viscosity`) are given apart. In a body
    under mechanics it sets where it lies, free of stress, and the loads are taken off then. With
    a `seed`, permeability, marrow, veins and defects are drawn from their published spread;
    without, they have their means.

    Examples
    --------
    >>> Injection(volume_ml=4.0, viscosity="high_viscosity").viscosity.name
    'high_viscosity'
    >>> Injection(volume_ml=4.0, start_min=11.0)
    Traceback (most recent call last):
        ...
    vbsim.checks.InvalidInput: Injection: start_min = 11.0: low_viscosity sets at 10 min after
    mixing; start before
    """

    kind: Literal["injection"] = "injection"
    cement: Cement = Field(
        default_factory=lambda: cement("pmma"),
        description="Once cured: a name in the cement library, or a table.",
    )
    law: BoneCementLaw = Field(
        default_factory=BoneCementLaw, description="How bone filled with cement behaves."
    )
    viscosity: Rheology = Field(
        default_factory=lambda: Rheology.model_validate("low_viscosity"),
        description="While it flows: low_viscosity, high_viscosity, or a table.",
    )
    volume_ml: float = Field(gt=0.0, le=50.0, description="Cement to be injected, ml.")
    start_min: float = Field(
        6.0, ge=0.0, le=120.0, description="Time after mixing at which injection starts, min."
    )
    rate_ml_per_min: float = Field(
        default_factory=lambda: float(value("injection.flow.rate_ml_per_min")),
        gt=0.0,
        le=60.0,
        description="Wanted flow, ml/min; less where the pressure limit holds it back.",
    )
    pressure_limit_mpa: float = Field(
        default_factory=lambda: float(value("injection.flow.pressure_limit_mpa")),
        gt=0.0,
        le=50.0,
        description="Most pressure behind the needle, MPa.",
    )
    stop_at_leak_ml: float | None = Field(
        None, gt=0.0, le=50.0, description="Stop once so much has leaked, ml; never if left out."
    )
    side: Sides = Field(
        "both", description="Which pedicle: one needle, or left then right with half the volume."
    )
    approach: ApproachChoice = Field(
        default_factory=Approach, description="Way of the needles into the body."
    )
    tip_left: TipLeft = None
    tip_right: TipRight = None
    portions: int = Field(
        1,
        ge=1,
        le=10,
        description="Equal portions of each needle; the needle is drawn back between them.",
    )
    withdrawal_mm: Withdrawal = None
    needle: Needle = Field(default_factory=Needle, description="Gauge and length.")
    outlets: OutletsChoice = Field(
        default_factory=Outlets, description="Ways out: anatomical, none, or a table."
    )
    permeability_factor: float = Field(
        1.0, gt=0.0, le=100.0, description="Factor on the permeability of bone."
    )
    marrow_viscosity_pa_s: float = Field(
        default_factory=lambda: float(value("injection.marrow.viscosity_pa_s")),
        gt=1e-4,
        le=100.0,
        description="Viscosity of marrow, Pa s.",
    )
    marrow_modulus_kpa: float = Field(
        default_factory=lambda: float(value("injection.marrow.modulus_kpa")),
        ge=0.0,
        le=100.0,
        description="Young's modulus of marrow at rest, kPa; cement enters pores at 5/6 of it. 0: a"
        " liquid, in which viscosity hardly decides where cement goes.",
    )
    seed: int | None = Field(
        None, ge=0, description="Draws permeability, marrow, veins and defects; else their means."
    )

    @model_validator(mode="after")
    def _can_be_injected(self) -> Injection:
        end = self.viscosity.handling_end_min
        if self.start_min >= end:
            raise ValueError(
                f"start_min = {self.start_min}: {self.viscosity.name} sets at {end:g} min after "
                "mixing; start before"
            )
        return self

    def needles(self, specimen: Specimen) -> tuple[NeedlePath, ...]:
        """Return the needles, in the order they are used."""
        return self.approach.paths(
            specimen.anatomy, self.side, left=self.tip_left, right=self.tip_right
        )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen with the injected cement in it.

        Raises
        ------
        InvalidInput
            If a tip lies outside the body or in closed cells, if there are no pores, or if the
            pressure limit moves no cement at all.
        """
        needles = self.needles(specimen)
        flow = self._flow(specimen, needles)
        status = flow.run(self._portions(specimen, needles))
        if flow.injected_mm3 == 0.0:
            row = flow.rows[-1]
            raise InvalidInput(
                f"pressure_limit_mpa = {self.pressure_limit_mpa}: moves no cement; its consistency "
                f"is {row['consistency_pa_s_n']:.0f} Pa s^n at {self.start_min:g} min: start "
                "earlier, use a wider or shorter needle, or a cement of lower viscosity"
            )
        return self._finished(specimen, flow, needles, status)

    def _flow(self, specimen: Specimen, needles: tuple[NeedlePath, ...]) -> Flow:
        generator = None if self.seed is None else np.random.default_rng(self.seed)
        factor = self.permeability_factor * _drawn_factor(generator)
        mouths = self.outlets.lay_out(specimen, needles, generator)
        if not bool((specimen.pore_fraction > 0.0).any()):
            raise InvalidInput("volume_ml: the body has no open pores left")
        medium = medium_of(
            specimen,
            factor=factor,
            channels=[mouth.channel for mouth in mouths if not mouth.lumen],
            marrow=Marrow(self.marrow_viscosity_pa_s, self.marrow_modulus_kpa, self.seed),
        )
        limits = Limits(
            self.rate_ml_per_min * MM3_PER_ML / 60.0,
            self.pressure_limit_mpa,
            np.inf if self.stop_at_leak_ml is None else self.stop_at_leak_ml,
            self.viscosity.handling_end_min,
        )
        return Flow(
            medium,
            mouths,
            self.viscosity,
            self.needle,
            limits,
            self.start_min,
            self.marrow_viscosity_pa_s,
        )

    def _portions(self, specimen: Specimen, needles: tuple[NeedlePath, ...]) -> tuple[Portion, ...]:
        """Return the portions: the tip stays during one and is drawn back before the next."""
        length = withdrawal(specimen.anatomy.frame, self.withdrawal_mm)
        each = self.volume_ml * MM3_PER_ML / (len(needles) * self.portions)
        stops = np.linspace(0.0, length, self.portions) if self.portions > 1 else [0.0]
        ends = stops if self.portions > 1 else [length]
        return tuple(
            Portion(path, each, float(a), float(b))
            for path in needles
            for a, b in zip(stops, ends, strict=True)
        )

    def _finished(
        self, specimen: Specimen, flow: Flow, needles: tuple[NeedlePath, ...], status: Status
    ) -> Specimen:
        fraction = np.zeros(specimen.domain.shape)
        fraction[flow.medium.window] = flow.cement_mm3 / flow.medium.cell_mm3
        pore = specimen.pore_fraction
        saturation = np.divide(fraction, pore, out=np.zeros_like(pore), where=pore > 0.0)
        saturation = np.clip(saturation, 0.0, 1.0)
        filling = CementField(self.cement, self.law, frozen(fraction), frozen(saturation))
        placed_ml = float(fraction.sum()) * flow.medium.cell_mm3 / MM3_PER_ML
        leaked = flow.ways.leaked_ml()
        injected_ml, leaked_ml = flow.injected_mm3 / MM3_PER_ML, sum(leaked.values())
        line = (
            f"{injected_ml:.3f} of {self.volume_ml:g} ml {self.cement.name} injected "
            f"({self.viscosity.name}, {_ADVICE[status]}); {placed_ml:.3f} ml in the bone, "
            f"{leaked_ml:.3f} ml leaked{_where(leaked)}"
        )
        _warn(status, leaked, injected_ml, self.volume_ml)
        loaded: tuple[Quantity, ...] = ()
        if specimen.mechanics is None:
            filled = replace(specimen, cements=(*specimen.cements, filling))
            filled = filled.with_stage_name("augmented", line)
        else:
            filled, loaded = set_under_load(specimen, filling, Curing(), f"{line}; set under load")
        report = [
            *describe(filled, placed_ml=placed_ml),
            *_told(flow, leaked, status),
            *loaded,
        ]
        for path in needles:
            report += describe_path(specimen, path, self.needle)
        return replace(filled, report=tuple(report), series=_series(specimen, flow))


def _drawn_factor(generator: np.random.Generator | None) -> float:
    """Return a log-normal factor of mean 1 with the published relative deviation."""
    if generator is None:
        return 1.0
    variance = np.log1p(float(value("injection.permeability.relative_sd")) ** 2)
    return float(np.exp(generator.normal(-0.5 * variance, np.sqrt(variance))))


def _where(leaked: dict[str, float]) -> str:
    parts = [f"{name} {ml:.3f}" for name, ml in leaked.items() if ml >= 0.0005]
    return f" ({', '.join(parts)})" if parts else ""


def _warn(status: Status, leaked: dict[str, float], given_ml: float, asked_ml: float) -> None:
    total = sum(leaked.values())
    if total >= _WORTH_TELLING_ML:
        warnings.warn(
            f"{total:.2f} ml of cement outside the bone{_where(leaked)}", PhysicsWarning, 4
        )
    if status != "volume":
        warnings.warn(
            f"{given_ml:.2f} of {asked_ml:g} ml injected; {_ADVICE[status]}", PhysicsWarning, 4
        )


def _told(flow: Flow, leaked: dict[str, float], status: Status) -> list[Quantity]:
    table = {name: np.array([row[name] for row in flow.rows]) for name in flow.rows[0]}
    given = np.diff(table["injected_ml"], prepend=0.0)
    share = table["pressure_cannula_mpa"] / np.maximum(table["pressure_mpa"], 1e-300)
    total = sum(leaked.values())
    return [
        quantity("injected_volume", flow.injected_mm3 / MM3_PER_ML),
        quantity("leaked_volume", total),
        *(quantity(f"leaked_{name}", leaked[name]) for name in COMPARTMENTS),
        quantity("has_leaked", float(total >= value("injection.flow.seen_ml"))),
        quantity("injection_complete", float(status == "volume")),
        quantity("injection_time", flow.time_s),
        quantity("injection_pressure_peak", float(table["pressure_mpa"].max())),
        quantity("intravertebral_pressure_peak", float(table["pressure_tip_mpa"].max())),
        quantity("cannula_pressure_share", 100.0 * float(given @ share) / float(given.sum())),
    ]


def _series(specimen: Specimen, flow: Flow) -> tuple[Series, ...]:
    columns = {name: np.array([row[name] for row in flow.rows]) for name in flow.rows[0]}
    times = np.array([frame[0] for frame in flow.frames])
    fields = {
        "saturation": np.stack([frame[1] for frame in flow.frames]),
        "pressure_mpa": np.stack([frame[2] for frame in flow.frames]),
    }
    window = specimen.domain.crop(flow.medium.window)
    return (Series("injection", columns, window, times, fields),)
