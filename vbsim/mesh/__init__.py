"""Meshes: domains on which a specimen is sampled."""

from vbsim.mesh.voxels import VoxelGrid

__all__ = ["VoxelGrid"]
