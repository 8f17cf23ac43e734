"""The block of bytes that the browser draws holds what the fields hold."""

import gzip
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from vbsim.mesh import VoxelGrid
from vbsim.study.stored import StoredFields, StoredStudy
from vbsim.views import catalogue
from vbsim.views.browser import scene, scene_bytes
from vbsim.views.surfaces import isosurface


class Block:
    def __init__(self, packed):
        raw = gzip.decompress(packed)
        (length,) = struct.unpack("<I", raw[:4])
        self.head = json.loads(raw[4 : 4 + length])
        self._arrays = raw[4 + length :]

    def array(self, at, count, kind):
        return np.frombuffer(self._arrays, kind, count, at)

    def volume(self, stage, name):
        told = self.head["stages"][stage]
        n_x, n_y, n_z = told["shape"]
        return self.array(told["volumes"][name], n_x * n_y * n_z, np.uint8).reshape(n_z, n_y, n_x)

    def field(self, name):
        return next(f for f in self.head["fields"] if f["name"] == name)


@pytest.fixture(scope="module")
def block(small_study):
    return Block(scene_bytes(small_study))


def cropped(study, stage, values, block):
    """The part of a stage's array that the block shows."""
    fields = study.fields(stage)
    solid = sum(fields.cells[f"{part}_fraction"] for part in ("body", "arch", "cap"))
    starts = [
        max(int(np.flatnonzero((solid > 0.02).any(axis=tuple({0, 1, 2} - {axis})))[0]) - 1, 0)
        for axis in range(3)
    ]
    shape = block.head["stages"][study.stages.index(stage)]["shape"][::-1]
    return values[tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))]


def test_every_stage_and_field_is_in_the_block(block, small_study):
    assert [stage["name"] for stage in block.head["stages"]] == list(small_study.stages)
    # What a strength test leaves, or a step records over time, is offered only after one.
    in_time = {"temperature", "pressure"}
    offered = [n for n, look in catalogue.LOOKS.items() if not look.is_of_failure]
    offered = [name for name in offered if name not in in_time]
    assert [field["name"] for field in block.head["fields"]] == offered
    assert block.field("von_mises")["label"].endswith("at 460 N")


@pytest.mark.parametrize("stage", [0, 2])
@pytest.mark.parametrize("name", ["von_mises", "density", "energy"])
def test_bytes_stand_for_the_values_of_the_file(block, small_study, stage, name):
    field, shown = block.field(name), block.volume(stage, name).astype(float)
    scale = 460.0 / 1000.0  # the standing load of L1 over the force of the test
    array, factor = {
        "von_mises": ("von_mises_mpa", scale),
        "density": ("vbmd_mg_cm3", 1.0),
        "energy": ("sed_mpa", 1000.0 * scale**2),
    }[name]
    fields = small_study.fields(small_study.stages[stage])
    values = factor * cropped(small_study, fields.name, fields.cells[array], block)
    share = (shown - 1.0) / 254.0
    if field["log"]:
        found = field["low"] * (field["high"] / field["low"]) ** share
        half_step = 0.5 * np.log(field["high"] / field["low"]) / 254.0
    else:
        found = field["low"] + share * (field["high"] - field["low"])
        half_step = 0.5 / 254.0
    inside = (shown > 1) & (shown < 255)
    assert inside.sum() > 100
    if field["log"]:
        assert abs(np.log(found[inside] / values[inside])).max() <= half_step * 1.001
    else:
        worst = abs(found - values)[inside].max() / (field["high"] - field["low"])
        assert worst <= half_step * 1.001


def test_fields_end_where_the_bone_ends(block, small_study):
    body = small_study.fields("intact").cells["body_fraction"]
    expected = cropped(small_study, "intact", body, block) >= 0.2
    assert np.array_equal(block.volume(0, "density") > 0, expected)


def test_displacement_comes_back_within_a_step_of_its_bytes(block, small_study):
    told = block.head["stages"][0]
    n = [k + 1 for k in told["shape"]][::-1]
    moved = block.array(told["displacement"]["at"], int(np.prod(n)) * 4, np.int8).reshape(*n, 4)
    found = moved[..., :3] / 127.0 * told["displacement"]["most_mm"]
    fields = small_study.fields("intact")
    # The top of the upper cap goes down as one.
    expected = 0.46 * fields.points["displacement_mm"][..., 2].min()
    assert found[..., 2].min() == pytest.approx(expected, abs=told["displacement"]["most_mm"] / 127)


