"""The mesh of a vertebral body: core, shell and endplates of true thickness, caps above and below.

Cells follow the outline and the endplates. The counts of cells depend on the intact body and the
wanted size alone, so that every shape of one vertebra has the same cells with moved points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vbsim.checks import InvalidInput, require
from vbsim.mesh.hexa.plan import Plan
from vbsim.mesh.hexa.sweep import Sweep
from vbsim.mesh.mending import Mending, mended_points
from vbsim.mesh.mesh import Mesh
from vbsim.mesh.quality import scaled_jacobian

__all__ = [
    "Body",
    "BodyLayout",
    "HexaBody",
    "Region",
    "cap_shares",
    "hexa_body",
    "moved_body",
]

FloatArray = NDArray[np.float64]
Map = Callable[[FloatArray, FloatArray, FloatArray], FloatArray]

# Cells of the core over the mean edge: the square has side n, so that cells of square and rings
# both come close to the wanted size.
_SIDE_PER_RADIUS = 1.25
_RINGS_PER_RADIUS = 0.42
# Each layer of a cap is this much thicker than the one next to the bone.
_CAP_GROWTH = 1.25
# Fixed-point steps for the height at which a point of an inner plane meets the outline.
_STEPS = 4
# Cells below the first of these are mended. The second is tried where that leaves a cell below the
# third: moves stop at a better place, but more of them swell a body by up to 1 % at the deepest.
_MENDING = Mending((0.36, 0.42), 0.3, 0.2, 0.01, 1.5, rounds=24)
# A cell below this is refused: sums over it lose their meaning long before 0.
LEAST_JACOBIAN = 0.05


class Region(IntEnum):
    """What a cell is made of."""

    CORE = 1
    SHELL = 2
    ENDPLATE = 3
    LOWER_CAP = 4
    UPPER_CAP = 5


class Body(Protocol):
    """What the mesher asks of a body, in body coordinates."""

    def superior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the upper endplate."""

    def inferior_at(self, x_mm: ArrayLike, y_mm: ArrayLike) -> FloatArray:
        """Return the height of the lower endplate."""

    def wall_radius(self, theta_rad: ArrayLike, height: ArrayLike) -> FloatArray:
        """Return the distance of the outer wall from the z axis at a normalised height."""

    def shell_radius(self, theta_rad: ArrayLike, height: ArrayLike) -> FloatArray:
        """Return the distance of the shell's inner face from the z axis."""


class BodyLayout(NamedTuple):
    """Counts of cells and thicknesses.

    Attributes
    ----------
    plan : Plan
        Quadrilaterals of every plane.
    core : tuple of float
        Planes between the endplates, as shares of the way up, from 0 to 1.
    n_cap : int
        Layers of each cap; 0 for none.
    endplate_mm : float
        Thickness of the bony endplates along z, mm; 0 for none.
    """

    plan: Plan
    core: tuple[float, ...]
    n_cap: int
    endplate_mm: float

    @classmethod
    def of_size(
        cls,
        size_mm: float,
        *,
        area_mm2: float,
        height_mm: float,
        shell_mm: float,
        endplate_mm: float,
        cap_mm: float,
    ) -> BodyLayout:
        """Return the layout whose core cells have edges of about a size.

        Parameters
        ----------
        size_mm : float
            Wanted edge, mm.
        area_mm2, height_mm : float
            Mean area of the endplates and mean height of the body.
        shell_mm, endplate_mm, cap_mm : float
            Thicknesses; 0 for none.
        """
        radius = float(np.sqrt(area_mm2 / np.pi)) / size_mm
        side = max(4, 4 * round(_SIDE_PER_RADIUS * radius / 4.0))
        rings = max(2, round(_RINGS_PER_RADIUS * radius))
        radii = tuple(np.linspace(0.0, 1.0, rings + 1))
        if shell_mm > 0.0:
            radii = (*radii, 1.0 + 1.0 / rings)
        n_core = max(3, round((height_mm - 2.0 * endplate_mm) / size_mm))
        growth = np.log1p((_CAP_GROWTH - 1.0) * cap_mm / size_mm) / np.log(_CAP_GROWTH)
        n_cap = max(2, round(float(growth))) if cap_mm > 0.0 else 0
        core = tuple(np.linspace(0.0, 1.0, n_core + 1).tolist())
        return cls(Plan(side, radii), core, n_cap, endplate_mm)

    def divided(self, parts: NDArray[np.int64]) -> BodyLayout:
        """Return the layout with each layer between the endplates cut into equal parts.

        Parameters
        ----------
        parts : (n_core,) int
            Layers to make of each layer, 1 to leave it.
        """
        planes = np.array(self.core)
        cut = [
            low + (high - low) * np.arange(n) / n
            for low, high, n in zip(planes[:-1], planes[1:], parts, strict=True)
        ]
        return self._replace(core=(*np.concatenate(cut).tolist(), 1.0))

    @property
    def n_core(self) -> int:
        """Layers between the endplates."""
        return len(self.core) - 1

    @property
    def middle(self) -> tuple[int, ...]:
        """The layer that holds mid-height, or the two that meet there, counted with all layers."""
        below = int(np.searchsorted(self.core, 0.5 - 1e-9)) - 1
        meets = abs(self.core[below + 1] - 0.5) <= 1e-9
        first = self.n_cap + self.n_plates + below
        return (first, first + 1) if meets else (first,)

    @property
    def n_layers(self) -> int:
        """Layers of cells, caps and endplates included."""
        return 2 * (self.n_cap + self.n_plates) + self.n_core

    @property
    def n_plates(self) -> int:
        """Layers of each endplate."""
        return int(self.endplate_mm > 0.0)

    def regions(self) -> NDArray[np.uint8]:
        """Return the `Region` of every cell, layer by layer."""
        plan, plate = self.plan, np.full(self.plan.n_cells, Region.ENDPLATE, np.uint8)
        core = np.where(plan.is_shell, Region.SHELL, Region.CORE).astype(np.uint8)
        caps = [np.full_like(plate, side) for side in (Region.LOWER_CAP, Region.UPPER_CAP)]
        layers = [caps[0]] * self.n_cap + [plate] * self.n_plates + [core] * self.n_core
        layers += [plate] * self.n_plates + [caps[1]] * self.n_cap
        return np.concatenate(layers)


