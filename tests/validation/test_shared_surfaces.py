"""Published surfaces of vertebrae are read, refused in the wrong unit, and meshed."""

from __future__ import annotations

import pytest
from shared_data import shared

from vbsim.checks import InvalidInput
from vbsim.mesh.surface import check_surface, read_surface
from vbsim.mesh.tetra import tetrahedralize

# Volumes as the data's own descriptions give them, cm3.
SURFACES = {
    ("artisynth_lumbar_L1_L3_L5", "L1_vertebra.obj"): ("m", 68.8),
    ("artisynth_lumbar_L1_L3_L5", "L3_body.obj"): ("m", 44.9),
    ("artisynth_lumbar_L1_L3_L5", "L5_vertebra.obj"): ("m", 76.2),
    ("clouthier_ssm_mean_L2_L4", "L4_mean.ply"): ("mm", 63.13),
    ("opensim_thoracic_odd", "T1.vtp"): ("m", 24.0),
    ("opensim_thoracic_odd", "T11.vtp"): ("m", 53.2),
}


@pytest.mark.parametrize("place", SURFACES, ids="/".join)
def test_surfaces_have_their_published_volume_and_no_other_unit(place):
    unit, volume_ml = SURFACES[place]
    path = shared(*place)
    found = check_surface(read_surface(path, unit=unit))
    assert found.volume_mm3() / 1000.0 == pytest.approx(volume_ml, abs=0.06)
    hint = "say --unit m" if unit == "m" else "check its unit"
    with pytest.raises(InvalidInput, match=hint):
        check_surface(read_surface(path, unit="mm" if unit == "m" else "m"))


def test_a_vertebra_is_filled():
    pytest.importorskip("pytetwild", reason="needs the extra 'tet'")
    surface = check_surface(read_surface(shared("opensim_thoracic_odd", "T9.vtp"), unit="m"))
    mesh = tetrahedralize(surface, 6.0)
    assert mesh.volumes().sum() == pytest.approx(surface.volume_mm3(), rel=0.01)
