"""A thick-walled sphere of ideally plastic material, on meshes that follow it (closed form)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from blocks import Ends
from solids import cut

from vbsim.fem.equilibrium.mesh_body import InelasticMesh
from vbsim.fem.sparse import Factorisation
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Quadric, Softening, Surface
from vbsim.mesh.elements import ELEMENTS, Element
from vbsim.mesh.mesh import Mesh

E, NU, YIELD = 500.0, 0.3, 1.0
A, B = 1.0, 2.0


@dataclass(frozen=True)
class Solid:
    domain: Mesh
    element: Element
    materials: StiffnessField
    ends: Any
    sweep: Any = None


def shell(n, layers):
    """A hollow sphere of six blocks, points shared; r of every point."""
    angle = np.tan(np.linspace(-np.pi / 4, np.pi / 4, n + 1))
    radii = np.geomspace(A, B, layers + 1)
    points, cells = [], []
    number = np.arange((layers + 1) * (n + 1) ** 2).reshape(layers + 1, n + 1, n + 1)
    low = number[:-1, :-1, :-1].ravel()
    up, aside = (n + 1) ** 2, n + 1
    corners = np.array([0, 1, aside + 1, aside, up, up + 1, up + aside + 1, up + aside])
    for axis in range(3):
        for sign in (-1.0, 1.0):
            v, w = np.meshgrid(angle, angle, indexing="ij")
            ray = np.stack([np.full_like(v, sign), v, sign * w], axis=-1)
            # turned so that the third reference axis points outwards and cells are not inside out
            ray = np.roll(ray[..., [0, 2, 1]], axis, axis=-1)
            ray /= np.linalg.norm(ray, axis=-1, keepdims=True)
            cells.append(low[:, None] + corners + len(points) * number.size)
            points.append((radii[:, None, None, None] * ray).reshape(-1, 3))
    every = np.concatenate(points)
    _, first, back = np.unique(every.round(9), axis=0, return_index=True, return_inverse=True)
    mesh = Mesh(every[first], back[np.concatenate(cells)])
    if mesh.volumes().min() < 0.0:
        mesh = Mesh(mesh.points, mesh.cells[:, [3, 2, 1, 0, 7, 6, 5, 4]])
    assert mesh.volumes().min() > 0.0
    return mesh, np.linalg.norm(mesh.points, axis=1)


def of_tetrahedra(mesh, r):
    """The same sphere in tetrahedra of second order, whose edges are curved like it."""
    made = cut(mesh, "tetra10")
    ends = np.repeat(np.arange(made.n_points)[:, None], 2, axis=1)
    for k, edge in enumerate(made.geometry.edges):
        ends[made.cells[:, 4 + k]] = made.cells[:, list(edge)]
    r = np.sqrt(r[ends].prod(axis=1))
    points = made.points * (r / np.linalg.norm(made.points, axis=1))[:, None]
    return made.with_points(points), r


def limit_pressure(n, layers, element):
    """Pressure at the inner wall once it has been widened far beyond full yield."""
    mesh, r = shell(n, layers)
    if element == "tet10":
        mesh, r = of_tetrahedra(mesh, r)
    materials = StiffnessField.isotropic(np.full(mesh.n_cells, E), NU)
    z = mesh.points[:, 2]
    ends = Ends(
        np.flatnonzero(z < -B + 1e-9), np.flatnonzero(z > B - 1e-9), np.array([0.0, 0.0, B])
    )
    cells = np.arange(mesh.n_cells)
    # a little hardening, so that the limit load is unique: 0.1 % of the strength in all
    law = Quadric(
        materials.mean_constants(), YIELD, Surface(interaction=0.5), Softening(slope=1e-2)
    )
    made = Constituents.join([Part("wall", cells, law)])
    body = InelasticMesh(Solid(mesh, ELEMENTS[element], materials, ends), made, "held", 1)
    inner = np.flatnonzero(r < A + 1e-9)
    free = np.ones_like(mesh.points, bool)
    free[inner] = False
    chosen = np.flatnonzero(free.ravel())
    u, force = np.zeros_like(mesh.points), np.empty_like(mesh.points)
    for widened in (0.002, 0.004, 0.006, 0.01):
        u[inner] = widened * mesh.points[inner]
        for _ in range(30):
            assert body.forces(u, 0.0, 0.0, force) == 0
            out = force.ravel()[chosen]
            if np.abs(out).max() < 1e-9:
                break
            tangent = body._tangent().to_scipy().tocsr()[chosen][:, chosen]
            u.ravel()[chosen] -= Factorisation(tangent).solve(out)
        assert np.abs(out).max() < 1e-8
        body.accept()
        body.resist(body.softened)
    body.forces(u, 0.0, 0.0, force)
    area = np.linalg.norm(mesh.points[inner], axis=1)
    return float((force[inner] * mesh.points[inner]).sum() / area.mean()) / (4.0 * np.pi * A**2)


def test_limit_pressure_of_tetrahedra_without_locking():
    exact = 2.0 * YIELD * np.log(B / A)
    assert limit_pressure(2, 2, "tet10") == pytest.approx(exact, rel=0.02)


def test_limit_pressure_without_locking():
    exact = 2.0 * YIELD * np.log(B / A)
    coarse, fine = (abs(limit_pressure(n, n, "hex8i") / exact - 1.0) for n in (3, 6))
    assert fine < 0.02
    assert np.log2(coarse / fine) > 1.0
