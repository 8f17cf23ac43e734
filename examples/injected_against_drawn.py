"""Does it matter where the cement really goes? Injected against drawn, the same volume of it.

The volume that the injection left in the bone is placed again as the idealised bipedicular shape;
both are loaded alike.
"""

import warnings

from vbsim import (
    Bone,
    CementFill,
    Compression,
    Injection,
    Potting,
    Specimen,
    Vertebra,
    VoxelGrid,
    Wedge,
    measures,
    solve,
)
from vbsim.checks import PhysicsWarning


def study(spacing_mm: float = 1.0, volume_ml: float = 4.0) -> dict[str, float]:
    """Return the stiffness of the broken, the injected and the drawn body, N/mm."""
    vertebra = Vertebra(level="L1", person="older_woman")
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    broken = Wedge(grade=2).apply(Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PhysicsWarning)  # leaks are not the question here
        injected = Injection(volume_ml=volume_ml).apply(broken)
    placed_ml = injected.cement_volume_ml
    drawn = CementFill(volume_ml=placed_ml, distribution="bipedicular").apply(broken)
    stiffness = {}
    for name, stage in {"broken": broken, "injected": injected, "drawn": drawn}.items():
        potted = Potting().apply(stage)
        stiffness[name] = measures.stiffness(potted, solve(potted, Compression())).value
    return stiffness


if __name__ == "__main__":
    for name, value in study().items():
        print(f"{name:10s}{value / 1000.0:6.2f} kN/mm")
