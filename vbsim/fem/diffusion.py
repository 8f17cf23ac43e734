"""Scalar diffusion on the voxel grid: Darcy flow and heat conduction, solved by multigrid.

Cells exchange what flows through their faces, so that whatever flows is conserved to round-off. A
face's conductance is the series of its two half cells (harmonic mean), which is right for layers
and for contrasts of many decades.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import NotConverged, require
from vbsim.kernels import stencil

__all__ = ["Diffusion", "Solved", "pad"]

FloatArray = NDArray[np.float64]
Array = NDArray[Any]

MOST_ITERATIONS = 200


class Solved(NamedTuple):
    """How a solve ended.

    Attributes
    ----------
    iterations : int
        Multigrid cycles.
    relative_residual : float
        Norm of what is not balanced / norm of the right-hand side.
    """

    iterations: int
    relative_residual: float


def pad(field: ArrayLike) -> FloatArray:
    """Return a cell field with a layer of zeros all around, as the kernels take it."""
    return np.pad(np.asarray(field, dtype=np.float64), 1)


class Diffusion:
    """The balance ``sum over faces of c (u - u_neighbour) + sink u = source`` on a box of cells.

    Parameters
    ----------
    shape : tuple of int
        Cells (n_z, n_y, n_x).
    spacing : tuple of float
        Cell size (x, y, z).

    Examples
    --------
    >>> bar = Diffusion((1, 1, 4), (1.0, 1.0, 1.0))
    >>> bar.set(np.ones((1, 1, 4)), sink=np.array([[[0.0, 0.0, 0.0, 2.0]]]))
    >>> u, _ = bar.solve(np.array([[[1.0, 0.0, 0.0, 0.0]]]))
    >>> np.round(u[0, 0], 6).tolist()
    [3.5, 2.5, 1.5, 0.5]
    """

    def __init__(self, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> None:
        require(min(shape) >= 1, "shape", shape, "at least one cell along each axis")
        self.shape = shape
        h_x, h_y, h_z = spacing
        self._shares = np.array([h_y * h_z / h_x, h_x * h_z / h_y, h_x * h_y / h_z])
        padded = tuple(n + 2 for n in shape)
        self.faces = stencil.Faces(*(np.zeros(padded) for _ in range(4)))
        self._hierarchy = _hierarchy(shape, spacing)
        self._work = [np.zeros(padded) for _ in range(3)]
        self._n_grids = len(self._hierarchy.shapes)

    @property
    def n_bytes(self) -> int:
        """Memory of the balance and its hierarchy, bytes."""
        held = self._hierarchy
        arrays = (*self.faces, *self._work, *held.faces, held.dinv, *held[4:])
        return sum(array.nbytes for array in arrays)

    def set(
        self,
        mobility: ArrayLike,
        *,
        factors: tuple[float, float, float] = (1.0, 1.0, 1.0),
        sink: ArrayLike = 0.0,
        scale: float = 1.0,
    ) -> None:
        """Set what flows how easily.

        Parameters
        ----------
        mobility : (n_z, n_y, n_x) array
            Conductivity of every cell; 0 where nothing passes.
        factors : tuple of float
            Factor on it along x, y and z.
        sink : (n_z, n_y, n_x) array
            Conductance from every cell to the outside, where u is 0.
        scale : float
            Factor on all conductances between cells.
        """
        stencil.conductances(pad(mobility), scale * self._shares * np.array(factors), self.faces)
        self.faces.sink[1:-1, 1:-1, 1:-1] = sink
        self._prepare(len(self._hierarchy.shapes))

    def set_sink(self, sink: ArrayLike, *, is_short_step: bool = False) -> None:
        """Change the conductances to the outside; those between cells stay.

        Parameters
        ----------
        sink : (n_z, n_y, n_x) array
            Conductance from every cell to the outside.
        is_short_step : bool
            Whether they are so large against those between cells (a short step in time) that
            solving needs no coarser grids.
        """
        self.faces.sink[1:-1, 1:-1, 1:-1] = sink
        self._prepare(1 if is_short_step else len(self._hierarchy.shapes))

    def _prepare(self, n_grids: int) -> None:
        self._n_grids = n_grids
        finest = int(self._hierarchy.starts[1])
        for single, double in zip(self._hierarchy.faces, self.faces, strict=True):
            single[:finest] = double.ravel()
        stencil.prepare(self._hierarchy, n_grids)

    def _zeros(self) -> FloatArray:
        return np.zeros(self.faces.sink.shape)

    def product(self, u: ArrayLike) -> FloatArray:
        """Return what every cell loses, (n_z, n_y, n_x)."""
        out = self._zeros()
        stencil.product(self.faces, pad(u), out)
        return out[1:-1, 1:-1, 1:-1]

    def solve(
        self, source: ArrayLike, start: ArrayLike | None = None, *, tolerance: float = 1e-8
    ) -> tuple[FloatArray, Solved]:
        """Return u for a source of every cell.

        Parameters
        ----------
        source : (n_z, n_y, n_x) array
            What enters every cell.
        start : (n_z, n_y, n_x) array, optional
            First guess; 0 by default.
        tolerance : float
            Wanted residual / norm of the source.

        Raises
        ------
        NotConverged
            If the tolerance was not reached.
        """
        u = self._zeros() if start is None else pad(start)
        solved = self.solve_padded(pad(source), u, tolerance=tolerance)
        return u[1:-1, 1:-1, 1:-1].copy(), solved

    def solve_padded(self, source: FloatArray, u: FloatArray, *, tolerance: float = 1e-8) -> Solved:
        """Solve in place for arrays that have their ghost layer already (see `pad`)."""
        taken, residual = stencil.solve(
            self.faces,
            self._hierarchy,
            self._n_grids,
            source,
            tolerance,
            MOST_ITERATIONS,
            u,
            *self._work,
        )
        report = Solved(int(taken), float(residual))
        if not residual <= 10.0 * tolerance:
            raise NotConverged(
                f"diffusion: residual {residual:.1e} after {report.iterations} iterations, "
                f"wanted {tolerance:.1e}",
                report,
            )
        return report


def _hierarchy(
    shape: tuple[int, int, int], spacing: tuple[float, float, float]
) -> stencil.Hierarchy:
    """Return the grids of a box: axes are halved down to one cell, long cells later than short."""
    shapes = [shape]
    edges = list(spacing[::-1])
    while max(shapes[-1]) > 1:
        cells = shapes[-1]
        shortest = min(h for h, n in zip(edges, cells, strict=True) if n > 1)
        factors = [
            2 if n > 1 and h < 1.5 * shortest else 1 for n, h in zip(cells, edges, strict=True)
        ]
        edges = [h * f for h, f in zip(edges, factors, strict=True)]
        n_z, n_y, n_x = (-(-n // f) for n, f in zip(cells, factors, strict=True))
        shapes.append((n_z, n_y, n_x))
    padded = np.array(shapes, dtype=np.int64) + 2
    starts = np.concatenate([[0], np.cumsum(padded.prod(axis=1))])
    flat = [np.zeros(int(starts[-1]), np.float32) for _ in range(9)]
    return stencil.Hierarchy(padded, starts, stencil.Faces(*flat[:4]), *flat[4:])
