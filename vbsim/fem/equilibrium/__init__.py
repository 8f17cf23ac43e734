"""Non-linear equilibrium of a body between platens: strength, collapse, treatments.

`Equilibrium` leads a body with laws (`materials.constituents`) along `Leg` after `Leg`. Every leg
says of each platen motion, and of a cavity, whether its motion or its force is given; unloading,
traction, extension moments and balloons are legs. `Equilibrium.state` goes on to the next stage.
"""

from vbsim.fem.equilibrium.checkpoint import Checkpoint
from vbsim.fem.equilibrium.controls import (
    FREE,
    HOLD,
    Control,
    Controlled,
    Leg,
    Status,
    Step,
    load,
    move,
)
from vbsim.fem.equilibrium.solver import Equilibrium, EquilibriumSettings, inelastic_body
from vbsim.fem.equilibrium.state import BodyState

__all__ = [
    "Equilibrium",
    "EquilibriumSettings",
    "Leg",
    "Control",
    "Controlled",
    "HOLD",
    "FREE",
    "move",
    "load",
    "Status",
    "Step",
    "BodyState",
    "Checkpoint",
    "inelastic_body",
]
