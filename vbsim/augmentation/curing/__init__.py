"""Curing: how cement sets, how warm that gets, what it does to tissue."""

from vbsim.augmentation.curing.kinetics import Kinetics
from vbsim.augmentation.curing.step import Curing

__all__ = ["Curing", "Kinetics"]
