"""Micro-FE of a voxel image: moduli or labels in, axial test, reaction and fields out."""

from vbsim.study.microfe.fields import write_fields
from vbsim.study.microfe.image import ModulusImage, read_materials, read_moduli
from vbsim.study.microfe.solution import AxialTest, ImageSolution
from vbsim.study.microfe.solve import load_kernels, solve_image

__all__ = [
    "AxialTest",
    "ImageSolution",
    "ModulusImage",
    "load_kernels",
    "read_materials",
    "read_moduli",
    "solve_image",
    "write_fields",
]
