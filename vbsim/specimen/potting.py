"""Loading caps: PMMA or disc-like pads that conform to the endplates, and the platens on them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from vbsim.checks import InvalidInput, Parameters, require
from vbsim.data import value
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.specimen import Specimen
from vbsim.specimen.tissue import CapMaterial, Ends

__all__ = ["Potting", "pot_as_drawn", "surface_points"]

FloatArray = NDArray[np.float64]
Side = Literal["lower", "upper"]

# Sub-points per voxel edge at which the outline is asked for: 1/8 of a voxel is well below what
# the outline itself is known to.
_SUBPOINTS = 4

# A cap voxel filled less than this adds unknowns and no stiffness.
_SLIVER = 0.01

# Bone fractions below this are sampling noise, not an endplate to rest on.
_BONE_SURFACE = 1e-3

# A layer this nearly full closes a column; less than a twentieth is the error of sampling.
_LEAK = 0.05

# Caps flow into dents of an endplate this far below its smooth map, or one voxel if that is more.
_DENT_MM = 2.0


class Potting(Parameters):
    """Caps above and below the body, and the two sets of points glued to the platens.

    The platens are flat planes across the body's z axis; the load line is that axis. Caps fill the
    space between the bone and the platen over the outline of the endplate and never overwrite
    bone or fill a cleft.

    Examples
    --------
    >>> Potting(kind="disc").material().youngs_modulus_mpa
    8.0
    """

    kind: Literal["pmma", "disc"] = Field(
        default="pmma", description="PMMA caps, or soft pads like degenerate discs"
    )
    thickness_mm: float = Field(
        default_factory=lambda: value("loads.caps.pmma.thickness_mm"),
        ge=1.0,
        le=30.0,
        description="cap above the highest point of the rim, rounded up to a grid plane, mm",
    )
    youngs_modulus_mpa: float | None = Field(
        default=None, gt=0, description="modulus of the caps, MPa; by kind if left out"
    )
    poisson: float | None = Field(
        default=None, ge=0, lt=0.499, description="Poisson's ratio of the caps; by kind if left out"
    )

    def material(self) -> CapMaterial:
        """Return the material of the caps."""
        place = f"loads.caps.{self.kind}"
        modulus, poisson = self.youngs_modulus_mpa, self.poisson
        return CapMaterial(
            self.kind,
            value(f"{place}.youngs_modulus_mpa") if modulus is None else modulus,
            value(f"{place}.poisson") if poisson is None else poisson,
        )

    def apply(self, specimen: Specimen) -> Specimen:
        """Return the specimen with caps and platen points.

        Raises
        ------
        InvalidInput
            If the specimen has caps already, if the grid is not aligned with the body, or if it is
            too small for the caps.
        """
        require(specimen.ends is None, "specimen", specimen.name, "without caps before potting")
        z_faces = specimen.body_faces()[2]
        lower, upper = self._platen_planes(specimen, z_faces)
        # On coarse voxels the two meet beside a flat body.
        room = 1.0 - _occupied(specimen)
        cap = np.minimum(_cap(specimen, upper, "upper") + _cap(specimen, lower, "lower"), room)
        frame, domain = specimen.anatomy.frame, specimen.domain
        ends = Ends(
            _plane_points(cap[lower] > 0, lower),
            _plane_points(cap[upper - 1] > 0, upper),
            domain.to_local(frame.to_world([0.0, 0.0, z_faces[upper]])),
        )
        line = (
            f"{specimen.name}: {self.kind} caps, platens at z = {z_faces[lower]:.2f} and "
            f"{z_faces[upper]:.2f} mm"
        )
        return replace(
            specimen,
            tissue=specimen.tissue._replace(cap=cap),
            cap=self.material(),
            ends=ends,
            history=(*specimen.history, line),
        )

    def _platen_planes(self, specimen: Specimen, z_faces: FloatArray) -> tuple[int, int]:
        """Return the grid planes of the lower and upper platen."""
        frame = specimen.anatomy.frame
        over = frame.footprint()
        highest = float(frame.superior_mm[over].max()) + self.thickness_mm
        lowest = float(frame.inferior_mm[over].min()) - self.thickness_mm
        # Round-off of the grid's origin must not push a platen one voxel outwards.
        slack = 1e-6
        short = max(highest - z_faces[-1], z_faces[0] - lowest)
        if short > slack:
            raise InvalidInput(
                f"grid = {z_faces[0]:.2f} to {z_faces[-1]:.2f} mm along the body's axis: must hold "
                f"caps from {lowest:.2f} to {highest:.2f} mm; raise margin_mm by "
                f"{np.ceil(short):.0f} mm or more"
            )
        upper = int(np.searchsorted(z_faces, highest - slack))
        lower = int(np.searchsorted(z_faces, lowest + slack, side="right")) - 1
        return lower, upper


def pot_as_drawn(
    specimen: Specimen, *, lower: FloatArray, upper: FloatArray, material: CapMaterial
) -> Specimen:
    """Return the specimen with caps drawn elsewhere, on any grid, for comparison between codes.

    The platens are glued to the outer surface of each cap as seen along grid z, flat or not, and
    tilt about the centroid of the upper one.

    Parameters
    ----------
    specimen : Specimen
        Without caps.
    lower, upper : (n_z, n_y, n_x) float or bool array
        Volume fraction of each cap.
    material : CapMaterial
        Material of both.
    """
    require(specimen.ends is None, "specimen", specimen.name, "without caps before potting")
    above = surface_points(np.asarray(upper) > 0, "upper")
    below = surface_points(np.asarray(lower) > 0, "lower")
    require(min(len(above), len(below)) > 0, "caps", "an empty cap", "a cap at both ends")
    k, j, i = np.unravel_index(above, specimen.domain.point_shape)
    pivot = np.array([i.mean(), j.mean(), k.mean()]) * np.array(specimen.domain.spacing_mm)
    cap = np.asarray(lower, dtype=np.float64) + np.asarray(upper, dtype=np.float64)
    return replace(
        specimen,
        tissue=specimen.tissue._replace(cap=cap),
        cap=material,
        ends=Ends(below, above, pivot),
        history=(*specimen.history, f"{specimen.name}: {material.kind} caps as drawn"),
    )


def surface_points(is_cap: NDArray[np.bool_], side: Side) -> NDArray[np.int64]:
    """Return the points of a cap that are seen along grid z from outside, flat indices, (n,).

    In each line of points along z, the outermost one that belongs to a cell of the cap.

    Examples
    --------
    >>> surface_points(np.ones((2, 1, 1), dtype=bool), "upper")
    array([ 8,  9, 10, 11])
    """
    is_point = _points_of(is_cap)
    outermost = is_point.argmax(axis=0)
    if side == "upper":
        outermost = len(is_cap) - is_point[::-1].argmax(axis=0)
    rows, columns = np.nonzero(is_point.any(axis=0))
    flat = np.ravel_multi_index((outermost[rows, columns], rows, columns), is_point.shape)
    return np.asarray(flat, dtype=np.int64)


def _occupied(specimen: Specimen) -> FloatArray:
    """Return the volume fraction of bone and cleft, (n_z, n_y, n_x)."""
    bone = specimen.tissue.bone
    return np.minimum(bone if specimen.void is None else bone + specimen.void, 1.0)


def _cap(specimen: Specimen, plane: int, side: Side) -> FloatArray:
    """Return the volume fractions of one cap, (n_z, n_y, n_x).

    The lower cap is the upper cap of the specimen turned upside down.
    """
    frame, tissue = specimen.anatomy.frame, specimen.tissue
    x, y, _ = specimen.body_axes()
    z_first, h = specimen.body_faces()[2][0], specimen.domain.spacing_mm[2]
    occupied = _occupied(specimen)
    endplate = frame.superior_at if side == "upper" else frame.inferior_at
    surface = (endplate(x, y[:, None]) - z_first) / h  # in layers from the bottom
    over = _coverage(specimen, side)
    reach = max(1.0, _DENT_MM / h)
    if side == "upper":
        return _fill((tissue.body, occupied), surface, over, plane, reach)
    n_z = specimen.domain.shape[0]
    turned = (tissue.body[::-1], occupied[::-1])
    return _fill(turned, n_z - surface, over, n_z - plane, reach)[::-1]


def _fill(
    layers: tuple[FloatArray, FloatArray],
    surface: FloatArray,
    over: FloatArray,
    plane: int,
    reach: float,
) -> FloatArray:
    """Fill from the bone up to a plane.

    Parameters
    ----------
    layers : tuple of (n_z, n_y, n_x) float array
        Fraction of the body, and of all that is occupied.
    surface : (n_y, n_x) float
        Height of the smooth endplate, in layers.
    over : (n_y, n_x) float
        Share of each column over the endplate.
    plane : int
        Layer at which the cap ends.
    reach : float
        How far below the smooth endplate the cap may follow the bone, in layers.
    """
    body, occupied = layers
    n_z = len(body)
    is_bone = body > _BONE_SURFACE
    is_closed = is_bone & (occupied >= over - _LEAK)
    # Down to the first layer that bone closes, or to the topmost bone of a column it never closes.
    floor = np.where(is_closed.any(axis=0), _topmost(is_closed), _topmost(is_bone))
    # Beside the bone (a column that only grazes the wall) start at the smooth endplate.
    start = np.where(is_bone.any(axis=0), np.maximum(floor, np.floor(surface - reach)), -1)
    layer = np.arange(n_z)[:, None, None]
    above_map = np.clip(layer + 1.0 - surface, 0.0, 1.0)
    open_share = np.where(start < 0, above_map, layer >= start)
    cap = np.clip(over * open_share - occupied, 0.0, None) * (layer < plane)
    cap[cap < _SLIVER] = 0.0
    return np.asarray(cap)


def _topmost(is_set: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the highest layer that is set in each column, (n_y, n_x)."""
    return np.asarray(len(is_set) - 1 - is_set[::-1].argmax(axis=0), dtype=np.int64)


