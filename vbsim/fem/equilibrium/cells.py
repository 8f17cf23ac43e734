"""Active cells of a mesh, by how their laws are asked: of means, through a thickness, at points.

All kinds answer the same calls; `mesh_body` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.assembled import Rows
from vbsim.fem.equilibrium.gathered import gathered, sites
from vbsim.kernels import cell_means, cell_plates
from vbsim.kernels.constituents import N_PACKED
from vbsim.materials.constituents import SECOND_MOMENT, Constituents
from vbsim.mesh.elements import Element
from vbsim.mesh.mesh import Mesh, cell_gradients

__all__ = ["FlatCells", "Means", "Memory", "PointCells", "SomeCells", "ThinCells", "first_moments"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Singles = NDArray[np.float32]


class Means:
    """Cells of a mesh with the volume means of the gradients of their shape functions.

    Attributes
    ----------
    cells : (n_cells, n_nodes) int
        Points of each cell.
    means : (n_cells, n_nodes, 3) float
        The means.
    volumes_mm3 : (n_cells,) float
        Volumes.
    """

    def __init__(self, mesh: Mesh, slopes: FloatArray, weights: FloatArray) -> None:
        self.mesh, self.cells = mesh, mesh.cells
        self.means = np.empty((*mesh.cells.shape, 3))
        self.volumes_mm3 = np.empty(mesh.n_cells)
        cell_means.mean_gradients(
            mesh.cells, mesh.points, slopes, weights, self.means, self.volumes_mm3
        )

    @property
    def arrays(self) -> tuple[Any, FloatArray, FloatArray]:
        """What kernels take."""
        return self.cells, self.means, self.volumes_mm3


class Memory(NamedTuple):
    """State of some constituents before a step and after, and what their cells told last.

    Attributes
    ----------
    old, new : (n_entries, n_state) float
        Rows of state.
    trace, secant : (n,) float32
        See `inelastic.evaluate`.
    """

    old: FloatArray
    new: FloatArray
    trace: Singles
    secant: Singles


class SomeCells(Protocol):
    """Active cells that are asked alike.

    Attributes
    ----------
    cells : (n,) int
        Their numbers.
    entries : (n_entries,) int
        Their entries in the body's constituents.
    begins : (n,) int
        First entry of each cell.
    tangent : (n, n_packed) float
        Tangents of the last evaluation against the strains that laws see.
    """

    cells: IntArray
    entries: IntArray
    begins: IntArray
    tangent: FloatArray

    def evaluate(self, u: FloatArray, dt: float, memory: Memory) -> int:
        """Ask the laws; return how many cells refused."""

    def add_forces(self, out: FloatArray) -> None:
        """Add the forces of the last evaluation, (n_points, 3)."""

    def add_tangents(
        self, tangent: FloatArray, place: Any, values: FloatArray, part: IntArray
    ) -> None:
        """Add tangents to the blocks of some rows of a matrix."""

    def taken_off(self) -> FloatArray:
        """Return the tangents at rest, negative."""


class FlatCells:
    """Cells whose laws are asked once, of their mean strain.

    Parameters
    ----------
    means : Means
        The mesh.
    made : Constituents
        Of the whole body.
    cells : (n,) int
        The cells, rising.
    rest : (n, 9) float
        Their orthotropic stiffness at rest.
    threads : int or None
        Threads.
    """

    def __init__(
        self,
        means: Means,
        made: Constituents,
        cells: IntArray,
        rest: FloatArray,
        threads: int | None,
    ) -> None:
        self.cells, self._on, self._rest = cells, means, rest
        self.entries, self._active = gathered(made, cells, np.zeros(means.mesh.n_cells))
        self.begins = self._active.entry[:-1]
        self._stress, self.tangent = np.zeros((len(cells), 9)), np.zeros((len(cells), N_PACKED))
        self._shares = Rows(len(cells), threads)

    def evaluate(self, u: FloatArray, dt: float, memory: Memory) -> int:
        """Ask the laws; return how many cells refused."""

        def some(part: IntArray) -> int:
            places = (u, self._on.cells, self._on.means, self.cells, part, self._active)
            states = (memory.old, memory.new, dt, self._rest)
            found = (self._stress, self.tangent, memory.trace, memory.secant)
            return int(cell_means.evaluate(*places, *states, *found))

        return _refused(self._shares, some)

    def add_forces(self, out: FloatArray) -> None:
        """Add the forces of the last evaluation, (n_points, 3)."""
        cell_means.add_forces(*self._on.arrays, self.cells, self._stress, out)

    def add_tangents(
        self, tangent: FloatArray, place: Any, values: FloatArray, part: IntArray
    ) -> None:
        """Add tangents to the blocks of some rows of a matrix."""
        fixed = (*self._on.arrays, self.cells, tangent)
        cell_means.add_tangents(*fixed, place, part, values)

    def taken_off(self) -> FloatArray:
        """Return the tangents at rest, negative."""
        return _negative(self._rest)


class ThinCells:
    """Cells whose laws are asked at points through their thickness.

    Parameters
    ----------
    means, made, cells, rest, threads
        As for `FlatCells`.
    element : Element
        The finite element.

    Raises
    ------
    InvalidInput
        If a constituent of them does not come by `through_thickness`.
    """

    def __init__(
        self,
        means: Means,
        made: Constituents,
        cells: IntArray,
        rest: FloatArray,
        threads: int | None,
        element: Element,
    ) -> None:
        self.cells, self._on, self._rest = cells, means, rest
        self.entries, self._active, first, height = sites(made, cells)
        self.begins = self._active.entry[first[:-1]]
        self._refuse_others(made)
        across = made.across[self.entries[self.begins]]
        bends, normal = first_moments(means.mesh, element, cells, across)
        self._plates = cell_plates.Plates(cells, bends, normal, first, height)
        n = len(cells)
        self._stress, self.tangent = np.zeros((n, 18)), np.zeros((n, cell_plates.N_PACKED))
        self._relief = np.zeros((n, 3))
        self._shares = Rows(n, threads)

    def _refuse_others(self, made: Constituents) -> None:
        height, weight = made.height[self.entries], self._active.weight
        for power, wanted in ((1, 0.0), (2, SECOND_MOMENT)):
            sums = np.add.reduceat(weight * (height**power - wanted), self.begins)
            volume = np.add.reduceat(weight, self.begins)
            apart = float(np.max(np.abs(sums) / volume))
            require(
                apart < 1e-6,
                "height",
                f"off by {apart:.2g}",
                "all constituents of a thin cell through its thickness",
            )

    def evaluate(self, u: FloatArray, dt: float, memory: Memory) -> int:
        """Ask the laws; return how many cells refused."""

        def some(part: IntArray) -> int:
            places = (u, self._on.cells, self._on.means, self._plates, part, self._active)
            states = (memory.old, memory.new, dt, self._rest, self._relief)
            found = (self._stress, self.tangent, memory.trace, memory.secant)
            return int(cell_plates.evaluate(*places, *states, *found))

        return _refused(self._shares, some)

    def add_forces(self, out: FloatArray) -> None:
        """Add the forces of the last evaluation, (n_points, 3)."""
        cell_plates.add_forces(*self._on.arrays, self._plates, self._stress, out)

    def add_tangents(
        self, tangent: FloatArray, place: Any, values: FloatArray, part: IntArray
    ) -> None:
        """Add tangents to the blocks of some rows of a matrix."""
        fixed = (*self._on.arrays, self._plates, tangent)
        cell_plates.add_tangents(*fixed, place, part, values)

    def taken_off(self) -> FloatArray:
        """Return the tangents at rest, negative."""
        packed = np.empty_like(self.tangent)
        cell_plates.packed_rest(self._rest, self._plates.normal, SECOND_MOMENT, -1.0, packed)
        return packed


class PointCells:
    """Cells whose laws are asked at every integration point of their element.

    What the points do not see is nothing: all of the element's stiffness is theirs.

    Parameters
    ----------
    means, made, cells, rest, threads, element
        As for `ThinCells`.

    Raises
    ------
    InvalidInput
        If a constituent of them does not come by `at_points`.
    """

    def __init__(
        self,
        means: Means,
        made: Constituents,
        cells: IntArray,
        rest: FloatArray,
        threads: int | None,
        element: Element,
    ) -> None:
        self.cells = cells
        self.entries, self._active, first, _ = sites(made, cells)
        self.begins = self._active.entry[first[:-1]]
        n = len(element.rule.weights)
        wanted = "all constituents of a cell at every integration point"
        counts = np.diff(first)
        require(bool((counts == n).all()), "height", f"{counts.min()} points", wanted)
        gradients, volumes = cell_gradients(means.mesh.points, means.cells[cells], element)
        nodes = means.cells.shape[1]
        self._owner = np.repeat(cells, n)
        # A weight is the share of a point in its cell: the volume that goes with it is the cell's.
        self._fixed = (
            np.ascontiguousarray(means.cells[self._owner]),
            np.ascontiguousarray(gradients.reshape(-1, nodes, 3)),
            n * volumes.ravel(),
            np.arange(len(self._owner)),
        )
        self._rest = np.repeat(rest / n, n, axis=0)
        sites_of_all = len(self._owner)
        self._stress, self.tangent = np.zeros((sites_of_all, 9)), np.zeros((sites_of_all, N_PACKED))
        self._trace, self._secant = np.zeros((2, sites_of_all), np.float32)
        self._shares = Rows(sites_of_all, threads)

    def evaluate(self, u: FloatArray, dt: float, memory: Memory) -> int:
        """Ask the laws; return how many points refused."""
        at, gradients, _, number = self._fixed

        def some(part: IntArray) -> int:
            states = (memory.old, memory.new, dt, self._rest)
            found = (self._stress, self.tangent, self._trace, self._secant)
            places = (u, at, gradients, number, part, self._active)
            return int(cell_means.evaluate(*places, *states, *found))

        refused = _refused(self._shares, some)
        memory.trace[...] = self._trace.reshape(len(self.cells), -1).sum(axis=1)
        memory.secant[...] = self._secant.reshape(len(self.cells), -1).mean(axis=1)
        return refused

    def add_forces(self, out: FloatArray) -> None:
        """Add the forces of the last evaluation, (n_points, 3)."""
        cell_means.add_forces(*self._fixed, self._stress, out)

    def add_tangents(
        self, tangent: FloatArray, place: Any, values: FloatArray, part: IntArray
    ) -> None:
        """Add tangents to the blocks of some rows of a matrix."""
        cell_means.add_tangents(*self._fixed, tangent, place[self._owner], part, values)

    def taken_off(self) -> FloatArray:
        """Return the tangents at rest, negative."""
        return _negative(self._rest)


def _refused(shares: Rows, ask: Callable[[IntArray], int]) -> int:
    """Ask the laws of all parts of some cells; return how many refused."""
    refused: list[int] = []
    shares.run(lambda part: refused.append(ask(part)))
    return sum(refused)


def _negative(rest: FloatArray) -> FloatArray:
    """Return orthotropic stiffnesses (n, 9) as packed tangents, negative."""
    packed = np.empty((len(rest), N_PACKED))
    cell_means.packed_orthotropic(rest, np.full(len(rest), -1.0), packed)
    return packed


def first_moments(
    mesh: Mesh, element: Element, cells: IntArray, across: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return how the gradients of some thin cells grow through the thickness.

    With z from -1 to 1 along the cell's own axis `across` (0, 1 or 2) and z0 its mean, the part of
    a gradient that grows with z is ``sum (z - z0) dN dV / sum (z - z0)^2 dV``. It is scaled so that
    heights with a mean square of 1/3 stand for cells whose own mean square is another.

    Returns
    -------
    bends : (n, n_nodes, 3) float
        That part of the gradients of the shape functions.
    normal : (n, 3) float
        Unit normal at the centre, along which an incompatible mode of the element relieves it.
    """
    slopes = element.values(np.zeros((1, 3)))[1][0]
    centre = np.linalg.inv(np.einsum("ak,cai->cki", slopes, mesh.points[mesh.cells[cells]]))
    normal = np.take_along_axis(centre, across[:, None, None], axis=2)[..., 0]
    normal /= np.linalg.norm(normal, axis=1)[:, None]
    gradients, volumes = cell_gradients(mesh.points, mesh.cells[cells], element)
    z = element.rule.points[:, across].T
    z = z - ((z * volumes).sum(axis=1) / volumes.sum(axis=1))[:, None]
    square = (z * z * volumes).sum(axis=1)
    bends = np.einsum("cq,cqak->cak", z * volumes, gradients) / square[:, None, None]
    scale = np.sqrt(square / volumes.sum(axis=1) / SECOND_MOMENT)
    return np.ascontiguousarray(bends * scale[:, None, None]), np.ascontiguousarray(normal)
