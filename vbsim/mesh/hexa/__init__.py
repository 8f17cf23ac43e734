"""Hexahedra of a vertebral body: a plan of quadrilaterals swept from platen to platen."""

from vbsim.mesh.hexa.body import Body, BodyLayout, HexaBody, hexa_body, moved_body
from vbsim.mesh.hexa.plan import Plan
from vbsim.mesh.hexa.sweep import Coarser, Sweep, coarsest_points

__all__ = [
    "Body",
    "BodyLayout",
    "Coarser",
    "HexaBody",
    "Plan",
    "Sweep",
    "coarsest_points",
    "hexa_body",
    "moved_body",
]
