"""Porous blocks without anatomy, and a cement that flows like oil."""

import numpy as np

from vbsim.augmentation.approach import NeedlePath
from vbsim.augmentation.injection.flow import Flow, Limits, Portion
from vbsim.augmentation.injection.medium import Medium
from vbsim.augmentation.injection.needle import Needle
from vbsim.augmentation.injection.rheology import Rheology

POROSITY = 0.9
PERMEABILITY_MM2 = 0.02
MARROW_PA_S = 0.01
RATE_MM3_PER_S = 30.0


def oil(viscosity_pa_s=100.0, exponent=1.0):
    """Return a cement that does not set."""
    return Rheology(
        name="oil",
        consistency_pa_s_n=viscosity_pa_s,
        at_min=0.0,
        time_constant_min=1e4,
        constant_until_min=60.0,
        exponent=exponent,
        handling_end_min=60.0,
    )


def cube(cells, spacing_mm=1.0, *, permeability=None, factors=(1.0, 1.0, 1.0), threshold_mpa=0.0):
    """Return a porous cube about the origin whose outermost layer drains marrow freely."""
    shape = (cells, cells, cells)
    k = np.full(shape, PERMEABILITY_MM2) if permeability is None else permeability
    drain = np.full(shape, 1e7)
    drain[1:-1, 1:-1, 1:-1] = 0.0
    first = np.full(3, -0.5 * cells * spacing_mm)
    window = (slice(0, cells),) * 3
    pore = np.full(shape, POROSITY)
    threshold = np.zeros(shape) + threshold_mpa
    return Medium(window, (spacing_mm,) * 3, first, pore, k, factors, drain, threshold)


def flow_in(medium, rheology, *, mouths=(), marrow_pa_s=MARROW_PA_S, pressure_mpa=100.0, gauge=13):
    """Return an injection into a medium under wide limits."""
    limits = Limits(RATE_MM3_PER_S, pressure_mpa, np.inf, 60.0)
    return Flow(medium, mouths, rheology, Needle(gauge=gauge), limits, 0.0, marrow_pa_s)


def portion(volume_mm3, tip=(0.0, 0.0, 0.0)):
    """Return a portion given at a point, the needle coming from behind."""
    path = NeedlePath("left", (tip[0], tip[1] + 60.0, tip[2]), tip)
    return Portion(path, volume_mm3, 0.0, 0.0)


def radii(medium):
    """Return the distance of every cell centre from the origin, mm."""
    axes = [
        medium.first_mm[k] + (np.arange(n) + 0.5) * medium.spacing_mm[k]
        for k, n in enumerate(medium.pore.shape[::-1])
    ]
    x, y, z = axes[0], axes[1][:, None], axes[2][:, None, None]
    return np.sqrt(x**2 + y**2 + z**2)
