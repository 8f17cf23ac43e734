from dataclasses import replace

import numpy as np
import pytest
from uniform_column import DEPTH_MM, HEIGHT_MM, STRAIN, box_frame, column, squeezed

from vbsim import data, measures
from vbsim.checks import InvalidInput


def by_name(rows):
    return {row.name: row.value for row in rows}


def test_unloaded_heights_are_those_of_the_frame():
    tilt = 0.2
    body = column()
    wedge = replace(body, anatomy=body.anatomy.with_frame(box_frame(tilt=tilt)))
    found = by_name(measures.heights(wedge))
    at_end = 0.45 * DEPTH_MM * tilt
    assert found["height_anterior"] == pytest.approx(HEIGHT_MM - at_end)
    assert found["height_middle"] == pytest.approx(HEIGHT_MM)
    assert found["height_posterior"] == pytest.approx(HEIGHT_MM + at_end)
    assert found["wedge_angle"] == pytest.approx(np.degrees(np.arctan(tilt)))


def test_heights_shorten_by_the_strain_scaled_to_the_load():
    body = column()
    response = squeezed(body)
    load = 2.5 * response.force_n
    found = by_name(measures.heights_loaded(body, response, standing_load_n=load))
    for place in ("anterior", "middle", "posterior"):
        assert found[f"shortening_{place}"] == pytest.approx(2.5 * STRAIN * HEIGHT_MM, rel=1e-10)
        expected = HEIGHT_MM * (1 - 2.5 * STRAIN)
        assert found[f"height_{place}_loaded"] == pytest.approx(expected, rel=1e-12)
    assert found["wedge_angle_loaded"] == pytest.approx(0.0, abs=1e-9)


def test_a_front_that_yields_more_wedges_the_body():
    body = column()
    response = squeezed(body)
    moved = response.displacement_mm.copy()
    y = body.domain.points()[..., 1]
    moved[2] *= 1.0 - 0.1 * y / (0.5 * DEPTH_MM)
    response = replace(response, displacement_mm=moved)
    found = by_name(measures.heights_loaded(body, response, standing_load_n=response.force_n))
    # bilinear in y and z, so that trilinear sampling is exact
    shorter = STRAIN * HEIGHT_MM
    assert found["shortening_anterior"] == pytest.approx(1.09 * shorter)
    assert found["shortening_posterior"] == pytest.approx(0.91 * shorter)
    angle = np.degrees(np.arctan(0.18 * shorter / (0.9 * DEPTH_MM)))
    assert found["wedge_angle_loaded"] == pytest.approx(angle)


def test_points_without_material_do_not_pull_the_heights():
    body = column(cap_mpa=2500.0)
    response = squeezed(body)
    bare = replace(body, parts={k: v for k, v in body.parts.items() if k != "cap"})
    moved = response.displacement_mm.copy()
    z = body.domain.points()[..., 2]
    moved[:, np.abs(z) > 0.5 * HEIGHT_MM + 0.1] = 0.0
    response = replace(response, displacement_mm=moved)
    # the maps 0.25 mm into the void: half the corners of their cells touch no material
    frame = box_frame(HEIGHT_MM + 0.5)
    bare = replace(bare, anatomy=body.anatomy.with_frame(frame))
    found = by_name(measures.heights_loaded(bare, response, standing_load_n=response.force_n))
    assert found["shortening_middle"] == pytest.approx(STRAIN * HEIGHT_MM, rel=1e-10)


def test_endplates_far_from_all_material_are_refused():
    body = column(cap_mpa=2500.0)
    bare = replace(body, parts={k: v for k, v in body.parts.items() if k != "cap"})
    bare = replace(bare, anatomy=body.anatomy.with_frame(box_frame(HEIGHT_MM + 6.0)))
    with pytest.raises(InvalidInput, match="no material at the endplates"):
        measures.heights_loaded(bare, squeezed(body), standing_load_n=100.0)


def test_standing_load_rises_down_the_spine():
    levels = [f"T{n}" for n in range(5, 13)] + [f"L{n}" for n in range(1, 6)]
    loads = [measures.standing_load_n(level) for level in levels]
    assert loads == sorted(loads)
    assert tuple(levels) == data.names("measures.standing_load_n")


def test_unknown_level_is_refused():
    with pytest.raises(InvalidInput, match="level = 'S1'"):
        measures.standing_load_n("S1")


@pytest.mark.parametrize(
    ("share_left", "grade"), [(0.85, 0), (0.79, 1), (0.74, 2), (0.61, 2), (0.59, 3)]
)
def test_genant_grade_is_that_of_the_worst_height(share_left, grade):
    intact = box_frame()
    fractured = box_frame(share_left * HEIGHT_MM)
    assert measures.genant_grade(fractured, intact).value == grade