@dataclass(frozen=True, eq=False)
class HexaBody:
    """The mesh of a body, in body coordinates.

    Parameters
    ----------
    sweep : Sweep
        Plan and points.
    layout : BodyLayout
        Counts.
    platens_mm : tuple of float
        Height of the lower and upper platen (or end) where there are caps.
    """

    sweep: Sweep
    layout: BodyLayout
    platens_mm: tuple[float, float] | None

    @cached_property
    def regions(self) -> NDArray[np.uint8]:
        """Return the `Region` of every cell, (n_cells,)."""
        return self.layout.regions()

    @cached_property
    def mesh(self) -> Mesh:
        """The mesh with its sets: ``lower_platen``, ``upper_platen`` and the regions."""
        mesh, n = self.sweep.mesh(), self.layout.plan.n_points
        ends = {"lower": np.arange(n), "upper": mesh.n_points - n + np.arange(n)}
        caps = self.layout.n_cap
        plates = {
            "inferior_endplate": self.plane(caps),
            "superior_endplate": self.plane(self.sweep.n_layers - caps),
        }
        sets = plates | ({f"{k}_platen": v for k, v in ends.items()} if caps else {})
        regions = {r.name.lower(): np.flatnonzero(self.regions == r) for r in Region}
        return Mesh(
            mesh.points,
            mesh.cells,
            point_sets=sets,
            cell_sets={name: cells for name, cells in regions.items() if len(cells)},
        )

    def plane(self, k: int) -> NDArray[np.int64]:
        """Return the points of plane k, counted from the bottom."""
        n = self.layout.plan.n_points
        return k * n + np.arange(n)

    @property
    def is_body(self) -> NDArray[np.bool_]:
        """Cells of the vertebra itself, caps left out, (n_cells,)."""
        return np.asarray(self.regions < Region.LOWER_CAP)


def hexa_body(
    body: Body,
    layout: BodyLayout,
    *,
    moved: Map | None = None,
    platens_mm: tuple[float, float] | None = None,
) -> HexaBody:
    """Mesh a body.

    Parameters
    ----------
    body : Body
        Outline and endplates before any fracture.
    layout : BodyLayout
        Counts and thicknesses.
    moved : callable, optional
        Gives the heights to which a fracture has taken heights z in the columns at x, y. Where an
        endplate has sunk steeply beside a leaning wall, points below it are then moved by a
        little so that no cell is sheared flat.
    platens_mm : tuple of float, optional
        Heights of the two platens; needed for caps.

    Raises
    ------
    InvalidInput
        If a cell would be inside out or nearly so; says which and where.
    """
    planes = _body_planes(body, layout)
    if moved is not None:
        planes[..., 2] = moved(planes[..., 2], planes[..., 0], planes[..., 1])
        planes = _relaxed(planes, layout)
    if layout.n_cap:
        require(platens_mm is not None, "platens_mm", None, "given for caps")
        assert platens_mm is not None
        planes = _between(planes, platens_mm, layout.n_cap)
    made = HexaBody(Sweep(layout.plan, planes), layout, platens_mm)
    _refuse_flat(made)
    return made


