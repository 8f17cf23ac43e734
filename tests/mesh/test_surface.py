"""Surfaces: read from every format, checked, refused with the reason and a hint."""

from __future__ import annotations

import numpy as np
import pytest

from vbsim.checks import InvalidInput
from vbsim.mesh.surface import Surface, check_surface, read_surface

OCTAHEDRON = np.array(
    [(0, 2, 4), (2, 1, 4), (1, 3, 4), (3, 0, 4), (2, 0, 5), (1, 2, 5), (3, 1, 5), (0, 3, 5)]
)
CORNERS = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], float)


def octahedron(radius_mm=20.0):
    """A closed surface of 8 triangles; its volume is 4/3 of the radius cubed."""
    return Surface(radius_mm * CORNERS, OCTAHEDRON)


def write_obj(path, surface, scale=1.0):
    lines = ["v " + " ".join(repr(float(x)) for x in scale * p) for p in surface.points]
    lines += ["f " + " ".join(str(k + 1) for k in t) for t in surface.triangles]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_stl(path, surface):
    """STL repeats the corners of every triangle."""
    lines = ["solid body"]
    for triangle in surface.points[surface.triangles]:
        lines += ["facet normal 0 0 0", "outer loop"]
        lines += ["vertex " + " ".join(str(float(x)) for x in corner) for corner in triangle]
        lines += ["endloop", "endfacet"]
    path.write_text("\n".join([*lines, "endsolid body"]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("write", [write_obj, write_stl])
def test_a_closed_surface_is_read_with_its_volume(write, tmp_path):
    path = tmp_path / f"body.{write.__name__[-3:]}"
    write(path, octahedron())
    found = check_surface(read_surface(path))
    assert (len(found.points), len(found.triangles)) == (6, 8)
    assert found.volume_mm3() == pytest.approx(4.0 / 3.0 * 20.0**3)


def test_metres_are_refused_with_a_hint_and_read_when_told(tmp_path):
    path = tmp_path / "body.obj"
    write_obj(path, octahedron(), scale=1e-3)
    with pytest.raises(InvalidInput, match=r"0\.04 mm large.*look like m: say --unit m"):
        check_surface(read_surface(path), "body.obj")
    assert check_surface(read_surface(path, unit="m")).extent_mm() == pytest.approx(40.0)


def test_inward_triangles_are_turned():
    inwards = Surface(octahedron().points, OCTAHEDRON[:, ::-1])
    assert inwards.volume_mm3() < 0.0
    assert check_surface(inwards).volume_mm3() == pytest.approx(4.0 / 3.0 * 20.0**3)


def test_what_encloses_nothing_is_refused():
    points = octahedron().points
    with pytest.raises(InvalidInput, match=r"not closed: 3 edges .* 1 separate pieces"):
        check_surface(Surface(points, OCTAHEDRON[1:]))
    twisted = OCTAHEDRON.copy()
    twisted[0] = twisted[0, ::-1]
    with pytest.raises(InvalidInput, match="opposite sides at 3 edges"):
        check_surface(Surface(points, twisted))
    crowded = np.concatenate([OCTAHEDRON, [(0, 1, 4), (1, 0, 4)]])
    with pytest.raises(InvalidInput, match=r"two triangles meet at \d edges"):
        check_surface(Surface(points, crowded))


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="no such file"):
        read_surface(tmp_path / "nothing.stl")
    other = tmp_path / "body.txt"
    other.write_text("no surface", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"must end in one of \.stl"):
        read_surface(other)
    empty = tmp_path / "body.obj"
    empty.write_text("v 0 0 0\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="holds no triangles"):
        read_surface(empty)
    with pytest.raises(InvalidInput, match="unit = 'inch'"):
        read_surface(empty, unit="inch")
