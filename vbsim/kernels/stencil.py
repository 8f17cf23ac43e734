"""Scalar diffusion on a box of cells: conductances of faces, multigrid cycle, conjugate gradients.

Unknowns sit at cell centres. Every array has one ghost layer all around, which holds 0, so that no
loop asks where the box ends. The grids of the hierarchy lie one behind the other in flat arrays,
finest first; a whole solve is one compiled call, because on small boxes calls would cost more than
the arithmetic.

Cell i exchanges ``c (u_i - u_j)`` with each neighbour and loses ``sink u_i``. Conductance
``x[k, j, i]`` belongs to the face between cell i and cell i + 1; `y` and `z` likewise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.kernels import inlined, kernel, summed

__all__ = [
    "Faces",
    "Hierarchy",
    "conductances",
    "coarsen",
    "prepare",
    "product",
    "cycle",
    "solve",
]

Array = NDArray[np.floating]

DEGREE = 2
"""Chebyshev steps of the smoother."""

# The smoother damps the part of the spectrum above this share of its upper end, which is 2 for a
# matrix whose rows are dominated by their diagonal (Gershgorin).
_SMOOTHED_SHARE = 1.0 / 4.0
_TOP = 2.0

# Starts of the iteration, each from the residual by its definition.
_STARTS = 4


class Faces(NamedTuple):
    """Conductances of the faces and to the outside, each of one padded box or of all in a row."""

    x: Array
    y: Array
    z: Array
    sink: Array


class Hierarchy(NamedTuple):
    """All grids, finest first, one behind the other.

    Attributes
    ----------
    shapes : (L, 3) int64
        Padded shape (z, y, x) of each grid.
    starts : (L + 1,) int64
        Where each begins in the flat arrays.
    faces : Faces of (n,) float32
        Conductances.
    dinv : (n,) float32
        1 / diagonal; 0 where the diagonal is 0.
    b, u, d, e : (n,) float32
        Right-hand side, solution and two work vectors of the cycle.
    """

    shapes: NDArray[np.int64]
    starts: NDArray[np.int64]
    faces: Faces
    dinv: Array
    b: Array
    u: Array
    d: Array
    e: Array


@kernel
def conductances(mobility, shares, faces):
    """Set the conductance of every face to the series of its two half cells.

    Parameters
    ----------
    mobility : (n_z, n_y, n_x) padded
        Scalar of every cell; 0 where nothing passes.
    shares : (3,)
        Conductance of a cell of mobility 1 along x, y and z: area / edge times the axis' factor.
    faces : Faces
        `x`, `y` and `z` are filled.
    """
    n_z, n_y, n_x = mobility.shape
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            here = mobility[k, j]
            for direction in range(3):
                if direction == 0:
                    there, target = mobility[k, j, 1:], faces.x[k, j]
                elif direction == 1:
                    there, target = mobility[k, j + 1], faces.y[k, j]
                else:
                    there, target = mobility[k + 1, j], faces.z[k, j]
                share = 2.0 * shares[direction]
                for i in range(1, n_x - 1):
                    total = here[i] + there[i]
                    target[i] = share * here[i] * there[i] / total if total > 0.0 else 0.0


@kernel
def coarsen(fine, coarse, factors):
    """Set the conductances of a coarse grid from those of the next finer one.

    Fine faces that lie in a coarse face are added; where an axis is halved the way across a coarse
    cell is twice as long. Sinks are added.

    Parameters
    ----------
    fine, coarse : Faces of padded (n_z, n_y, n_x)
        Conductances.
    factors : (3,) int64
        2 where the axis (z, y, x) is halved, else 1.
    """
    f_z, f_y, f_x = factors
    n_z, n_y, n_x = fine.x.shape
    one = fine.x.dtype.type(1.0)
    share_x, share_y, share_z = one / f_x, one / f_y, one / f_z
    coarse.x[:] = 0
    coarse.y[:] = 0
    coarse.z[:] = 0
    coarse.sink[:] = 0
    for k in range(1, n_z - 1):
        q = (k - 1) // f_z + 1
        ends_z = k % f_z == 0
        for j in range(1, n_y - 1):
            r = (j - 1) // f_y + 1
            ends_y = j % f_y == 0
            for i in range(1, n_x - 1):
                s = (i - 1) // f_x + 1
                coarse.sink[q, r, s] += fine.sink[k, j, i]
                if i % f_x == 0:
                    coarse.x[q, r, s] += share_x * fine.x[k, j, i]
                if ends_y:
                    coarse.y[q, r, s] += share_y * fine.y[k, j, i]
                if ends_z:
                    coarse.z[q, r, s] += share_z * fine.z[k, j, i]


@kernel
def _grid(flat, shapes, starts, level):
    """Return one grid's part of a flat array as a padded box."""
    n_z, n_y, n_x = shapes[level]
    return flat[starts[level] : starts[level + 1]].reshape((n_z, n_y, n_x))


