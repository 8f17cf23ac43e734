"""Laws of bone, cement and caps beyond linear elasticity: parameters here, numbers in `data/`.

A law is one frozen dataclass of this chapter (its parameters, per voxel where they vary), one point
function in `kernels.constitutive` and one rung of its ladder. Stresses are those of the constituent
itself; how much of a voxel it fills is the business of `materials.constituents`.
"""

from vbsim.materials.laws.crushable import Crushable, Crushing, crushing
from vbsim.materials.laws.elastic import Elastic
from vbsim.materials.laws.interface import Bond, Interface, bond
from vbsim.materials.laws.law import Law
from vbsim.materials.laws.quadric import Quadric, Softening, Surface

__all__ = [
    "Law",
    "Elastic",
    "Quadric",
    "Softening",
    "Surface",
    "Crushable",
    "Crushing",
    "crushing",
    "Interface",
    "Bond",
    "bond",
]
