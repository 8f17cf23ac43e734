"""Phantoms as files, and ways to change what the files say."""

from __future__ import annotations

from itertools import permutations, product
from pathlib import Path

import numpy as np
import SimpleITK

from vbsim.anatomy import ImagedVertebra, Phantom, Vertebra, write_phantom

# A patient never lies exactly along the voxels; without a turn a mask holds flat endplates only to
# the next voxel face, half a voxel on either end.
TILT_DEG = (9.0, -7.0, 12.0)
ORIENTATIONS = [
    "".join(letters) for order in permutations(("LR", "PA", "SI")) for letters in product(*order)
]


def scan(folder, vertebra=None, *, vbmd_mg_cm3=100.0, **phantom):
    """Write a phantom; returns its files."""
    phantom = {"spacing_mm": 1.5, "tilt_deg": TILT_DEG, **phantom}
    vertebra = vertebra or Vertebra(level="L1")
    return write_phantom(vertebra, folder, phantom=Phantom(**phantom), vbmd_mg_cm3=vbmd_mg_cm3)


def imaged(files, level="L1", **given):
    """Return the imaged vertebra of a phantom's files."""
    if not {"scheme", "vertebra_label", "body_labels"} & set(given):
        given = {"body_labels": (1,), "arch_labels": (2,), **given}
    return ImagedVertebra(image=files.density, labels=files.labels, level=level, **given)


def load(path):
    """Return array, spacing, origin, direction of a file."""
    image = SimpleITK.ReadImage(str(path))
    direction = np.reshape(image.GetDirection(), (image.GetDimension(),) * 2)
    array = SimpleITK.GetArrayFromImage(image)
    return array, np.array(image.GetSpacing()), np.array(image.GetOrigin()), direction


def save(path, array, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), direction=None):
    """Write an array as an image; returns the path."""
    image = SimpleITK.GetImageFromArray(np.asarray(array))
    image.SetSpacing([float(h) for h in spacing])
    image.SetOrigin([float(x) for x in origin])
    if direction is not None:
        image.SetDirection(np.asarray(direction, dtype=float).ravel().tolist())
    SimpleITK.WriteImage(image, str(path))
    return Path(path)


def rewrite(files, *, array=None, labels=None, turn=None):
    """Change a phantom's files in place: density or label array by a function, header by a turn."""
    for path, change in ((files.density, array), (files.labels, labels)):
        values, spacing, origin, direction = load(path)
        values = change(values.copy()) if change else values
        if turn is not None:
            direction, origin = turn @ direction, turn @ origin
        save(path, values, spacing, origin, direction)
    return files


def angles_deg(axes, truth):
    """Return the angle of each column to the true one, deg."""
    return np.degrees(np.arccos(np.clip((axes * truth).sum(axis=0), -1.0, 1.0)))
