"""The step that lets cement cure: heat, conversion, damage to tissue."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import distance_transform_edt

from vbsim.augmentation.born import matured
from vbsim.augmentation.curing.heat import Heat, body_of
from vbsim.augmentation.curing.kinetics import Kinetics
from vbsim.augmentation.curing.necrosis import Dose
from vbsim.augmentation.curing.places import PLACES, masks
from vbsim.checks import Parameters, frozen, require
from vbsim.data import value
from vbsim.quantities import Quantity, define, quantity
from vbsim.specimen.loading import staged
from vbsim.specimen.series import Series
from vbsim.specimen.specimen import Specimen

__all__ = ["Curing"]

FloatArray = NDArray[np.float64]

# Moments of which fields are kept: fewer on large boxes, to stay below about 200 MB.
_FRAMES, _LEAST_FRAMES, _MOST_FRAME_CELLS = 24, 6, 1e7
_HOT_C = 50.0
# Cement that has not set keeps this share of its modulus, so that the body stays one.
_LEAST_HARDNESS = 1e-3

for _name, _words in PLACES.items():
    define(f"temperature_peak_{_name}", "C", f"Highest temperature of {_words} while curing.")
for _name in ("centre", "anterior_cortex", "canal"):
    define(
        f"time_above_50c_{_name}",
        "s",
        f"Time for which the hottest cell of {PLACES[_name]} is above 50 C.",
    )
_CRITERIA = {
    "47c_1min": "above 47 C for 1 min in all (Eriksson & Albrektsson)",
    "cem43_16": "CEM43 of 16 min or more (equals 47 C for 1 min)",
    "cem43_240": "CEM43 of 240 min or more",
    "henriques": "Henriques & Moritz damage of 1 or more",
}
for _name, _words in _CRITERIA.items():
    define(
        f"necrosis_{_name}",
        "ml",
        f"Volume of the body without cement that dies by the criterion: {_words}. The criteria "
        "disagree by orders of magnitude.",
    )
    define(
        f"necrosis_canal_{_name}",
        "ml",
        f"Volume of the spinal canal's content that dies by the criterion: {_words}.",
    )
define("setting_time", "s", "Time from the start to half of the final mean conversion.")
define("conversion_final", "1", "Mean conversion of the cement at the end.")
define("cement_shrinkage", "%", "Shrinkage of the cement's volume at its final mean conversion.")
define(
    "cement_hardness",
    "1",
    "Mean over the cement of its modulus / that of cement cured at body temperature.",
)
define(
    "cement_shrinkage_since_set",
    "%",
    "Mean linear shrinkage of the cement since it set: its strain without stress.",
)
define("heat_released", "J", "Heat that curing has given.")
define(
    "energy_error", "1", "Heat released that is neither stored nor conducted away / heat released."
)


class Curing(Parameters):
    """Let all cement in the body cure from one moment on.

    Autocatalytic kinetics in every cell, heat conduction through cement, bone and soft tissue with
    the faces of the box and the blood at body temperature. The conversion that each voxel reaches
    sets the modulus and strength of its cement (`hardness`), and its shrinkage since it set strains
    the bone around it in strength tests and in a body under mechanics.

    Examples
    --------
    >>> Curing(kinetics="li").kinetics.m
    1.05
    """

    kind: Literal["curing"] = "curing"
    kinetics: Kinetics = Field(
        default_factory=lambda: Kinetics.model_validate("borzacchiello_1"),
        description="borzacchiello_1, borzacchiello_2, li, or a table.",
    )
    seed_conversion: float = Field(
        default_factory=lambda: float(value("curing.start.seed_conversion")),
        gt=0.0,
        le=0.5,
        description="Conversion at the start: sets how long it waits; 1e-4 sets late.",
    )
    cement_temperature_c: float = Field(
        default_factory=lambda: float(value("curing.start.cement_c")),
        ge=0.0,
        le=60.0,
        description="Temperature of the cement at the start, C.",
    )
    body_temperature_c: float = Field(
        default_factory=lambda: float(value("curing.start.body_c")),
        ge=0.0,
        le=45.0,
        description="Temperature of all else, C.",
    )
    perfusion_per_s: float = Field(
        0.0,
        ge=0.0,
        le=0.1,
        description="Blood through living tissue, volume per volume a second; 0 when broken.",
    )
    duration_min: float = Field(20.0, gt=0.0, le=240.0, description="How long to follow, min.")
    margin_mm: float = Field(
        12.0, ge=2.0, le=60.0, description="Tissue around the body that is followed, mm."
    )
    longest_step_s: float = Field(8.0, ge=0.05, le=60.0, description="Longest time step, s.")

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen with the report and the series of its curing.

        Raises
        ------
        InvalidInput
            If there is no cement.
        """
        require(
            specimen.cement_volume_ml > 0.0,
            "kind",
            "curing",
            "after a step that places cement: there is none in the body",
        )
        window = self._window(specimen)
        body = body_of(
            specimen,
            window,
            cement_c=self.cement_temperature_c,
            body_c=self.body_temperature_c,
            perfusion_per_s=self.perfusion_per_s,
        )
        density = float(value("curing.thermal.cement.density"))
        heat = Heat(
            body,
            self.kinetics,
            seed=self.seed_conversion,
            body_c=self.body_temperature_c,
            density=density,
        )
        record = _Record(specimen, window, heat, 60.0 * self.duration_min)
        heat.run(60.0 * self.duration_min, longest_s=self.longest_step_s, after=record.note)
        return self._finished(specimen, window, heat, record)

    def _window(self, specimen: Specimen) -> tuple[slice, slice, slice]:
        """Return the part of the grid around body and canal that is followed."""
        frame, marks = specimen.anatomy.frame, specimen.anatomy.landmarks
        lower, upper = frame.bounds_mm()
        upper = upper.copy()
        upper[1] = max(upper[1], marks.canal_centre_mm[1] + 0.5 * marks.canal_depth_mm)
        parts = []
        for axis, low, high in zip(specimen.body_axes(), lower, upper, strict=True):
            near = (axis > low - self.margin_mm) & (axis < high + self.margin_mm)
            at = np.flatnonzero(near)
            parts.append(slice(int(at[0]), int(at[-1]) + 1))
        return parts[2], parts[1], parts[0]

    def _finished(
        self,
        specimen: Specimen,
        window: tuple[slice, slice, slice],
        heat: Heat,
        record: _Record,
    ) -> Specimen:
        hard = self._hardened(specimen, window, heat)
        report = [*record.report(heat), *_hardening(hard)]
        told = {q.name: q.value for q in report}
        line = (
            f"cured for {self.duration_min:g} min ({self.kinetics.name}): cement up to "
            f"{told['temperature_peak_cement']:.0f} C, its surface "
            f"{told['temperature_peak_interface']:.0f} C, canal "
            f"{told['temperature_peak_canal']:.0f} C; set after {told['setting_time']:.0f} s"
        )
        series = (record.series(specimen),)
        if specimen.mechanics is not None:
            body = matured(specimen.mechanics, hard.cements)
            return replace(staged(specimen, body, "cured", line, report), series=series)
        named = hard.with_stage_name("cured", line)
        return replace(named, report=tuple(report), series=series)

    def _hardened(
        self, specimen: Specimen, window: tuple[slice, slice, slice], heat: Heat
    ) -> Specimen:
        """Return the specimen with cement as hard and as shrunk as its conversion makes it.

        Modulus and strength rise in proportion from where the cement sets to what it reaches at
        body temperature, at which the library's values hold. It shrinks all the while, but what it
        shrinks before it sets is taken up by flow.
        """
        conversion = np.zeros(specimen.domain.shape)
        inside = conversion[window]
        inside[heat.has_cement] = heat.conversion
        has_cement = conversion > 0.0
        # Voxels beside the cement may come to share it when a picture is sampled: as the nearest.
        nearest = distance_transform_edt(~has_cement, return_distances=False, return_indices=True)
        conversion = conversion[tuple(nearest)]
        full = self.kinetics.final_conversion(self.body_temperature_c)
        start = full * float(value("curing.setting.conversion_share"))
        hardness = np.clip((conversion - start) / (full - start), _LEAST_HARDNESS, 1.0)
        lost = float(value("curing.shrinkage.volume_percent")) / 100.0
        shrinkage = 1.0 - np.cbrt(1.0 - lost * np.maximum(conversion - start, 0.0))
        return replace(
            specimen,
            cements=tuple(
                filling._replace(hardness=frozen(hardness), shrinkage=frozen(shrinkage))
                for filling in specimen.cements
            ),
        )


