"""Materials: stiffness fields, bone laws, cements."""

from vbsim.materials.bone import Bone
from vbsim.materials.cement import BoneCementLaw, Cement, cement
from vbsim.materials.field import StiffnessField, UnitStiffness

__all__ = ["Bone", "BoneCementLaw", "Cement", "StiffnessField", "UnitStiffness", "cement"]
