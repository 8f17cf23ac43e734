"""Vertebrae from images: density and label map in, body frame and bone source out."""

from vbsim.anatomy.image.imaged import ImagedVertebra
from vbsim.anatomy.image.reading import Calibration

__all__ = ["Calibration", "ImagedVertebra"]
