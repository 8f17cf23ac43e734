r"""Inelastic part of a voxel body: one evaluation of its laws per cell, at the centre.

The mean gradient of a trilinear cell is a sum over its corners, ``H[c, k] = sum_a s_k(a) u_c(a) /
(4 h_c h_k)`` for a covariant displacement u (see `voxel`) and edges h. The laws' stress P does work
against it alone, so a cell's forces are the transposed sums of ``V P[c, k] / (4 h_c h_k)``. What
resists the bending modes is left to `voxel`, with the modulus that the caller gives.

Only *active* cells appear here: those whose stress is more than linear elasticity. Their runs are
parts of the body's runs; ``first`` counts active cells.
"""

from __future__ import annotations

import numpy as np

from vbsim.kernels import constituents, inlined, kernel, pressing
from vbsim.kernels.constituents import N_PACKED

__all__ = ["cavity", "evaluate", "multiply", "orthotropic"]


@kernel
def _gradient(u, a, b, c, d, scale, G):
    """Set G to the mean displacement gradient of a cell whose lines begin at a, b, c, d."""
    for k in range(3):
        line = u[k]
        a0, a1, b0, b1 = line[a], line[a + 1], line[b], line[b + 1]
        c0, c1, d0, d1 = line[c], line[c + 1], line[d], line[d + 1]
        near, far = (a1 - a0) + (c1 - c0), (b1 - b0) + (d1 - d0)
        G[3 * k] = (near + far) * scale[3 * k]
        low, top = (b0 + b1) - (a0 + a1), (d0 + d1) - (c0 + c1)
        G[3 * k + 1] = (low + top) * scale[3 * k + 1]
        below, above = (a0 + a1) + (b0 + b1), (c0 + c1) + (d0 + d1)
        G[3 * k + 2] = (above - below) * scale[3 * k + 2]


@kernel
def _add(P, a, b, c, d, scale, volume, low, top, out):
    """Add the forces of a gradient stress to the lower (if `low`) and upper points of a cell."""
    for k in range(3):
        line = out[k]
        x = P[3 * k] * scale[3 * k] * volume
        y = P[3 * k + 1] * scale[3 * k + 1] * volume
        z = P[3 * k + 2] * scale[3 * k + 2] * volume
        if low:
            line[a] += -x - y - z
            line[a + 1] += x - y - z
            line[b] += -x + y - z
            line[b + 1] += x + y - z
        if top:
            line[c] += -x - y + z
            line[c + 1] += x - y + z
            line[d] += -x + y + z
            line[d + 1] += x + y + z


@kernel
def evaluate(
    u,
    cells,
    start,
    stop,
    scale,
    volume,
    active,
    resisting,
    old,
    new,
    dt,
    pressure,
    out,
    tangent,
    trace,
    rest,
    secant,
):
    """Add ``B^T (P - R H)`` of the active cells to point planes ``start <= z < stop``.

    Parameters
    ----------
    u : (3, N) float64
        Covariant displacement.
    cells : Cells
        Runs of active cells.
    start, stop : int
        Planes of points.
    scale : (9,) float64
        ``1 / (4 h_c h_k)``.
    volume : float
        Of a cell.
    active : Active
        Constituents.
    resisting : (n_active, 9) float64
        Orthotropic stiffness R against the mean strain that `voxel` has already counted.
    old, new : (n, n_state) float64
        State before and after.
    dt : float
        Time of the step, s.
    pressure : float
        Pressure in the cavity, MPa.
    out : (3, N) float64
        Forces, added to.
    tangent : (n_active, 45) float32
        Receives the symmetric part of ``dP/dF - R``.
    trace : (n_active,) float32
        Receives the sum of the six diagonal terms of the tangent against the strain.
    rest : (n_active, 9) float64
        Orthotropic stiffness of the cells at rest.
    secant : (n_active,) float32
        Receives the norm of the laws' stress over that of Green's strain times `rest`.

    Returns
    -------
    int
        Cells in which a law found the step too large.
    """
    F, P, G = np.empty(9), np.empty(9), np.empty(9)
    A, cof, room = np.empty((9, 9)), np.empty(9), constituents.scratch()
    refused = 0
    n_z = cells.plane.shape[0] - 1
    for z in range(max(start - 1, 0), min(stop, n_z)):
        low, top = z >= start, z + 1 < stop
        for run in range(cells.plane[z], cells.plane[z + 1]):
            lines = cells.lines[run]
            for i in range(cells.length[run]):
                at = cells.first[run] + i
                a, b, c, d = lines[0] + i, lines[1] + i, lines[2] + i, lines[3] + i
                _gradient(u, a, b, c, d, scale, G)
                F[:] = G
                F[0] += 1.0
                F[4] += 1.0
                F[8] += 1.0
                refused += constituents.answer(F, active, at, old, new, dt, P, A, room)
                trace[at] = constituents.trace(A)
                secant[at] = constituents.secant(F, P, rest[at])
                if active.share[at] != 0.0 and pressure != 0.0:
                    pressing.press(F, pressure * active.share[at], P, A, cof)
                _resist(G, resisting[at], P, A)
                constituents.pack(A, tangent[at])
                _add(P, a, b, c, d, scale, volume, low, top, out)
    return refused


