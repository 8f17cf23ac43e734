"""The risk of a leak, with its interval: one broken L1, many seeds, two cements.

Only the injection is computed, no stiffness: a second or two each. Which compartments are reached
is told beside it.
"""

import sys
import warnings

from vbsim import Bone, Injection, Specimen, Vertebra, VoxelGrid, Wedge
from vbsim.checks import PhysicsWarning
from vbsim.measures import share_with_interval

SEEDS = 40


def risk(viscosity: str, seeds: int = SEEDS, spacing_mm: float = 2.0) -> tuple[float, float, float]:
    """Return the share of seeds that leak and its interval of 95 %."""
    vertebra = Vertebra(level="L1", person="older_woman")
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm)
    broken = Wedge(grade=2).apply(Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0)))
    leaks = 0
    for seed in range(seeds):
        step = Injection(volume_ml=5.0, viscosity=viscosity, start_min=5.0, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PhysicsWarning)  # every leak warns
            report = {q.name: q.value for q in step.apply(broken).report}
        leaks += int(report["has_leaked"])
    return share_with_interval(leaks, seeds)


if __name__ == "__main__":
    n = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    for name in ("low_viscosity", "high_viscosity"):
        share, low, high = (100.0 * part for part in risk(name, n))
        print(f"{name:15s} {share:3.0f} % of {n} leak (95 %: {low:.0f} to {high:.0f})")
