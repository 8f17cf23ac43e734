"""Operators: the stiffness of a body as something that multiplies, with or without a matrix."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.layout import Layout, Team
from vbsim.kernels import voxel
from vbsim.materials.field import MU, UnitStiffness

__all__ = ["Operator", "VoxelOperator", "constants_table", "mean_constants", "cell_matrices"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]

# Directions in which the outermost mixtures of unit materials are looked for.
_DIRECTIONS = 64

# Modes of `kernels.voxel.product`.
_PRODUCT, _RESIDUAL, _CHEBYSHEV, _REACTIONS = range(4)


class Operator(Protocol):
    """The stiffness of a body."""

    def product(self, u: Array, out: Array) -> float:
        """Set ``out = A u`` at free components, 0 elsewhere; return ``u . out``."""

    def reactions(self, u: Array, out: Array) -> None:
        """Set ``out = A u`` at every point."""


def constants_table(
    units: tuple[UnitStiffness, ...], cell_mm: tuple[float, float, float]
) -> FloatArray:
    """Return the kernel's constants of each unit material for covariant vectors, (K, 24).

    Parameters
    ----------
    units : tuple of UnitStiffness
        Unit materials.
    cell_mm : tuple of float
        Cell size (x, y, z), mm; also the factors of the covariant components.

    Notes
    -----
    A unit that resists no bending at all leaves a cell modes without energy: whoever mixes units
    must give every cell some that does.
    """
    # A parity sum over eight corners is 4 edges times a derivative, and a covariant component is
    # an edge times a displacement: strain ij = 1 / (4 h_i h_j) * parity sums.
    h_x, h_y, h_z = cell_mm
    normal = np.array([1.0 / h_x**2, 1.0 / h_y**2, 1.0 / h_z**2]) / 4.0
    pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
    products = [normal[i] * normal[j] for i, j in pairs]
    shears = [normal[1] * normal[2], normal[0] * normal[2], normal[0] * normal[1]]
    weights = float(np.prod(cell_mm)) * np.array(products + shears)
    table = np.empty((len(units), 24))
    for row, unit in zip(table, units, strict=True):
        rest = np.array(unit.mean) - np.array(unit.bending)
        lam, mu = rest[3], rest[6]
        require(
            bool(np.allclose(rest, [lam + 2.0 * mu] * 3 + [lam] * 3 + [mu] * 3)),
            f"bending of {unit.name}",
            unit.bending,
            "equal to `mean`, or less by an isotropic part",
        )
        row[:9] = weights * np.array(unit.bending) / 3.0
        row[9:11] = lam, mu
        row[11:20] = weights
        row[20:] = 1.0 / 3.0, 1.0, 2.0, 3.0
    return table


def mean_constants(table: FloatArray) -> FloatArray:
    """Return the 9 constants of each unit material against the mean strain, (K, 9)."""
    mean: FloatArray = 3.0 * table[:, :9]
    mean[:, :6] += table[:, 9:10] * table[:, 11:17]
    mean += table[:, 10:11] * table[:, 11:20] * np.array(MU.mean)
    return mean


_PARITIES = ("x", "y", "xy", "z", "xz", "yz", "xyz")


def _parity_transform() -> FloatArray:
    """Return the signs of the 21 straining parity sums over 24 corner components, (21, 24).

    Corners run x fastest, then y, then z; components outermost.
    """
    corners = np.array([(i % 2, i // 2 % 2, i // 4) for i in range(8)]) * 2.0 - 1.0
    signs = {p: np.prod([corners[:, "xyz".index(a)] for a in p], axis=0) for p in _PARITIES}
    transform = np.zeros((21, 24))
    for c in range(3):
        for k, p in enumerate(_PARITIES):
            transform[7 * c + k, 8 * c : 8 * c + 8] = signs[p]
    return transform


def cell_matrices(table: FloatArray) -> FloatArray:
    """Return the dense stiffness of a cell of each unit material, (K, 24, 24).

    Rows run over components (outermost), then corners with x fastest.
    """
    transform = _parity_transform()
    at = {f"{c}{p}": 7 * i + k for i, c in enumerate("xyz") for k, p in enumerate(_PARITIES)}
    blocks = []
    for t in np.concatenate([mean_constants(table), table[:, :9]], axis=1):
        block = np.zeros((21, 21))

        def couple(first: str, second: str, weight: float, block: FloatArray = block) -> None:
            i, j = at[first], at[second]
            block[i, j] += weight
            if i != j:
                block[j, i] += weight

        # Voigt strain i as parity sums, for each polynomial it multiplies: 1, xi, eta, zeta, ...
        modes = (
            (("xx", "yy", "zz"), ("yz+zy", "xz+zx", "xy+yx"), 0, 1.0),
            (("", "yxy", "zxz"), ("yxz+zxy", "xxz", "xxy"), 9, 1.0),
            (("xxy", "", "zyz"), ("yyz", "xyz+zxy", "yxy"), 9, 1.0),
            (("xxz", "yyz", ""), ("zyz", "zxz", "xyz+yxz"), 9, 1.0),
            (("", "", "zxyz"), ("yxyz", "xxyz", ""), 9, 1.0 / 3.0),
            (("xxyz", "", ""), ("", "zxyz", "yxyz"), 9, 1.0 / 3.0),
            (("", "yxyz", ""), ("zxyz", "", "xxyz"), 9, 1.0 / 3.0),
        )
        for normals, shears, first, share in modes:
            pairs = [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]
            for (i, j), weight in zip(pairs, t[first : first + 6], strict=True):
                if normals[i] and normals[j]:
                    couple(normals[i], normals[j], share * weight)
            for terms, weight in zip(shears, t[first + 6 : first + 9], strict=True):
                names = [name for name in terms.split("+") if name]
                for i, name in enumerate(names):
                    for other in names[i:]:
                        couple(name, other, share * weight)
        blocks.append(transform.T @ block @ transform)
    return np.array(blocks)


class VoxelOperator:
    """Stiffness of a voxel body, as `kernels.voxel` multiplies it.

    Vectors are compact, (3, N), and covariant: displacement times the grid's spacing, component by
    component.

    Parameters
    ----------
    units : tuple of UnitStiffness
        Unit materials, length K.
    moduli : (K, n_cells) float32, MPa
        Scalar field of each over the cells with material.
    cell_mm : tuple of float
        Cell size (x, y, z).
    layout : Layout
        Where points and cells lie.
    held : (3, N) bool
        Held components.
    team : Team
        Threads.
    mixtures : (M, K) float, optional
        Outermost mixtures (see `mixtures`), if they are known.
    """

    def __init__(
        self,
        units: tuple[UnitStiffness, ...],
        moduli: NDArray[np.float32],
        cell_mm: tuple[float, float, float],
        *,
        layout: Layout,
        held: NDArray[np.bool_],
        team: Team,
        mixtures: FloatArray | None = None,
    ) -> None:
        most = voxel.MOST_UNITS
        require(len(units) <= most, "units", len(units), f"at most {most} unit materials")
        self.units = units
        self.moduli = moduli
        self.cell_mm = cell_mm
        self.layout = layout
        self.team = team
        self.table = constants_table(units, cell_mm)
        self._mixtures = mixtures
        self._work: dict[np.dtype[Any], _Work] = {}
        self.dinv = self._inverse_diagonal(held)

    def renew(self, moduli: NDArray[np.float32], mixtures: FloatArray | None = None) -> None:
        """Take other moduli (K, n_cells) on the same cells; `mixtures` as when it was made."""
        self.moduli = moduli
        self._mixtures = mixtures
        for name in ("mixtures", "spectral_bound"):
            self.__dict__.pop(name, None)
        self.dinv = self._inverse_diagonal(self.dinv == 0)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of a vector, (3, N)."""
        return 3, self.layout.n_points

    @property
    def n_dof(self) -> int:
        """Number of free components."""
        return int(np.count_nonzero(self.dinv))

    @cached_property
    def mixtures(self) -> FloatArray:
        """Outermost mixtures of the unit materials in any cell, (M, K); they sum to 1.

        Averages of cells lie between them, so coarser grids inherit them.
        """
        return _outermost(self.moduli) if self._mixtures is None else self._mixtures

    @cached_property
    def spectral_bound(self) -> float:
        """Upper bound of the spectrum of ``D^-1 A``.

        The Rayleigh quotient of a sum of cells is at most the largest of one cell's (the mediant
        inequality), and over all mixtures it is largest at an outermost one.
        """
        matrices = np.einsum("mk,kij->mij", self.mixtures, cell_matrices(self.table))
        scale = 1.0 / np.sqrt(np.diagonal(matrices, axis1=1, axis2=2))
        scaled = matrices * scale[:, :, None] * scale[:, None, :]
        return float(np.linalg.eigvalsh(scaled).max())

    def product(self, u: Array, out: Array) -> float:
        """Set ``out = A u`` at free components, 0 elsewhere; return ``u . out``."""
        return float(self._run(u, _PRODUCT, out).sum())

    def residual(self, u: Array, b: Array, out: Array) -> None:
        """Set ``out = b - A u`` at free components, 0 elsewhere; `out` may be `b`."""
        self._run(u, _RESIDUAL, out, b)

    def chebyshev(self, u: Array, b: Array, out: Array, x: Array, c: tuple[float, float]) -> None:
        """``b <- b - A u``, ``out = c[0] u + c[1] D^-1 b``, ``x += out``."""
        self._run(u, _CHEBYSHEV, out, b, x, c)

    def reactions(self, u: Array, out: Array) -> None:
        """Set ``out = A u`` at every point."""
        self._run(u, _REACTIONS, out)

    def _run(
        self,
        u: Array,
        mode: int,
        out: Array,
        b: Array | None = None,
        x: Array | None = None,
        c: tuple[float, float] = (0.0, 0.0),
    ) -> FloatArray:
        work = self._work.get(u.dtype)
        if work is None:
            work = self._work[u.dtype] = _Work(self, u.dtype)
        nothing = work.nothing
        coefficients = np.array(c, u.dtype)

        def slab(member: int, start: int, stop: int) -> None:
            voxel.product(
                u,
                self.moduli,
                work.table,
                self.layout.cells,
                self.layout.points,
                start,
                stop,
                work.planes[member],
                work.lines[member],
                mode,
                nothing if b is None else b,
                out,
                self.dinv,
                nothing if x is None else x,
                coefficients,
                work.sums,
            )

        self.team.run(slab, self.layout.points.plane)
        return work.sums

    def _inverse_diagonal(self, held: NDArray[np.bool_]) -> NDArray[np.float32]:
        weights = np.diagonal(cell_matrices(self.table), axis1=1, axis2=2)[:, ::8]
        out = np.zeros(self.shape, np.float32)
        voxel.diagonal(
            self.moduli,
            np.ascontiguousarray(weights, dtype=np.float32),
            self.layout.cells,
            out,
        )
        np.divide(1.0, out, out=out, where=out > 0)
        out[held] = 0
        return out


class _Work:
    """Buffers of a product, one set a thread, for one type of vector."""

    def __init__(self, operator: VoxelOperator, dtype: np.dtype[Any]) -> None:
        members = operator.team.threads
        self.table = operator.table.astype(dtype)
        self.planes = np.zeros((members, 2, 3, operator.layout.widest_plane), dtype)
        self.lines = np.zeros((members, voxel.work_shape()), dtype)
        self.sums = np.zeros(len(operator.layout.points.plane) - 1)
        self.nothing = np.zeros((3, 0), dtype)


def _outermost(moduli: Array) -> FloatArray:
    """Return the mixtures of unit materials that lie furthest out in some direction, (M, K)."""
    n_units = len(moduli)
    if n_units == 1:
        return np.ones((1, 1))
    weights = moduli / moduli.sum(axis=0)
    directions = np.random.default_rng(0).standard_normal((_DIRECTIONS, n_units), dtype=np.float32)
    directions = np.concatenate([directions, np.eye(n_units, dtype=np.float32)])
    found = {int((direction @ weights).argmax()) for direction in directions}
    return np.asarray(weights[:, sorted(found)].T, dtype=np.float64)
