"""A CT-like phantom of a vertebra: density and labels as files, in any orientation.

What is in it is known exactly, so the whole path from images to a body can be tested anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, Field
from scipy.ndimage import gaussian_filter

from vbsim.anatomy.frame import Anatomy, PedicleAxis
from vbsim.checks import InvalidInput, Parameters, require
from vbsim.data import value
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["ARCH_LABEL", "BODY_LABEL", "Phantom", "PhantomFiles", "write_phantom"]

FloatArray = NDArray[np.float64]

BODY_LABEL, ARCH_LABEL = 1, 2
# Full width at half maximum of a Gaussian, in standard deviations.
_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
# The spinous process falls by this per mm to the back; the lamina reaches this part of the
# pedicle's height below it. Only front and back and up and down must be told from it.
_SPINOUS_SLOPE, _LAMINA_DROP = 0.35, 0.5
_ARCH_SUBPOINTS = 2
_DIRECTIONS = {
    "L": (1, 0, 0), "R": (-1, 0, 0),
    "P": (0, 1, 0), "A": (0, -1, 0),
    "S": (0, 0, 1), "I": (0, 0, -1),
}  # fmt: skip
_LINE = {letter: line for line in ("LR", "AP", "IS") for letter in line}


class _Sampled(Protocol):
    """A vertebra that can be sampled on a grid."""

    @property
    def anatomy(self) -> Anatomy:
        """Level, body frame and landmarks."""

    def sample(self, grid: VoxelGrid) -> Mapping[str, FloatArray]:
        """Return volume fractions ``trabecular shell endplate``, each (n_z, n_y, n_x)."""


def _check_orientation(text: str) -> str:
    letters = text.upper()
    lines = sorted(_LINE.get(letter, "") for letter in letters)
    if lines != ["AP", "IS", "LR"]:
        raise InvalidInput("must be three letters, one of L or R, one of P or A, one of S or I")
    return letters


class Phantom(Parameters):
    """How a phantom is scanned."""

    spacing_mm: (
        Annotated[float, Field(gt=0.0, le=6.0)]
        | tuple[
            Annotated[float, Field(gt=0.0, le=6.0)],
            Annotated[float, Field(gt=0.0, le=6.0)],
            Annotated[float, Field(gt=0.0, le=6.0)],
        ]
    ) = Field(1.0, description="Voxel size, mm; one number, or one per axis of the image.")
    orientation: Annotated[str, AfterValidator(_check_orientation)] = Field(
        "LPS",
        description="Where the image's axes i, j, k point: a letter each of L/R, P/A and S/I in "
        "any order; 48 in all.",
    )
    tilt_deg: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0),
        description="Turn of the patient on the table about x, then y, then z, deg.",
    )
    noise_sd_mg_cm3: float = Field(
        0.0, ge=0.0, le=500.0, description="Standard deviation of white noise, mg/cm3."
    )
    blur_mm: float = Field(
        0.0, ge=0.0, le=5.0, description="Full width at half maximum of the scanner's blur, mm."
    )
    margin_mm: float = Field(
        8.0, ge=1.0, le=100.0, description="Soft tissue around the vertebra, mm."
    )
    has_arch: bool = Field(True, description="Add pedicles, a lamina and a spinous process.")
    seed: int = Field(0, ge=0, description="Seed of the noise.")
    file_format: Literal["nii.gz", "nii", "nrrd", "mha"] = Field(
        "nii.gz", description="Format of the two files."
    )

    def grid(self, vertebra: _Sampled) -> VoxelGrid:
        """Return the voxels of the scan in the vertebra's own world."""
        anatomy = vertebra.anatomy
        axes = self._turn() @ self._order()
        corners = np.array(list(product(*_extent(anatomy, has_arch=self.has_arch).T)))
        local = anatomy.frame.to_world(corners) @ axes
        spacing = np.broadcast_to(np.asarray(self.spacing_mm, dtype=np.float64), 3)
        lower = local.min(axis=0) - self.margin_mm
        counts = np.ceil((local.max(axis=0) + self.margin_mm - lower) / spacing).astype(int)
        n_x, n_y, n_z = (int(n) for n in counts)
        h_x, h_y, h_z = (float(h) for h in spacing)
        return VoxelGrid((n_z, n_y, n_x), (h_x, h_y, h_z), axes @ lower, axes)

    def _order(self) -> FloatArray:
        """Return the image's axes in the scanner's frame, columns i, j, k."""
        return np.array([_DIRECTIONS[c] for c in self.orientation], dtype=np.float64).T

    def _turn(self) -> FloatArray:
        """Return the scanner's axes as seen from the patient, columns x, y, z."""
        turned = np.eye(3)
        for axis, angle in enumerate(np.radians(self.tilt_deg)):
            step, (i, j) = np.eye(3), ((1, 2), (2, 0), (0, 1))[axis]
            step[[i, j], [i, j]] = np.cos(angle)
            step[j, i], step[i, j] = np.sin(angle), -np.sin(angle)
            turned = step @ turned
        return np.asarray(turned.T)


