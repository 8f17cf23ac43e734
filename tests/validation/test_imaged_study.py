"""A real CT goes through a whole study: fracture, cement and tests of a measured vertebra."""

import numpy as np
import pytest
from shared_data import shared

from vbsim.checks import PhysicsWarning
from vbsim.mesh.quality import scaled_jacobian
from vbsim.study import Case, Hexa, run_case
from vbsim.study.pipeline import build_stages

VOLUME_ML = 5.0


def imaged_case(**vertebra):
    return Case(
        name="imaged L2",
        vertebra={
            "image": shared("spinefe_verse004_L2", "density.nii.gz"),
            "labels": shared("spinefe_verse004_L2", "labels.nii.gz"),
            "level": "L2",
            "body_labels": [1, 2],
            "arch_labels": [3, 4],
            **vertebra,
        },
        mesh={"spacing_mm": 2.0},
        steps=[
            {"kind": "wedge", "grade": 2},
            {"kind": "cement", "volume_ml": VOLUME_ML, "distribution": "bipedicular"},
        ],
        tests=[{"kind": "compression"}],
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The result and its stages by name."""
    seen = {}

    def look(case, stages, rows, folder):
        seen.update({stage.name: stage for stage in stages})

    result = run_case(imaged_case(), tmp_path_factory.mktemp("results"), draw=look)
    # By the header of this scan the spinous process lies in front; the labels are followed.
    (warned,) = result.summary["warnings"]
    assert "arch lies in front" in warned
    return result, seen


def test_the_stages_lie_in_the_expected_order_of_stiffness(study):
    result, _ = study
    intact, fractured, augmented = (
        result.value(stage, "stiffness") for stage in ("intact", "fractured", "augmented")
    )
    assert fractured < intact
    assert fractured < augmented
    # An L2 between caps: tens of kN/mm would be a wrong unit, and so would tens of N/mm.
    assert 3e3 < intact < 40e3


def test_the_fracture_takes_a_quarter_to_two_fifths_off_the_front(study):
    result, _ = study
    heights = [result.value(stage, "height_anterior") for stage in ("intact", "fractured")]
    assert 0.25 <= 1.0 - heights[1] / heights[0] <= 0.40


def test_all_cement_lies_inside_the_body(study):
    result, stages = study
    specimen = stages["augmented"].specimen
    cement = specimen.cement_fraction
    assert cement.sum() * specimen.domain.cell_volume_mm3 / 1000.0 == pytest.approx(VOLUME_ML)
    assert result.value("augmented", "cement_volume_placed") == pytest.approx(VOLUME_ML)
    assert np.all(cement <= specimen.tissue.body + 1e-9)
    x, y, z = specimen.body_axes()
    k, j, i = np.nonzero(cement)
    at = x[i], y[j], z[k]
    frame = specimen.anatomy.frame
    height, radius = frame.normalised_height(*at), frame.normalised_radius(*at)
    # A voxel cut by the wall may have its centre outside.
    inside = (height > 0.0) & (height < 1.0) & (radius < 1.0)
    assert np.average(inside, weights=cement[k, j, i]) > 0.99
    # Half by the left pedicle, half by the right.
    assert np.average(at[0] > 0.0, weights=cement[k, j, i]) == pytest.approx(0.5, abs=0.1)


def test_the_arch_lies_at_the_back():
    with pytest.warns(PhysicsWarning, match="arch lies in front"):
        stages = build_stages(imaged_case(include_arch=True))
    for stage in stages:
        arch = stage.specimen.tissue.arch
        y = stage.specimen.body_axes()[1]
        assert arch.sum() * stage.specimen.domain.cell_volume_mm3 > 5000.0
        assert (arch * y[:, None]).sum() / arch.sum() > 25.0


def test_hexahedra_fit_the_imaged_body():
    """Volume is that of voxels; no cell is flat, although nothing is smooth."""
    mesh = Hexa(size_mm=3.0, sampling_mm=2.0)
    steps = imaged_case().steps[:1]
    case = imaged_case().model_copy(update={"mesh": mesh, "steps": steps})
    with pytest.warns(PhysicsWarning, match="arch lies in front"):
        fitted = build_stages(case)
    for stage in fitted:
        assert scaled_jacobian(stage.specimen.domain).min() > 0.1
        assert stage.specimen.volume_ml() == pytest.approx(stage.bare.volume_ml(), rel=0.02)
