import numpy as np
import pytest
from uniform_column import BONE_MPA, CEMENT_MPA, SHELL_MPA, column, squeezed

from vbsim import measures


def test_bars_side_by_side_share_as_their_axial_rigidity():
    body = column()
    found = {row.name: row.value for row in measures.load_sharing(body, squeezed(body))}
    total = CEMENT_MPA + BONE_MPA + SHELL_MPA
    # equal areas, so that EA is as E
    assert found["load_share_cement"] == pytest.approx(CEMENT_MPA / total, rel=1e-10)
    assert found["load_share_trabecular"] == pytest.approx(BONE_MPA / total, rel=1e-10)
    assert found["load_share_shell"] == pytest.approx(SHELL_MPA / total, rel=1e-10)
    assert found["load_share_endplate"] == 0.0
    assert "load_share_arch" not in found
    assert abs(found["load_share_imbalance"]) < 1e-10
    shares = [value for name, value in found.items() if name != "load_share_imbalance"]
    assert sum(shares) == pytest.approx(1.0, rel=1e-12)


def test_profile_carries_the_platen_force_in_every_layer():
    body = column()
    response = squeezed(body)
    profile = measures.load_profile(body, response)
    assert profile.names == ("cement", "trabecular", "shell")
    assert profile.force_n.shape == (3, body.domain.shape[0])
    np.testing.assert_allclose(profile.force_n.sum(axis=0), response.force_n, rtol=1e-10)
    np.testing.assert_allclose(profile.height_mm, body.body_axes()[2])


def test_profile_of_some_layers_is_that_part_of_the_whole():
    body = column()
    response = squeezed(body)
    whole = measures.load_profile(body, response)
    part = measures.load_profile(body, response, layers=slice(3, 7))
    np.testing.assert_array_equal(part.force_n, whole.force_n[:, 3:7])
