from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import label

from vbsim.anatomy import Vertebra
from vbsim.checks import InvalidInput
from vbsim.fracture import Biconcave
from vbsim.materials.bone import Bone
from vbsim.mesh.voxels import VoxelGrid
from vbsim.specimen import CapMaterial, Potting, Specimen, pot_as_drawn, surface_points

Maker = Callable[..., Specimen]

SPACINGS = (3.0, 2.0, 1.0)


@pytest.fixture(scope="module", params=SPACINGS)
def potted(request: pytest.FixtureRequest, make_block_specimen: Maker) -> Specimen:
    return Potting().apply(make_block_specimen(request.param, tilt_deg=15.0))


def points_of(specimen: Specimen, side: str) -> np.ndarray:
    flat = getattr(specimen.ends, side)
    return specimen.domain.points().reshape(-1, 3)[flat]


def test_caps_never_overlap_bone(potted: Specimen) -> None:
    filled = potted.tissue.bone + potted.tissue.cap
    assert filled.max() <= 1.0 + 1e-12
    assert potted.tissue.cap.min() >= 0.0


def test_caps_leave_no_gap_on_the_endplates(potted: Specimen) -> None:
    # Along the columns well inside the outline: solid from platen to platen.
    x, y, _ = potted.body_axes()
    inside = np.hypot(x / 18.0, y[:, None] / 13.0) < 0.8
    filled = potted.tissue.body + potted.tissue.cap
    k_lower, k_upper = (
        int(np.unravel_index(flat[0], potted.domain.point_shape)[0])
        for flat in (potted.ends.lower, potted.ends.upper)  # type: ignore[union-attr]
    )
    # A sliver of cap below 1 % of a voxel is dropped.
    np.testing.assert_allclose(filled[k_lower:k_upper, inside], 1.0, atol=0.01)
    assert not filled[:k_lower].any()
    assert not filled[k_upper:].any()


def test_platens_are_flat_in_grid_z_and_far_enough(potted: Specimen) -> None:
    h = potted.domain.spacing_mm[2]
    for side, sign in (("upper", 1.0), ("lower", -1.0)):
        z = potted.anatomy.frame.to_body(points_of(potted, side))[:, 2] * sign
        np.testing.assert_allclose(z, z[0], atol=1e-9)
        # 10 mm above a rim at 11 mm, rounded up to the next plane
        assert 21.0 - 1e-6 <= z[0] < 21.0 + h
    assert len(np.intersect1d(potted.ends.lower, potted.ends.upper)) == 0  # type: ignore[union-attr]


def test_every_platen_point_touches_a_cap(potted: Specimen) -> None:
    _, n_y, n_x = potted.domain.shape
    for side, layer in (("upper", -1), ("lower", 0)):
        flat = getattr(potted.ends, side)
        assert len(np.unique(flat)) == len(flat) > 0
        k, j, i = np.unravel_index(flat, potted.domain.point_shape)
        row = potted.tissue.cap[k[0] + layer] > 0
        around = np.pad(row, 1)
        assert np.all(around[j, i] | around[j + 1, i] | around[j, i + 1] | around[j + 1, i + 1])
        # and none is left out
        touched = np.zeros((n_y + 1, n_x + 1), dtype=bool)
        rows, columns = np.nonzero(row)
        for dj in (0, 1):
            for di in (0, 1):
                touched[rows + dj, columns + di] = True
        assert touched.sum() == len(flat)


def test_each_cap_is_one_piece_without_slivers(potted: Specimen) -> None:
    cap = potted.tissue.cap
    _, n_pieces = label(cap > 0)
    assert n_pieces == 2
    assert cap[cap > 0].min() >= 0.01


def test_the_pivot_is_where_the_load_line_meets_the_upper_platen(potted: Specimen) -> None:
    pivot = potted.anatomy.frame.to_body(potted.domain.to_world(potted.ends.pivot_mm))  # type: ignore[union-attr]
    z = potted.anatomy.frame.to_body(points_of(potted, "upper"))[0, 2]
    np.testing.assert_allclose(pivot, [0.0, 0.0, z], atol=1e-9)


def test_the_footprint_is_the_outline(make_block_specimen: Maker) -> None:
    potted = Potting().apply(make_block_specimen(1.0))
    area = potted.tissue.cap[-6].sum()  # a layer of the upper cap, mm2
    assert area == pytest.approx(0.845 * 36 * 26, rel=0.01)


def test_cap_volume_does_not_depend_on_the_spacing(make_block_specimen: Maker) -> None:
    # 21 mm is a plane at 1 mm and at 3 mm: the same caps.
    volumes = []
    for spacing in (3.0, 1.0):
        potted = Potting().apply(make_block_specimen(spacing))
        volumes.append(potted.tissue.cap.sum() * spacing**3 / 1000.0)
    assert volumes[0] == pytest.approx(volumes[1], rel=0.01)


def test_a_cleft_is_never_filled(block_specimen: Specimen) -> None:
    tissue = block_specimen.tissue
    _, _, z = block_specimen.body_axes()
    cleft = tissue.trabecular * ((z > 4.0) & (z < 8.0))[:, None, None]
    hollow = replace(
        block_specimen,
        tissue=tissue._replace(trabecular=tissue.trabecular - cleft),
        void=cleft,
    )
    potted = Potting().apply(hollow)
    np.testing.assert_array_equal(potted.tissue.cap, Potting().apply(block_specimen).tissue.cap)
    assert (potted.tissue.cap + cleft).max() <= 1.0


