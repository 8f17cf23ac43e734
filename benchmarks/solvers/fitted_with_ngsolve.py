"""Assemble and solve a hexahedral mesh with NGSolve: ``FOLDER assembly|solve`` prints a record.

First-order vector elements with all three components at a point. The iteration is conjugate
gradients with the inverse of the diagonal 3 x 3 blocks, stopped at the same residual as vbsim.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import ngsolve as ng
import numpy as np
from netgen.meshing import FaceDescriptor
from netgen.meshing import Mesh as NetgenMesh

POISSON = 0.3


def main(folder: Path, task: str) -> None:
    ng.SetNumThreads(1)
    with np.load(folder / "mesh.npz") as stored:
        data = {name: stored[name] for name in stored.files}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = {"name": f"NGSolve {ng.__version__}", "task": task}
    work = _assembly if task == "assembly" else _solve
    work(data)  # the second run counts: memory has then been given to the process
    answer |= work(data)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({**answer, "peak_bytes": peak * 1024, "grown_bytes": (peak - before) * 1024}))


def _form(data):
    """Return the bilinear form, not assembled, and the moduli it reads."""
    made = NetgenMesh(dim=3)
    made.AddPoints(data["points"])
    made.Add(FaceDescriptor(surfnr=1, domin=1, bc=1))
    made.AddElements(dim=3, index=1, data=data["cells"], base=0)
    mesh = ng.Mesh(made)
    space = ng.H1(mesh, order=1, dim=3)
    moduli = ng.GridFunction(ng.L2(mesh, order=0))
    moduli.vec.FV().NumPy()[:] = data["moduli_mpa"]
    u, v = space.TnT()
    strain, test = ng.Sym(ng.Grad(u)), ng.Sym(ng.Grad(v))
    lam = POISSON / ((1 + POISSON) * (1 - 2 * POISSON))
    form = ng.BilinearForm(space, symmetric=False)
    density = ng.InnerProduct(strain, test) / (1 + POISSON) + lam * ng.Trace(strain) * ng.Trace(
        test
    )
    form += moduli * density * ng.dx(bonus_intorder=0)
    return form, moduli


def _assembly(data) -> dict:
    clock = time.process_time()
    form, moduli = _form(data)
    form.Assemble()
    took = time.process_time() - clock
    x, y = form.mat.CreateColVector(), form.mat.CreateColVector()
    x.FV().NumPy()[:] = data["probe"].ravel()
    y.data = form.mat * x
    energy = float(ng.InnerProduct(x, y))
    clock = time.process_time()
    moduli.vec.data = 2.0 * moduli.vec
    form.Assemble()
    return {"cpu_s": took, "again_cpu_s": time.process_time() - clock, "check": energy}


def _solve(data) -> dict:
    clock = time.process_time()
    form, _ = _form(data)
    form.Assemble()
    matrix, n = form.mat, len(data["points"])
    held = np.concatenate([data["lower"], data["upper"]])
    inside = np.ones(n, bool)
    inside[held] = False
    jacobi = matrix.CreateBlockSmoother([[k] for k in np.flatnonzero(inside).tolist()])
    setup = time.process_time() - clock
    u, r, z, p, q = (matrix.CreateColVector() for _ in range(5))
    place, z_mm = u.FV().NumPy().reshape(-1, 3), data["points"][:, 2]
    mask = inside.astype(float)
    place[:] = 0.0
    place[data["upper"], 2] = -1.0
    r.data = matrix * u
    force = r.FV().NumPy().reshape(-1, 3)
    size = float(np.linalg.norm(force * mask[:, None]))
    low, high = z_mm[data["lower"]].mean(), z_mm[data["upper"]].mean()
    ramp = -np.clip((z_mm - low) / (high - low), 0.0, 1.0)
    place[inside, 2] = ramp[inside]
    r.data = -1.0 * matrix * u
    force = r.FV().NumPy().reshape(-1, 3)
    force *= mask[:, None]
    through = q.FV().NumPy().reshape(-1, 3)
    done, rho, residual = 0, 1.0, np.inf
    while residual > float(data["tolerance"]) and done < 4000:
        z.data = jacobi * r
        before, rho = rho, ng.InnerProduct(r, z)
        if done == 0:
            p.data = z
        else:
            p *= rho / before
            p += z
        q.data = matrix * p
        through *= mask[:, None]
        step = rho / ng.InnerProduct(p, q)
        u += step * p
        r -= step * q
        residual = ng.Norm(r) / size
        done += 1
    took = time.process_time() - clock
    q.data = matrix * u
    reaction = abs(float(through[data["upper"], 2].sum()))
    return {
        "cpu_s": took,
        "setup_cpu_s": setup,
        "iterations": done,
        "relative_residual": residual,
        "check": reaction,
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