def moved_body(body: HexaBody, displacement_mm: FloatArray, *, cap_mm: float) -> HexaBody:
    """Return a mesh whose body has been deformed, between new caps of the same cells.

    Parameters
    ----------
    body : HexaBody
        The mesh before, with caps.
    displacement_mm : (n_points, 3) float
        Displacement of its points.
    cap_mm : float
        Least thickness of the new caps.

    Raises
    ------
    InvalidInput
        If a cell is inside out or nearly so, also with its points moved by a little.
    """
    layout, sweep = body.layout, body.sweep
    n = layout.n_cap
    require(n > 0, "body", "without caps", "a mesh with caps")
    planes = sweep.points + displacement_mm.reshape(sweep.points.shape)
    planes = planes[n : len(planes) - n]
    if scaled_jacobian(Sweep(layout.plan, planes).mesh()).min() < LEAST_JACOBIAN:
        planes = _relaxed(planes, layout)
    platens = (float(planes[0, :, 2].min()) - cap_mm, float(planes[-1, :, 2].max()) + cap_mm)
    made = HexaBody(Sweep(layout.plan, _between(planes, platens, n)), layout, platens)
    _refuse_flat(made)
    return made


def _between(planes: FloatArray, platens_mm: tuple[float, float], n_cap: int) -> FloatArray:
    """Return the planes of a body with those of its caps below and above."""
    lower = _cap_planes(planes[0], platens_mm[0], n_cap)[::-1]
    upper = _cap_planes(planes[-1], platens_mm[1], n_cap)
    return np.concatenate([lower, planes, upper])


def _body_planes(body: Body, layout: BodyLayout) -> FloatArray:
    """Return the points of every plane from the lower to the upper endplate, (k, n, 3)."""
    t = layout.endplate_mm
    planes = []
    for share in layout.core:
        s = np.full(layout.plan.n_points, share)
        for _ in range(_STEPS):
            x, y = _across(body, layout.plan, s)
            low = body.inferior_at(x, y)
            height = body.superior_at(x, y) - low
            z = low + t + share * (height - 2.0 * t)
            if 0.0 < share < 1.0:
                s = (z - low) / height
        planes.append(np.stack([x, y, z], axis=1))
    if layout.n_plates:
        # Upright, so that a plate keeps its thickness: its rim is out by less than it is thick.
        step = np.array([0.0, 0.0, t])
        planes = [planes[0] - step, *planes, planes[-1] + step]
    return np.array(planes)


def _across(body: Body, plan: Plan, s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return x and y of the plan's points at normalised heights s, mm.

    The disc is stretched to an ellipse of the outline's own half widths and then drawn out to the
    wall, all of it at the rim and little of it inside, so that cells near the axis stay even.
    """
    quarter = np.array([0.0, 0.5, 1.0, 1.5]) * np.pi
    right, back, left, front = (body.shell_radius(angle, s) for angle in quarter)
    half_x, half_y = 0.5 * (right + left), 0.5 * (back + front)
    u, v = plan.disc[:, 0] * half_x, plan.disc[:, 1] * half_y
    rho = np.hypot(*plan.disc.T)
    angle = np.arctan2(v, u)
    reach = np.hypot(u, v)
    wall = body.shell_radius(angle, s)
    drawn = np.where(rho > 0.0, wall * rho / np.maximum(reach, 1e-12) - 1.0, 0.0)
    scale = 1.0 + drawn * rho**2
    outer = body.wall_radius(angle, s) - wall
    beyond = 1.0 + plan.shell_rank * outer / np.maximum(wall, 1e-12)
    return u * scale * beyond, v * scale * beyond


def _relaxed(planes: FloatArray, layout: BodyLayout) -> FloatArray:
    """Move points of cells with poor corners by a little; the endplates' outer faces stay."""
    sweep = Sweep(layout.plan, planes)
    mesh = sweep.mesh()
    movable = np.ones(planes.shape[:2], bool)
    movable[[0, -1]] = False
    edge = float(np.cbrt(np.median(np.abs(mesh.volumes()))))
    return mended_points(mesh, movable.ravel(), edge, _MENDING).reshape(planes.shape)


def _cap_planes(face: FloatArray, platen_mm: float, n: int) -> FloatArray:
    """Return the planes between an endplate and its platen, the endplate left out, (n, p, 3)."""
    planes = np.repeat(face[None], n, axis=0)
    planes[..., 2] += cap_shares(n)[:, None] * (platen_mm - face[:, 2])
    return planes


def cap_shares(n: int) -> FloatArray:
    """Return where the layers of a cap end, as shares of the way from endplate to platen, (n,)."""
    steps = _CAP_GROWTH ** np.arange(n)
    return np.asarray(np.cumsum(steps) / steps.sum())


def _refuse_flat(body: HexaBody) -> None:
    quality = scaled_jacobian(body.mesh)
    worst = int(quality.argmin())
    if quality[worst] < LEAST_JACOBIAN:
        x, y, z = body.mesh.centres()[worst]
        region = Region(body.regions[worst]).name.lower().replace("_", " ")
        raise InvalidInput(
            f"hexahedral mesh: a cell of the {region} at x = {x:.1f}, y = {y:.1f}, z = {z:.1f} mm "
            f"has a scaled Jacobian of {quality[worst]:.2f}, less than {LEAST_JACOBIAN:g}: the "
            "shape is too steep for these cells; ask for a milder fracture or use voxels"
        )
