import pytest
from uniform_column import BONE_MPA, CEMENT_MPA, SHELL_MPA, column, squeezed, tilted

from vbsim import measures


def test_energy_is_half_of_force_times_displacement():
    body = column()
    response = squeezed(body)
    found = {row.name: row for row in measures.strain_energy(body, response)}
    assert found["strain_energy"].unit == "N mm"
    assert found["strain_energy"].value == pytest.approx(
        0.5 * response.force_n * response.motion[0]
    )


def test_energy_grows_with_the_square_of_the_load():
    body = column()
    response = squeezed(body)
    once = measures.strain_energy(body, response)[0].value
    twice = measures.strain_energy(body, response, standing_load_n=2 * response.force_n)[0].value
    assert twice == pytest.approx(4 * once)


def test_energy_counts_moment_and_tilt():
    body = column()
    straight = squeezed(body)
    turned = tilted(straight, tilt_rad=0.01, moment_n_mm=300.0)
    difference = (
        measures.strain_energy(body, turned)[0].value
        - measures.strain_energy(body, straight)[0].value
    )
    assert difference == pytest.approx(0.5 * 0.01 * 300.0)


def test_bars_side_by_side_store_energy_as_their_rigidity():
    body = column()
    found = {row.name: row.value for row in measures.strain_energy(body, squeezed(body))}
    total = CEMENT_MPA + BONE_MPA + SHELL_MPA
    assert found["strain_energy_share_cement"] == pytest.approx(CEMENT_MPA / total)
    shares = [value for name, value in found.items() if "share" in name]
    assert sum(shares) == pytest.approx(1.0, rel=1e-12)