@kernel
def _resist(G, r, P, A):
    """Take off an orthotropic stiffness against the small strain of a gradient."""
    xx, yy, zz = G[0], G[4], G[8]
    yz, xz, xy = r[6] * (G[5] + G[7]), r[7] * (G[2] + G[6]), r[8] * (G[1] + G[3])
    P[0] -= r[0] * xx + r[3] * yy + r[4] * zz
    P[4] -= r[3] * xx + r[1] * yy + r[5] * zz
    P[8] -= r[4] * xx + r[5] * yy + r[2] * zz
    P[5] -= yz
    P[7] -= yz
    P[2] -= xz
    P[6] -= xz
    P[1] -= xy
    P[3] -= xy
    A[0, 0] -= r[0]
    A[4, 4] -= r[1]
    A[8, 8] -= r[2]
    A[0, 4] -= r[3]
    A[4, 0] -= r[3]
    A[0, 8] -= r[4]
    A[8, 0] -= r[4]
    A[4, 8] -= r[5]
    A[8, 4] -= r[5]
    for k, m, c in ((5, 7, 6), (2, 6, 7), (1, 3, 8)):
        A[k, k] -= r[c]
        A[m, m] -= r[c]
        A[k, m] -= r[c]
        A[m, k] -= r[c]


# Cells that `multiply` works on at once: their tangents and gradients stay in the first cache, and
# lines of so many numbers do not fall into the same few places of it.
_WIDTH = 72
_GRADIENT, _STRESS = N_PACKED * _WIDTH, (N_PACKED + 9) * _WIDTH
_WORK = (N_PACKED + 18) * _WIDTH


@kernel
def multiply(u, cells, start, stop, scale, volume, tangent, out):
    """Add ``B^T D B u`` of the active cells to point planes ``start <= z < stop``.

    `tangent` is (n_active, 45), as `evaluate` leaves it; see there for the rest. Runs are packed
    one behind the other into line buffers, so that every loop is one over neighbouring numbers.
    """
    work = np.empty(_WORK)
    n_z = cells.plane.shape[0] - 1
    for z in range(max(start - 1, 0), min(stop, n_z)):
        low, top = z >= start, z + 1 < stop
        run, done, last = cells.plane[z], 0, cells.plane[z + 1]
        while run < last:
            first_run, first_done, n = run, done, 0
            while run < last and n < _WIDTH:
                taken = min(cells.length[run] - done, _WIDTH - n)
                _take(u, cells, run, done, taken, scale, tangent, n, work)
                n, done = n + taken, done + taken
                if done == cells.length[run]:
                    run, done = run + 1, 0
            _times(work, volume, scale, n)
            at, run, done = 0, first_run, first_done
            while at < n:
                given = min(cells.length[run] - done, n - at)
                _give(work, at, given, cells.lines[run], done, low, top, out)
                at, done = at + given, done + given
                if done == cells.length[run]:
                    run, done = run + 1, 0


@kernel
def _take(u, cells, run, done, taken, scale, tangent, n, work):
    """Pack tangents and displacement gradients of some cells of a run, from place n on."""
    first = cells.first[run] + done
    for i in range(taken):
        source = tangent[first + i]
        for k in range(N_PACKED):
            work[k * _WIDTH + n + i] = source[k]
    lines = cells.lines[run]
    for k in range(3):
        a, b = u[k, lines[0] + done :], u[k, lines[1] + done :]
        c, d = u[k, lines[2] + done :], u[k, lines[3] + done :]
        s_x, s_y, s_z = scale[3 * k], scale[3 * k + 1], scale[3 * k + 2]
        place = _GRADIENT + 3 * k * _WIDTH + n
        for i in range(taken):
            near, far = (a[i + 1] - a[i]) + (c[i + 1] - c[i]), (b[i + 1] - b[i]) + (d[i + 1] - d[i])
            work[place + i] = (near + far) * s_x
        for i in range(taken):
            low, top = (b[i] + b[i + 1]) - (a[i] + a[i + 1]), (d[i] + d[i + 1]) - (c[i] + c[i + 1])
            work[place + _WIDTH + i] = (low + top) * s_y
        for i in range(taken):
            under, over = (
                (a[i] + a[i + 1]) + (b[i] + b[i + 1]),
                (c[i] + c[i + 1]) + (d[i] + d[i + 1]),
            )
            work[place + 2 * _WIDTH + i] = (over - under) * s_z


