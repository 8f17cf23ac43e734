"""A finite-element model as other codes take it: mesh, materials by cell, held points, what to ask.

Everything is in the mesh's own coordinates: constants of anisotropic cells are along its axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.mesh.elements import Element
from vbsim.mesh.mesh import Mesh

__all__ = ["Group", "Held", "Model", "engineering"]

FloatArray = NDArray[np.float64]

# Cells whose constants agree to this many digits share a material.
_DIGITS = 7


class Held(NamedTuple):
    """Prescribed displacement of some points in one direction.

    Attributes
    ----------
    name : str
        Set of points of the mesh.
    direction : int
        0 x, 1 y, 2 z.
    values : (n,) float or None
        Displacement of each point of the set, mm; None for 0.
    """

    name: str
    direction: int
    values: FloatArray | None = None


class Group(NamedTuple):
    """Cells of one material: constants (9,) in MPa and the cells."""

    constants: FloatArray
    cells: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Model:
    """A linear static model.

    Parameters
    ----------
    title : str
        One line.
    mesh : Mesh
        With the point sets that `held` and `asked` name.
    element : Element
        The finite element.
    constants : (n_cells, 9) float, MPa
        ``c11 c22 c33 c12 c13 c23 c44 c55 c66`` of every cell, Voigt ``xx yy zz yz xz xy``.
    held : tuple of Held
        Prescribed displacements.
    asked : str
        Set of points whose total reaction is asked for.
    expected_n : float or None
        That reaction along z as computed here, N.
    """

    title: str
    mesh: Mesh
    element: Element
    constants: FloatArray
    held: tuple[Held, ...]
    asked: str
    expected_n: float | None = None

    def __post_init__(self) -> None:
        shape = (self.mesh.n_cells, 9)
        require(self.constants.shape == shape, "constants", self.constants.shape, f"{shape}")
        for name in (self.asked, *(item.name for item in self.held)):
            require(name in self.mesh.point_sets, "point set", name, "a set of the mesh")

    def groups(self) -> list[Group]:
        """Return the cells by material."""
        size = np.abs(self.constants).max(axis=1, keepdims=True)
        scale = 10.0 ** (np.floor(np.log10(np.maximum(size, 1e-300))) - _DIGITS + 1)
        rounded = np.rint(self.constants / scale) * scale
        _, first, which = np.unique(rounded, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(which.ravel(), kind="stable")
        cuts = np.searchsorted(which.ravel()[order], np.arange(1, len(first)))
        members = np.split(order, cuts)
        return [Group(self.constants[cells].mean(axis=0), cells) for cells in members]


def engineering(constants: FloatArray) -> dict[str, float]:
    """Return ``E1 E2 E3 G12 G23 G31 v12 v23 v31`` of nine elastic constants.

    Examples
    --------
    >>> found = engineering(np.array([4.0, 4.0, 4.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0]))
    >>> round(float(found["E1"]), 6), round(float(found["v12"]), 6)
    (2.666667, 0.333333)
    """
    c11, c22, c33, c12, c13, c23, c44, c55, c66 = constants
    s = np.linalg.inv([[c11, c12, c13], [c12, c22, c23], [c13, c23, c33]])
    E = 1.0 / np.diag(s)
    return {
        "E1": E[0],
        "E2": E[1],
        "E3": E[2],
        "G12": c66,
        "G23": c44,
        "G31": c55,
        "v12": -s[0, 1] * E[0],
        "v23": -s[1, 2] * E[1],
        "v31": -s[2, 0] * E[2],
    }
