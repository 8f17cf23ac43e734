"""Tetrahedra: inside any closed surface, and of a vertebral body with its layers and caps."""

from vbsim.mesh.tetra.body import (
    TetraBody,
    TetraCounts,
    expected_counts,
    moved_tetra_body,
    tetra_body,
)
from vbsim.mesh.tetra.filling import tetrahedralize

__all__ = [
    "TetraBody",
    "TetraCounts",
    "expected_counts",
    "moved_tetra_body",
    "tetra_body",
    "tetrahedralize",
]
