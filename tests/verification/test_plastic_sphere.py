"""A thick-walled sphere of ideally plastic material under internal pressure (closed form)."""

from __future__ import annotations

import numpy as np
import pytest
from blocks import Block, Ends

from vbsim.fem.equilibrium import Equilibrium, Leg, Status, load, move
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Elastic, Quadric, Softening, Surface
from vbsim.mesh.voxels import VoxelGrid

E, NU, YIELD = 500.0, 0.3, 1.0
SUBPOINTS = 4


def hill(a, b, c):
    """Displacement of the inner wall and pressure once the plastic zone reaches radius c.

    Hill 1950, The mathematical theory of plasticity, chapter V.
    """
    plastic = (1.0 - NU) * c**3 / a**2
    elastic = 2.0 / 3.0 * (1.0 - 2.0 * NU) * (1.0 + 3.0 * np.log(c / a) - (c / b) ** 3) * a
    pressure = 2.0 * YIELD * np.log(c / a) + 2.0 / 3.0 * YIELD * (1.0 - (c / b) ** 3)
    return YIELD / E * (plastic - elastic), pressure


def sphere(a, b):
    """A sphere by partial volumes, held where it touches two planes; its hole is a cavity."""
    n = 2 * int(np.ceil(b)) + 2
    at = (np.arange(n * SUBPOINTS) + 0.5) / SUBPOINTS - n / 2
    r = np.sqrt(at[:, None, None] ** 2 + at[:, None] ** 2 + at**2)
    split = (n, SUBPOINTS) * 3
    hole, wall = (m.reshape(split).mean(axis=(1, 3, 5)) for m in (r < a, (r >= a) & (r < b)))
    fill = 1e-4 * E  # a hole keeps a gradient, and adds less than 0.1 % to the pressure
    grid = VoxelGrid((n, n, n), (1.0, 1.0, 1.0))
    points = grid.points_of(wall > 0.0)
    index = np.arange(grid.n_points).reshape(grid.point_shape)
    planes = np.flatnonzero(points.any(axis=(1, 2)))
    low, top = (index[z][points[z]] for z in (planes[0], planes[-1]))
    pivot = np.array([n / 2, n / 2, planes[-1]])
    materials = StiffnessField.isotropic(E * wall + fill * hole, NU)
    unit = StiffnessField.isotropic(np.ones((1, 1, 1)), NU).mean_constants().reshape(1, 9)
    in_wall, in_hole = np.flatnonzero(wall), np.flatnonzero(hole)
    # A little hardening, so that the limit load is unique: 0.1 % of the strength in all.
    law = Quadric(
        np.repeat(E * unit, len(in_wall), 0), YIELD, Surface(interaction=0.5), Softening(slope=1e-2)
    )
    parts = [
        Part("wall", in_wall, law, wall.ravel()[in_wall]),
        Part(
            "fill", in_hole, Elastic(np.repeat(fill * unit, len(in_hole), 0)), hole.ravel()[in_hole]
        ),
    ]
    block = Block(grid, materials, Ends(low, top, pivot))
    return Equilibrium(block, Constituents.join(parts), lateral="lower_held", cavity=hole)


def pressure_errors(a, b):
    test = sphere(a, b)
    empty = test.cavity_mm3
    radius = (3.0 * empty / (4.0 * np.pi)) ** (1.0 / 3.0)
    errors = []
    for c in (a, 0.5 * (a + b), b):
        widened, pressure = hill(a, b, c)
        volume = empty * (1.0 + widened / radius) ** 3
        status = test.run(Leg("inflate", load(0.0), cavity=move(volume), first=0.5, largest=0.5))
        assert status is Status.DONE
        assert test.cavity_mm3 == pytest.approx(volume, rel=1e-3)
        errors.append(abs(test.pressure / pressure - 1.0))
    return errors


def test_pressure_follows_the_plastic_zone_to_the_limit_load():
    coarse, fine = pressure_errors(4, 8), pressure_errors(6, 12)
    # at first yield, half plastic, and at 2 Y ln(b / a)
    assert max(fine) < 0.05
    assert fine[1:] < coarse[1:]
    order = np.log(coarse[2] / fine[2]) / np.log(6 / 4)
    assert order > 1.0