class PhantomFiles(NamedTuple):
    """What was written, and where the vertebra truly lies in it.

    Attributes
    ----------
    density, labels : Path
        The two files; labels are 1 body, 2 arch.
    origin_mm : (3,) float array
        Origin of the vertebra's body frame in the files' world, mm.
    axes : (3, 3) float array
        Columns are the directions of its axes there.
    """

    density: Path
    labels: Path
    origin_mm: FloatArray
    axes: FloatArray


def write_phantom(
    vertebra: _Sampled,
    folder: str | Path,
    *,
    phantom: Phantom | None = None,
    vbmd_mg_cm3: ArrayLike = 100.0,
) -> PhantomFiles:
    """Write ``density`` and ``labels`` of a vertebra into a folder.

    Parameters
    ----------
    vertebra : Vertebra
        A parametric vertebra.
    folder : path
        Made if missing; files of these names in it are replaced.
    phantom : Phantom, optional
        How it is scanned.
    vbmd_mg_cm3 : float or (n_z, n_y, n_x) array
        Density of the trabecular bone, mg/cm3; an array lies on ``phantom.grid(vertebra)``.
    """
    phantom = phantom or Phantom()
    grid = phantom.grid(vertebra)
    body, image = _compose(vertebra, grid, phantom, np.asarray(vbmd_mg_cm3, dtype=np.float64))
    arch = _arch(vertebra.anatomy, grid) if phantom.has_arch else np.zeros(grid.shape)
    arch = np.minimum(arch, 1.0 - body)
    image = image + arch * (value("images.phantom.arch_mg_cm3") - _soft())
    sigma = phantom.blur_mm / _FWHM / np.array(grid.spacing_mm[::-1])
    image = gaussian_filter(image, sigma, mode="nearest") if phantom.blur_mm > 0.0 else image
    noise = np.random.default_rng(phantom.seed).standard_normal(grid.shape)
    image = image + phantom.noise_sd_mg_cm3 * noise
    labels = np.where(body >= 0.5, BODY_LABEL, np.where(body + arch >= 0.5, ARCH_LABEL, 0))
    turn = phantom._turn().T
    scanned = VoxelGrid(grid.shape, grid.spacing_mm, turn @ grid.origin_mm, turn @ grid.axes)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    paths = [target / f"{name}.{phantom.file_format}" for name in ("density", "labels")]
    _write(paths[0], image.astype(np.float32), scanned)
    _write(paths[1], labels.astype(np.uint8), scanned)
    frame = vertebra.anatomy.frame
    return PhantomFiles(paths[0], paths[1], turn @ frame.origin_mm, turn @ frame.axes)


def _soft() -> float:
    return float(value("images.phantom.soft_tissue_mg_cm3"))


