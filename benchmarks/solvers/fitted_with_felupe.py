"""Assemble a hexahedral mesh with FElupe or scikit-fem: ``FOLDER felupe|scikit-fem``."""

from __future__ import annotations

import json
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

POISSON = 0.3


def main(folder: Path, package: str) -> None:
    with np.load(folder / "mesh.npz") as stored:
        data = {name: stored[name] for name in stored.files}
    assemble = with_felupe if package == "felupe" else with_scikit_fem
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assemble(data)  # the second run counts: memory has then been given to the process
    clock = time.process_time()
    matrix, again = assemble(data)
    took = time.process_time() - clock
    x = data["probe"].ravel()
    energy = float(x @ (matrix @ x))
    clock = time.process_time()
    again()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    answer = {
        "name": f"{'FElupe' if package == 'felupe' else package} {version(package)}",
        "task": "assembly",
        "cpu_s": took,
        "again_cpu_s": time.process_time() - clock,
        "check": energy,
        "peak_bytes": peak * 1024,
        "grown_bytes": (peak - before) * 1024,
    }
    print(json.dumps(answer))


def with_felupe(data):
    """Return the stiffness, and what assembles it again."""
    import felupe

    mesh = felupe.Mesh(data["points"], data["cells"], "hexahedron")
    region = felupe.RegionHexahedron(mesh)
    field = felupe.FieldContainer([felupe.Field(region, dim=3)])
    unit = felupe.LinearElastic(E=1.0, nu=POISSON).hessian([np.zeros((3, 3, 1, 1))])[0]

    def again():
        elasticity = unit * data["moduli_mpa"]
        return felupe.IntegralForm([elasticity], field, region.dV, field).assemble()

    return again().tocsr(), again


def with_scikit_fem(data):
    """Return the stiffness, and what assembles it again."""
    import skfem
    from skfem.helpers import ddot, eye, sym_grad, trace

    # Its node order: corners by the number of axes at the far side.
    order = [0, 4, 3, 1, 7, 5, 2, 6]
    mesh = skfem.MeshHex(data["points"].T.copy(), data["cells"][:, order].T.copy().astype(np.int64))
    basis = skfem.Basis(mesh, skfem.ElementVector(skfem.ElementHex1()), intorder=3)
    moduli = basis.with_element(skfem.ElementHex0()).interpolate(data["moduli_mpa"])
    lam = POISSON / ((1 + POISSON) * (1 - 2 * POISSON))

    @skfem.BilinearForm
    def stiffness(u, v, w):
        strain = sym_grad(u)
        stress = strain / (1 + POISSON) + lam * eye(trace(strain), 3)
        return w.moduli * ddot(stress, sym_grad(v))

    def again():
        return stiffness.assemble(basis, moduli=moduli)

    return again(), again


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
