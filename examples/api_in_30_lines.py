"""The Python interface: build, fracture, fill, load every stage alike, compare."""

import vbsim as vb
from vbsim import measures
from vbsim.augmentation import Bipedicular


def study(spacing_mm: float = 1.0) -> dict[str, float]:
    """Return the stiffness of each stage, kN/mm."""
    # A vertebra knows its shape; a grid along its axes and a density make it a specimen.
    vertebra = vb.Vertebra(level="T12")
    grid = vb.VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    intact = vb.Specimen.from_bone(vertebra, grid, vb.Bone(vbmd_mg_cm3=65))

    # Every step takes a specimen and returns a new one.
    fractured = vb.Wedge(grade=2).apply(intact)
    augmented = vb.CementFill(volume_ml=5.0, distribution=Bipedicular()).apply(fractured)

    stiffness = {}
    for stage in (intact, fractured, augmented):
        potted = vb.Potting().apply(stage)
        response = vb.solve(potted, vb.Compression())
        stiffness[stage.name] = measures.stiffness(potted, response).value / 1000.0
    return stiffness


if __name__ == "__main__":
    for name, value in study().items():
        print(f"{name:10} {value:6.2f} kN/mm")
