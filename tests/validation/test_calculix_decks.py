"""Decks of the CalculiX test suite: displacements, forces and stresses to 1e-3 of the reference."""

from __future__ import annotations

import re

import numpy as np
import pytest
from shared_data import shared

from vbsim.checks import InvalidInput
from vbsim.fem.decks import solve_deck
from vbsim.mesh.io.abaqus_deck import read_deck

SOLVED = [
    *("achteld", "achtelg", "achtelp", "aniso", "beam10p", "beam20p", "beam8p", "beam8t", "beamd"),
    *("beampo1", "beampset", "c3d15", "c3d6", "segment1"),
]
REFUSED = {
    "beamnlp": "NLGEOM",
    "beampiso": "PLASTIC.*NLGEOM",
    "distcoup": "DCOUP3D.*DISTRIBUTING COUPLING",
}
# Of the writer's xx yy zz xy xz yz as places in ours.
TENSOR = [0, 1, 2, 5, 4, 3]


def printed(path):
    """First table of each kind in a file of printed results: {kind: {number(s): values}}."""
    tables, current = {}, None
    for line in path.read_text().splitlines():
        kind = next((k for k in ("displacements", "forces", "stresses") if f" {k} (" in line), None)
        if "for set" in line or "S T E P" in line:
            current = None
        if kind and kind not in tables:
            current = tables[kind] = {}
        elif current is not None and re.fullmatch(r"[\s\dE+.\-]+", line) and line.strip():
            words = line.split()
            n = len(words) - (6 if "stresses" in tables and current is tables["stresses"] else 3)
            current[tuple(int(word) for word in words[:n])] = [float(word) for word in words[n:]]
    return tables


@pytest.mark.parametrize("name", SOLVED)
def test_deck_is_reproduced(name):
    deck = read_deck(shared("calculix_tests", f"{name}.inp"))
    found = solve_deck(deck)
    point = {int(p): k for k, p in enumerate(deck.point_ids)}
    cell = {int(c): k for k, c in enumerate(deck.cell_ids)}
    tables = printed(shared("calculix_tests", f"{name}.dat.ref"))
    assert "displacements" in tables
    for kind, table in tables.items():
        expected = np.array(list(table.values()))
        if kind == "stresses":
            at = np.array([(cell[c], q - 1) for c, q in table])
            computed = found.stress[at[:, 0], at[:, 1]][:, TENSOR]
        else:
            rows = [point[p] for (p,) in table]
            computed = (found.displacement if kind == "displacements" else found.forces)[rows]
        scale = np.abs(expected).max()
        # 1e-3 of each value that is above what the printed round-off of the largest leaves.
        np.testing.assert_allclose(computed, expected, rtol=1e-3, atol=1e-6 * scale, err_msg=kind)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_named(name):
    deck = read_deck(shared("calculix_tests", f"{name}.inp"))
    with pytest.raises(InvalidInput, match=REFUSED[name]):
        solve_deck(deck)
