"""Stiffness of the cells of a mesh, kept so that a matrix for other moduli is one quick pass.

It holds where the constants of every cell change by a factor, as they do when a density, a damage
or a law changes its modulus and nothing else. The memory for it is 72 bytes a pair of nodes: 2.6 kB
a cell of eight nodes, a quarter more than the matrix itself.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.fem.assembled import BlockMatrix, Pattern, Rows, reference_tables
from vbsim.kernels import keeping
from vbsim.mesh.elements import Element
from vbsim.mesh.mesh import Mesh

__all__ = ["KeptCells"]

FloatArray = NDArray[np.float64]


class KeptCells:
    """What every cell gives to the matrix, for a factor of 1.

    Parameters
    ----------
    mesh : Mesh
        Its cells must be of the element's kind and not inside out.
    element : Element
        Shape functions, quadrature, incompatible modes.
    constants : (n_cells, 9) or (n_cells, 36) float, MPa
        Elastic constants for a factor of 1, as `assemble` takes them.
    pattern : Pattern
        Pattern of the cells.
    rows : Rows
        Threads.

    Attributes
    ----------
    place : (n_cells, n_pairs) int
        Block of every pair of nodes in `values`; ``-1 - number`` where it stands transposed.
    values : (n_cells * n_pairs, 3, 3) float
        The blocks.

    Examples
    --------
    Half the modulus in the first cell::

        kept = KeptCells(mesh, element, constants, matrix.pattern, matrix.rows)
        factor = np.ones(mesh.n_cells)
        factor[0] = 0.5
        kept.refill(factor, matrix)
    """

    def __init__(
        self, mesh: Mesh, element: Element, constants: FloatArray, pattern: Pattern, rows: Rows
    ) -> None:
        require(len(constants) == mesh.n_cells, "constants", len(constants), "one row a cell")
        self.pattern = pattern
        n_parts = pattern.place.size
        number = np.int32 if n_parts < 2**31 else np.int64
        self.place = np.empty(pattern.place.shape, number)
        self._first = np.zeros(pattern.n_blocks + 1, number)
        self._cell = np.empty(n_parts, np.int32)
        keeping.arrange(pattern.place, self._first, self.place, self._cell)
        self.values = np.empty((n_parts, 3, 3))
        fixed = (mesh.cells, mesh.points, reference_tables(element))
        given = (np.ascontiguousarray(constants, dtype=np.float64), self.place)
        shares = Rows(mesh.n_cells, rows.threads)
        shares.run(lambda part: keeping.keep(*fixed, *given, part, self.values))

    @property
    def n_bytes(self) -> int:
        """Memory that is held, bytes."""
        return sum(a.nbytes for a in (self.values, self.place, self._cell, self._first))

    def refill(self, factor: FloatArray, into: BlockMatrix) -> None:
        """Set a matrix of the same cells to the sum over the cells of factor times what they keep.

        Parameters
        ----------
        factor : (n_cells,) float
            Factor on the stiffness of every cell.
        into : BlockMatrix
            A matrix in double precision on the same pattern, whose blocks are all set.
        """
        pattern = self.pattern
        require(into.pattern is pattern, "into", "another pattern", "a matrix of the same pattern")
        fixed = (pattern.start, pattern.column, pattern.mirror, self._first, self._cell)
        kept, values = self.values.reshape(-1, 9), into.values.reshape(-1, 9)
        into.rows.run(lambda part: keeping.refill(*fixed, kept, factor, part, values))
