"""Fractures: shapes that map an intact specimen to a fractured one, and their reduction."""

from vbsim.fracture.cleft import Cleft
from vbsim.fracture.collapse import Collapse
from vbsim.fracture.reduction import Reduction
from vbsim.fracture.shapes import Biconcave, Crush, Wedge
from vbsim.fracture.traction import Traction

__all__ = [
    "Wedge",
    "Biconcave",
    "Crush",
    "Cleft",
    "Collapse",
    "Reduction",
    "Traction",
    "FRACTURES",
    "FRACTURE_KINDS",
]

FRACTURES = (Wedge, Biconcave, Crush, Collapse, Reduction, Traction)
"""Every fracture step, told apart in a case file by `kind`; a new one is a class in this tuple."""

FRACTURE_KINDS = frozenset(
    step.model_fields["kind"].default for step in (Wedge, Biconcave, Crush, Collapse)
)
"""Kinds of the steps that break a body; the others treat one."""
