"""Tetrahedra: inside any closed surface, and of a vertebral body with its layers and caps."""

from vbsim.mesh.tetra.body import TetraBody, tetra_body
from vbsim.mesh.tetra.filling import tetrahedralize

__all__ = ["TetraBody", "tetra_body", "tetrahedralize"]