@inlined
def _line(work, row, factor, n, t0, t1, t2, t3, t4, t5, t6, t7, t8):
    """Set one row of the stress of packed cells: that of the tangent times the gradient."""
    g, f = _GRADIENT, _STRESS + row * _WIDTH
    for i in range(n):
        work[f + i] = factor * (
            work[t0 * _WIDTH + i] * work[g + i]
            + work[t1 * _WIDTH + i] * work[g + _WIDTH + i]
            + work[t2 * _WIDTH + i] * work[g + 2 * _WIDTH + i]
            + work[t3 * _WIDTH + i] * work[g + 3 * _WIDTH + i]
            + work[t4 * _WIDTH + i] * work[g + 4 * _WIDTH + i]
            + work[t5 * _WIDTH + i] * work[g + 5 * _WIDTH + i]
            + work[t6 * _WIDTH + i] * work[g + 6 * _WIDTH + i]
            + work[t7 * _WIDTH + i] * work[g + 7 * _WIDTH + i]
            + work[t8 * _WIDTH + i] * work[g + 8 * _WIDTH + i]
        )


@kernel
def _times(work, volume, scale, n):
    """Set the stress of packed cells, times what turns it into forces."""
    _line(work, 0, volume * scale[0], n, 0, 1, 2, 3, 4, 5, 6, 7, 8)
    _line(work, 1, volume * scale[1], n, 1, 9, 10, 11, 12, 13, 14, 15, 16)
    _line(work, 2, volume * scale[2], n, 2, 10, 17, 18, 19, 20, 21, 22, 23)
    _line(work, 3, volume * scale[3], n, 3, 11, 18, 24, 25, 26, 27, 28, 29)
    _line(work, 4, volume * scale[4], n, 4, 12, 19, 25, 30, 31, 32, 33, 34)
    _line(work, 5, volume * scale[5], n, 5, 13, 20, 26, 31, 35, 36, 37, 38)
    _line(work, 6, volume * scale[6], n, 6, 14, 21, 27, 32, 36, 39, 40, 41)
    _line(work, 7, volume * scale[7], n, 7, 15, 22, 28, 33, 37, 40, 42, 43)
    _line(work, 8, volume * scale[8], n, 8, 16, 23, 29, 34, 38, 41, 43, 44)


@kernel
def _give(work, at, given, lines, done, low, top, out):
    """Add the forces of packed cells to the four lines of points of their run."""
    for k in range(3):
        place = _STRESS + 3 * k * _WIDTH + at
        x, y = work[place : place + given], work[place + _WIDTH : place + _WIDTH + given]
        z = work[place + 2 * _WIDTH : place + 2 * _WIDTH + given]
        for corner in range(4):
            upper = corner >= 2
            if (upper and not top) or (not upper and not low):
                continue
            s_y, s_z = 1.0 if corner % 2 else -1.0, 1.0 if upper else -1.0
            begin = lines[corner] + done
            near, far = out[k, begin : begin + given], out[k, begin + 1 : begin + 1 + given]
            for i in range(given):
                near[i] += s_y * y[i] + s_z * z[i] - x[i]
            for i in range(given):
                far[i] += s_y * y[i] + s_z * z[i] + x[i]


@kernel
def orthotropic(u, cells, start, stop, scale, volume, constants, out):
    """Take ``B^T R B u`` of an orthotropic R, (n_active, 9), off point planes; see `evaluate`."""
    G, P, A = np.empty(9), np.empty(9), np.empty((9, 9))
    n_z = cells.plane.shape[0] - 1
    for z in range(max(start - 1, 0), min(stop, n_z)):
        low, top = z >= start, z + 1 < stop
        for run in range(cells.plane[z], cells.plane[z + 1]):
            lines = cells.lines[run]
            for i in range(cells.length[run]):
                a, b, c, d = lines[0] + i, lines[1] + i, lines[2] + i, lines[3] + i
                _gradient(u, a, b, c, d, scale, G)
                P[:] = 0.0
                _resist(G, constants[cells.first[run] + i], P, A)
                _add(P, a, b, c, d, scale, volume, low, top, out)


@kernel
def cavity(u, cells, scale, volume, share, out):
    """Return the volume of the cavity, and add its gradient to `out`.

    The volume of a cell is ``det F`` at its centre times its volume at rest; a cell counts with its
    `share`, (n_active,).
    """
    F, cof = np.empty(9), np.empty(9)
    total = 0.0
    for z in range(cells.plane.shape[0] - 1):
        for run in range(cells.plane[z], cells.plane[z + 1]):
            lines = cells.lines[run]
            for i in range(cells.length[run]):
                part = share[cells.first[run] + i]
                if part == 0.0:
                    continue
                a, b, c, d = lines[0] + i, lines[1] + i, lines[2] + i, lines[3] + i
                _gradient(u, a, b, c, d, scale, F)
                F[0] += 1.0
                F[4] += 1.0
                F[8] += 1.0
                total += part * volume * pressing.cofactor(F, cof)
                _add(cof, a, b, c, d, scale, part * volume, True, True, out)
    return total
