"""What every voxel is made of, as a non-linear solve asks for it: entries of voxel and law."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import frozen, require
from vbsim.kernels import constitutive
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws.elastic import Elastic
from vbsim.materials.laws.law import Law

__all__ = [
    "POINTS_THROUGH",
    "SECOND_MOMENT",
    "Constituents",
    "Part",
    "at_points",
    "through_thickness",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# Heights through the thickness of a plate, between the faces at -1 and 1, and their shares of it:
# with three points the means of h^2 and of |h| are those of the plate, 1/3 and 1/2. It bends
# elastically as it should, and its ideally plastic moment is the right one.
_HEIGHTS, _SHARES = (-2.0 / 3.0, 0.0, 2.0 / 3.0), (0.375, 0.25, 0.375)
SECOND_MOMENT = 1.0 / 3.0
"""Mean of the squared height of the points of a plate."""
POINTS_THROUGH = len(_HEIGHTS)
"""Points through the thickness of a plate."""


class Part(NamedTuple):
    """One constituent of some voxels.

    Attributes
    ----------
    name : str
        Compartment: ``trabecular``, ``shell``, ``endplate``, ``cement``, ``cap``.
    cells : (n,) int array
        Flat indices of the voxels in the grid, each once.
    law : Law
        Its law there, for n voxels.
    weight : (n,) float array or float
        Volume of the constituent / volume of the voxel: factor of its stress.
    birth : (n, 9) float array or None
        Deformation gradient of the voxel in which the constituent is free of stress, row by row;
        None for a constituent that is as old as the grid. Its stress is ``det F0 P(F F0^-1)
        F0^-T``.
    height : float
        Where it lies in the thickness of thin cells of a mesh, from -1 to 1 between their faces
        (see `through_thickness`); in tetrahedra the number of an integration point, from 1 (see
        `at_points`); 0 sees their mean strain.
    across : int
        Direction of a thin cell's own axes that leads through its thickness: 0, 1 or 2.
    """

    name: str
    cells: IntArray
    law: Law
    weight: ArrayLike = 1.0
    birth: FloatArray | None = None
    height: float = 0.0
    across: int = 2


def through_thickness(part: Part, across: int) -> list[Part]:
    """Return a constituent of thin cells of a mesh as three, at points through their thickness.

    Its laws then see how the cells bend; elastic cells are as stiff as before. `across` is the
    axis of the cells (as shape functions count them) that leads through the thickness.
    """
    weight = np.asarray(part.weight)
    return [
        part._replace(weight=share * weight, height=height, across=across)
        for height, share in zip(_HEIGHTS, _SHARES, strict=True)
    ]


def at_points(part: Part, n: int) -> list[Part]:
    """Return a constituent of cells of a mesh as n, at the integration points of their element.

    Points weigh alike, as the four of a tetrahedron of second order with straight edges do.
    """
    weight = np.asarray(part.weight) / n
    return [part._replace(weight=weight, height=k + 1.0) for k in range(n)]


@dataclass(frozen=True, eq=False)
class Constituents:
    """Entries (voxel, constituent), ordered by voxel.

    The stress of a voxel is the sum over its entries of weight times the law's stress. At rest the
    sum of the weighted tangents is the linear stiffness of the body (`StiffnessField`), so that a
    non-linear test starts with the stiffness that the linear solver finds.

    Parameters
    ----------
    names : tuple of str
        Compartments.
    cell : (n,) int
        Flat index of the voxel, not falling.
    part : (n,) int
        Index into `names`.
    law : (n,) int
        Rung of the ladder.
    weight : (n,) float
        Factor of the stress.
    params : (n, n_params) float
        Parameter rows, 0 beyond what a law needs.
    n_state : int
        Width of a row of state.
    birth : (n,) int
        Row in `births`, or -1.
    births : (m, 9) float
        Gradients F0 (see `Part`).
    height : (n,) float
        Place in the thickness of a thin cell (see `Part`).
    across : (n,) int
        Axis of the cell that leads through its thickness.
    """

    names: tuple[str, ...]
    cell: IntArray
    part: IntArray
    law: IntArray
    weight: FloatArray
    params: FloatArray
    n_state: int
    birth: IntArray
    births: FloatArray
    height: FloatArray
    across: IntArray

    @classmethod
    def join(cls, parts: Sequence[Part]) -> Constituents:
        """Collect the constituents of a body; the same name may come more than once."""
        names = tuple(dict.fromkeys(part.name for part in parts))
        counts = [len(part.cells) for part in parts]
        n = sum(counts)
        rows = [part.law.rows() for part in parts]
        params = np.zeros((n, max(row.shape[1] for row in rows)))
        weight = np.empty(n)
        birth = np.full(n, -1, np.int64)
        births: list[FloatArray] = []
        n_births = 0
        at = np.concatenate([[0], np.cumsum(counts)])
        for part, row, start, stop in zip(parts, rows, at[:-1], at[1:], strict=True):
            wanted = f"{stop - start} rows, one a voxel"
            require(len(row) == stop - start, f"law of {part.name}", len(row), wanted)
            params[start:stop, : row.shape[1]] = row
            weight[start:stop] = part.weight
            if part.birth is not None:
                birth[start:stop] = n_births + np.arange(stop - start)
                births.append(np.asarray(part.birth, np.float64))
                n_births += stop - start
        cell = np.concatenate([np.asarray(part.cells, np.int64) for part in parts])
        order = np.argsort(cell, kind="stable")
        index = np.repeat([names.index(part.name) for part in parts], counts)
        code = np.repeat([part.law.code for part in parts], counts)
        height = np.repeat([part.height for part in parts], counts)
        across = np.repeat([part.across for part in parts], counts)
        return cls(
            names,
            frozen(cell[order]),
            frozen(index[order]),
            frozen(code[order]),
            frozen(weight[order]),
            frozen(params[order]),
            max([1, *(part.law.n_state for part in parts)]),
            frozen(birth[order]),
            frozen(np.concatenate(births) if births else np.zeros((0, 9))),
            frozen(height[order]),
            frozen(across[order]),
        )

    @classmethod
    def elastic(cls, materials: StiffnessField, *, rotates: bool = False) -> Constituents:
        """Return a body of one elastic constituent a voxel, with the stiffness of the field."""
        constants = materials.mean_constants().reshape(-1, 9)
        cells = np.flatnonzero(materials.moduli.any(axis=0))
        law = Elastic(constants[cells], "green" if rotates else "small")
        return cls.join([Part("body", cells, law)])

    @property
    def is_inelastic(self) -> NDArray[np.bool_]:
        """Entries whose stress is more than linear elasticity of the small strain, (n,)."""
        return np.asarray((self.law != constitutive.ELASTIC) | (self.birth >= 0))

    def new_state(self) -> FloatArray:
        """Return the state of a body that was never loaded, (n, n_state)."""
        return np.zeros((len(self.cell), self.n_state))

    def named(self, name: str) -> NDArray[np.bool_]:
        """Return which entries belong to a compartment, (n,)."""
        if name not in self.names:
            return np.zeros(len(self.cell), bool)
        return np.asarray(self.part == self.names.index(name))
