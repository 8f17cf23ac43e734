"""Solve a body with vbsim on one thread: ``python with_vbsim.py FOLDER`` prints its record."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from vbsim.fem import Settings
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.benchmark import measure
from vbsim.study.microfe import AxialTest, ModulusImage


def main(folder: Path) -> None:
    with np.load(folder / "body.npz") as body:
        numbers = {name: body[name].item() for name in body.files if name != "moduli_mpa"}
    test = AxialTest(
        bottom="clamped",
        top="clamped" if numbers["top_held"] else "sliding",
        displacement_mm=numbers["displacement_mm"],
        poisson=numbers["poisson"],
    )

    def make() -> ModulusImage:
        with np.load(folder / "body.npz") as body:
            moduli = body["moduli_mpa"]
        return ModulusImage(moduli, VoxelGrid(moduli.shape, (numbers["spacing_mm"],) * 3))

    settings = Settings(tolerance=numbers["tolerance"], max_iterations=2000, threads=1)
    record = measure(str(numbers["structure"]), make, test=test, settings=settings)
    print(json.dumps(record.to_dict()))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