def _compose(
    vertebra: _Sampled, grid: VoxelGrid, phantom: Phantom, vbmd: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return the fraction of body and the density of body and soft tissue, (n_z, n_y, n_x)."""
    require(
        vbmd.shape in ((), grid.shape),
        "vbmd_mg_cm3",
        f"shape {vbmd.shape}",
        f"one number or of shape {grid.shape}: that of phantom.grid(vertebra)",
    )
    parts = vertebra.sample(grid)
    dense = parts["shell"] + parts["endplate"]
    body = parts["trabecular"] + dense
    mineral = parts["trabecular"] * vbmd + dense * float(value("bone.shell.mineral_mg_cm3"))
    return body, mineral + (1.0 - body) * _soft()


def _write(path: Path, array: NDArray[Any], grid: VoxelGrid) -> None:
    # SimpleITK takes longer to import than the rest of the package together.
    import SimpleITK as sitk  # noqa: N813

    image = sitk.GetImageFromArray(array)
    image.SetSpacing(grid.spacing_mm)
    image.SetOrigin(grid.affine()[:3, 3].tolist())
    image.SetDirection(np.asarray(grid.axes).ravel().tolist())
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InvalidInput(f"{path}: cannot be written ({reason})") from None


# The arch ----------------------------------------------------------------------------------------


class _Lamina(NamedTuple):
    """Extent of lamina and spinous process in body coordinates, mm."""

    half_width: float
    front: float
    back: float
    tip: float
    middle: float
    half_height: float


def _lamina(anatomy: Anatomy) -> _Lamina:
    marks = anatomy.landmarks
    left, right = marks.pedicle_left, marks.pedicle_right
    front = marks.canal_centre_mm[1] + 0.5 * marks.canal_depth_mm
    back = front + float(value("images.phantom.lamina_thickness_mm"))
    height = 0.5 * (left.height_mm + right.height_mm)
    middle = 0.5 * (left.isthmus_mm[2] + right.isthmus_mm[2]) - 0.5 * _LAMINA_DROP * height
    return _Lamina(
        0.5 * marks.canal_width_mm + max(left.width_mm, right.width_mm),
        front,
        back,
        back + float(value("images.phantom.spinous_length_mm")),
        middle,
        0.5 * (1.0 + _LAMINA_DROP) * height,
    )


def _extent(anatomy: Anatomy, *, has_arch: bool) -> FloatArray:
    """Return the lower and upper corner of body and arch in body coordinates, (2, 3), mm."""
    bounds = np.array(anatomy.bounds_mm())
    if not has_arch:
        return bounds
    lamina = _lamina(anatomy)
    fall = _SPINOUS_SLOPE * (lamina.tip - lamina.front)
    lower = (-lamina.half_width, lamina.front, lamina.middle - lamina.half_height - fall)
    upper = (lamina.half_width, lamina.tip, lamina.middle + lamina.half_height)
    return np.stack([np.minimum(bounds[0], lower), np.maximum(bounds[1], upper)])


def _arch(anatomy: Anatomy, grid: VoxelGrid) -> FloatArray:
    """Return the fraction of pedicles, lamina and spinous process in every cell."""
    frame, marks, lamina = anatomy.frame, anatomy.landmarks, _lamina(anatomy)
    lower, upper = _extent(anatomy, has_arch=True)
    centres = frame.to_body(grid.centres())
    reach = float(np.linalg.norm(grid.spacing_mm))
    near = np.all((centres >= lower - reach) & (centres <= upper + reach), axis=-1)
    # Pedicles begin inside the body; nothing of the arch lies in front of its middle.
    near &= centres[..., 1] >= 0.0
    centres = centres[near]
    offsets = (np.arange(_ARCH_SUBPOINTS) + 0.5) / _ARCH_SUBPOINTS - 0.5
    edges = frame.axes.T @ grid.axes * np.array(grid.spacing_mm)
    total = np.zeros(len(centres))
    for offset in product(offsets, repeat=3):
        points = centres + edges @ np.array(offset)
        inside = _in_lamina(points, lamina)
        for pedicle in (marks.pedicle_left, marks.pedicle_right):
            inside |= _in_pedicle(points, pedicle, lamina.back)
        total += inside
    result = np.zeros(grid.shape)
    result[near] = total / _ARCH_SUBPOINTS**3
    return result


def _in_lamina(points: FloatArray, lamina: _Lamina) -> NDArray[np.bool_]:
    x, y, z = np.moveaxis(points, -1, 0)
    behind = y - lamina.front
    plate = (behind >= 0.0) & (y <= lamina.back) & (np.abs(x) <= lamina.half_width)
    plate &= np.abs(z - lamina.middle) <= lamina.half_height
    process = (behind >= 0.0) & (y <= lamina.tip)
    process &= np.abs(x) <= 0.5 * (lamina.back - lamina.front)
    process &= np.abs(z - lamina.middle + _SPINOUS_SLOPE * behind) <= 0.7 * lamina.half_height
    return np.asarray(plate | process)


def _in_pedicle(points: FloatArray, pedicle: PedicleAxis, back_mm: float) -> NDArray[np.bool_]:
    """Return the points in an elliptic cylinder from inside the body to the back of the lamina."""
    along = np.array(pedicle.direction)
    across = np.cross(along, (0.0, 0.0, 1.0))
    across /= np.linalg.norm(across)
    up = np.cross(across, along)
    away = points - np.array(pedicle.isthmus_mm)
    wide = away @ across / (0.5 * pedicle.width_mm)
    tall = away @ up / (0.5 * pedicle.height_mm)
    # Forward as far as the isthmus lies behind the body, and a little into it.
    forward = away @ along <= 1.5 * pedicle.width_mm
    return np.asarray((wide**2 + tall**2 <= 1.0) & forward & (points[..., 1] <= back_mm))