def _coverage(specimen: Specimen, side: Side) -> FloatArray:
    """Return the share of each column over the outline of an endplate, (n_y, n_x)."""
    h_x, h_y, _ = specimen.domain.spacing_mm
    x, y, _ = specimen.body_axes()
    offsets = (np.arange(_SUBPOINTS) + 0.5) / _SUBPOINTS - 0.5
    fine_x = (x[:, None] + offsets * h_x).ravel()
    fine_y = (y[:, None] + offsets * h_y).ravel()[:, None]
    height = 1.0 if side == "upper" else 0.0
    wall = specimen.anatomy.frame.wall_radius(np.arctan2(fine_y, fine_x), height)
    is_inside = np.hypot(fine_x, fine_y) <= wall
    blocks = is_inside.reshape(len(y), _SUBPOINTS, len(x), _SUBPOINTS)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _plane_points(is_cap: NDArray[np.bool_], plane: int) -> NDArray[np.int64]:
    """Return the points of a grid plane that belong to cells (n_y, n_x), flat indices, (n,)."""
    is_point = _points_of(is_cap[None])[0]
    return np.asarray(np.flatnonzero(is_point) + plane * is_point.size, dtype=np.int64)


def _points_of(is_cap: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the corners of cells (n_z, n_y, n_x), whatever their size."""
    n_z, n_y, n_x = is_cap.shape
    return VoxelGrid((n_z, n_y, n_x), (1.0, 1.0, 1.0)).points_of(is_cap)
