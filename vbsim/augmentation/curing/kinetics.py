"""How fast cement cures, and how much heat that gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim.checks import Parameters, require
from vbsim.data import names, value
from vbsim.kernels import curing

__all__ = ["Kinetics", "ZERO_C_K"]

FloatArray = NDArray[np.float64]

ZERO_C_K = 273.15
"""0 C in K."""


class Kinetics(Parameters):
    """Autocatalytic curing ``da/dt = K0 exp(-Ea / (R T)) a^m (amax - a)^n``; a name, or a table.

    ``amax = min(1, T / glass)`` with the highest temperature so far: the monomer that is locked in
    glass below it does not react.

    Examples
    --------
    >>> first = Kinetics.model_validate("borzacchiello_1")
    >>> round(first.half_time_s(37.0, 1e-3))
    261
    """

    name: str = Field("own kinetics", min_length=1, description="Name shown in results.")
    rate_per_s: float = Field(gt=0, description="Factor K0, 1/s.")
    activation_j_mol: float = Field(gt=0, description="Activation energy Ea, J/mol.")
    m: float = Field(gt=0, le=3, description="Exponent of the conversion.")
    n: float = Field(gt=0, le=3, description="Exponent of what is left.")
    heat_j_kg: float = Field(ge=0, le=1e6, description="Heat of full conversion, J/kg.")
    glass_k: float = Field(
        0.0, ge=0, le=600, description="Glass transition temperature, K; 0 for no limit."
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        known = names("curing.kinetics")
        require(data in known, "kinetics", data, "one of " + ", ".join(known) + ", or a table")
        path = f"curing.kinetics.{data}"
        return {"name": data} | {key: value(f"{path}.{key}") for key in names(path)}

    def constants(self) -> FloatArray:
        """Return the numbers that the kernel takes, (5,)."""
        return np.array([self.rate_per_s, self.activation_j_mol, self.m, self.n, self.glass_k])

    def final_conversion(self, temperature_c: float) -> float:
        """Return the conversion that is reached at a temperature."""
        if self.glass_k == 0.0:
            return 1.0
        return min(1.0, (temperature_c + ZERO_C_K) / self.glass_k)

    def half_time_s(self, temperature_c: float, seed: float) -> float:
        """Return the time to half of the final conversion at a constant temperature, s."""
        final = self.final_conversion(temperature_c)
        kelvin = temperature_c + ZERO_C_K
        # Time is the integral of da / rate; even steps in log a follow the slow start.
        way = np.exp(np.linspace(np.log(seed), np.log(0.5 * final), 4001))
        slowness = [way_a / curing.rate(way_a, kelvin, kelvin, self.constants()) for way_a in way]
        return float(np.trapezoid(slowness, np.log(way)))
