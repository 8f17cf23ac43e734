"""Random but plausible stories: collapse, posture, balloon, cement, loads, by mechanics.

Used by `robustness.py`. Every stage is loaded to failure, and every stage is checked: what no right
answer can show ends a case as `wrong`.
"""

from __future__ import annotations

import itertools
from time import process_time
from typing import Any

import numpy as np

from vbsim.anatomy import Vertebra
from vbsim.augmentation import Balloon, CementFill, Settling
from vbsim.checks import VbsimError
from vbsim.fem import Strength
from vbsim.fem.equilibrium import Step
from vbsim.fracture import Collapse, Traction
from vbsim.materials import Bone
from vbsim.measures import failure
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting, Specimen
from vbsim.specimen.deformed import jacobian
from vbsim.specimen.failure import FailureResponse, load_to_failure

SEED = 20241
LEVELS = ("T7", "T9", "T11", "T12", "L1", "L2", "L3", "L4")
CEMENTS = ("pmma", "low_modulus_pmma", "calcium_phosphate", "silicone")
SHAPES = ("cleft", "central", "bipedicular", "anterior", "lobulated")

# Equilibria of mechanics and of strength tests are found to this share of the platens' force.
MOST_RESIDUAL = 1.01e-3
# Energy made from nothing / work, and heights that come from nowhere, mm: discretisation in time.
MOST_MADE, MOST_GROWTH_MM = 0.02, 0.05


class Wrong(Exception):
    """What no right answer can show."""


def drawn(number: int) -> dict[str, Any]:
    """Return the parameters of one story."""
    rng = np.random.default_rng((SEED, number))
    treatment = ("none", "posture", "balloon")[rng.integers(3)]
    return {
        "level": LEVELS[rng.integers(len(LEVELS))],
        "scale": round(float(rng.uniform(0.85, 1.1)), 3),
        "vbmd_mg_cm3": round(float(rng.uniform(40.0, 140.0)), 1),
        "loss_percent": round(float(rng.uniform(10.0, 35.0)), 1),
        "collapse_platen": ("guided", "ball_joint")[rng.integers(2)],
        "offset_share": round(float(rng.uniform(0.0, 0.2)), 3),
        "treatment": treatment,
        "traction_n": round(float(rng.uniform(50.0, 300.0))),
        "balloon_ml": round(float(rng.uniform(1.0, 4.0)), 2),
        "sides": ("both", "left", "right")[rng.integers(3)],
        "preload_n": (0.0, 110.0)[rng.integers(2)],
        "held_open": bool(rng.random() < 0.3),
        "cement": CEMENTS[int(rng.integers(len(CEMENTS) + 1)) % len(CEMENTS)],
        # Without a balloon there is no cleft to fill.
        "shape": SHAPES[rng.integers(0 if treatment == "balloon" else 1, len(SHAPES))],
        "filling": round(float(rng.uniform(0.08, 0.25)), 3),
        "pressure_mpa": round(float(rng.uniform(0.0, 0.3)), 3) if rng.random() < 0.3 else 0.0,
        "shrinkage_percent": round(float(rng.uniform(0.0, 2.0)), 2) if rng.random() < 0.3 else 0.0,
        "debonds": bool(rng.random() < 0.3),
        "settles": bool(rng.random() < 0.3),
        "platen": ("guided", "ball_joint")[rng.integers(2)],
    }


def told(case: dict[str, Any], spacing_mm: float) -> dict[str, Any]:
    """Return how a story ended, with the strength of every stage."""
    begun = process_time()
    vertebra = Vertebra(level=case["level"], plan_scale=case["scale"])
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=16.0)
    specimen = Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=case["vbmd_mg_cm3"]))
    stages: list[dict[str, Any]] = []
    at, end = "intact", {"end": "whole", "told": ""}
    try:
        stages.append(tested(specimen, case["platen"]))
        for at, step in steps_of(case):  # noqa: B007 - told where it ends
            specimen = fitted(step, specimen).apply(specimen)
            check_body(specimen)
            stages.append(tested(specimen, case["platen"]))
    except Wrong as error:
        end = {"end": "wrong", "told": f"{at}: {error}"}
    except VbsimError as error:
        end = {"end": "told", "told": f"{at}: {error}"}
    return {**end, "cpu_s": round(process_time() - begun, 2), "stages": stages}


