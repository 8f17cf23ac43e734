"""Injection: how cement flows through needle and bone, and where it leaks."""

from vbsim.augmentation.injection.needle import Needle
from vbsim.augmentation.injection.outlets import Outlet, Outlets
from vbsim.augmentation.injection.rheology import Rheology
from vbsim.augmentation.injection.step import Injection

__all__ = ["Injection", "Needle", "Outlet", "Outlets", "Rheology"]
