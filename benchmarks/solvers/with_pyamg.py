"""Solve a body with an assembled matrix and smoothed aggregation: SciPy or scikit-fem, and pyamg.

``python with_pyamg.py FOLDER [scikit-fem]`` reads ``FOLDER/body.npz`` and prints one JSON object.
Timed: assembly, hierarchy, iterations. Smoothed aggregation with the six rigid-body modes and a
Chebyshev smoother; of 12 settings of prolongation, strength and degree, the quickest at 0.1 M.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyamg
from scipy import sparse

_GAUSS = 1.0 / np.sqrt(3.0)
_CORNERS = np.array([(i % 2, i // 2 % 2, i // 4) for i in range(8)])  # x fastest, then y, then z


def main(folder: Path, assembly: str) -> None:
    body = dict(np.load(folder / "body.npz"))
    clock, wall = time.process_time(), time.perf_counter()
    cells, points = numbering(body["moduli_mpa"] > 0)
    moduli = body["moduli_mpa"][body["moduli_mpa"] > 0].astype(float)
    assemble = with_scikit_fem if assembly == "scikit-fem" else with_scipy
    stiffness = assemble(body, cells, points, moduli)
    u, free = held(body, points)
    b = -(stiffness @ u)[free]
    inner = stiffness[free][:, free].tobsr((3, 3)) if body["top_held"] else stiffness[free][:, free]
    modes = rigid_modes(points * float(body["spacing_mm"]))[free]
    hierarchy = pyamg.smoothed_aggregation_solver(
        inner,
        B=modes,
        smooth=("energy", {"maxiter": 2}),
        strength=("symmetric", {"theta": 0.05}),
        presmoother=("chebyshev", {"degree": 3, "iterations": 1}),
        postsmoother=("chebyshev", {"degree": 3, "iterations": 1}),
        improve_candidates=None,
    )
    setup = time.process_time() - clock
    residuals: list[float] = []
    u[free] = hierarchy.solve(
        b, tol=float(body["tolerance"]), accel="cg", maxiter=1000, residuals=residuals
    )
    took, wall_s = time.process_time() - clock, time.perf_counter() - wall
    top = np.flatnonzero(points[:, 2] == points[:, 2].max())
    force = stiffness[3 * top + 2] @ u
    answer = {
        "name": f"{assembly} assembly, pyamg {version('pyamg')} smoothed aggregation",
        "iterations": len(residuals) - 1,
        "relative_residual": float(np.linalg.norm(b - inner @ u[free]) / np.linalg.norm(b)),
        "reaction_n": float(force.sum() * np.sign(body["displacement_mm"])),
        "cpu_s": took,
        "wall_s": wall_s,
        "setup_cpu_s": setup,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(answer))


def numbering(solid):
    """Return the eight points of every cell and the place of every point in cells, (x, y, z)."""
    _, n_y, n_x = solid.shape
    z, y, x = np.nonzero(solid)
    first = (z * (n_y + 1) + y) * (n_x + 1) + x
    steps = _CORNERS @ np.array([1, n_x + 1, (n_y + 1) * (n_x + 1)])
    used, cells = np.unique(first[:, None] + steps, return_inverse=True)
    k, rest = np.divmod(used, (n_y + 1) * (n_x + 1))
    j, i = np.divmod(rest, n_x + 1)
    return cells.reshape(-1, 8).astype(np.int32), np.column_stack([i, j, k])


def with_scipy(body, cells, points, moduli):
    """Return the stiffness, assembled at once from one cell of unit modulus."""
    unit = unit_cell(float(body["poisson"]), float(body["spacing_mm"]))
    dof = (3 * cells[:, :, None] + np.arange(3, dtype=np.int32)).reshape(-1, 24)
    rows, columns = np.repeat(dof, 24, axis=1).ravel(), np.tile(dof, 24).ravel()
    values = (moduli[:, None] * unit.ravel()).ravel()
    n_dof = 3 * len(points)
    return sparse.coo_array((values, (rows, columns)), shape=(n_dof, n_dof)).tocsr()


def unit_cell(poisson, h):
    """Return the stiffness of a cubic trilinear cell of unit modulus, components innermost."""
    lam = poisson / ((1.0 + poisson) * (1.0 - 2.0 * poisson))
    mu = 0.5 / (1.0 + poisson)
    law = np.diag([2.0 * mu] * 3 + [mu] * 3)
    law[:3, :3] += lam
    unit = np.zeros((24, 24))
    signs = 2.0 * _CORNERS - 1.0
    for at in signs * _GAUSS:
        shape = 0.5 * (1.0 + signs * at)
        slope = [np.prod(np.delete(shape, k, axis=1), axis=1) * signs[:, k] / h for k in range(3)]
        strain = np.zeros((6, 8, 3))
        for k in range(3):
            strain[k, :, k] = slope[k]
        for row, (i, j) in enumerate(((1, 2), (0, 2), (0, 1)), start=3):
            strain[row, :, i], strain[row, :, j] = slope[j], slope[i]
        strain = strain.reshape(6, 24)
        unit += strain.T @ law @ strain * (0.5 * h) ** 3
    return unit


def with_scikit_fem(body, cells, points, moduli):
    """Return the stiffness, assembled by scikit-fem on the same cells."""
    import skfem
    from skfem.models.elasticity import lame_parameters, linear_elasticity

    # its own order of corners, found by place so that no version's table is repeated here
    own = skfem.MeshHex().p.T
    order = [int(np.flatnonzero((corner == _CORNERS).all(axis=1))[0]) for corner in own]
    place = np.ascontiguousarray(points.T * float(body["spacing_mm"]))
    mesh = skfem.MeshHex(place, np.ascontiguousarray(cells[:, order].T))
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementHex1()), intorder=2)
    first, second = lame_parameters(1.0, float(body["poisson"]))
    law = linear_elasticity(first, second)

    @skfem.BilinearForm
    def weighted(u, v, w):
        return w["modulus"] * law.form(u, v, w)

    by_cell = basis.with_element(skfem.ElementHex0()).interpolate(moduli)
    stiffness = weighted.assemble(basis, modulus=by_cell).tocsr()
    own = basis.nodal_dofs.T.ravel()
    return stiffness[own][:, own]


def held(body, points):
    """Return the displacement with its prescribed values, 0 elsewhere, and the free components."""
    top = points[:, 2] == points[:, 2].max()
    bottom = points[:, 2] == 0
    u = np.zeros((len(points), 3))
    u[top, 2] = float(body["displacement_mm"])
    is_free = np.ones((len(points), 3), bool)
    is_free[bottom] = False
    is_free[top, 2] = False
    if body["top_held"]:
        is_free[top] = False
    return u.ravel(), np.flatnonzero(is_free.ravel())


def rigid_modes(place):
    """Return the three translations and three rotations of points, (3 N, 6)."""
    x, y, z = (place - place.mean(axis=0)).T
    modes = np.zeros((len(place), 3, 6))
    modes[:, range(3), range(3)] = 1.0
    modes[:, 0, 3], modes[:, 1, 3] = -y, x
    modes[:, 1, 4], modes[:, 2, 4] = -z, y
    modes[:, 0, 5], modes[:, 2, 5] = z, -x
    return modes.reshape(-1, 6)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "SciPy")
