"""A phantom as a starting point: images whose content is known, and a case that reads them."""

from __future__ import annotations

from pathlib import Path

from vbsim.anatomy import Phantom, Vertebra, write_phantom
from vbsim.anatomy.phantom import ARCH_LABEL, BODY_LABEL
from vbsim.checks import InvalidInput
from vbsim.materials import Bone
from vbsim.study.toml import to_toml

__all__ = ["phantom_case"]


def phantom_case(vertebra: Vertebra, bone: Bone, scan: Phantom, folder: str | Path) -> Path:
    """Write density, labels and ``case.toml`` into a folder and return the case's path.

    Parameters
    ----------
    vertebra : Vertebra
        What is scanned.
    bone : Bone
        Its density: mean, trends and random field.
    scan : Phantom
        How it is scanned.
    folder : path
        Made if missing; a folder that holds a case already is refused.
    """
    case = Path(folder) / "case.toml"
    if case.exists():
        raise InvalidInput(f"{case} exists and is left as it is; name another folder")
    density = bone.density(vertebra.anatomy, scan.grid(vertebra), None)
    try:
        files = write_phantom(vertebra, folder, phantom=scan, vbmd_mg_cm3=density)
        case.write_text(_case(vertebra, files.density.name, files.labels.name), encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot write {folder}: {error.strerror}") from None
    return case


def _case(vertebra: Vertebra, density: str, labels: str) -> str:
    return to_toml(
        {
            "schema": 1,
            "name": f"{vertebra.level} phantom, wedge, bipedicular PMMA",
            "vertebra": {
                "level": vertebra.level,
                "image": density,
                "labels": labels,
                "body_labels": [BODY_LABEL],
                "arch_labels": [ARCH_LABEL],
            },
            "mesh": {"kind": "voxels", "spacing_mm": 1.0},
            "steps": [
                {"kind": "wedge", "grade": 2},
                {"kind": "cement", "volume_ml": 5.0, "distribution": "bipedicular"},
            ],
            "tests": [{"kind": "compression"}],
        }
    )
