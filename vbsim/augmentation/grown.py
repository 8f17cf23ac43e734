"""Cement bodies that follow the bone: a cleft filled first, a front that grows through pores."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import distance_transform_edt

from vbsim.anatomy.frame import Anatomy
from vbsim.augmentation.approach import Approach, ApproachChoice, NeedlePath, Sides
from vbsim.augmentation.shapes import Shape, body_points, capsule, withdrawal
from vbsim.checks import InvalidInput, require
from vbsim.data import value
from vbsim.kernels.travel import sweep
from vbsim.materials.density_modulus import bone_volume_fraction
from vbsim.materials.variation import Lattice, RandomField

if TYPE_CHECKING:
    from vbsim.specimen.specimen import Specimen

__all__ = ["Cleft", "Lobulated", "travel_time"]

FloatArray = NDArray[np.float64]

# A voxel counts as cleft from this share of void on: half of what a voxel-thin cleft leaves in each
# of two voxels when it straddles their common face.
_LEAST_VOID = 0.25

# Distance up to which the front is a ball about the needle: upwind differences lose most of their
# accuracy at a point source. Fixed in mm, so that every spacing starts alike.
_START_MM = 2.0

# A time that stands for never: infinity minus infinity would be NaN.
_NEVER = 1e12


class Cleft(Shape):
    """The cleft filled as one block, then bone around it by distance.

    Without a volume asked, the block alone is filled.
    """

    kind: Literal["cleft"] = "cleft"
    own_level: ClassVar[float | None] = 0.0

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the distance from the cleft, negative inside it, (n_z, n_y, n_x), mm."""
        void = specimen.void
        if void is None or not bool((void >= _LEAST_VOID).any()):
            raise InvalidInput(
                "distribution = 'cleft': this specimen has no cleft; fracture it with one first"
            )
        return signed_distance(void >= _LEAST_VOID, specimen.domain.spacing_mm[::-1])


class Lobulated(Shape):
    """A front that runs from each needle through the pores, fastest where bone is sparse.

    The time of arrival solves the eikonal equation with the permeability of the bone there, varied
    by a seeded random field in body coordinates that stands for the structure below a voxel. Two
    needles deliver equal volumes as long as their fronts stay apart.
    """

    kind: Literal["lobulated"] = "lobulated"
    side: Sides = Field("both", description="Needles that deliver it.")
    approach: ApproachChoice = Field(
        default_factory=Approach, description="Way of the needles into the body."
    )
    seed: int = Field(0, ge=0, description="Seed of the random field.")
    roughness: float = Field(
        default_factory=lambda: float(value("augmentation.lobulated.roughness")),
        ge=0.0,
        le=1.5,
        description="Standard deviation of the logarithm of the front's speed.",
    )
    correlation_mm: float = Field(
        default_factory=lambda: float(value("augmentation.lobulated.correlation_mm")),
        ge=1.0,
        le=20.0,
        description="Correlation length of the random field, mm.",
    )

    def needles(self, anatomy: Anatomy) -> tuple[NeedlePath, ...]:
        """Return the needles that deliver the cement."""
        return self.approach.paths(anatomy, self.side)

    def preference(self, specimen: Specimen) -> FloatArray:
        """Return the radius of the ball of cement delivered when the front arrives, mm.

        Array (n_z, n_y, n_x); ``inf`` where the front never comes.
        """
        spacing = specimen.domain.spacing_mm
        require(
            bool(np.allclose(spacing, spacing[0])),
            "spacing_mm",
            spacing,
            "the same along x, y and z for a lobulated fill",
        )
        at = body_points(specimen)
        length = withdrawal(specimen.anatomy.frame)
        slowness = self._slowness(specimen)
        volume_mm3 = specimen.pore_fraction * specimen.domain.cell_volume_mm3
        fronts = [
            _delivered_radius(
                travel_time(slowness, capsule(at, needle, length), spacing[0]), volume_mm3
            )
            for needle in self.needles(specimen.anatomy)
        ]
        return np.minimum(fronts[0], fronts[-1])

    def _slowness(self, specimen: Specimen) -> FloatArray:
        """Return the time per mm in each cell, 1 on average; ``inf`` where nothing flows."""
        pore = specimen.pore_fraction
        slowness = np.full(pore.shape, np.inf)
        if not bool((pore > 0.0).any()):
            return slowness
        box = _box(pore > 0.0)
        bvtv = bone_volume_fraction(specimen.vbmd_mg_cm3[box])
        mean = float(np.average(bvtv, weights=pore[box]))
        slope = value("augmentation.lobulated.permeability_slope")
        inside = 10.0 ** (slope * (bvtv - mean)) * np.exp(
            self.roughness * self._field(specimen, box)
        )
        if specimen.void is not None:
            free = value("augmentation.lobulated.cleft_slowness")
            inside += specimen.void[box] * (free - inside)
        slowness[box] = np.where(pore[box] > 0.0, inside, np.inf)
        return slowness

    def _field(self, specimen: Specimen, box: tuple[slice, ...]) -> FloatArray:
        """Return the seeded random field on a part of the grid."""
        axes = zip(specimen.body_axes(), reversed(box), strict=True)
        x, y, z = (axis[part] for axis, part in axes)
        steps = np.diag(specimen.domain.spacing_mm)
        lattice = Lattice(np.array([x[0], y[0], z[0]]), steps, (len(z), len(y), len(x)))
        field = RandomField.seeded(self.seed, correlation_length_mm=self.correlation_mm)
        return field.on_lattice(lattice)


