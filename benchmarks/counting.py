"""How many bytes and operations a product takes per element, counted while it runs.

Operations: the kernels run as plain Python on numbers that count what is done with them. Bytes:
every array that is swept once, from the algorithm; what stays in the cache is not counted.
"""

from __future__ import annotations

import json
import sys

import numpy as np

_EDGES = (3, 4, 5, 6)  # of small blocks: the work is a cubic in the edge, its lead is the interior


class Counted(float):
    """A number that counts the operations that it takes part in."""

    done = 0

    def _count(self, value: float) -> Counted:
        Counted.done += 1
        return Counted(value)

    def __add__(self, other):
        return self._count(float(self) + float(other))

    def __sub__(self, other):
        return self._count(float(self) - float(other))

    def __rsub__(self, other):
        return self._count(float(other) - float(self))

    def __mul__(self, other):
        return self._count(float(self) * float(other))

    def __neg__(self):  # a change of sign is free in a subtraction
        return Counted(-float(self))

    __radd__, __rmul__ = __add__, __mul__


def operations(n_units: int, mode: str) -> float:
    """Return additions and multiplications per element of a large block.

    Only where the compiler is switched off (``NUMBA_DISABLE_JIT=1``).
    """
    found = [_count(edge, n_units, mode) for edge in _EDGES]
    return float(np.diff(found, n=3)[0]) / 6.0


def _count(edge: int, n_units: int, mode: str) -> int:
    from plain_block import operator_of

    from vbsim.kernels import voxel

    voxel.float = lambda value: value  # a change of type must not lose the count
    operator = operator_of(edge, n_units, threads=1)
    operator.moduli, operator.dinv = _counted(operator.moduli), _counted(operator.dinv)
    vectors = [_counted(np.full(operator.shape, 0.5)) for _ in range(4)]
    Counted.done = 0
    apply(operator, mode, *vectors)
    return Counted.done


def _counted(values):
    counted = np.empty(values.shape, object)
    counted.ravel()[:] = [Counted(value) for value in values.ravel()]
    return counted


def apply(operator, mode, u, out, b, x):
    """Multiply once, as the outer iteration (product) or as the smoother does."""
    if mode == "product":
        operator.product(u, out)
    else:
        operator.chebyshev(u, b, out, x, (0.5, 0.5))


def bytes_per_element(n_units: int, mode: str, size: int) -> int:
    """Return bytes read and written per element of a large block, with numbers of `size` bytes.

    A block has as many points as elements. A product reads u and the inverse diagonal and writes
    the result; a step of the smoother reads u, b, x and the inverse diagonal and writes b, x and
    the change. Moduli and the inverse diagonal are single precision.
    """
    vectors = {"product": 2, "smoother": 6}[mode]
    return 3 * size * vectors + 3 * 4 + 4 * n_units


if __name__ == "__main__":
    print(json.dumps([operations(int(case[0]), case[1:]) for case in sys.argv[1:]]))
