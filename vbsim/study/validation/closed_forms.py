"""Comparisons with closed forms: verification without biology."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import NotConverged
from vbsim.fem.equilibrium import Equilibrium, EquilibriumSettings, Leg, Status, move
from vbsim.fem.linear import Settings, solve_modes
from vbsim.fem.statics import (
    Static,
    body_force,
    face_pressure,
    isotropic_constants,
    solve_static,
    strains,
    stresses,
)
from vbsim.kernels import constitutive
from vbsim.kernels.constitutive import slots
from vbsim.materials.constituents import Constituents, Part
from vbsim.materials.field import StiffnessField
from vbsim.materials.laws import Quadric, Softening, Surface
from vbsim.mesh.elements import ELEMENTS
from vbsim.mesh.mesh import Mesh, cell_gradients
from vbsim.mesh.order import brick
from vbsim.mesh.voxels import VoxelGrid
from vbsim.study.validation.bench import Bench
from vbsim.study.validation.table import Entry

__all__ = ["CLOSED_FORMS"]

FloatArray = NDArray[np.float64]
Pairs = Mapping[str, tuple[float, str]]

_TIGHT = Settings(tolerance=1e-11)
_E_MPA, _NU, _YIELD_MPA = 200.0, 0.3, 1.5
_SEED = 1
# Six tetrahedra about one diagonal of a hexahedron: neighbours agree on the faces they share.
_TETRAHEDRA = ((0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6), (0, 5, 1, 6))


class _Ends(NamedTuple):
    lower: NDArray[np.int64]
    upper: NDArray[np.int64]
    pivot_mm: FloatArray


class _Block(NamedTuple):
    """A whole grid between its lowest and highest plane of points."""

    domain: VoxelGrid
    materials: StiffnessField
    ends: _Ends


def _block(materials: StiffnessField, spacing_mm: tuple[float, float, float]) -> _Block:
    grid = VoxelGrid(materials.shape, spacing_mm)
    index = np.arange(grid.n_points).reshape(grid.point_shape)
    size = np.array(materials.shape[::-1]) * spacing_mm
    pivot = size * [0.5, 0.5, 1.0]
    return _Block(grid, materials, _Ends(index[0].ravel(), index[-1].ravel(), pivot))


# Linear -------------------------------------------------------------------------------------------


def v1(bench: Bench, entry: Entry) -> Pairs:
    """Patch test: an affine displacement on distorted cells."""
    gradient = np.array([[0.1, 0.2, -0.3], [0.05, -0.4, 0.15], [0.25, 0.1, 0.3]])
    found = {}
    for name in ("hex8", "hex8i", "tet4"):
        mesh = _distorted(name)
        exact = mesh.points @ gradient.T
        rim = _rim(mesh, 3.0)
        constants = isotropic_constants(_E_MPA, _NU, mesh.n_cells)
        held = np.repeat(rim[:, None], 3, axis=1)
        solved = solve_static(
            Static(mesh, ELEMENTS[name], constants, held, exact, np.zeros_like(exact))
        )
        found[name] = float(np.abs(solved.displacement - exact).max() / np.abs(exact).max())
    words = ", ".join(f"{name} {error:.1e}" for name, error in found.items())
    return {"error": (max(found.values()), words)}


def _rim(mesh: Mesh, size_mm: float) -> NDArray[np.bool_]:
    """Return which points lie on the boundary of a cube, (n_points,)."""
    return np.asarray(np.any((mesh.points < 1e-9) | (mesh.points > size_mm - 1e-9), axis=1))


def _distorted(name: str) -> Mesh:
    """Return a cube of 3 x 3 x 3 cells whose inner points are moved at random."""
    mesh = brick((3, 3, 3), (3.0, 3.0, 3.0))
    p = mesh.points.copy()
    inner = ((p > 1e-9) & (p < 3.0 - 1e-9)).all(axis=1)
    p[inner] += np.random.default_rng(_SEED).uniform(-0.2, 0.2, (int(inner.sum()), 3))
    mesh = mesh.with_points(p)
    if name == "tet4":
        return Mesh(mesh.points, mesh.cells[:, _TETRAHEDRA].reshape(-1, 4), "tetra")
    return mesh


def v2(bench: Bench, entry: Entry) -> Pairs:
    """Two materials side by side between frictionless plates: stiffnesses add."""
    modulus = np.full((9, 8, 8), 200.0)
    modulus[:, 2:6, 3:7] = 3000.0
    body = _block(StiffnessField.isotropic(modulus, 0.3), (0.5, 1.0, 2.0))
    found = solve_modes(body, lateral="sliding", settings=_TIGHT).stiffness[0, 0]
    expected = (200.0 * 48 + 3000.0 * 16) * 0.5 / 18.0
    return {"error": (abs(found / expected - 1.0), f"{found:.6f} N/mm")}


def v3(bench: Bench, entry: Entry) -> Pairs:
    """Layers one over the other without lateral strain: compliances add."""
    layers = np.array([100.0, 2000.0, 50.0, 50.0, 700.0, 2500.0, 10.0])
    field = StiffnessField.isotropic(np.ones((7, 4, 5)) * layers[:, None, None], 0.0)
    found = solve_modes(_block(field, (1.0, 1.0, 1.0)), settings=_TIGHT).stiffness[0, 0]
    expected = 20.0 / (1.0 / layers).sum()
    return {"error": (abs(found / expected - 1.0), f"{found:.6f} N/mm")}


def v4(bench: Bench, entry: Entry) -> Pairs:
    """Sphere under inner pressure (Lame)."""
    coarse, fine = (_sphere_error(n) for n in (4, 8))
    words = f"{100 * coarse:.2f} and {100 * fine:.2f} %, hexahedra with incompatible modes"
    return {
        "error": (100.0 * fine, words),
        "order": (float(np.log2(coarse / fine)), "4 to 8 cells a quarter"),
    }


def _sphere_error(n: int) -> float:
    """Return the error of the inner wall's displacement, a quarter of one of six faces."""
    element, a, b, young, poisson = ELEMENTS["hex8i"], 1.0, 3.0, 1000.0, 0.3
    flat = brick((n, n, 2 * n), (1.0, 1.0, 1.0))
    s, t, r = flat.points.T
    ray = np.column_stack([np.tan(s * np.pi / 4), np.tan(t * np.pi / 4), np.ones_like(s)])
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    mesh = flat.with_points(ray * (a * (b / a) ** r)[:, None])
    mu, lam = young / (2 * (1 + poisson)), young * poisson / ((1 + poisson) * (1 - 2 * poisson))
    ratio = a**3 / (b**3 - a**3)
    radius = a * (b / a) ** r
    wall = radius * ratio / (3 * lam + 2 * mu) + ratio * b**3 / (4 * mu) / radius**2
    # The cut sides move along themselves: what symmetry and the closed form say is prescribed.
    held = np.zeros((mesh.n_points, 3), bool)
    held[s == 0.0, 0] = True
    held[t == 0.0, 1] = True
    held[(s == 1.0) | (t == 1.0)] = True
    forces = face_pressure(mesh, element, np.flatnonzero(flat.centres()[:, 2] < 0.5 / n), 0, 1.0)
    constants = isotropic_constants(young, poisson, mesh.n_cells)
    solved = solve_static(Static(mesh, element, constants, held, ray * wall[:, None], forces))
    inner = (r == 0.0) & (s == 0.0) & (t == 0.0)
    moved = (solved.displacement * ray).sum(axis=1)[inner][0]
    return float(abs(moved / wall[inner][0] - 1.0))


