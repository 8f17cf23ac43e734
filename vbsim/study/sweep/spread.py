"""How an uncertain parameter is spread: distributions that turn a number in (0, 1) into a value."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim.checks import Parameters

__all__ = ["Spread", "Uniform", "Normal", "LogNormal", "Choice", "SPREADS"]

FloatArray = NDArray[np.float64]


class Uniform(Parameters):
    """Every value between two bounds alike, or every logarithm."""

    kind: Literal["uniform"] = "uniform"
    min: float = Field(description="Least value.")
    max: float = Field(description="Largest value.")
    scale: Literal["linear", "log"] = Field("linear", description="What is uniform.")

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        _refuse_bounds(self.min, self.max)
        if self.scale == "log" and self.min <= 0.0:
            raise ValueError(f"min = {self.min:g}: must be positive where scale = 'log'")
        return self

    def values(self, quantile: FloatArray) -> list[Any]:
        """Return the values at numbers in (0, 1)."""
        if self.scale == "log":
            ratio = math.log(self.max / self.min)
            return [float(x) for x in self.min * np.exp(quantile * ratio)]
        return [float(x) for x in self.min + quantile * (self.max - self.min)]


class Normal(Parameters):
    """Normal; truncated where bounds are given (mean and sd are those before truncation)."""

    kind: Literal["normal"] = "normal"
    mean: float = Field(description="Mean.")
    sd: float = Field(gt=0, description="Standard deviation.")
    min: float | None = Field(None, description="Least value; none if left out.")
    max: float | None = Field(None, description="Largest value; none if left out.")

    @model_validator(mode="after")
    def _ordered(self) -> Normal:
        _refuse_bounds(self.min, self.max)
        return self

    def values(self, quantile: FloatArray) -> list[Any]:
        """Return the values at numbers in (0, 1)."""
        found = _truncated(quantile, self.mean, self.sd, self.min, self.max)
        return [float(x) for x in found]


class LogNormal(Parameters):
    """Log-normal, given by mean and standard deviation of the value itself; may be truncated."""

    kind: Literal["log_normal"] = "log_normal"
    mean: float = Field(gt=0, description="Mean of the value.")
    sd: float = Field(gt=0, description="Standard deviation of the value.")
    min: float | None = Field(None, gt=0, description="Least value; none if left out.")
    max: float | None = Field(None, gt=0, description="Largest value; none if left out.")

    @model_validator(mode="after")
    def _ordered(self) -> LogNormal:
        _refuse_bounds(self.min, self.max)
        return self

    def values(self, quantile: FloatArray) -> list[Any]:
        """Return the values at numbers in (0, 1)."""
        variance = math.log1p((self.sd / self.mean) ** 2)
        low, high = (None if b is None else math.log(b) for b in (self.min, self.max))
        mean = math.log(self.mean) - 0.5 * variance
        found = np.exp(_truncated(quantile, mean, math.sqrt(variance), low, high))
        return [float(x) for x in found]


class Choice(Parameters):
    """One of several values: numbers, names, tables."""

    kind: Literal["choice"] = "choice"
    values_: tuple[Any, ...] = Field(alias="values", min_length=1, description="What to take from.")
    weights: tuple[Annotated[float, Field(ge=0)], ...] | None = Field(
        None, description="How often each; all alike if left out."
    )

    @model_validator(mode="after")
    def _fits(self) -> Choice:
        if self.weights is not None:
            if len(self.weights) != len(self.values_):
                raise ValueError(f"weights: must be {len(self.values_)}, one for each value")
            if sum(self.weights) <= 0.0:
                raise ValueError("weights: must not all be 0")
        return self

    def values(self, quantile: FloatArray) -> list[Any]:
        """Return the values at numbers in (0, 1)."""
        weights = np.ones(len(self.values_)) if self.weights is None else np.array(self.weights)
        edges = np.cumsum(weights) / weights.sum()
        chosen = np.minimum(np.searchsorted(edges, quantile, side="right"), len(edges) - 1)
        return [self.values_[k] for k in chosen]


Spread = Uniform | Normal | LogNormal | Choice

SPREADS: tuple[type[Spread], ...] = (Uniform, Normal, LogNormal, Choice)


def _refuse_bounds(low: float | None, high: float | None) -> None:
    if low is not None and high is not None and low >= high:
        raise ValueError(f"min = {low:g}: must be less than max = {high:g}")


def _truncated(
    quantile: FloatArray, mean: float, sd: float, low: float | None, high: float | None
) -> FloatArray:
    """Return values of a normal distribution between two bounds."""
    from scipy.special import ndtr, ndtri

    below = 0.0 if low is None else ndtr((low - mean) / sd)
    above = 1.0 if high is None else ndtr((high - mean) / sd)
    found = mean + sd * ndtri(below + quantile * (above - below))
    return np.clip(found, -np.inf if low is None else low, np.inf if high is None else high)
