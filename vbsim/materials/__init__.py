"""Materials: stiffness fields, bone laws, cements."""

from vbsim.materials.field import StiffnessField, UnitStiffness

__all__ = ["StiffnessField", "UnitStiffness"]