def v10(bench: Bench, entry: Entry) -> Pairs:
    """Manufactured solution in a graded cube: orders of convergence."""
    coarse, fine = _manufactured_errors(6), _manufactured_errors(12)
    u, stress = (float(np.log2(c / f)) for c, f in zip(coarse, fine, strict=True))
    return {"displacement": (u, "6 to 12 hexahedra an edge"), "stress": (stress, "")}


def _manufactured_errors(n: int) -> tuple[float, float]:
    """Return the L2 errors of displacement and stress of a smooth field, ``E = 1 + x``."""
    element, nu = ELEMENTS["hex8"], _NU
    mesh = brick((n, n, n), (1.0, 1.0, 1.0))
    lam, mu = nu / ((1 + nu) * (1 - 2 * nu)), 1 / (2 * (1 + nu))

    def field(x: FloatArray) -> FloatArray:
        wave = np.prod(np.sin(np.pi * x), axis=-1)
        return np.stack([wave, 0.5 * wave, -wave], axis=-1)

    def stress(x: FloatArray, h: float = 1e-5) -> FloatArray:
        g = np.stack([(field(x + s) - field(x - s)) / (2 * h) for s in h * np.eye(3)], axis=-1)
        e = 0.5 * (g + np.swapaxes(g, -1, -2))
        trace = np.trace(e, axis1=-2, axis2=-1)[..., None, None] * np.eye(3)
        return np.asarray((1.0 + x[..., :1, None]) * (lam * trace + 2 * mu * e))

    def force(x: FloatArray, h: float = 1e-4) -> FloatArray:
        sides = [stress(x + s) - stress(x - s) for s in h * np.eye(3)]
        return np.asarray(-sum(side[..., i] / (2 * h) for i, side in enumerate(sides)))

    values = element.values(element.rule.points)[0]
    places = np.einsum("qa,cai->cqi", values, mesh.points[mesh.cells])
    constants = isotropic_constants(1.0 + mesh.centres()[:, 0], nu, mesh.n_cells)
    rim = _rim(mesh, 1.0)
    held = np.repeat(rim[:, None], 3, axis=1)
    loads = body_force(mesh, element, force(places))
    found = solve_static(Static(mesh, element, constants, held, field(mesh.points), loads))
    _, volume = cell_gradients(mesh.points, mesh.cells, element)
    moved = np.einsum("qa,cai->cqi", values, found.displacement[mesh.cells]) - field(places)
    strain = strains(mesh, element, found.displacement, constants=constants)
    tensor = stresses(strain, constants)[..., [0, 5, 4, 5, 1, 3, 4, 3, 2]]
    off = tensor.reshape(*strain.shape[:2], 3, 3) - stress(places)
    return (
        float(np.sqrt((volume * (moved**2).sum(-1)).sum())),
        float(np.sqrt((volume * (off**2).sum((-1, -2))).sum())),
    )


