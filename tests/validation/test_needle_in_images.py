"""The way of a needle against imaged bone: a phantom with an arch, and a real scan."""

import pytest
from shared_data import shared

from vbsim import Bone, Specimen, VoxelGrid
from vbsim.anatomy import ImagedVertebra, Phantom, Vertebra, write_phantom
from vbsim.augmentation import Injection
from vbsim.augmentation.injection import Needle
from vbsim.augmentation.injection.needle import describe_path

pytestmark = pytest.mark.filterwarnings("ignore::vbsim.checks.PhysicsWarning")


def sampled(vertebra, spacing_mm=1.5):
    grid = VoxelGrid.around(vertebra, spacing_mm=spacing_mm, margin_mm=45.0)
    return Specimen.from_bone(vertebra, grid, Bone())


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scan")
    files = write_phantom(Vertebra(level="L3"), folder, phantom=Phantom(spacing_mm=1.0))
    return sampled(
        ImagedVertebra(
            image=files.density,
            labels=files.labels,
            level="L3",
            body_labels=[1],
            arch_labels=[2],
            include_arch=True,
        )
    )


def described(specimen, needle, **given):
    step = Injection(volume_ml=1.0, **given)
    found = {}
    for path in step.needles(specimen):
        found |= {q.name: q.value for q in describe_path(specimen, path, needle)}
    return found


def test_a_needle_through_the_pedicle_stays_in_bone(phantom):
    found = described(phantom, Needle(gauge=13))
    for side in ("left", "right"):
        assert found[f"needle_breach_pedicle_{side}"] == 0.0
        assert found[f"needle_margin_canal_{side}"] > 1.0
        assert found[f"needle_outside_bone_{side}"] == 0.0


def test_a_needle_beside_the_pedicle_is_told(phantom):
    inside = described(phantom, Needle(gauge=11))
    beside = described(phantom, Needle(gauge=11), approach="parapedicular")
    for side in ("left", "right"):
        assert beside[f"needle_breach_pedicle_{side}"] > 1.0
        name = f"needle_outside_bone_{side}"
        # Its axis runs along the lateral wall: half of it is outside, to a voxel of 1.5 mm.
        assert inside[name] < 1.5 <= beside[name] < 5.0


def test_a_thick_needle_breaches_more(phantom):
    thick, thin = (described(phantom, Needle(gauge=g)) for g in (8, 13))
    assert thick["needle_margin_canal_left"] < thin["needle_margin_canal_left"]


def test_a_needle_in_a_real_scan():
    vertebra = ImagedVertebra(
        image=shared("spinefe_verse004_L2", "density.nii.gz"),
        labels=shared("spinefe_verse004_L2", "labels.nii.gz"),
        level="L2",
        body_labels=[1, 2],
        arch_labels=[3, 4],
        include_arch=True,
    )
    specimen = sampled(vertebra, 2.0)
    through = described(specimen, Needle(gauge=13))
    beside = described(specimen, Needle(gauge=13), approach="parapedicular")
    names = ("needle_outside_bone_left", "needle_outside_bone_right")
    assert max(through[name] for name in names) < min(beside[name] for name in names)
    assert min(through[f"needle_margin_canal_{side}"] for side in ("left", "right")) > -1.0
