"""Fractures: shapes that map an intact specimen to a fractured one, and their reduction."""

from vbsim.fracture.cleft import Cleft
from vbsim.fracture.collapse import Collapse
from vbsim.fracture.reduction import Reduction
from vbsim.fracture.shapes import Biconcave, Crush, Wedge

__all__ = ["Wedge", "Biconcave", "Crush", "Cleft", "Collapse", "Reduction", "FRACTURES"]

FRACTURES = (Wedge, Biconcave, Crush, Collapse, Reduction)
"""Every fracture step, told apart in a case file by `kind`; a new one is a class in this tuple."""
