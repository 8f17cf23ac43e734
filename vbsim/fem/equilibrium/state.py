"""State of a body between steps: what a checkpoint keeps and what the next stage starts from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, frozen

__all__ = ["BodyState"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BodyState:
    """A body in equilibrium, over the whole grid.

    Parameters
    ----------
    displacement_mm : (3, n_z + 1, n_y + 1, n_x + 1) float
        From the reference grid, x y z; 0 at points without material.
    offset : (3, n_z + 1, n_y + 1, n_x + 1) float
        Forces by which the bending modes differ from those of the present moduli (covariant, N).
    resisting : (n_z, n_y, n_x) float32
        Factor on the modulus against bending modes.
    rows : (n, n_state) float
        State of every constituent, in the order of the body's `Constituents`.
    motion : (3,) float
        Motion of the upper platen: mm downwards, rad, rad.
    pressure_mpa : float
        Pressure in the cavity.
    time_s, work_n_mm : float
        Since the first leg.
    """

    displacement_mm: FloatArray
    offset: FloatArray
    resisting: NDArray[np.float32]
    rows: FloatArray
    motion: FloatArray
    pressure_mpa: float = 0.0
    time_s: float = 0.0
    work_n_mm: float = 0.0

    def save(self, path: Path, **more: Any) -> None:
        """Write the state, and arrays beside it, into an ``.npz`` file, whole or not at all."""
        aside = path.with_name(f".writing-{path.name}")
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        with aside.open("wb") as stream:
            np.savez(stream, **values, **more)
        aside.replace(path)

    @classmethod
    def read(cls, path: Path) -> BodyState:
        """Return the state in a file that `save` wrote."""
        try:
            with np.load(path, allow_pickle=False) as kept:
                arrays = {name: kept[name] for name in cls.__dataclass_fields__}
        except (OSError, KeyError, ValueError) as error:
            raise InvalidInput(f"{path}: not a state of a body ({error})") from None
        values: dict[str, Any] = {k: frozen(v) if v.ndim else float(v) for k, v in arrays.items()}
        return cls(**values)
