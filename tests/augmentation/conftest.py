"""Bodies to fill, and one fill for every distribution."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813 (the package's own convention)

from vbsim.augmentation import DISTRIBUTIONS


def with_cleft(specimen):
    """Return the specimen with a lens of void in the upper front of its body."""
    x, y, z = specimen.body_axes()
    at = np.hypot(x[None, None, :] / 10.0, (y[None, :, None] + 3.0) / 7.0)
    lens = np.clip(1.5 * (1.0 - at**2), 0.0, None)
    h = specimen.domain.spacing_mm[2]
    void = np.clip((lens - np.abs(z[:, None, None] - 4.0)) / h + 0.5, 0.0, 1.0) * (lens > 0.0)
    void = void * specimen.tissue.trabecular
    tissue = specimen.tissue._replace(trabecular=specimen.tissue.trabecular - void)
    return replace(specimen, tissue=tissue, void=void)


def write_ball(path, specimen, *, radius_mm=9.0, centre_mm=(2.0, -1.0, 0.5), label=3):
    """Write a label map of a ball of cement in the body frame of a specimen, on its own grid."""
    n, h = 60, 0.7
    frame = specimen.anatomy.frame
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    axes = frame.axes @ turn
    index = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1)
    centre = frame.to_world(np.array(centre_mm))
    origin = centre - axes @ np.full(3, (0.5 * n - 0.5) * h)
    world = origin + (index * h) @ axes.T
    inside = np.linalg.norm(world - centre, axis=-1) <= radius_mm
    image = sitk.GetImageFromArray(np.transpose(inside * label, (2, 1, 0)).astype(np.uint8))
    image.SetSpacing((h, h, h))
    image.SetOrigin(origin.tolist())
    image.SetDirection(axes.ravel().tolist())
    sitk.WriteImage(image, str(path))
    return path


@pytest.fixture(scope="session")
def body(make_block_specimen):
    """Return a body with the default random density at a spacing, with or without a cleft."""

    @cache
    def make(spacing_mm=1.5, cleft=False):
        specimen = make_block_specimen(spacing_mm)
        return with_cleft(specimen) if cleft else specimen

    return make


@pytest.fixture(scope="session")
def smooth_body(make_block_specimen):
    """Return a body whose density is the same on both sides."""
    return make_block_specimen(1.5, heterogeneity_sd=0.0)


@pytest.fixture(scope="session")
def ball_path(body, tmp_path_factory):
    """Return the path of a label map of a ball of cement, label 3."""
    return write_ball(tmp_path_factory.mktemp("labels") / "cement.nii.gz", body())


@pytest.fixture(params=list(DISTRIBUTIONS))
def distribution(request, ball_path):
    """Return each distribution in turn, as a case file would give it."""
    if request.param == "image":
        return {"kind": "image", "path": str(ball_path), "label": 3}
    return request.param


@pytest.fixture
def specimen_for(body):
    """Return the body that a distribution needs, at a spacing."""

    def choose(distribution, spacing_mm=1.5):
        return body(spacing_mm, cleft=distribution == "cleft")

    return choose
