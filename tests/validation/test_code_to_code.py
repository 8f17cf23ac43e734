"""Published voxel models of other codes, on the same voxels."""

from __future__ import annotations

import json

import numpy as np
import pytest
import SimpleITK
from blocks import Block, Ends
from scipy import ndimage
from shared_data import shared

from vbsim.cli import main
from vbsim.fem import Settings, solve_modes
from vbsim.materials import StiffnessField
from vbsim.mesh import VoxelGrid

CAP_MODULUS_MPA = 2500.0
VOXEL_CAP_UPPER, VOXEL_CAP_LOWER = 6, 5
DENSITY_FLOOR, DENSITY_TOP = -31, 1893  # the publisher clamps, truncates, then bins


def read(path):
    image = SimpleITK.ReadImage(str(path))
    return SimpleITK.GetArrayFromImage(image), image.GetSpacing()


def largest_part(mask):
    parts, _ = ndimage.label(mask)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return parts == sizes.argmax()


def seen_from(mask, solid, upward):
    """Points of the faces of `mask` cells that are the first of `solid` seen along z."""
    order = solid[::-1] if upward else solid
    first = order.argmax(axis=0)
    n_z = solid.shape[0]
    z = n_z - 1 - first if upward else first
    y, x = np.nonzero(solid.any(axis=0))
    k = z[y, x]
    keep = mask[k, y, x]
    k, y, x = k[keep], y[keep], x[keep]
    points = np.zeros(tuple(n + 1 for n in solid.shape), bool)
    for dy in (0, 1):
        for dx in (0, 1):
            points[k + (1 if upward else 0), y + dy, x + dx] = True
    return points


@pytest.fixture(scope="module")
def spinefe():
    density, spacing = read(shared("spinefe_verse004_L2", "density.nii.gz"))
    labels, _ = read(shared("spinefe_verse004_L2", "labels.nii.gz"))
    labels = np.where(largest_part(labels > 0), labels, 0)
    assert np.count_nonzero(labels) == 67186  # the publisher's own log
    upper = seen_from(labels == VOXEL_CAP_UPPER, labels > 0, upward=True)
    lower = seen_from(labels == VOXEL_CAP_LOWER, labels > 0, upward=False)
    return density, labels, upper, lower, spacing


def body(modulus, lower, upper, spacing, poisson=0.3):
    field = StiffnessField.isotropic(modulus, poisson)
    ends = Ends(np.flatnonzero(lower), np.flatnonzero(upper), np.zeros(3))
    return Block(VoxelGrid(modulus.shape, spacing), field, ends)


def cap_or_bone(labels, rho):
    """E = 2980 rho^1.05 (g/cm3) in bone, PMMA in the caps; MPa."""
    modulus = np.where(labels >= VOXEL_CAP_LOWER, CAP_MODULUS_MPA, 2980.0 * rho**1.05)
    return np.where(labels > 0, modulus, 0.0)


def test_spinefe_stiffness(spinefe):
    density, labels, upper, lower, spacing = spinefe
    assert (np.count_nonzero(upper), np.count_nonzero(lower)) == (1432, 1413)
    whole = np.maximum(density, DENSITY_FLOOR).astype(int)
    edges = np.linspace(DENSITY_FLOOR, DENSITY_TOP, 129)
    centre = 0.5 * (edges[1:] + edges[:-1])
    binned = centre[np.clip(np.digitize(whole, edges) - 1, 0, 127)]
    found = []
    for rho in (binned, whole):
        modulus = cap_or_bone(labels, np.maximum(rho, 0.0) / 1000.0)
        modes = solve_modes(
            body(modulus, lower, upper, spacing),
            lateral="sliding",
            settings=Settings(tolerance=1e-7),
        )
        found.append(modes.stiffness[0, 0])
    # the publisher's 128 density bins, then the same density without bins (0.4 % more)
    assert found[0] == pytest.approx(10_442.0, rel=0.0005)
    assert found[1] == pytest.approx(10_442.0, rel=0.005)


@pytest.fixture(scope="module")
def cube():
    """Bone of the trabecular cube, segmented as its publisher did."""
    grey, _ = read(shared("lhdl_trabecular_cube", "greyscale.nrrd"))
    smooth = ndimage.gaussian_filter(grey.astype(float), 1.0, mode="nearest")
    half = ndimage.zoom(smooth, 0.5, order=2)
    bone = half > 63
    ball = np.indices((7, 7, 7)) - 3
    bone = ndimage.binary_closing(np.pad(bone, 6, mode="reflect"), (ball**2).sum(axis=0) <= 9)[
        6:-6, 6:-6, 6:-6
    ]
    bone = largest_part(bone)
    assert np.count_nonzero(bone) == 247_062
    return bone


def test_trabecular_cube_by_the_command(cube, tmp_path, capsys):
    mask = SimpleITK.GetImageFromArray(cube.astype(np.uint8))
    mask.SetSpacing((0.039,) * 3)
    SimpleITK.WriteImage(mask, str(tmp_path / "cube.nrrd"))
    words = ["solve", tmp_path / "cube.nrrd", "--modulus", "1=18000", "--displacement-mm", "-0.04"]
    words += ["--bottom", "clamped", "--top", "sliding", "--poisson", "0.3", "--json"]
    assert main([str(word) for word in words]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_cells"] == 247_062
    assert found["reaction_n"] == pytest.approx(247.30, rel=0.0005)
    # the publisher divides by the same box; his height and area are rounded
    assert found["apparent_modulus_mpa"] == pytest.approx(1583.0, rel=0.005)