def test_surfaces_lie_where_the_voxels_are(block, small_study):
    bone = next(m for m in block.head["stages"][0]["meshes"] if m["name"] == "bone")
    points = block.array(bone["points"], 4 * bone["n_points"], np.uint16).reshape(-1, 4)
    places = np.array(bone["low"]) + np.array(bone["size"]) * points[:, :3] / 65535.0
    corners = block.array(bone["corners"], bone["n_corners"], np.uint32).reshape(-1, 3)
    a, b, c = (places[corners[:, k]] for k in range(3))
    volume_ml = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6000.0
    body = small_study.fields("intact").cells["body_fraction"]
    # The surface at one half cuts edges and rims off at 3 mm.
    assert volume_ml == pytest.approx(body.sum(dtype=float) * 27e-3, rel=0.06)


def test_needles_and_cement_come_with_the_filling(block):
    names = [{mesh["name"] for mesh in stage["meshes"]} for stage in block.head["stages"]]
    assert names[0] == names[1] == {"bone", "caps", "endplates"}
    assert names[2] == {"bone", "caps", "endplates", "cement", "needles"}


def test_a_fine_grid_is_shown_by_means_over_blocks(small_study, monkeypatch):
    monkeypatch.setattr(scene, "MOST_VOXELS", 2000)
    coarse = Block(scene_bytes(small_study, ["intact"]))
    assert coarse.head["stages"][0]["coarsened"] == 2
    fine = small_study.fields("intact").cells["body_fraction"].sum(dtype=float)
    shown = coarse.volume(0, "_bone").sum(dtype=float) / 255.0 * 8.0
    # The last odd layer of the grid is cut off; it holds no bone.
    assert shown == pytest.approx(fine, rel=0.01)


def test_an_asymmetric_body_is_not_turned():
    fraction = np.zeros((4, 5, 6))
    fraction[3, 0, 5] = 1.0  # near the head, in front, on the left
    surface = isosurface(fraction, (1.0, 2.0, 3.0))
    assert surface.points_mm.mean(axis=0) == pytest.approx([5.5, 1.0, 10.5])
    # Outward: along the surface from its middle.
    outwards = surface.points_mm - surface.points_mm.mean(axis=0)
    assert (np.einsum("ij,ij->i", outwards, surface.normals) > 0).all()
    assert isosurface(np.zeros((2, 2, 2)), (1.0, 1.0, 1.0)) is None


def test_a_file_of_other_fields_is_told():
    grid = VoxelGrid((1, 1, 1), (1.0, 1.0, 1.0))
    ones = dict.fromkeys(catalogue.MASKS, np.ones((1, 1, 1)))
    look = catalogue.look_of("von_mises")
    load = catalogue.LoadOf("", 1.0, "")
    assert catalogue.drawn(look, StoredFields("a", grid, ones, {}), load) is None


def told(tests):
    """A study of which only the tests are known."""
    study = StoredStudy(Path(), {"name": "a", "stages": [{"name": "intact"}]}, ())
    study.__dict__["case"] = {"tests": tests}
    return study


def test_damage_and_inelastic_strain_are_those_of_the_strength_test():
    strength = {"kind": "strength", "name": "to failure"}
    load = catalogue.load_of(told([strength, {"kind": "compression", "force_n": 500.0}]))
    # The strength test leaves its own arrays; the compression is the first of the others.
    assert (load.prefix, load.failed) == ("", "to failure_")
    grid = VoxelGrid((1, 1, 2), (1.0, 1.0, 1.0))
    cells = dict.fromkeys(catalogue.MASKS, np.zeros(grid.shape))
    cells |= {
        "body_fraction": np.array([[[1.0, 0.0]]]),
        "to failure_damage": np.array([[[0.25, 0.5]]]),
        "to failure_inelastic_strain": np.array([[[0.031, 0.0]]]),
    }
    fields = StoredFields("intact", grid, cells, {})
    for name, percent in (("damage", 25.0), ("inelastic", 3.1)):
        found = catalogue.drawn(catalogue.look_of(name), fields, load)
        # Marrow and air have none.
        np.testing.assert_allclose(found, [[[percent, np.nan]]])
    without = catalogue.load_of(told([{"kind": "compression"}]))
    assert catalogue.drawn(catalogue.look_of("damage"), fields, without) is None


def test_compressive_stress_is_the_most_compressive_principal_one():
    grid = VoxelGrid((1, 1, 1), (1.0, 1.0, 1.0))
    ones = dict.fromkeys(catalogue.MASKS, np.ones((1, 1, 1)))
    # A pure shear of 2 MPa in the plane yz: principal stresses +2 and -2; VTK's order.
    stress = np.array([0, 0, 0, 0, 2.0, 0]).reshape(1, 1, 1, 6)
    fields = StoredFields("a", grid, {**ones, "stress_mpa": stress}, {})
    found = catalogue.drawn(catalogue.look_of("compression"), fields, catalogue.LoadOf("", 0.5, ""))
    assert found == pytest.approx(np.ones((1, 1, 1)))