def steps_of(case: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return the steps of a story, by name."""
    steps: list[tuple[str, Any]] = [
        (
            "collapse",
            Collapse(
                height_loss_percent=case["loss_percent"],
                platen=case["collapse_platen"],
                anterior_offset_share=case["offset_share"],
            ),
        )
    ]
    if case["treatment"] == "posture":
        steps.append(("traction", Traction(force_n=case["traction_n"])))
    if case["treatment"] == "balloon":
        balloon = Balloon(
            volume_ml=case["balloon_ml"],
            sides=case["sides"],
            preload_n=case["preload_n"],
            held_open=case["held_open"],
        )
        steps.append(("balloon", balloon))
    cement = CementFill(
        filling_fraction_percent=100.0 * case["filling"],
        distribution=case["shape"],
        cement=case["cement"],
        injection_pressure_mpa=case["pressure_mpa"],
        shrinkage_percent=case["shrinkage_percent"],
        debonds=case["debonds"],
    )
    steps.append(("cement", cement))
    if case["settles"]:
        steps.append(("settling", Settling(load_n=300.0, cycles=3)))
    return steps


def fitted(step: Any, specimen: Specimen) -> Any:
    """Return a cement of no more volume than there is room for; other steps as they are."""
    if not isinstance(step, CementFill):
        return step
    room = 100.0 * step.largest_volume_ml(specimen) / specimen.volume_ml()
    most = 0.95 * room
    if (step.filling_fraction_percent or 0.0) <= most:
        return step
    return step.model_copy(update={"filling_fraction_percent": most})


def tested(specimen: Specimen, platen: Any) -> dict[str, Any]:
    """Load a stage to failure and check the curve; return its marks."""
    potted = Potting().apply(specimen)
    response = load_to_failure(potted, Strength(platen=platen))
    check_curve(response)
    found = {q.name: round(q.value, 4) for q in failure(potted, response)}
    heights = [round(float(h), 2) for h in specimen.anatomy.frame.heights()]
    if "strength" not in found:
        advice = f"no strength, {100 * response.strain[-1]:.1f} %: {response.status.value}"
        raise VbsimError(f"{specimen.name}: {advice}")
    check_marks(found)
    kept = ("strength", "strength_definition", "strength_offset", "force_at_strain")
    marks = {name: found[name] for name in kept if name in found}
    return {"stage": specimen.name, "heights_mm": heights, **marks}


def check_curve(response: FailureResponse) -> None:
    """Refuse a curve that is out of balance, makes energy or heals."""
    check_steps(response.steps)
    if not np.all(np.isfinite(response.force_n)) or response.force_n.max() <= 0.0:
        raise Wrong(f"{response.test}: force {response.force_n.max()}")
    if np.any(np.diff(response.strain) <= 0.0):
        raise Wrong(f"{response.test}: strain does not grow")


def check_steps(steps: tuple[Step, ...]) -> None:
    """Refuse equilibria that are none, and dissipation that goes back or exceeds the work."""
    residual = max(step.residual for step in steps)
    if not residual <= MOST_RESIDUAL:
        raise Wrong(f"residual {residual:.1e}")
    spent = np.array([step.dissipated_n_mm for step in steps])
    work = np.array([step.work_n_mm for step in steps])
    slack = MOST_MADE * float(np.abs(work).max()) + 1.0
    # Between legs a step of the story may take bone out, and what it had dissipated with it.
    same = np.array([a.leg == b.leg for a, b in itertools.pairwise(steps)])
    if np.any(np.diff(spent)[same] < -slack):
        raise Wrong(f"dissipation falls by {-np.diff(spent)[same].min():.1f} N mm")
    if np.any(spent > work + slack):
        raise Wrong(f"dissipated {spent.max():.0f} of {work.max():.0f} N mm of work")


def check_marks(found: dict[str, float]) -> None:
    """Refuse marks of a curve that contradict one another."""
    shares = [value for name, value in found.items() if name.startswith("failure_share")]
    if not 0.0 < found["strength"] < 60e3:
        raise Wrong(f"strength {found['strength']:.0f} N")
    if (
        found["strength_definition"] == 1
        and found.get("force_at_strain", 0.0) > 1.001 * found["strength"]
    ):
        raise Wrong("more force at 1.9 % than at the peak")
    if shares and not (min(shares) >= -1e-9 and sum(shares) <= 1.001):
        raise Wrong(f"shares of failure {shares}")


def check_body(specimen: Specimen) -> None:
    """Refuse a body with a voxel inside out, heights without order, or mineral lost."""
    body = specimen.mechanics
    check_steps(body.history)
    solid = body.reference.materials.moduli.any(axis=0)
    least = float(jacobian(body.displacement_mm, body.reference.domain)[solid].min())
    if least <= 0.0:
        raise Wrong(f"a voxel is inside out: {least:.2f}")
    now = np.array(specimen.anatomy.frame.heights())
    before = np.array(body.bare.anatomy.frame.heights())
    if not np.all(np.isfinite(now)) or np.any(now <= 0.2 * before):
        raise Wrong(f"heights {now}")
    if np.any(now > 1.35 * before + MOST_GROWTH_MM):
        raise Wrong(f"heights {now} of {before}")
    kept = specimen.bone_mineral_mg / body.bare.bone_mineral_mg
    if not 0.7 < kept < 1.001:
        raise Wrong(f"{100 * kept:.1f} % of the mineral")
