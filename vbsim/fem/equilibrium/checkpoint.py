"""A path that was interrupted goes on: what a checkpoint holds beside the state of the body."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.fem.equilibrium.controls import Leg, Step
from vbsim.fem.equilibrium.state import BodyState

if TYPE_CHECKING:
    from vbsim.fem.equilibrium.solver import Equilibrium

__all__ = ["Checkpoint", "Progressed", "step_of"]

FloatArray = NDArray[np.float64]


class Progressed(NamedTuple):
    """How far along a leg a path has come.

    Attributes
    ----------
    done : float
        Share of the leg.
    size : float
        Next step, as a share of the leg.
    n_taken : int
        Steps of this leg, the last ones of the history.
    """

    done: float
    size: float
    n_taken: int


class Checkpoint:
    """A file that follows a leg.

    Parameters
    ----------
    path : Path
        The ``.npz`` file.
    every_s : float
        Least time between two writes.
    """

    def __init__(self, path: Path, every_s: float = 15.0) -> None:
        self.path, self.every_s = path, every_s
        self._written = time.monotonic()

    def keep(self, solver: Equilibrium, leg: Leg, at: Progressed) -> None:
        """Write where a path is, unless that was just done."""
        if time.monotonic() - self._written < self.every_s:
            return
        size, du, dmotion = solver.last_increment
        solver.state().save(
            self.path,
            key=_key(solver, leg),
            at=np.array(at),
            legs=np.array([step.leg for step in solver.history]),
            steps=np.array([step[1:] for step in solver.history]),
            scale=solver.scale,
            last_size=size,
            last_du=solver.body.spread(du),
            last_dmotion=dmotion,
        )
        self._written = time.monotonic()

    def take(self, solver: Equilibrium, leg: Leg) -> Progressed | None:
        """Bring a solver to where the file's path is; None if there is no file.

        Raises
        ------
        InvalidInput
            If the file is another body's or another leg's, or cannot be read.
        """
        if not self.path.exists():
            return None
        state = BodyState.read(self.path)
        with np.load(self.path, allow_pickle=False) as kept:
            if str(kept["key"]) != _key(solver, leg):
                raise InvalidInput(
                    f"{self.path}: holds another body or another path; remove it to start afresh"
                )
            done, size, n_taken = kept["at"]
            steps = [
                step_of(str(name), row)
                for name, row in zip(kept["legs"], kept["steps"], strict=True)
            ]
            increment = (float(kept["last_size"]), kept["last_du"], kept["last_dmotion"])
            solver.resume(state, steps, float(kept["scale"]), increment)
        return Progressed(float(done), float(size), int(n_taken))


def _key(solver: Equilibrium, leg: Leg) -> str:
    """Return a digest of the body and of the leg, its condition to stop aside."""
    told = hashlib.sha256(repr(replace(leg, stop=None)).encode())
    made = solver.body.constituents
    for array in (made.cell, made.law, made.weight, made.params):
        told.update(np.ascontiguousarray(array).tobytes())
    return told.hexdigest()


def step_of(leg: str, row: FloatArray) -> Step:
    """Return a step from its row of numbers."""
    counts = {"newton", "krylov", "n_yielding"}
    names = Step._fields[1:]
    values: dict[str, Any] = {
        name: int(value) if name in counts else float(value)
        for name, value in zip(names, row, strict=True)
    }
    return Step(leg=leg, **values)
