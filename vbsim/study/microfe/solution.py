"""What is asked of an image and what its solution tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from vbsim.checks import Parameters
from vbsim.fem.layout import Layout
from vbsim.fem.problem import Dropped
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["AxialTest", "ImageSolution", "Solved", "Work"]

Hold = Literal["clamped", "sliding"]


class AxialTest(Parameters):
    """Axial test of an image between its two end planes.

    The end planes are the lowest and the highest plane of points that carry material along the
    axis. The lower one stays, the upper one moves along the axis as a whole.
    """

    axis: Literal["x", "y", "z"] = Field("z", description="axis of the image along which it acts")
    bottom: Hold = Field("clamped", description="whether the lower end plane is held sideways")
    top: Hold = Field("sliding", description="whether the upper end plane is held sideways")
    displacement_mm: float | None = Field(
        None, ge=-1e6, le=1e6, description="motion of the upper end plane, mm; < 0 compresses"
    )
    force_n: float | None = Field(
        None, ge=-1e9, le=1e9, description="force on the upper end plane, N; > 0 compresses"
    )
    poisson: float = Field(0.3, gt=-1.0, lt=0.5, description="Poisson's ratio of every voxel")

    @model_validator(mode="after")
    def _one_load(self) -> Self:
        given = [load for load in (self.displacement_mm, self.force_n) if load is not None]
        if len(given) != 1:
            came = "neither" if not given else "both"
            raise ValueError(f"give exactly one of displacement_mm and force_n; {came} came")
        if given[0] == 0.0:
            raise ValueError("the load is 0; give a displacement or a force that is not")
        return self

    @property
    def lateral(self) -> str:
        """Which ends are held sideways, in the words of `fem`."""
        held = (self.bottom == "clamped", self.top == "clamped")
        names = {(True, True): "held", (True, False): "lower_held", (False, True): "upper_held"}
        return names.get(held, "sliding")


class Work(NamedTuple):
    """What the solve took.

    Attributes
    ----------
    dof : int
        Free degrees of freedom.
    iterations : int
        Iterations of the conjugate gradients.
    relative_residual : float
        Norm of the final residual / norm of the load.
    cpu_s, wall_s : float
        Time of set-up and solve together, s; reading the image and compiling are not in it.
    peak_bytes : int
        Largest memory of the whole process so far.
    """

    dof: int
    iterations: int
    relative_residual: float
    cpu_s: float
    wall_s: float
    peak_bytes: int


@dataclass(frozen=True, eq=False)
class Solved:
    """The solved field in the solver's own form: load axis third, compact vectors.

    Parameters
    ----------
    grid : VoxelGrid
        The part of the image that was solved, in the image's own axes.
    axis : int
        Axis of its arrays, counted ``(z, y, x)``, along which the load acts.
    layout : Layout
        Where points and cells lie when that axis is exchanged with the first.
    displacement_mm : (3, N) float
        Displacement of every point, in the exchanged axes.
    moduli_mpa : (n_cells,) float32
        Young's modulus of every cell.
    """

    grid: VoxelGrid
    axis: int
    layout: Layout
    displacement_mm: NDArray[np.float64]
    moduli_mpa: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ImageSolution:
    """Solution of an axial test of an image.

    Parameters
    ----------
    test : AxialTest
        What was asked.
    reaction_n : float
        Force between the ends, N; > 0 compresses. From the energy, so that its error is the
        square of that of the field.
    displacement_mm : float
        Motion of the upper end plane along the axis, mm; < 0 compresses.
    stiffness_n_per_mm : float
        Reaction / displacement.
    energy_n_mm : float
        Strain energy of all cells.
    apparent_modulus_mpa : float
        Stiffness x height / area of the box around the material.
    failure_load_pistoia_n : float
        Linear estimate of the force at which 2 % of the material, by volume, is beyond an effective
        strain of 0.7 % (Pistoia 2002), from the energy at the centres of the cells.
    equilibrium_error : float
        Imbalance of the forces on the two ends / reaction.
    n_cells : int
        Cells that carry load.
    fill : float
        Those / cells of the box around them.
    dropped : Dropped
        Parts and cells that do not join the two ends and were left out.
    work : Work
        What it took.
    solved : Solved
        The field itself.
    """

    test: AxialTest
    reaction_n: float
    displacement_mm: float
    stiffness_n_per_mm: float
    energy_n_mm: float
    apparent_modulus_mpa: float
    failure_load_pistoia_n: float
    equilibrium_error: float
    n_cells: int
    fill: float
    dropped: Dropped
    work: Work
    solved: Solved

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers by name, those that every solver reports first."""
        return {
            "reaction_n": self.reaction_n,
            "stiffness_n_per_mm": self.stiffness_n_per_mm,
            **self.work._asdict(),
            "displacement_mm": self.displacement_mm,
            "energy_n_mm": self.energy_n_mm,
            "apparent_modulus_mpa": self.apparent_modulus_mpa,
            "failure_load_pistoia_n": self.failure_load_pistoia_n,
            "equilibrium_error": self.equilibrium_error,
            "n_cells": self.n_cells,
            "fill": self.fill,
            "dropped_parts": self.dropped.n_parts,
            "dropped_cells": self.dropped.n_cells,
        }

    def to_json(self) -> str:
        """Return the numbers as JSON."""
        return json.dumps(self.to_dict(), indent=1)
