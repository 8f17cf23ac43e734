"""How many of many random but plausible vertebrae reach the end.

Drawn fractures: a case draws level, size, density, a fracture or none, a cement or none, platen and
caps, and loads the last stage until it fails. Stories (`chains.py`): collapsed, treated and filled
by mechanics, every stage loaded to failure. A case ends well if every stage has a strength and
passes every check; otherwise its status is told, or it is `wrong`. One line of JSON a case.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any

import chains
import numpy as np

from vbsim.anatomy import Vertebra
from vbsim.augmentation import CementFill
from vbsim.checks import VbsimError
from vbsim.fem import Strength
from vbsim.fracture import Biconcave, Crush, Wedge
from vbsim.materials import Bone
from vbsim.measures import failure
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.failure import load_to_failure

SEED = 20240
LEVELS = ("T5", "T6", "T7", "T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
FRACTURES = (None, Wedge, Biconcave, Crush)
CEMENTS = (None, "pmma", "low_modulus_pmma", "calcium_phosphate", "silicone")
PADS = "the pads took all of the motion: take thinner or stiffer pads"
DISTRIBUTIONS = ("bipedicular", "unipedicular_left", "central", "anterior", "lobulated")


def drawn(number: int) -> dict[str, Any]:
    """Return the parameters of one case."""
    rng = np.random.default_rng((SEED, number))
    fracture = FRACTURES[rng.integers(len(FRACTURES))]
    return {
        "level": LEVELS[rng.integers(len(LEVELS))],
        "scale": round(float(rng.uniform(0.85, 1.1)), 3),
        "vbmd_mg_cm3": round(float(rng.uniform(35.0, 180.0)), 1),
        "anisotropy": ("transverse", "isotropic")[rng.integers(2)],
        "fracture": None if fracture is None else fracture.__name__.lower(),
        "grade": int(rng.integers(1, 4)),
        "cement": CEMENTS[rng.integers(len(CEMENTS))],
        "distribution": DISTRIBUTIONS[rng.integers(len(DISTRIBUTIONS))],
        "filling": round(float(rng.uniform(0.05, 0.25)), 3),
        "platen": ("guided", "ball_joint")[rng.integers(2)],
        "offset_mm": [round(float(v), 1) for v in rng.uniform(-4.0, 4.0, 2)],
        "lateral": ("held", "sliding")[rng.integers(2)],
        "caps": ("pmma", "disc")[int(rng.random() < 0.2)],
    }


def specimen_of(case: dict[str, Any], spacing_mm: float) -> Specimen:
    """Return the last stage of a case, potted."""
    vertebra = Vertebra(level=case["level"], plan_scale=case["scale"])
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=16.0)
    bone = Bone(vbmd_mg_cm3=case["vbmd_mg_cm3"], anisotropy=case["anisotropy"])
    specimen = Specimen.from_bone(vertebra, grid, bone)
    kinds = {kind.__name__.lower(): kind for kind in FRACTURES if kind is not None}
    if case["fracture"]:
        specimen = kinds[case["fracture"]](grade=case["grade"]).apply(specimen)
    if case["cement"]:
        wanted = case["filling"] * specimen.volume_ml()
        fill = CementFill(
            volume_ml=wanted, distribution=case["distribution"], cement=case["cement"]
        )
        room = fill.largest_volume_ml(specimen)
        if wanted > 0.95 * room:
            fill = fill.model_copy(update={"volume_ml": 0.95 * room})
        specimen = fill.apply(specimen)
    return Potting(kind=case["caps"]).apply(specimen)


def outcome(case: dict[str, Any], spacing_mm: float) -> dict[str, Any]:
    """Return how a case ended."""
    test = Strength(
        platen=case["platen"],
        lateral=case["lateral"],
        load_offset_mm=tuple(case["offset_mm"]),
        until_strain=0.2 if case["caps"] == "disc" else 0.08,
    )
    begun = process_time()
    try:
        specimen = specimen_of(case, spacing_mm)
    except VbsimError as error:
        return {"end": "refused", "told": str(error)}
    try:
        response = load_to_failure(specimen, test)
    except VbsimError as error:
        return {"end": "not converged", "told": str(error)}
    found = {q.name: round(q.value, 4) for q in failure(specimen, response)}
    try:
        chains.check_curve(response)
        if "strength" in found:
            chains.check_marks(found)
    except chains.Wrong as error:
        return {"end": "wrong", "told": str(error)}
    return {
        "end": "whole" if "strength" in found else "no strength",
        "status": response.status.name,
        "told": response.status.value if "strength" in found else PADS,
        "steps": len(response.steps),
        "residual": max(step.residual for step in response.steps),
        "cpu_s": round(process_time() - begun, 2),
        **found,
    }


def main() -> None:
    """Run the cases that the file does not hold yet, and count the ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=120, help="with drawn fractures")
    parser.add_argument("--stories", type=int, default=80, help="by mechanics, from collapse on")
    parser.add_argument("--spacing", type=float, default=4.0, help="edge of the voxels, mm")
    parser.add_argument("--records", type=Path, required=True, help="JSON lines, added to")
    given = parser.parse_args()
    lines = given.records.read_text(encoding="utf-8").splitlines() if given.records.exists() else []
    known = {record["kind"] + str(record["number"]): record for record in map(json.loads, lines)}
    wanted = [("drawn", n) for n in range(given.cases)]
    wanted += [("story", n) for n in range(given.stories)]
    for kind, number in wanted:
        if f"{kind}{number}" in known:
            continue
        case = drawn(number) if kind == "drawn" else chains.drawn(number)
        end = outcome if kind == "drawn" else chains.told
        record = {"kind": kind, "number": number, **case, **end(case, given.spacing)}
        known[f"{kind}{number}"] = record
        with given.records.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(record) + "\n")
    for kind in ("drawn", "story"):
        ends = Counter(r["end"] for r in known.values() if r["kind"] == kind)
        cpu = sum(r.get("cpu_s", 0.0) for r in known.values() if r["kind"] == kind)
        words = ", ".join(f"{n} {end}" for end, n in ends.most_common())
        print(f"{kind}: {sum(ends.values())} cases in {cpu:.0f} CPU s: {words}")
    for record in known.values():
        if record["end"] != "whole":
            print(f"  {record['kind']} {record['number']}: {record['end']}: {record['told']}")


if __name__ == "__main__":
    main()