def _delivered_radius(time: FloatArray, volume_mm3: FloatArray) -> FloatArray:
    """Return the radius of a ball as large as what a front has filled when it arrives, mm."""
    reached = np.isfinite(time)
    times, which = np.unique(time[reached], return_inverse=True)
    held = np.bincount(which, weights=volume_mm3[reached], minlength=len(times))
    # Half of what arrives at the same time counts, so that the order has no bias by cell size.
    delivered = np.cumsum(held) - 0.5 * held
    result = np.full(time.shape, np.inf)
    result[reached] = np.cbrt(delivered[which] * 0.75 / np.pi)
    return result


def signed_distance(mask: NDArray[np.bool_], spacing_mm: tuple[float, ...]) -> FloatArray:
    """Return the distance of cell centres from the surface of a mask, negative inside, mm.

    Parameters
    ----------
    mask : (n_z, n_y, n_x) bool array
        Cells inside.
    spacing_mm : tuple of float
        Cell size along the array's own axes ``(z, y, x)``, mm.
    """
    half = 0.5 * min(spacing_mm)
    outside = np.asarray(distance_transform_edt(~mask, sampling=spacing_mm))
    inside = np.asarray(distance_transform_edt(mask, sampling=spacing_mm))
    return np.where(mask, half - inside, outside - half)


def travel_time(slowness: FloatArray, distance_mm: FloatArray, spacing_mm: float) -> FloatArray:
    """Return the time at which a front reaches each cell: the eikonal equation on cubic cells.

    First-order upwind differences (Rouy & Tourin 1992) by fast sweeping, repeated until
    nothing changes; the front starts as a ball of 2 mm about the source.

    Parameters
    ----------
    slowness : (n_z, n_y, n_x) float array
        Time per mm; ``inf`` where the front cannot enter.
    distance_mm : (n_z, n_y, n_x) float array
        Distance from the source, mm.
    spacing_mm : float
        Edge of the cells, mm.

    Returns
    -------
    (n_z, n_y, n_x) float array
        Time of arrival; ``inf`` where it never comes.

    Examples
    --------
    >>> x = np.arange(6.0)[None, None, :]
    >>> print(travel_time(np.full((1, 1, 6), 2.0), x, 1.0).ravel())
    [ 0.  2.  4.  6.  8. 10.]
    """
    open_cells = np.isfinite(slowness)
    result = np.full(slowness.shape, np.inf)
    if bool(open_cells.any()):
        box = _box(open_cells)
        result[box] = _arrival(slowness[box], distance_mm[box], spacing_mm)
    return result


def _arrival(slowness: FloatArray, distance_mm: FloatArray, spacing_mm: float) -> FloatArray:
    """Sweep until nothing changes, (n_z, n_y, n_x)."""
    open_cells = np.isfinite(slowness)
    start = open_cells & (distance_mm <= max(_START_MM, 1.5 * spacing_mm))
    time = np.full(tuple(n + 2 for n in slowness.shape), _NEVER)
    inner = time[1:-1, 1:-1, 1:-1]
    inner[start] = slowness[start] * distance_mm[start]
    cost = np.where(open_cells, slowness, 0.0) * spacing_mm
    while sweep(time, cost, open_cells & ~start):
        pass
    return np.where(open_cells & (inner < _NEVER), inner, np.inf)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box that holds a mask."""
    ends = [np.flatnonzero(mask.any(axis=other))[[0, -1]] for other in ((1, 2), (0, 2), (0, 1))]
    return tuple(slice(int(first), int(last) + 1) for first, last in ends)