def _hardening(specimen: Specimen) -> tuple[Quantity, ...]:
    """Return the means of what the conversion does to the cement's mechanics."""
    weight, filling = specimen.cement_fraction, specimen.cements[-1]
    assert filling.hardness is not None
    assert filling.shrinkage is not None
    hardness = float(np.average(filling.hardness, weights=weight))
    shrinkage = float(np.average(filling.shrinkage, weights=weight))
    return (
        quantity("cement_hardness", hardness),
        quantity("cement_shrinkage_since_set", 100.0 * shrinkage),
    )


class _Record:
    """What is kept while it cures."""

    def __init__(
        self,
        specimen: Specimen,
        window: tuple[slice, slice, slice],
        heat: Heat,
        duration_s: float,
    ) -> None:
        self._window = window
        self._domain = specimen.domain.crop(window)
        self._masks = {name: mask for name, mask in masks(specimen, window).items() if mask.any()}
        self._tissue = np.maximum(
            specimen.tissue.body[window] - specimen.cement_fraction[window], 0.0
        )
        self._cell_ml = specimen.domain.cell_volume_mm3 / 1000.0
        self._duration_s = duration_s
        n_cells = self._domain.n_cells
        self._n_frames = int(np.clip(_MOST_FRAME_CELLS / n_cells, _LEAST_FRAMES, _FRAMES))
        self.dose = Dose(heat.temperature_c.shape)
        self._rows: list[dict[str, float]] = []
        self._frames: list[tuple[float, dict[str, NDArray[np.float32]]]] = []
        self._write(heat)
        self._keep(heat)

    def note(self, heat: Heat, dt_s: float, mean_c: FloatArray) -> None:
        """Take a step down."""
        self.dose.add(mean_c, dt_s)
        np.maximum(self.dose.peak_c, heat.temperature_c, out=self.dose.peak_c)
        self._write(heat)
        if heat.time_s >= len(self._frames) / (self._n_frames - 1) * self._duration_s - 1e-6:
            self._keep(heat)

    def _write(self, heat: Heat) -> None:
        row = {"time_s": heat.time_s, "conversion_mean": heat.mean_conversion()}
        warm = heat.temperature_c
        for name, mask in self._masks.items():
            row[f"temperature_{name}_c"] = float(warm[mask].max())
        row["heat_released_j"] = heat.released_mj / 1000.0
        self._rows.append(row)

    def _keep(self, heat: Heat) -> None:
        conversion = np.zeros(heat.temperature_c.shape)
        conversion[heat.has_cement] = heat.conversion
        fields = {
            "temperature_c": heat.temperature_c,
            "conversion": conversion,
            "temperature_peak_c": np.maximum(self.dose.peak_c, heat.temperature_c),
            "cem43_min": np.minimum(self.dose.cem43_min, 1e30),
            "henriques": np.minimum(self.dose.henriques, 1e30),
        }
        self._frames.append((heat.time_s, {k: v.astype(np.float32) for k, v in fields.items()}))

    def report(self, heat: Heat) -> list[Quantity]:
        """Return the quantities of the step."""
        table = {name: np.array([row[name] for row in self._rows]) for name in self._rows[0]}
        steps = np.diff(table["time_s"], prepend=0.0)
        rows = []
        for name in self._masks:
            rows.append(quantity(f"temperature_peak_{name}", table[f"temperature_{name}_c"].max()))
        for name in ("centre", "anterior_cortex", "canal"):
            if name in self._masks:
                above = table[f"temperature_{name}_c"] >= _HOT_C
                rows.append(quantity(f"time_above_50c_{name}", float(steps[above].sum())))
        canal = self._masks.get("canal", np.zeros(self._tissue.shape, dtype=bool))
        for name, dead in self.dose.dead().items():
            volume = float(self._tissue[dead].sum()) * self._cell_ml
            rows.append(quantity(f"necrosis_{name}", volume))
            in_canal = float((canal & dead).sum()) * self._cell_ml
            rows.append(quantity(f"necrosis_canal_{name}", in_canal))
        conversion = table["conversion_mean"]
        share = float(value("curing.setting.conversion_share"))
        set_at = np.interp(share * conversion[-1], conversion, table["time_s"])
        shrinkage = float(value("curing.shrinkage.volume_percent")) * conversion[-1]
        return [
            *rows,
            quantity("setting_time", float(set_at)),
            quantity("conversion_final", float(conversion[-1])),
            quantity("cement_shrinkage", shrinkage),
            quantity("heat_released", heat.released_mj / 1000.0),
            quantity("energy_error", heat.energy_error),
        ]

    def series(self, specimen: Specimen) -> Series:
        """Return the table and the fields over time."""
        columns = {name: np.array([row[name] for row in self._rows]) for name in self._rows[0]}
        times = np.array([time for time, _ in self._frames])
        names = self._frames[0][1]
        fields = {n: np.stack([frame[n] for _, frame in self._frames]) for n in names}
        return Series("curing", columns, self._domain, times, fields)
