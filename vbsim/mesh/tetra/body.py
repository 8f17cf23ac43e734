"""Tetrahedra of a vertebral body: the core filled freely, wall, endplates and caps in layers on it.

The surface of the core comes from the hexahedra that fit the same body, so that both meshes have
one shape. Wall and endplates of true thickness are layers of prisms on the triangles of the core,
each cut into three tetrahedra, and so are the caps: all cells share their corners.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput, require
from vbsim.mesh.hexa.body import BodyLayout, HexaBody, Region, cap_shares
from vbsim.mesh.mending import Mending, mended_points
from vbsim.mesh.mesh import Mesh, outer_faces
from vbsim.mesh.order import halfway, second_order
from vbsim.mesh.quality import scaled_jacobian
from vbsim.mesh.surface import Surface
from vbsim.mesh.tetra.filling import tetrahedralize
from vbsim.mesh.tetra.kept import keep_cells, kept_cells
from vbsim.mesh.tetra.layers import prisms, rim_quads
from vbsim.mesh.tetra.nearest import Skin

__all__ = ["Cap", "TetraBody", "TetraCounts", "expected_counts", "moved_tetra_body", "tetra_body"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

# A cell below this is refused: it is flat, or inside out. Sound cells of thin layers are not far
# away: where an endplate meets a wall of 0.35 mm they have 0.01 at a size of 3 mm, 0.002 at 5 mm.
_LEAST_JACOBIAN = 0.001
# A deformed body with such a cell is mended. Mending all that could be better may make others poor:
# less is tried then, down to what is nearly flat.
_MENDING = Mending((0.02, 0.005, 0.002), _LEAST_JACOBIAN, 0.05, 0.002, 0.3, rounds=12)
# Cores that are kept, so that stages of one shape share their cells.
_KEPT = 4
# Faces of the core, as hexahedra number theirs: below, above, and the four sides.
_BELOW, _ABOVE, _SIDE = 0, 1, 2
# How much a face counts as farther away where it looks another way, in edges.
_TURNED = 0.5

# Size of a cell and of a face of the core, in edges, as fTetWild leaves them on vertebrae (edges of
# 1.5 to 4 mm): volume, area of a triangle at an endplate and at the side.
_CELL, _END_FACE, _SIDE_FACE = 0.15, 0.36, 0.46
# Points a cell: of second order, and of first.
_POINTS = {1: 0.2, 2: 1.45}


class TetraCounts(NamedTuple):
    """How large a mesh is."""

    n_cells: int
    n_points: int


class Cap(NamedTuple):
    """Corners of the cells of a cap.

    Attributes
    ----------
    base : (n,) int array
        Points of the endplate's outer face.
    layers : (n_layers, n) int array
        The points over each of them, towards the platen.
    """

    base: IntArray
    layers: IntArray


@dataclass(frozen=True, eq=False)
class TetraBody:
    """The mesh of a body, in body coordinates.

    Parameters
    ----------
    mesh : Mesh
        With the sets ``lower_platen``, ``upper_platen``, ``inferior_endplate``,
        ``superior_endplate`` and the regions.
    regions : (n_cells,) int
        `Region` of every cell.
    platens_mm : tuple of float
        Height of the lower and upper platen where there are caps.
    caps : tuple of Cap
        The lower and the upper one, or none.
    """

    mesh: Mesh
    regions: NDArray[np.uint8]
    platens_mm: tuple[float, float] | None
    caps: tuple[Cap, ...] = ()
    sweep: None = field(default=None, init=False)

    @property
    def is_body(self) -> NDArray[np.bool_]:
        """Cells of the vertebra itself, caps left out, (n_cells,)."""
        return np.asarray(self.regions < Region.LOWER_CAP)


def expected_counts(
    layout: BodyLayout,
    size_mm: float,
    *,
    area_mm2: float,
    height_mm: float,
    has_wall: bool,
    order: int = 2,
) -> TetraCounts:
    """Return about how many cells and points `tetra_body` will make, within a fifth.

    Parameters
    ----------
    layout : BodyLayout
        Hexahedra of the same body: layers of its caps and endplates.
    size_mm : float
        Wanted edge of the cells inside the core, mm.
    area_mm2, height_mm : float
        Mean area of the endplates and mean height of the body.
    has_wall : bool
        Whether there is a wall.
    order : {1, 2}
        Order of the cells.
    """
    ends = 2.0 * area_mm2 / (_END_FACE * size_mm**2)
    side = 2.0 * np.sqrt(np.pi * area_mm2) * height_mm / (_SIDE_FACE * size_mm**2)
    cells = area_mm2 * height_mm / (_CELL * size_mm**3) + 3.0 * side * has_wall
    cells += 3.0 * ends * (layout.n_cap + layout.n_plates)
    return TetraCounts(int(cells), int(_POINTS[order] * cells))


def tetra_body(
    shape: HexaBody, size_mm: float, *, order: int = 2, kept: Path | None = None
) -> TetraBody:
    """Mesh a body.

    Parameters
    ----------
    shape : HexaBody
        Hexahedra of the same body, whose faces give its shape.
    size_mm : float
        Wanted edge of the cells inside the core, mm.
    order : {1, 2}
        2 puts a node in the middle of every edge.
    kept : Path, optional
        Folder in which the tetrahedra of a core are kept for the next time.

    Raises
    ------
    MissingExtra
        If pytetwild is not installed.
    InvalidInput
        If a cell would be flat or inside out.
    """
    skin, out = _core_skin(shape)
    core = _core(skin.points.tobytes(), skin.triangles.tobytes(), size_mm, kept)
    build = _Layers(core.points, core.cells)
    faces = _faces(core, skin, size_mm)
    if out is not None:
        faces = _with_wall(build, faces, skin, out)
    layout = shape.layout
    ends, caps = {}, []
    for side, name, cap in (
        (_BELOW, "inferior_endplate", Region.LOWER_CAP),
        (_ABOVE, "superior_endplate", Region.UPPER_CAP),
    ):
        base, sign = faces[side], -1.0 if side == _BELOW else 1.0
        if layout.n_plates:
            step = np.array([0.0, 0.0, sign * layout.endplate_mm])
            base = build.grow(base, lambda x, step=step: x + step, Region.ENDPLATE)
        ends[name] = np.unique(base)
        if layout.n_cap:
            assert shape.platens_mm is not None
            platen = shape.platens_mm[side]
            caps.append(_cap(build, base, platen, layout.n_cap, cap))
            ends[f"{'lower' if side == _BELOW else 'upper'}_platen"] = caps[-1].layers[-1]
    return _finished(build, ends, shape.platens_mm, tuple(caps), order)


@lru_cache(maxsize=_KEPT)
def _core(points: bytes, triangles: bytes, size_mm: float, kept: Path | None) -> Mesh:
    """Return tetrahedra inside a surface, the same ones for the same surface."""
    # A copy: what lies in bytes cannot be written to, and the library asks that it could.
    places = np.frombuffer(points, np.float64).reshape(-1, 3).copy()
    surface = Surface(places, np.frombuffer(triangles, np.int64).reshape(-1, 3))
    if kept is None:
        return tetrahedralize(surface, size_mm)
    found = kept_cells(kept, surface, size_mm)
    if found is None:
        found = tetrahedralize(surface, size_mm)
        keep_cells(kept, surface, size_mm, found)
    return found


def moved_tetra_body(body: TetraBody, displacement_mm: FloatArray, *, cap_mm: float) -> TetraBody:
    """Return a mesh whose body has been deformed, between new caps of the same cells.

    Edges are straight again: nodes in their middle follow the corners.

    Parameters
    ----------
    body : TetraBody
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
    require(len(body.caps) == 2, "body", "without caps", "a mesh with caps")
    points = _mended(body, body.mesh.points + displacement_mm)
    low, high = (points[cap.base, 2] for cap in body.caps)
    platens = (float(low.min()) - cap_mm, float(high.max()) + cap_mm)
    for cap, platen in zip(body.caps, platens, strict=True):
        face = points[cap.base]
        points[cap.layers] = face
        for layer, share in zip(cap.layers, cap_shares(len(cap.layers)), strict=True):
            points[layer, 2] += share * (platen - face[:, 2])
    moved = replace(body, mesh=halfway(body.mesh, points), platens_mm=platens)
    _refuse_flat(moved.mesh, moved.regions)
    return moved