def test_caps_follow_a_dent_below_the_smooth_endplate(make_block_specimen: Maker) -> None:
    specimen = make_block_specimen(1.0)
    j, i = specimen.domain.shape[1] // 2, specimen.domain.shape[2] // 2
    column = specimen.tissue.body[:, j, i]
    top = int(np.nonzero(column > 0)[0].max())
    tissue = specimen.tissue
    bare = {name: np.array(getattr(tissue, name)) for name in ("trabecular", "shell", "endplate")}
    for part in bare.values():
        part[top - 1 : top + 1, j, i] = 0.0
    dented = replace(specimen, tissue=tissue._replace(**bare))
    cap = Potting().apply(dented).tissue.cap[:, j, i]
    np.testing.assert_allclose(cap[top - 1 : top + 3], 1.0)


def test_history_and_stage(block_specimen: Specimen) -> None:
    potted = Potting().apply(block_specimen)
    assert potted.name == "intact"
    assert potted.history[-1].startswith("intact: pmma caps")
    assert potted.with_stage_name("fractured", "").name == "fractured"


def test_thin_soft_pads(block_specimen: Specimen) -> None:
    potted = Potting(kind="disc", thickness_mm=4.0).apply(block_specimen)
    assert potted.cap == CapMaterial("disc", 8.0, 0.45)
    z = potted.anatomy.frame.to_body(points_of(potted, "upper"))[0, 2]
    assert 15.0 <= z < 17.0


def test_refusals(block_specimen: Specimen, block_source: Any) -> None:
    potted = Potting().apply(block_specimen)
    with pytest.raises(InvalidInput, match="without caps"):
        Potting().apply(potted)
    tight = Specimen.from_bone(
        block_source, VoxelGrid.around(block_source, spacing_mm=2.0, margin_mm=6.0), Bone()
    )
    with pytest.raises(InvalidInput, match=r"raise margin_mm by [345] mm"):
        Potting().apply(tight)
    with pytest.raises(InvalidInput, match="thickness_mm"):
        Potting(thickness_mm=0.0)
    with pytest.raises(InvalidInput, match="kind"):
        Potting(kind="bone cement")
    turned = replace(
        block_specimen, domain=replace(block_specimen.domain, axes=np.roll(np.eye(3), 1, axis=0))
    )
    with pytest.raises(InvalidInput, match="aligned"):
        Potting().apply(turned)


def test_caps_as_drawn(block_specimen: Specimen) -> None:
    # The caps of the step, handed over as a drawing, give the same ends and stiffness.
    potted = Potting().apply(block_specimen)
    middle = len(potted.tissue.cap) // 2
    lower, upper = np.array(potted.tissue.cap), np.array(potted.tissue.cap)
    lower[middle:] = 0.0
    upper[:middle] = 0.0
    drawn = pot_as_drawn(block_specimen, lower=lower, upper=upper, material=Potting().material())
    np.testing.assert_array_equal(drawn.ends.upper, potted.ends.upper)  # type: ignore[union-attr]
    np.testing.assert_array_equal(drawn.ends.lower, potted.ends.lower)  # type: ignore[union-attr]
    np.testing.assert_array_equal(drawn.materials.moduli, potted.materials.moduli)
    with pytest.raises(InvalidInput, match="empty cap"):
        pot_as_drawn(block_specimen, lower=0 * lower, upper=upper, material=Potting().material())


def test_surface_points_are_the_outermost_of_each_line() -> None:
    stairs = np.zeros((3, 1, 2), dtype=bool)
    stairs[:2, 0, 0] = True
    stairs[:1, 0, 1] = True
    k = np.unravel_index(surface_points(stairs, "upper"), (4, 2, 3))[0]
    assert k.tolist() == [2, 2, 1, 2, 2, 1]
    k = np.unravel_index(surface_points(stairs, "lower"), (4, 2, 3))[0]
    assert k.tolist() == [0] * 6


def test_surface_points_of_a_published_model() -> None:
    # The model's own log: 1432 upper and 1413 lower surface nodes.
    root = Path(__file__).parents[2]
    shared = Path(os.environ.get("VBSIM_SHARED_DATA", root.parent / "shared" / "data"))
    file = shared / "spinefe_verse004_L2" / "labels.nii.gz"
    if not file.exists():
        pytest.skip(f"needs {file}: set VBSIM_SHARED_DATA to the shared data folder")
    sitk = pytest.importorskip("SimpleITK")
    labels = sitk.GetArrayFromImage(sitk.ReadImage(str(file)))
    assert len(surface_points(labels == 6, "upper")) == 1432
    assert len(surface_points(labels == 5, "lower")) == 1413


def test_caps_that_meet_beside_a_flat_body_share_the_voxel():
    vertebra = Vertebra(level="T5", plan_scale=0.968)
    grid = VoxelGrid.around(vertebra, spacing_mm=4.0, margin_mm=16.0)
    flat = Biconcave(grade=3).apply(Specimen.from_bone(vertebra, grid, Bone()))
    potted = Potting().apply(flat)
    assert np.sum(list(potted.tissue), axis=0).max() <= 1.0 + 1e-9
