"""A box of side-by-side constituents in uniform compression: every measure has a closed form."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from vbsim.anatomy.frame import Anatomy, BodyFrame
from vbsim.fem.response import Response, SolverReport, Status
from vbsim.materials.field import StiffnessField
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen.tissue import Ends, Tissue

WIDTH_MM, DEPTH_MM, HEIGHT_MM, CAP_MM = 12.0, 10.0, 16.0, 4.0
SPACING_MM = 1.0
POISSON = 0.3
STRAIN = 1e-3
CEMENT_MPA, BONE_MPA, SHELL_MPA = 2000.0, 200.0, 1000.0


@dataclass(frozen=True, eq=False)
class Column:
    """What measures ask of a specimen, without a bone behind it."""

    anatomy: Anatomy
    domain: VoxelGrid
    tissue: Tissue
    parts: dict = field(default_factory=dict)
    cements: tuple = ()
    void: None = None
    name: str = "column"

    @property
    def materials(self):
        return StiffnessField(
            next(iter(self.parts.values())).units, sum(part.moduli for part in self.parts.values())
        )

    @property
    def ends(self):
        index = np.arange(self.domain.n_points).reshape(self.domain.point_shape)
        n_z, n_y, n_x = self.domain.shape
        pivot = SPACING_MM * np.array([0.5 * n_x, 0.5 * n_y, n_z])
        return Ends(index[0].ravel(), index[-1].ravel(), pivot)

    def compartment_stiffness(self):
        return self.parts

    def body_axes(self):
        x, y, z = self.domain.centres_local()
        origin = self.anatomy.frame.to_body(self.domain.origin_mm)
        return x + origin[0], y + origin[1], z + origin[2]


def box_frame(height_mm: float = HEIGHT_MM, *, tilt: float = 0.0) -> BodyFrame:
    """A box about the origin whose upper face rises by `tilt` per mm towards the back."""
    theta = np.arange(360) * (2.0 * np.pi / 360)
    with np.errstate(divide="ignore"):
        wall = np.minimum(
            0.5 * WIDTH_MM / np.abs(np.cos(theta)), 0.5 * DEPTH_MM / np.abs(np.sin(theta))
        )
    x, y = np.linspace(-8.0, 8.0, 33), np.linspace(-8.0, 8.0, 33)
    flat = np.full((33, 33), 0.5 * height_mm)
    upper, outline = flat + tilt * y[:, None], np.stack([wall] * 3)
    return BodyFrame(np.zeros(3), np.eye(3), x, y, upper, -flat, outline)


def column(
    *,
    cement_mpa: float = CEMENT_MPA,
    bone_mpa: float = BONE_MPA,
    shell_mpa: float = SHELL_MPA,
    cap_mpa: float | None = None,
) -> Column:
    """A third cement, a third bone and a third shell side by side along x, with caps.

    Without `cap_mpa` the three run through the caps as well, so that strain is uniform.
    """
    n = [round(edge / SPACING_MM) for edge in (HEIGHT_MM + 2 * CAP_MM, DEPTH_MM, WIDTH_MM)]
    origin = -0.5 * SPACING_MM * np.array(n[::-1])
    grid = VoxelGrid(tuple(n), (SPACING_MM,) * 3, origin)
    z = grid.centres_local()[2] + origin[2]
    in_body = (np.abs(z) < 0.5 * HEIGHT_MM)[:, None, None] * np.ones(grid.shape)
    third = np.arange(n[2]) // (n[2] // 3)
    moduli = {"cement": cement_mpa, "trabecular": bone_mpa, "shell": shell_mpa}
    parts, everywhere = {}, np.ones(grid.shape)
    for k, (name, modulus) in enumerate(moduli.items()):
        where = (third == k) * (in_body if cap_mpa else everywhere)
        parts[name] = StiffnessField.isotropic(modulus * where, POISSON)
    if cap_mpa:
        parts["cap"] = StiffnessField.isotropic(cap_mpa * (1.0 - in_body), POISSON)
    zero = np.zeros(grid.shape)
    is_shell = (third == 2) * in_body
    tissue = Tissue(in_body - is_shell, is_shell, zero, zero, 1.0 - in_body)
    anatomy = Anatomy("L1", box_frame(), landmarks=None, origin="parametric")
    return Column(anatomy, grid, tissue, parts)


def squeezed(body: Column, *, strain: float = STRAIN) -> Response:
    """Uniform strain along z with free sides, and the force of one modulus per part."""
    grid = body.domain
    x, y, z = np.moveaxis(grid.points(), -1, 0)
    total = HEIGHT_MM + 2 * CAP_MM
    displacement = np.stack(
        [POISSON * strain * x, POISSON * strain * y, -strain * (z + 0.5 * total)]
    )
    area = DEPTH_MM * SPACING_MM
    middle = grid.shape[0] // 2
    force = strain * area * body.materials.axial_modulus_mpa()[middle, 0].sum()
    return Response(
        test="compression",
        platen="guided",
        status=Status.CONVERGED,
        motion=np.array([strain * total, 0.0, 0.0]),
        force_n=float(force),
        moment_n_mm=np.zeros(2),
        displacement_mm=displacement,
        equilibrium_error=0.0,
        compliance=np.zeros((3, 3)),
        report=SolverReport((1,), 0.0, grid.n_points, 0.0),
    )


def tilted(response: Response, *, tilt_rad: float, moment_n_mm: float) -> Response:
    """The same response of a platen that also turns about x."""
    motion = np.array([response.motion[0], tilt_rad, 0.0])
    compliance = np.zeros((3, 3))
    compliance[1, 1] = tilt_rad / moment_n_mm if moment_n_mm else 0.0
    moments = np.array([moment_n_mm, 0.0])
    return replace(response, motion=motion, moment_n_mm=moments, compliance=compliance)
