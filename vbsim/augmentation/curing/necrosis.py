"""What heat does to tissue, by three criteria that disagree by orders of magnitude."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.augmentation.curing.kinetics import ZERO_C_K
from vbsim.data import value

__all__ = ["Dose", "cem43_rate", "henriques_rate"]

FloatArray = NDArray[np.float64]

_GAS = 8.314


def cem43_rate(temperature_c: ArrayLike) -> FloatArray:
    """Return equivalent minutes at 43 C a minute: ``R^(43 - T)``, R 0.5 above 43 C, 0.25 below.

    Examples
    --------
    >>> float(cem43_rate(47.0))
    16.0
    """
    t = np.asarray(temperature_c, dtype=np.float64)
    # Beyond 100 C the dose is beyond all thresholds within a step: bounded to stay a number.
    return np.asarray(np.where(t >= 43.0, 2.0, 4.0) ** np.clip(t - 43.0, -40.0, 57.0))


def henriques_rate(temperature_c: ArrayLike) -> FloatArray:
    """Return the damage a second after Henriques and Moritz; 1 in all is necrosis.

    Examples
    --------
    >>> [round(float(1.0 / henriques_rate(t)), -1) for t in (47.0, 50.0)]
    [9440.0, 1060.0]
    """
    kelvin = np.minimum(np.asarray(temperature_c, dtype=np.float64), 150.0) + ZERO_C_K
    frequency = float(value("curing.necrosis.frequency_per_s"))
    activation = float(value("curing.necrosis.activation_j_mol"))
    return np.asarray(frequency * np.exp(-activation / (_GAS * kelvin)))


class Dose:
    """Heat that tissue has taken so far, cell by cell.

    Parameters
    ----------
    shape : tuple of int
        Cells (n_z, n_y, n_x).

    Attributes
    ----------
    peak_c : float array
        Highest temperature, C.
    above_s : float array
        Time above the threshold of Eriksson and Albrektsson, s.
    cem43_min : float array
        Equivalent minutes at 43 C.
    henriques : float array
        Damage after Henriques and Moritz.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.peak_c = np.full(shape, -np.inf)
        self.above_s = np.zeros(shape)
        self.cem43_min = np.zeros(shape)
        self.henriques = np.zeros(shape)
        self._threshold_c = float(value("curing.necrosis.threshold_c"))

    def add(self, temperature_c: FloatArray, dt_s: float) -> None:
        """Add a step at a temperature."""
        np.maximum(self.peak_c, temperature_c, out=self.peak_c)
        self.above_s += np.where(temperature_c >= self._threshold_c, dt_s, 0.0)
        self.cem43_min += cem43_rate(temperature_c) * (dt_s / 60.0)
        self.henriques += henriques_rate(temperature_c) * dt_s

    def dead(self) -> dict[str, NDArray[np.bool_]]:
        """Return where tissue dies by each criterion."""
        return {
            "47c_1min": self.above_s >= float(value("curing.necrosis.threshold_s")),
            "cem43_16": self.cem43_min >= float(value("curing.necrosis.cem43_low_min")),
            "cem43_240": self.cem43_min >= float(value("curing.necrosis.cem43_high_min")),
            "henriques": self.henriques >= 1.0,
        }
