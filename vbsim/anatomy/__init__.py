"""Anatomy: vertebrae from published dimensions or from a patient's images."""

from vbsim.anatomy.frame import Anatomy, BodyFrame, Heights, Landmarks, PedicleAxis

__all__ = ["Anatomy", "BodyFrame", "Heights", "Landmarks", "PedicleAxis"]
