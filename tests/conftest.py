"""Bodies that many chapters test with: a made-up block with a bowl, and a coarse L1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vbsim.anatomy import Vertebra
from vbsim.anatomy.frame import Anatomy, BodyFrame, Landmarks, PedicleAxis
from vbsim.materials.bone import Bone
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import Specimen

FloatArray = NDArray[np.float64]

HALF_WIDTH_MM, HALF_DEPTH_MM, HALF_HEIGHT_MM = 18.0, 13.0, 11.0
BOWL_MM, SHELL_MM, ENDPLATE_MM, POWER = 1.2, 0.35, 0.5, 2.5


@dataclass(frozen=True)
class BlockVertebra:
    """A straight-walled body with bowl-shaped endplates; offers what a specimen samples from."""

    tilt_deg: float = 0.0
    level: str = "L1"

    @property
    def axes(self) -> FloatArray:
        turn = np.radians(self.tilt_deg)
        return np.array(
            [
                [1.0, 0.0, 0.0],
                [0.0, np.cos(turn), -np.sin(turn)],
                [0.0, np.sin(turn), np.cos(turn)],
            ]
        )

    @property
    def origin_mm(self) -> FloatArray:
        return np.array([3.0, -40.0, 900.0])

    def bounds_mm(self) -> FloatArray:
        return self.anatomy.frame.bounds_mm()

    @property
    def anatomy(self) -> Anatomy:
        x, y = np.arange(-24.0, 24.5, 0.5), np.arange(-20.0, 20.5, 0.5)
        height = self._surface(x, y[:, None])
        theta = np.arange(360) * (2.0 * np.pi / 360)
        wall = np.tile(self._wall(theta), (5, 1))
        frame = BodyFrame(self.origin_mm, self.axes, x, y, height, -height, wall)
        pedicles = [
            PedicleAxis((s * 18.0, 40.0, 4.0), (s * 12.0, 18.0, 3.0), (-s * 0.2, -0.98, 0.0), 8, 15)
            for s in (1.0, -1.0)
        ]
        marks = Landmarks((0.0, 13.0, 0.0), (0.0, 22.0, 0.0), 23.0, 18.0, *pedicles)
        return Anatomy(self.level, frame, marks, "parametric")

    def sample(self, grid: VoxelGrid) -> Mapping[str, FloatArray]:
        body = self.anatomy.frame.to_body(grid.centres())
        x, y, z = body[..., 0], body[..., 1], body[..., 2]
        h = max(grid.spacing_mm)
        inside = self._wall(np.arctan2(y, x)) - np.hypot(x, y)
        below = self._surface(x, y) - np.abs(z)

        def part(depth: FloatArray, thickness: float) -> FloatArray:
            return np.clip((depth - thickness) / h + 0.5, 0.0, 1.0)

        whole, core = part(inside, 0.0), part(inside, SHELL_MM)
        tall, inner = part(below, 0.0), part(below, ENDPLATE_MM)
        return {
            "trabecular": core * inner,
            "shell": (whole - core) * tall,
            "endplate": core * (tall - inner),
            "arch": np.zeros(grid.shape),
        }

    def measured_vbmd(self, grid: VoxelGrid) -> FloatArray | None:
        return None

    @staticmethod
    def _surface(x: FloatArray, y: FloatArray) -> FloatArray:
        rho = np.hypot(x / HALF_WIDTH_MM, y / HALF_DEPTH_MM) / 0.7
        return HALF_HEIGHT_MM - BOWL_MM * np.clip(1.0 - rho**2, 0.0, None) ** 1.5

    @staticmethod
    def _wall(theta: FloatArray) -> FloatArray:
        across = np.abs(np.cos(theta) / HALF_WIDTH_MM) ** POWER
        along = np.abs(np.sin(theta) / HALF_DEPTH_MM) ** POWER
        return np.asarray((across + along) ** (-1.0 / POWER))


def make_block(spacing_mm: float = 2.0, *, tilt_deg: float = 0.0, **bone: Any) -> Specimen:
    """Return the made-up vertebra on a grid aligned with it."""
    source = BlockVertebra(tilt_deg)
    return Specimen.from_bone(source, VoxelGrid.around(source, spacing_mm=spacing_mm), Bone(**bone))


@pytest.fixture(scope="session")
def block_source() -> BlockVertebra:
    """The made-up vertebra, aligned with the world."""
    return BlockVertebra()


@pytest.fixture(scope="session")
def block_specimen() -> Specimen:
    """The made-up vertebra at 2 mm with default bone."""
    return make_block()


@pytest.fixture(scope="session")
def make_block_specimen() -> Callable[..., Specimen]:
    """Make such a specimen: ``(spacing_mm, *, tilt_deg, **bone)``."""
    return make_block


@pytest.fixture(scope="session")
def coarse_l1() -> Specimen:
    """An osteoporotic L1 on 3.5 mm voxels: as coarse as mechanics still makes sense on."""
    vertebra = Vertebra(level="L1")
    grid = VoxelGrid.around(vertebra, spacing_mm=3.5)
    return Specimen.from_bone(vertebra, grid, Bone(vbmd_mg_cm3=65.0))
