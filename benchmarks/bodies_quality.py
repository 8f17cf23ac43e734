"""Quality of every hexahedral mesh: all levels, intact and every shape and grade of fracture.

Prints the least scaled Jacobian and how far the volume is from that of the solid (intact: of the
frame; fractured: of the compacted voxels); appends one line for each mesh to a file of records.
Exit code 1 if a mesh falls below 0.3 or is out by more than 1 %.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from time import process_time
from typing import Any

from vbsim.anatomy import Vertebra
from vbsim.anatomy.morphometry import body_volume_mm3
from vbsim.fracture import Biconcave, Crush, Wedge
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.mesh.quality import scaled_jacobian
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.fitters import HexaFitter

LEVELS = ("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
SHAPES = {"wedge": Wedge, "biconcave": Biconcave, "crush": Crush}
LEAST_JACOBIAN, VOLUME_PERCENT = 0.3, 1.0


def meshes_of(level: str, size_mm: float, spacing_mm: float) -> list[dict[str, Any]]:
    """Return one record for each mesh of a level."""
    vertebra = Vertebra(level=level)
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=4.0)
    intact = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))
    frame = vertebra.anatomy.frame
    fitter = HexaFitter.of(
        frame,
        size_mm=size_mm,
        shell_mm=vertebra.shell_thickness_mm,
        endplate_mm=vertebra.endplate_thickness_mm,
        potting=Potting(),
    )
    stages = {"intact": intact}
    for name, shape in SHAPES.items():
        stages |= {f"{name} {grade}": shape(grade=grade).apply(intact) for grade in (1, 2, 3)}
    found = []
    for name, stage in stages.items():
        begun = process_time()
        body = fitter.mesh(stage)
        volume = float(body.mesh.volumes()[body.is_body].sum())
        wanted = body_volume_mm3(frame) if name == "intact" else 1000.0 * stage.volume_ml()
        found.append(
            {
                "level": level,
                "stage": name,
                "size_mm": size_mm,
                "cells": body.mesh.n_cells,
                "least_scaled_jacobian": round(float(scaled_jacobian(body.mesh).min()), 4),
                "volume_error_percent": round(100.0 * (volume / wanted - 1.0), 3),
                "cpu_s": round(process_time() - begun, 2),
            }
        )
    return found


def main() -> None:
    """Run all and tell of the worst."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=float, default=2.0, help="edge of the cells, mm")
    parser.add_argument("--spacing", type=float, default=1.5, help="sampling grid, mm")
    parser.add_argument("--levels", nargs="+", default=list(LEVELS), choices=LEVELS)
    parser.add_argument("--records", type=Path, help="file of records to append to")
    asked = parser.parse_args()
    found = []
    for level in asked.levels:
        for record in meshes_of(level, asked.size, asked.spacing):
            found.append(record)
            print(json.dumps(record), flush=True)
    if asked.records:
        with asked.records.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(record) + "\n" for record in found)
    worst = min(found, key=lambda r: r["least_scaled_jacobian"])
    out = max(found, key=lambda r: abs(r["volume_error_percent"]))
    print(
        f"{len(found)} meshes; least scaled Jacobian {worst['least_scaled_jacobian']} "
        f"({worst['level']} {worst['stage']}), volume out by at most "
        f"{out['volume_error_percent']} % ({out['level']} {out['stage']})"
    )
    good = worst["least_scaled_jacobian"] >= LEAST_JACOBIAN
    raise SystemExit(not (good and abs(out["volume_error_percent"]) <= VOLUME_PERCENT))


if __name__ == "__main__":
    main()