def _mended(body: TetraBody, points: FloatArray) -> FloatArray:
    """Return points of which some are moved by a little where folds have turned cells inside out.

    The outer faces of the endplates stay.
    """
    cells = np.ascontiguousarray(body.mesh.cells[body.is_body, :4])
    moved = Mesh(points, cells, "tetra")
    poor = scaled_jacobian(moved) < _LEAST_JACOBIAN
    if not poor.any():
        return points
    movable = np.zeros(len(points), bool)
    for _ in range(2):  # cells at these cells
        movable[cells[poor]] = True
        poor = np.asarray(movable[cells].any(axis=1))
    movable[np.concatenate([cap.base for cap in body.caps])] = False
    edge = float(np.cbrt(np.median(np.abs(body.mesh.volumes()))))
    return mended_points(moved, movable, edge, _MENDING)


class _Layers:
    """A mesh that grows by layers."""

    def __init__(self, points: FloatArray, cells: NDArray[np.int32]) -> None:
        self.points = points
        self.cells = [cells.astype(np.int64)]
        self.regions = [np.full(len(cells), Region.CORE, np.uint8)]

    def grow(self, base: IntArray, lift: object, region: Region) -> IntArray:
        """Add a layer of a region on triangles; return the triangles on its far side."""
        assert callable(lift)
        used = np.unique(base)
        above = np.full(len(self.points), -1, np.int64)
        above[used] = len(self.points) + np.arange(len(used))
        self.points = np.concatenate([self.points, lift(self.points[used])])
        cells = prisms(base, above)
        self.cells.append(cells)
        self.regions.append(np.full(len(cells), region, np.uint8))
        return above[base]


