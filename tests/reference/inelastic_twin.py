"""Slow twin of `kernels.inelastic`: dense gradients, one cell after the other."""

from __future__ import annotations

import numpy as np

CORNERS = [(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]


def gradient_of(displacement, cell, spacing_mm):
    """Mean displacement gradient of a cell, (3, 3), from a dense displacement in mm."""
    H = np.zeros((3, 3))
    for corner in CORNERS:
        at = tuple(np.add(cell, corner))
        for k in range(3):
            sign = 1.0 if corner[2 - k] else -1.0
            H[:, k] += sign * displacement[(slice(None), *at)] / (4.0 * spacing_mm[k])
    return H


def forces_of(stress, cell, spacing_mm, force):
    """Add the forces (N) of a first Piola stress of one cell to a dense field."""
    volume = np.prod(spacing_mm)
    for corner in CORNERS:
        at = tuple(np.add(cell, corner))
        for k in range(3):
            sign = 1.0 if corner[2 - k] else -1.0
            force[(slice(None), *at)] += sign * volume * stress[:, k] / (4.0 * spacing_mm[k])
