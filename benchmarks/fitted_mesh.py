"""Write the mesh that `fitted.py` measures on: an L1 with cement, hexahedra of a wanted size.

``python fitted_mesh.py FOLDER MILLIONS`` writes ``FOLDER/mesh.npz``: points, cells, a modulus for
every cell, the points of both platens, a vector to multiply with, and how the mesh is swept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import vbsim as vb
from vbsim.specimen import Potting
from vbsim.specimen.fitters import HexaFitter

# Edge of the cells of a mesh of 1 million degrees of freedom, mm; others follow from the volume.
SIZE_MM = 0.53
TOLERANCE = 1e-8
SEED = 0


def main(folder: Path, millions: float) -> None:
    vertebra = vb.Vertebra(level="L1")
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=1.0, margin_mm=14.0)
    intact = vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=65))
    fitter = HexaFitter.of(
        vertebra.anatomy.frame,
        size_mm=SIZE_MM / millions ** (1.0 / 3.0),
        shell_mm=vertebra.shell_thickness_mm,
        endplate_mm=vertebra.endplate_thickness_mm,
        potting=Potting(),
        element="hex8",
    )
    fractured = vb.Wedge(grade=2).apply(intact)
    augmented = vb.CementFill(volume_ml=4.0, distribution="bipedicular").apply(fractured)
    body = fitter.fit(augmented)
    mesh, plan = body.domain, body.sweep.plan
    np.savez(
        folder / "mesh.npz",
        points=mesh.points,
        cells=mesh.cells,
        moduli_mpa=body.youngs_modulus_mpa,
        lower=body.ends.lower,
        upper=body.ends.upper,
        probe=np.random.default_rng(SEED).normal(size=mesh.points.shape),
        tolerance=TOLERANCE,
        side=plan.side,
        radii=plan.radii,
        planes=body.sweep.points,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
