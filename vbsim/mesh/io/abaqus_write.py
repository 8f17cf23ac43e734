"""Decks for CalculiX and Abaqus: a model that runs as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vbsim.mesh.elements import Element
from vbsim.mesh.io.model import Model
from vbsim.mesh.mesh import Mesh

__all__ = ["write_abaqus", "write_abaqus_mesh"]

# Places of the nine constants in the order of *ELASTIC, TYPE=ORTHO: D1111 D1122 D2222 D1133 D2233
# D3333 D1212 D1313 D2323.
_ORTHO = (0, 3, 1, 4, 5, 2, 8, 7, 6)
_PER_LINE = 8


def write_abaqus_mesh(path: str | Path, mesh: Mesh, element: Element) -> None:
    """Write points, cells and sets."""
    with Path(path).open("w", encoding="ascii") as stream:
        stream.writelines(_mesh_lines("mesh", mesh, element))


def write_abaqus(path: str | Path, model: Model) -> None:
    """Write a model with materials by cell, prescribed displacements and a static step."""
    with Path(path).open("w", encoding="ascii") as stream:
        stream.writelines(_mesh_lines(model.title, model.mesh, model.element))
        stream.writelines(_materials(model))
        stream.writelines(_step(model))


def _mesh_lines(title: str, mesh: Mesh, element: Element) -> Iterator[str]:
    yield f"*HEADING\n{_ascii(title)}; mm, N, MPa\n"
    yield "*NODE, NSET=NALL\n"
    for number, (x, y, z) in enumerate(mesh.points, 1):
        yield f"{number}, {x:.12g}, {y:.12g}, {z:.12g}\n"
    yield f"*ELEMENT, TYPE={element.abaqus}, ELSET=EALL\n"
    for number, cell in enumerate(mesh.cells + 1, 1):
        yield from _wrapped([number, *cell])
    for keyword, label, sets in (
        ("NSET", "NSET", mesh.point_sets),
        ("ELSET", "ELSET", mesh.cell_sets),
    ):
        for name, members in sets.items():
            yield f"*{keyword}, {label}={name.upper()}\n"
            yield from _listed(members)


def _materials(model: Model) -> Iterator[str]:
    for number, group in enumerate(model.groups(), 1):
        yield f"*ELSET, ELSET=M{number}\n"
        yield from _listed(group.cells)
        constants = group.constants[list(_ORTHO)]
        first = ", ".join(f"{value:.9g}" for value in constants[:8])
        yield f"*MATERIAL, NAME=M{number}\n*ELASTIC, TYPE=ORTHO\n{first},\n"
        yield f"{constants[8]:.9g}, 293.\n"
        yield f"*SOLID SECTION, ELSET=M{number}, MATERIAL=M{number}\n"


def _step(model: Model) -> Iterator[str]:
    yield "*STEP\n*STATIC\n*BOUNDARY\n"
    for held in model.held:
        direction = held.direction + 1
        if held.values is None:
            yield f"{held.name.upper()}, {direction}, {direction}\n"
            continue
        for point, value in zip(model.mesh.point_sets[held.name], held.values, strict=True):
            yield f"{point + 1}, {direction}, {direction}, {value:.12g}\n"
    if model.expected_n is not None:
        yield f"** total RF along z of {model.asked.upper()} as computed: {model.expected_n:.9g}\n"
    yield f"*NODE PRINT, NSET={model.asked.upper()}, TOTALS=ONLY\nRF\n"
    yield "*NODE FILE\nU\n*EL FILE\nS\n*END STEP\n"


def _listed(members: NDArray[np.int64]) -> Iterator[str]:
    numbers = [int(member) + 1 for member in members]
    for start in range(0, len(numbers), _PER_LINE):
        yield ", ".join(map(str, numbers[start : start + _PER_LINE])) + ",\n"


def _wrapped(numbers: Iterable[int]) -> Iterator[str]:
    """Return numbers of one cell, at most 16 in a line as Abaqus wants it."""
    listed = list(numbers)
    for start in range(0, len(listed), 11):
        part = ", ".join(map(str, listed[start : start + 11]))
        yield part + (",\n" if start + 11 < len(listed) else "\n")


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")
