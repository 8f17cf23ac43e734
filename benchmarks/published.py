"""Published voxel models: the images are not shipped, the recipes are here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK
from scipy import ndimage

from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.microfe import AxialTest, ModulusImage

TISSUE_MPA = 18_000.0
DISPLACEMENT_MM = -0.04


def trabecular_cube(folder: Path) -> tuple[ModulusImage, AxialTest]:
    """Return the human trabecular cube of LHDL as its publishers modelled it, and their test.

    Parameters
    ----------
    folder : Path
        Holds ``greyscale.nrrd``.
    """
    image = SimpleITK.ReadImage(str(folder / "greyscale.nrrd"))
    grey = SimpleITK.GetArrayFromImage(image).astype(float)
    smooth = ndimage.gaussian_filter(grey, 1.0, mode="nearest")
    bone = ndimage.zoom(smooth, 0.5, order=2) > 63
    ball = (np.indices((7, 7, 7)) - 3) ** 2
    wide = np.pad(bone, 6, mode="reflect")
    closed = ndimage.binary_closing(wide, ball.sum(axis=0) <= 9)[6:-6, 6:-6, 6:-6]
    parts, _ = ndimage.label(closed)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    moduli = np.float32(TISSUE_MPA) * (parts == sizes.argmax())
    spacing = 2.0 * image.GetSpacing()[0]
    grid = VoxelGrid(moduli.shape, (spacing,) * 3)
    test = AxialTest(bottom="clamped", top="sliding", displacement_mm=DISPLACEMENT_MM)
    return ModulusImage(moduli.astype(np.float32), grid, "LHDL trabecular cube"), test
