"""A cohort as an axis: every scan of a folder with every volume of cement, in one table.

Made-up scans stand in for patients; a folder of real ones with their label maps is treated the same
way. Each vertebra is read, fractured and solved once for all its fillings. `vbsim sweep` does the
same with the file that this script writes.
"""

import sys
from pathlib import Path

from vbsim.anatomy import Phantom, Vertebra
from vbsim.materials import Bone
from vbsim.study.phantoms import phantom_case
from vbsim.study.sweep import Table, load_plan, run_sweep

DENSITIES_MG_CM3 = {"ann": 70.0, "ben": 95.0, "eve": 120.0}

SWEEP = """
schema = 1
name = "cohort"

[vertebra]                       # image and labels come from the cohort
level = "L1"
body_labels = [1]
arch_labels = [2]

[mesh]
spacing_mm = {spacing_mm}

[[steps]]
kind = "wedge"
grade = 2

[[steps]]
kind = "cement"
volume_ml = 4.0
distribution = "bipedicular"

[sweep.cohort]
images = "*/density.nii.gz"
labels = "*/labels.nii.gz"

[sweep.grid]
"steps[1].volume_ml" = [2.0, 4.0, 6.0]
"""


def study(folder: Path, spacing_mm: float = 1.0) -> Table:
    """Write scans and sweep file, run it, return what the augmented stages gave."""
    for name, density in DENSITIES_MG_CM3.items():
        bone = Bone(vbmd_mg_cm3=density)
        phantom_case(Vertebra(level="L1"), bone, Phantom(spacing_mm=spacing_mm), folder / name)
    file = folder / "cohort.toml"
    file.write_text(SWEEP.format(spacing_mm=spacing_mm), encoding="utf-8")
    table = run_sweep(load_plan(file), folder / "results").table()
    return table.where("stage == 'augmented'").only(["subject", "volume_ml", "stiffness_vs_intact"])


if __name__ == "__main__":
    print(study(Path(sys.argv[1] if len(sys.argv) > 1 else "cohort")).to_csv())
