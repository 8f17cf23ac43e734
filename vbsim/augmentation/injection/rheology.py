"""How cement flows: a power law whose consistency grows with age, in tubes and in pores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field, model_validator

from vbsim.checks import Parameters, require
from vbsim.data import names, value

__all__ = ["PA", "Rheology", "rheology_names", "tube_resistance"]

FloatArray = NDArray[np.float64]

PA = 1e-6
"""A pascal in MPa."""

_ROOT = "injection.rheology"


class Rheology(Parameters):
    """A shear-thinning cement: viscosity ``K(t) rate^(n - 1)``; its name, or a table.

    K is constant up to a time after mixing and grows exponentially from then on. Warm cement ages
    faster. No yield stress, no slip at walls, no separation of liquid and powder.

    Examples
    --------
    >>> low = Rheology(**rheology_names()["low_viscosity"])
    >>> round(float(low.consistency_pa_s_n_at(6.0)), 1)
    118.6
    >>> round(float(low.viscosity_pa_s(10.0, 118.6)), 1)
    37.5
    """

    name: str = Field("own cement", min_length=1, description="Name shown in results.")
    consistency_pa_s_n: float = Field(gt=0, le=1e5, description="K at `at_min`, Pa s^n.")
    at_min: float = Field(ge=0, le=60, description="Time after mixing at which K is given, min.")
    time_constant_min: float = Field(gt=0.05, le=1e4, description="K grows e-fold in it, min.")
    constant_until_min: float = Field(
        0.0, ge=0, le=60, description="Time after mixing up to which K stays as it is, min."
    )
    exponent: float = Field(0.5, ge=0.1, le=1.0, description="Power-law exponent n; 1 Newtonian.")
    handling_end_min: float = Field(
        gt=0, le=120, description="Time after mixing at which handling ends, min."
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        known = rheology_names()
        require(data in known, "viscosity", data, "one of " + ", ".join(known) + ", or a table")
        return known[data]

    def consistency_pa_s_n_at(self, age_min: ArrayLike) -> FloatArray:
        """Return K of cement of an age at room temperature, Pa s^n."""
        age = np.maximum(np.asarray(age_min, dtype=np.float64), self.constant_until_min)
        origin = max(self.at_min, self.constant_until_min)
        # Far beyond handling the exponential is cut: nothing flows there.
        growth = np.minimum((age - origin) / self.time_constant_min, 30.0)
        return np.asarray(self.consistency_pa_s_n * np.exp(growth))

    def viscosity_pa_s(self, rate_per_s: ArrayLike, consistency_pa_s_n: ArrayLike) -> FloatArray:
        """Return the viscosity at a shear rate, Pa s."""
        rate = np.maximum(np.asarray(rate_per_s), value("injection.flow.least_rate_per_s"))
        thinned: FloatArray = np.asarray(consistency_pa_s_n) * rate ** (self.exponent - 1.0)
        return thinned

    @property
    def tube_factor(self) -> float:
        """Apparent viscosity in a tube over that at the Newtonian wall rate 4 v / r.

        ``((3 n + 1) / (4 n))^n``, Rabinowitsch & Mooney.
        """
        n = self.exponent
        return float(((3.0 * n + 1.0) / (4.0 * n)) ** n)

    def aged_min(self, time_min: ArrayLike, entered_min: ArrayLike) -> FloatArray:
        """Return the age at room temperature of cement that has been in warm bone, min.

        Parameters
        ----------
        time_min : float or array
            Time after mixing.
        entered_min : float or array
            Time after mixing at which it entered the bone.
        """
        room, body = (float(value(f"injection.temperature.{k}")) for k in ("room_c", "body_c"))
        faster = float(value("injection.temperature.faster_per_10_c")) ** ((body - room) / 10.0)
        warm_up = float(value("injection.temperature.warm_up_s")) / 60.0
        since = np.maximum(np.asarray(time_min) - np.asarray(entered_min), 0.0)
        warm = since + warm_up * np.expm1(-since / warm_up)
        return np.asarray(np.asarray(time_min) + (faster - 1.0) * warm)

    def tube_pressure_mpa(
        self, rate_mm3_per_s: float, radius_mm: float, length_mm: float, consistency: float
    ) -> float:
        """Return the pressure that drives cement of a consistency (Pa s^n) through a tube, MPa.

        Examples
        --------
        >>> water_like = Rheology(
        ...     consistency_pa_s_n=100.0, at_min=0.0, time_constant_min=1e4, exponent=1.0,
        ...     handling_end_min=60.0)
        >>> round(water_like.tube_pressure_mpa(4000.0 / 60.0, 1.195, 125.0, 100.0), 2)
        1.04
        """
        wall_rate = 4.0 * rate_mm3_per_s / (np.pi * radius_mm**3)
        stress = consistency * self.tube_factor * wall_rate**self.exponent
        return float(2.0 * length_mm / radius_mm * stress * PA)


def rheology_names() -> dict[str, dict[str, Any]]:
    """Return the cements whose flow is known, by name, as tables."""
    found = {}
    for name in names(_ROOT):
        path = f"{_ROOT}.{name}"
        found[name] = {"name": name} | {key: value(f"{path}.{key}") for key in names(path)}
    return found


def tube_resistance(viscosity_pa_s: float, radius_mm: float, length_mm: float) -> float:
    """Return pressure over flow of a tube (Hagen & Poiseuille), MPa s / mm3."""
    return 8.0 * viscosity_pa_s * PA * length_mm / (np.pi * radius_mm**4)