@kernel
def _faces(faces, shapes, starts, level):
    """Return one grid's conductances."""
    return Faces(
        _grid(faces.x, shapes, starts, level),
        _grid(faces.y, shapes, starts, level),
        _grid(faces.z, shapes, starts, level),
        _grid(faces.sink, shapes, starts, level),
    )


@kernel
def _invert_diagonal(faces, dinv):
    n_z, n_y, n_x = dinv.shape
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            for i in range(1, n_x - 1):
                total = faces.sink[k, j, i] + faces.x[k, j, i] + faces.x[k, j, i - 1]
                total += faces.y[k, j, i] + faces.y[k, j - 1, i]
                total += faces.z[k, j, i] + faces.z[k - 1, j, i]
                dinv[k, j, i] = 1.0 / total if total > 0.0 else 0.0


@kernel
def prepare(hierarchy, n_grids):
    """Fill coarser grids and diagonals from the finest grid's conductances, `n_grids` in all."""
    shapes, starts, faces = hierarchy.shapes, hierarchy.starts, hierarchy.faces
    factors = np.zeros(3, np.int64)
    for level in range(n_grids):
        here = _faces(faces, shapes, starts, level)
        if level > 0:
            for axis in range(3):
                factors[axis] = 2 if shapes[level, axis] < shapes[level - 1, axis] else 1
            coarsen(_faces(faces, shapes, starts, level - 1), here, factors)
        _invert_diagonal(here, _grid(hierarchy.dinv, shapes, starts, level))


@inlined
def _loss(faces, u, k, j, i):
    """Return what cell (k, j, i) loses."""
    here = u[k, j, i]
    loss = faces.sink[k, j, i] * here
    loss += faces.x[k, j, i] * (here - u[k, j, i + 1])
    loss += faces.x[k, j, i - 1] * (here - u[k, j, i - 1])
    loss += faces.y[k, j, i] * (here - u[k, j + 1, i])
    loss += faces.y[k, j - 1, i] * (here - u[k, j - 1, i])
    loss += faces.z[k, j, i] * (here - u[k + 1, j, i])
    loss += faces.z[k - 1, j, i] * (here - u[k - 1, j, i])
    return loss


@kernel
def product(faces, u, out):
    """Set ``out = A u``; return ``u . out``."""
    n_z, n_y, n_x = u.shape
    total = 0.0
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            row = 0.0
            for i in range(1, n_x - 1):
                value = _loss(faces, u, k, j, i)
                out[k, j, i] = value
            row = _dot(u[k, j], out[k, j])
            total += row
    return total


@summed
def _dot(a, b):
    total = 0.0
    for i in range(a.shape[0]):
        total += a[i] * b[i]
    return total


@kernel
def _chebyshev(faces, dinv, d, b, e, u, first, second):
    """``b -= A d``, ``e = first d + second D^-1 b``, ``u += e``."""
    n_z, n_y, n_x = u.shape
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            for i in range(1, n_x - 1):
                rest = b[k, j, i] - _loss(faces, d, k, j, i)
                b[k, j, i] = rest
                change = first * d[k, j, i] + second * dinv[k, j, i] * rest
                e[k, j, i] = change
                u[k, j, i] += change


@kernel
def _start(dinv, b, weight, d, u):
    """``d = u = weight D^-1 b``."""
    for i in range(u.shape[0]):
        value = weight * dinv[i] * b[i]
        d[i] = value
        u[i] = value


