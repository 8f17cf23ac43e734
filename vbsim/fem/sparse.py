"""Direct factorisation of a sparse stiffness, used again for every load."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import scipy.sparse.linalg as spla
from numpy.typing import NDArray

from vbsim.checks import NotConverged

__all__ = ["Factorisation"]

FloatArray = NDArray[np.float64]


class Factorisation:
    """Factors of a symmetric positive definite matrix.

    SuperLU of SciPy, or PARDISO where the extra ``vbsim[fast]`` (pypardiso) is installed.

    Parameters
    ----------
    matrix : sparse array (n, n)
        The matrix.

    Raises
    ------
    NotConverged
        If it is singular.
    """

    def __init__(self, matrix: Any) -> None:
        self._pardiso = _pardiso()
        if self._pardiso is not None:
            self._matrix = sp.csr_matrix(matrix)
            self._pardiso.factorize(self._matrix)
            return
        try:
            self._factors = spla.splu(
                sp.csc_matrix(matrix),
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError as error:
            raise NotConverged(
                f"the stiffness is singular: the body is not held ({error})"
            ) from None

    def solve(self, b: FloatArray) -> FloatArray:
        """Return ``A^-1 b``."""
        if self._pardiso is not None:
            return np.asarray(self._pardiso.solve(self._matrix, b))
        return np.asarray(self._factors.solve(b))


def _pardiso() -> Any:
    """Return a PARDISO solver, or None where it is not installed."""
    try:
        from pypardiso import PyPardisoSolver
    except ImportError:
        return None
    return PyPardisoSolver()