def _core_skin(shape: HexaBody) -> tuple[Skin, FloatArray | None]:
    """Return the surface of the core, and the way through the wall at each of its points."""
    mesh = shape.mesh
    cells = np.flatnonzero(shape.regions == Region.CORE)
    quads, _, place = outer_faces(Mesh(mesh.points, mesh.cells[cells]))
    used, which = np.unique(quads, return_inverse=True)
    quads = which.reshape(-1, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    skin = Skin(mesh.points[used], triangles, np.tile(np.minimum(place, _SIDE), 2))
    if not bool((shape.regions == Region.SHELL).any()):
        return skin, None
    across = shape.sweep.partners()[used]
    return skin, mesh.points[across] - mesh.points[used]


def _faces(core: Mesh, skin: Skin, size_mm: float) -> list[IntArray]:
    """Return the outer triangles of the core below, above and at the side."""
    triangles = outer_faces(core)[0][:, :3]
    corners = core.points[triangles]
    centres = corners.mean(axis=1)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    cost = []
    for kind in (_BELOW, _ABOVE, _SIDE):
        part = skin.part(kind)
        near = part.nearest(centres)
        turned = 1.0 - np.einsum("ij,ij->i", normal, part.normals[near.triangle])
        cost.append(near.distance_mm + _TURNED * size_mm * turned)
    kind = np.argmin(cost, axis=0)
    return [triangles[kind == k] for k in (_BELOW, _ABOVE, _SIDE)]


def _with_wall(
    build: _Layers, faces: list[IntArray], skin: Skin, out: FloatArray
) -> list[IntArray]:
    """Grow the wall; return the faces below and above with the wall's own."""
    side = faces[_SIDE]
    used = np.unique(side)
    part = skin.part(_SIDE)
    near = part.nearest(build.points[used])
    way = np.einsum("nk,nkj->nj", near.weights, out[part.triangles[near.triangle]])
    n = len(build.points)
    above = np.full(n, -1, np.int64)
    above[used] = n + np.arange(len(used))
    sides, rim = rim_quads(side, above)
    build.grow(side, lambda x: x + way, Region.SHELL)

    def keys(edges: IntArray) -> IntArray:
        ends = np.sort(edges, axis=1)
        return np.asarray(ends[:, 0] * n + ends[:, 1])

    grown = []
    for kind in (_BELOW, _ABOVE):
        own = faces[kind]
        beside = np.isin(keys(rim), keys(own[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)))
        grown.append(np.concatenate([own, sides[beside]]))
    return grown


def _cap(build: _Layers, base: IntArray, platen_mm: float, n: int, region: Region) -> Cap:
    used, layers = np.unique(base), []
    face = build.points[used, 2]
    for share in cap_shares(n):
        height = face + share * (platen_mm - face)

        def lift(x: FloatArray, height: FloatArray = height) -> FloatArray:
            return np.column_stack([x[:, :2], height])

        base = build.grow(base, lift, region)
        layers.append(np.unique(base))
    return Cap(used, np.array(layers))


def _finished(
    build: _Layers,
    ends: dict[str, IntArray],
    platens_mm: tuple[float, float] | None,
    caps: tuple[Cap, ...],
    order: int,
) -> TetraBody:
    regions = np.concatenate(build.regions)
    named = {r.name.lower(): np.flatnonzero(regions == r) for r in Region}
    mesh = Mesh(
        build.points,
        np.concatenate(build.cells),
        "tetra",
        point_sets=ends,
        cell_sets={name: cells for name, cells in named.items() if len(cells)},
    )
    _refuse_flat(mesh, regions)
    require(order in (1, 2), "order", order, "1 or 2")
    return TetraBody(second_order(mesh) if order == 2 else mesh, regions, platens_mm, caps)


def _refuse_flat(mesh: Mesh, regions: NDArray[np.uint8]) -> None:
    quality = scaled_jacobian(mesh)
    worst = int(quality.argmin())
    if quality[worst] < _LEAST_JACOBIAN:
        x, y, z = mesh.centres()[worst]
        region = Region(regions[worst]).name.lower().replace("_", " ")
        raise InvalidInput(
            f"tetrahedral mesh: a cell of the {region} at x = {x:.1f}, y = {y:.1f}, z = {z:.1f} mm "
            f"has a scaled Jacobian of {quality[worst]:.3f}, less than {_LEAST_JACOBIAN:g}: the "
            "shape is too steep for these cells; ask for smaller cells, a milder fracture or voxels"
        )