@kernel
def _residual(faces, d, b):
    """``b -= A d``."""
    n_z, n_y, n_x = b.shape
    for k in range(1, n_z - 1):
        for j in range(1, n_y - 1):
            for i in range(1, n_x - 1):
                b[k, j, i] -= _loss(faces, d, k, j, i)


@kernel
def _restrict(fine, coarse):
    """Add the children of every coarse cell."""
    f_z = 2 if coarse.shape[0] < fine.shape[0] else 1
    f_y = 2 if coarse.shape[1] < fine.shape[1] else 1
    f_x = 2 if coarse.shape[2] < fine.shape[2] else 1
    coarse[:] = 0
    for k in range(1, fine.shape[0] - 1):
        for j in range(1, fine.shape[1] - 1):
            target = coarse[(k - 1) // f_z + 1, (j - 1) // f_y + 1]
            for i in range(1, fine.shape[2] - 1):
                target[(i - 1) // f_x + 1] += fine[k, j, i]


@kernel
def _prolong(coarse, fine_dinv, d, u):
    """Give every child its parent's value: ``d = P coarse``, ``u += d``."""
    f_z = 2 if coarse.shape[0] < u.shape[0] else 1
    f_y = 2 if coarse.shape[1] < u.shape[1] else 1
    f_x = 2 if coarse.shape[2] < u.shape[2] else 1
    for k in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            source = coarse[(k - 1) // f_z + 1, (j - 1) // f_y + 1]
            for i in range(1, u.shape[2] - 1):
                value = source[(i - 1) // f_x + 1]
                if fine_dinv[k, j, i] == 0:
                    value = 0
                d[k, j, i] = value
                u[k, j, i] += value


@kernel
def _chebyshev_step(step, rho):
    """Return the two weights of a step of the smoother and the next rho."""
    middle = 0.5 * _TOP * (1.0 + _SMOOTHED_SHARE)
    half = 0.5 * _TOP * (1.0 - _SMOOTHED_SHARE)
    sigma = middle / half
    if step == 0:
        return 0.0, 1.0 / middle, 1.0 / sigma
    following = 1.0 / (2.0 * sigma - rho)
    return rho * following, 2.0 * following / half, following


@kernel
def _smooth(hierarchy, level, from_zero):
    """Take the smoother's steps on one grid and leave the residual in `b`."""
    shapes, starts = hierarchy.shapes, hierarchy.starts
    faces = _faces(hierarchy.faces, shapes, starts, level)
    first, last = starts[level], starts[level + 1]
    dinv = _grid(hierarchy.dinv, shapes, starts, level)
    b = _grid(hierarchy.b, shapes, starts, level)
    u = _grid(hierarchy.u, shapes, starts, level)
    d = _grid(hierarchy.d, shapes, starts, level)
    e = _grid(hierarchy.e, shapes, starts, level)
    single = hierarchy.b.dtype.type
    rho = 0.0
    for step in range(DEGREE):
        a, c, rho = _chebyshev_step(step, rho)
        if step == 0 and from_zero:
            _start(
                hierarchy.dinv[first:last],
                hierarchy.b[first:last],
                single(c),
                hierarchy.d[first:last],
                hierarchy.u[first:last],
            )
            continue
        _chebyshev(faces, dinv, d, b, e, u, single(a), single(c))
        hierarchy.d[first:last] = hierarchy.e[first:last]
    if from_zero:
        _residual(faces, d, b)


@kernel
def cycle(hierarchy):
    """Set `u` of the finest grid to an approximation of ``A^-1 b``: one symmetric W-cycle."""
    shapes, starts = hierarchy.shapes, hierarchy.starts
    coarsest = shapes.shape[0] - 1
    visits = np.zeros(shapes.shape[0], np.int64)
    level = 0
    down = True
    while True:
        if down:
            if level == coarsest:
                first, last = starts[level], starts[level + 1]
                for i in range(first, last):
                    hierarchy.u[i] = hierarchy.dinv[i] * hierarchy.b[i]
                down = False
                continue
            _smooth(hierarchy, level, True)
            visits[level] = 0
            _restrict(
                _grid(hierarchy.b, shapes, starts, level),
                _grid(hierarchy.b, shapes, starts, level + 1),
            )
            level += 1
            continue
        if level == 0:
            return
        level -= 1
        _prolong(
            _grid(hierarchy.u, shapes, starts, level + 1),
            _grid(hierarchy.dinv, shapes, starts, level),
            _grid(hierarchy.d, shapes, starts, level),
            _grid(hierarchy.u, shapes, starts, level),
        )
        visits[level] += 1
        if visits[level] == 1 and 0 < level < coarsest - 1:
            faces = _faces(hierarchy.faces, shapes, starts, level)
            b = _grid(hierarchy.b, shapes, starts, level)
            _residual(faces, _grid(hierarchy.d, shapes, starts, level), b)
            _restrict(b, _grid(hierarchy.b, shapes, starts, level + 1))
            level += 1
            down = True
            continue
        _smooth(hierarchy, level, False)


@kernel
def solve(faces, hierarchy, n_grids, b, tolerance, most, u, r, p, q):
    """Solve ``A u = b`` by conjugate gradients in double precision around the cycle.

    Parameters
    ----------
    faces : Faces of padded (n_z, n_y, n_x) float64
        Conductances.
    hierarchy : Hierarchy
        The same in single precision, prepared.
    n_grids : int
        1 takes the diagonal alone in place of the cycle: for steps so short that cells hardly
        exchange anything.
    b : padded float64
        Right-hand side.
    tolerance : float
        Wanted residual / norm of `b`.
    most : int
        Bound on the number of iterations.
    u : padded float64
        Start; the solution on return.
    r, p, q : padded float64
        Work.

    Returns
    -------
    iterations : int
        Cycles taken.
    residual : float
        Residual / norm of `b`, from its definition.
    """
    finest = hierarchy.starts[1]
    flat_r, flat_p, flat_q = r.reshape(-1), p.reshape(-1), q.reshape(-1)
    flat_u, flat_b = u.reshape(-1), b.reshape(-1)
    size = np.sqrt(_dot(flat_b, flat_b))
    if size == 0.0:
        flat_u[:] = 0.0
        return 0, 0.0
    taken = 0
    residual = 1.0
    sink = faces.sink.reshape(-1)
    ways_out = sink.sum()
    for _ in range(_STARTS):  # round-off: the residual is taken anew before it is believed
        product(faces, u, r)
        for i in range(finest):
            flat_r[i] = flat_b[i] - flat_r[i]
        # The best constant, in double precision: where little leads out it is nearly all of u.
        shift = flat_r.sum() / ways_out if ways_out > 0.0 else 0.0
        for i in range(finest):
            if hierarchy.dinv[i] > 0.0:
                flat_u[i] += shift
                flat_r[i] -= sink[i] * shift
        residual = np.sqrt(_dot(flat_r, flat_r)) / size
        rho = 0.0
        first = True
        while residual > tolerance and taken < most:
            for i in range(finest):
                hierarchy.b[i] = flat_r[i]
            if n_grids == 1:
                for i in range(finest):
                    hierarchy.u[i] = hierarchy.dinv[i] * hierarchy.b[i]
            else:
                cycle(hierarchy)
            last = rho
            rho = _dot(flat_r, hierarchy.u[:finest])
            if not rho > 0.0:
                break
            beta = 0.0 if first else rho / last
            first = False
            for i in range(finest):
                flat_p[i] = hierarchy.u[i] + beta * flat_p[i]
            curvature = product(faces, p, q)
            if not curvature > 0.0:
                break
            alpha = rho / curvature
            for i in range(finest):
                flat_u[i] += alpha * flat_p[i]
                flat_r[i] -= alpha * flat_q[i]
            residual = np.sqrt(_dot(flat_r, flat_r)) / size
            taken += 1
        if taken >= most or first:
            break
    product(faces, u, q)
    for i in range(finest):
        flat_q[i] = flat_b[i] - flat_q[i]
    return taken, np.sqrt(_dot(flat_q, flat_q)) / size
