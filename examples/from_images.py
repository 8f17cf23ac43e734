"""A vertebra from images: density and labels in any orientation, as a scanner leaves them.

So that it runs anywhere, the images are of a phantom: an L2, tilted on the table, with noise. For
your own images write the same case with your files, their level and the numbers of your labels.
"""

import tempfile
from pathlib import Path

from vbsim.anatomy import Phantom, Vertebra, write_phantom
from vbsim.study import Case, StudyResult, run_case


def study(folder: Path, spacing_mm: float = 1.0) -> StudyResult:
    """Write the images, run the case, return its result."""
    scan = Phantom(orientation="RAI", tilt_deg=(6.0, -4.0, 10.0), noise_sd_mg_cm3=20.0, blur_mm=1.0)
    images = write_phantom(Vertebra(level="L2"), folder / "images", phantom=scan)
    case = Case(
        name="L2 from images",
        vertebra={
            "level": "L2",
            "image": images.density,
            "labels": images.labels,
            # For labels that number vertebrae instead: scheme = "verse" or "totalsegmentator".
            "body_labels": [1],
            "arch_labels": [2],
        },
        mesh={"spacing_mm": spacing_mm},
        steps=[
            {"kind": "wedge", "grade": 2},
            {"kind": "cement", "volume_ml": 5.0, "distribution": "bipedicular"},
        ],
    )
    return run_case(case, folder / "results")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        result = study(Path(place))
        for stage in ("intact", "fractured", "augmented"):
            stiffness = result.value(stage, "stiffness") / 1000.0
            print(f"{stage:10} {stiffness:6.2f} kN/mm")