# Laws ---------------------------------------------------------------------------------------------


def v15(bench: Bench, entry: Entry) -> Pairs:
    """One voxel: yield, and the slope of unloading after damage."""
    most, scale = 0.6, 0.02
    law = Quadric(
        _constants(1), _YIELD_MPA, softening=Softening(most_damage=most, damage_strain=scale)
    )
    voxel = _Voxel(law)
    for strain in np.linspace(0.0, 0.03, 31)[1:]:
        stress = voxel.compress(strain)
    voxel.compress(0.03)  # what is averaged takes effect with the next step
    damage = most * (1.0 - np.exp(-(0.03 - _YIELD_MPA / _E_MPA) / scale))
    slope = (voxel.compress(0.0295) - voxel.compress(0.0285)) / 0.001
    expected = (1.0 - damage) * _E_MPA
    first = _Voxel(Quadric(_constants(1), _YIELD_MPA))
    stress = [first.compress(strain) for strain in np.linspace(0.0, 0.02, 9)[1:]][-1]
    return {
        "yield": (abs(stress / _YIELD_MPA - 1.0), f"{stress:.6f} MPa"),
        "slope": (abs(slope / expected - 1.0), f"{slope:.4f} MPa, damage {damage:.3f}"),
    }


def _constants(n: int) -> FloatArray:
    unit = StiffnessField.isotropic(np.ones((1, 1, 1)), _NU).mean_constants().reshape(1, 9)
    return np.repeat(_E_MPA * unit, n, axis=0)


class _Voxel:
    """One voxel compressed at free width."""

    def __init__(self, law: Quadric) -> None:
        self.code, self.params = law.code, law.rows()[0]
        self.state, self.across = np.zeros(law.n_state), 0.0

    def compress(self, strain: float) -> float:
        """Step to a compressive strain; return the compressive stress, MPa."""
        P, A, new = np.zeros(9), np.zeros((9, 9)), np.zeros_like(self.state)
        for _ in range(60):
            F = np.diag([1 + self.across, 1 + self.across, 1 - strain]).ravel()
            constitutive.respond(self.code, F, self.params, self.state, 1.0, P, A, new)
            if abs(P[0]) < 1e-12:
                break
            self.across -= float(P[0] / (A[0, 0] + A[0, 4]))
        self.state = new.copy()
        self.state[slots.SOFTENING] = self.state[slots.INELASTIC]
        return -float(P[8])


def v16(bench: Bench, entry: Entry) -> Pairs:
    """Energy that a softening column dissipates, from one voxel size to its half."""
    coarse, fine = (_softened_n_mm(h, entry.given) for h in entry.given["spacings_mm"])
    words = f"{coarse:.3f} and {fine:.3f} N mm"
    return {"change": (100.0 * (fine / coarse - 1.0), words)}


def _softened_n_mm(h_mm: float, given: Mapping[str, Any]) -> float:
    """Return what a column, a tenth weaker in its middle, dissipates."""
    n_z, n_x = round(12 / h_mm), round(1 / h_mm)
    field = StiffnessField.isotropic(np.full((n_z, n_x, n_x), 400.0), 0.3)
    body = _block(field, (h_mm,) * 3)
    z = (np.arange(n_z) + 0.5) * h_mm - 6.0
    weak = 1.5 * (1.0 - 0.1 * np.exp(-0.5 * (z / 3.0) ** 2))
    strength = np.broadcast_to(weak[:, None, None], body.domain.shape).ravel()
    constants = field.mean_constants().reshape(-1, 9)
    softening = Softening(residual=0.2, strain=0.02)
    law = Quadric(constants, strength, Surface(), softening)
    made = Constituents.join([Part("bone", np.arange(len(constants)), law)])
    settings = EquilibriumSettings(averaging_mm=given["averaging_mm"])
    column = Equilibrium(body, made, lateral="sliding", settings=settings)
    step = 1.0 / given["steps"]
    status = column.run(Leg("load", move(given["shortening_mm"]), first=step, largest=step))
    if status is not Status.DONE:
        raise NotConverged(f"column of {h_mm:g} mm voxels: {status.value}", column.history)
    return float(column.history[-1].dissipated_n_mm)


Comparison = Callable[[Bench, Entry], Pairs]

CLOSED_FORMS: Mapping[str, Comparison] = {
    "V1": v1,
    "V2": v2,
    "V3": v3,
    "V4": v4,
    "V10": v10,
    "V15": v15,
    "V16": v16,
}
"""The function of every comparison with a closed form."""
