"""Marrow between the trabeculae: a liquid once it moves, a soft solid until it does.

Cement that enters a pore has to open up what fills it. A cavity in a soft solid grows without end
at 5/6 of the modulus (neo-Hookean; Gent & Lindley 1959), which is how the modulus of intact marrow
was measured; the pressure does not depend on who presses. Thin cement, which needs little pressure
to flow, therefore goes where marrow is soft or where there is none: into veins, clefts and cracks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.data import value

__all__ = ["Marrow"]

FloatArray = NDArray[np.float64]

# Pressure at which a cavity in a soft solid grows without end, over Young's modulus.
_CAVITATION = 5.0 / 6.0
_MPA_PER_KPA = 1e-3
# Waves of which a random field is the sum.
_WAVES = 300


class Marrow(NamedTuple):
    """What fills the pores.

    Attributes
    ----------
    viscosity_pa_s : float
        Once it moves.
    modulus_kpa : float
        Young's modulus as a soft solid, the median; 0 for a liquid.
    seed : int or None
        Draws how the modulus varies from place to place; the median everywhere without it.
    """

    viscosity_pa_s: float
    modulus_kpa: float = 0.0
    seed: int | None = None

    def threshold_mpa(
        self, first_mm: FloatArray, spacing_mm: tuple[float, float, float], shape: tuple[int, ...]
    ) -> FloatArray:
        """Return the pressure at which cement displaces it in the cells of a box, MPa.

        Examples
        --------
        >>> marrow = Marrow(0.1, 1.2)
        >>> round(float(marrow.threshold_mpa(np.zeros(3), (1.0, 1.0, 1.0), (1, 1, 1))[0, 0, 0]), 6)
        0.001
        """
        median = np.full(shape, _CAVITATION * self.modulus_kpa * _MPA_PER_KPA)
        if self.seed is None or self.modulus_kpa == 0.0:
            return median
        spread = float(value("injection.marrow.modulus_log_sd"))
        # A stream of its own: what else a seed draws stays as it was.
        generator = np.random.default_rng([self.seed, 1])
        return median * np.exp(spread * _random_field(generator, first_mm, spacing_mm, shape))


def _random_field(
    generator: np.random.Generator,
    first_mm: FloatArray,
    spacing_mm: tuple[float, float, float],
    shape: tuple[int, ...],
) -> FloatArray:
    """Return a field of mean 0 and variance 1 that depends on the place, not on the cells.

    Its correlation falls as ``exp(-r^2 / (2 length^2))``: waves whose numbers are normally
    distributed have that spectrum.
    """
    length = float(value("injection.marrow.length_mm"))
    waves = generator.normal(size=(_WAVES, 3)) / length
    phases = generator.uniform(0.0, 2.0 * np.pi, _WAVES)
    along = [
        first_mm[axis] + (np.arange(n) + 0.5) * spacing_mm[axis]
        for axis, n in enumerate(shape[::-1])
    ]
    x, y, z = (np.exp(1j * np.outer(waves[:, axis], along[axis])) for axis in range(3))
    x *= np.exp(1j * phases)[:, None]
    field = np.einsum("wk,wj,wi->kji", z, y, x, optimize=True).real
    return np.asarray(field * np.sqrt(2.0 / _WAVES))
