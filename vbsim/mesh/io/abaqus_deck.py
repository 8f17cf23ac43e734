"""Decks of Abaqus and CalculiX (``.inp``): what a linear static analysis of solids needs of them.

Keywords that change the answer and are not understood are collected by name and line, so that a
solve can refuse them; those that only ask for output are skipped.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import InvalidInput
from vbsim.mesh.elements import Element, element_named
from vbsim.mesh.mesh import Mesh

__all__ = ["Deck", "Keyword", "Material", "Prescribed", "Load", "FaceLoad", "read_deck"]

_SILENT = {
    *(
        "HEADING",
        "NODE PRINT",
        "EL PRINT",
        "NODE FILE",
        "EL FILE",
        "END STEP",
        "PREPRINT",
        "OUTPUT",
    ),
    *("NODE OUTPUT", "ELEMENT OUTPUT", "RESTART", "MEMBRANE", "ORIENTATION", "CONTACT PRINT"),
    *("CONTACT FILE", "FIELD OUTPUT", "HISTORY OUTPUT", "INCLUDE PATH"),
}


class Keyword(NamedTuple):
    """One keyword with its options and the lines that belong to it."""

    name: str
    options: dict[str, str]
    lines: tuple[tuple[str, ...], ...]
    number: int


@dataclass
class Material:
    """Elastic constants as given, density and thermal expansion."""

    elastic: tuple[float, ...] = ()
    kind: str = "ISOTROPIC"
    density: float = 0.0
    expansion: float = 0.0
    expansion_zero: float = 0.0


class Prescribed(NamedTuple):
    """A prescribed component: point, direction 0 to 2, value."""

    points: NDArray[np.int64]
    direction: int
    value: float


class Load(NamedTuple):
    """A force on points: point, direction 0 to 2, value."""

    points: NDArray[np.int64]
    direction: int
    value: float


class FaceLoad(NamedTuple):
    """A distributed load: cells, label (``P1`` ..., ``GRAV``, ``CENTRIF``), numbers."""

    cells: NDArray[np.int64]
    label: str
    values: tuple[float, ...]


@dataclass
class Deck:
    """A deck, numbered from 0; `point_ids` and `cell_ids` give the numbers of the file.

    Parameters
    ----------
    mesh : Mesh
        Points, cells and sets.
    element : Element
        The finite element.
    point_ids, cell_ids : (n,) int
        Numbers in the file.
    materials : dict
        By name, upper case.
    sections : list of (cells, material name)
        Material of the cells.
    prescribed, loads, face_loads : list
        Of the first step, with what stands before it.
    temperature, initial_temperature : (n_points,) float
        Of every point; 0 where nothing is said.
    transforms : list of (points, kind, six numbers)
        Local axes of points.
    unsupported : list of str
        What cannot be taken into account, by keyword and line.
    """

    mesh: Mesh
    element: Element
    point_ids: NDArray[np.int64]
    cell_ids: NDArray[np.int64]
    materials: dict[str, Material] = field(default_factory=dict)
    sections: list[tuple[NDArray[np.int64], str]] = field(default_factory=list)
    prescribed: list[Prescribed] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    face_loads: list[FaceLoad] = field(default_factory=list)
    temperature: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    initial_temperature: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    transforms: list[tuple[NDArray[np.int64], str, tuple[float, ...]]] = field(default_factory=list)
    unsupported: list[str] = field(default_factory=list)


def read_deck(path: str | Path) -> Deck:
    """Read a deck.

    Raises
    ------
    InvalidInput
        If the file is no deck, holds no solid cells or mixes kinds of cells; says where.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None
    keywords = list(_keywords(text))
    if not any(word.name == "NODE" for word in keywords):
        raise InvalidInput(f"{path}: no *NODE; not a deck of Abaqus or CalculiX")
    return _Reader(path, keywords).deck


def _keywords(text: str) -> Iterator[Keyword]:
    name, number = "", 0
    options: dict[str, str] = {}
    lines: list[tuple[str, ...]] = []
    for count, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("**"):
            continue
        if line.startswith("*"):
            if name:
                yield Keyword(name, options, tuple(lines), number)
            head, *rest = (part.strip() for part in line[1:].split(","))
            name, number, lines = " ".join(head.upper().split()), count, []
            pairs = (part.partition("=") for part in rest if part)
            options = {key.strip().upper(): item.strip() for key, _, item in pairs}
        else:
            lines.append(tuple(part.strip() for part in line.split(",")))
    if name:
        yield Keyword(name, options, tuple(lines), number)


class _Reader:
    """Goes through the keywords in order; names are taken in upper case."""

    def __init__(self, path: Path, keywords: list[Keyword]) -> None:
        self.path = path
        self.point_sets: dict[str, list[int]] = {}
        self.cell_sets: dict[str, list[int]] = {}
        self.material = Material()
        self.steps = 0
        self._read_geometry(keywords)
        for word in keywords:
            method = getattr(self, "_" + word.name.lower().replace(" ", "_"), None)
            try:
                if word.name == "STEP":
                    self.steps += 1
                    if "NLGEOM" in word.options and word.options["NLGEOM"].upper() != "NO":
                        self._refuse(word, "*STEP, NLGEOM (large displacement)")
                elif method is not None:
                    method(word)
                elif word.name not in _SILENT:
                    self._refuse(word)
            except (ValueError, KeyError, IndexError) as error:
                raise InvalidInput(f"{path}, line {word.number}: *{word.name}: {error}") from None

    def _refuse(self, word: Keyword, what: str | None = None) -> None:
        self.deck.unsupported.append(f"{what or '*' + word.name} (line {word.number})")

    def _read_geometry(self, keywords: list[Keyword]) -> None:
        points: dict[int, tuple[float, ...]] = {}
        cells: dict[int, list[int]] = {}
        kinds: dict[str, int] = {}
        unsupported: list[str] = []
        for word in keywords:
            try:
                if word.name == "NODE":
                    self._nodes(word, points)
                elif word.name == "ELEMENT":
                    self._elements(word, cells, kinds, unsupported)
            except (ValueError, KeyError, InvalidInput) as error:
                raise InvalidInput(
                    f"{self.path}, line {word.number}: *{word.name}: {error}"
                ) from None
        if len(kinds) != 1:
            found = ", ".join(kinds) or "none"
            raise InvalidInput(f"{self.path}: cells of one solid kind are needed; found {found}")
        element = element_named(next(iter(kinds)))
        point_ids = np.array(sorted(points), dtype=np.int64)
        cell_ids = np.array(sorted(cells), dtype=np.int64)
        self.point_of = {int(p): k for k, p in enumerate(point_ids)}
        self.cell_of = {int(c): k for k, c in enumerate(cell_ids)}
        connectivity = [[self.point_of[p] for p in cells[int(c)]] for c in cell_ids]
        places = np.array([points[int(p)] for p in point_ids])
        mesh = Mesh(places, np.array(connectivity, dtype=np.int32), element.shape.name)
        self.deck = Deck(mesh, element, point_ids, cell_ids, unsupported=unsupported)
        self.deck.temperature = np.zeros(mesh.n_points)
        self.deck.initial_temperature = np.zeros(mesh.n_points)

    def _nodes(self, word: Keyword, points: dict[int, tuple[float, ...]]) -> None:
        names = self.point_sets.setdefault(word.options.get("NSET", "").upper(), [])
        for line in word.lines:
            place = [float(item) if item else 0.0 for item in line[1:4]]
            points[int(line[0])] = tuple(place + [0.0] * (3 - len(place)))
            names.append(int(line[0]))

    def _elements(
        self,
        word: Keyword,
        cells: dict[int, list[int]],
        kinds: dict[str, int],
        unsupported: list[str],
    ) -> None:
        kind = word.options.get("TYPE", "").upper()
        numbers = [int(item) for line in word.lines for item in line if item]
        names = self.cell_sets.setdefault(word.options.get("ELSET", "").upper(), [])
        if not kind.startswith("C3D"):
            unsupported.append(f"elements of type {kind} (line {word.number})")
            return
        width = element_named(kind).shape.n_nodes + 1
        if len(numbers) % width:
            raise InvalidInput(f"{len(numbers)} numbers, not a multiple of {width} for {kind}")
        kinds[kind] = kinds.get(kind, 0) + len(numbers) // width
        for start in range(0, len(numbers), width):
            cells[numbers[start]] = numbers[start + 1 : start + width]
            names.append(numbers[start])

    # Sets ----------------------------------------------------------------------------------------

    def _node(self, word: Keyword) -> None:
        """Nodes and elements were read before."""

    _element = _node

    def _nset(self, word: Keyword) -> None:
        self._set(word, self.point_sets, word.options["NSET"])

    def _elset(self, word: Keyword) -> None:
        self._set(word, self.cell_sets, word.options["ELSET"])

    def _set(self, word: Keyword, sets: dict[str, list[int]], name: str) -> None:
        members = sets.setdefault(name.upper(), [])
        for line in word.lines:
            items = [item for item in line if item]
            if "GENERATE" in word.options:
                first, last, *step = (int(item) for item in items)
                members += range(first, last + 1, step[0] if step else 1)
                continue
            for item in items:
                members += [int(item)] if item.lstrip("-").isdigit() else sets[item.upper()]

    def _points(self, name: str) -> NDArray[np.int64]:
        ids = [int(name)] if name.isdigit() else self.point_sets[name.upper()]
        return np.array([self.point_of[p] for p in dict.fromkeys(ids)], dtype=np.int64)

    def _cells(self, name: str) -> NDArray[np.int64]:
        ids = [int(name)] if name.isdigit() else self.cell_sets[name.upper()]
        known = [self.cell_of[c] for c in dict.fromkeys(ids) if c in self.cell_of]
        return np.array(known, dtype=np.int64)

    # Materials -----------------------------------------------------------------------------------

    def _material(self, word: Keyword) -> None:
        self.material = Material()
        self.deck.materials[word.options["NAME"].upper()] = self.material

    def _elastic(self, word: Keyword) -> None:
        self.material.kind = word.options.get("TYPE", "ISO").upper()
        self.material.elastic = tuple(float(x) for line in word.lines for x in line if x)
        if not self.material.kind.startswith(("ISO", "ORTHO", "ANISO")):
            self._refuse(word, f"*ELASTIC, TYPE={self.material.kind}")

    def _density(self, word: Keyword) -> None:
        self.material.density = float(word.lines[0][0])

    def _expansion(self, word: Keyword) -> None:
        self.material.expansion = float(word.lines[0][0])
        self.material.expansion_zero = float(word.options.get("ZERO", "0") or 0.0)

    def _solid_section(self, word: Keyword) -> None:
        cells = self._cells(word.options["ELSET"])
        if len(cells):
            self.deck.sections.append((cells, word.options["MATERIAL"].upper()))

    # Loads ---------------------------------------------------------------------------------------

    @property
    def _later(self) -> bool:
        """Only the first step is read."""
        return self.steps > 1

    def _static(self, word: Keyword) -> None:
        """Accept: static steps are what is solved."""

    def _boundary(self, word: Keyword) -> None:
        if self._later:
            return
        for line in word.lines:
            first = int(line[1])
            last = int(line[2]) if len(line) > 2 and line[2] else first
            value = float(line[3]) if len(line) > 3 and line[3] else 0.0
            for direction in range(first - 1, min(last, 3)):
                self.deck.prescribed.append(Prescribed(self._points(line[0]), direction, value))

    def _cload(self, word: Keyword) -> None:
        for line in [] if self._later else word.lines:
            self.deck.loads.append(Load(self._points(line[0]), int(line[1]) - 1, float(line[2])))

    def _dload(self, word: Keyword) -> None:
        for line in [] if self._later else word.lines:
            label = line[1].upper()
            if label not in ("GRAV", "CENTRIF") and not (label[0] == "P" and label[1:].isdigit()):
                self._refuse(word, f"*DLOAD, {label}")
                continue
            values = tuple(float(x) for x in line[2:] if x)
            self.deck.face_loads.append(FaceLoad(self._cells(line[0]), label, values))

    def _temperature(self, word: Keyword) -> None:
        for line in [] if self._later else word.lines:
            self.deck.temperature[self._points(line[0])] = float(line[1])

    def _initial_conditions(self, word: Keyword) -> None:
        if word.options.get("TYPE", "").upper() != "TEMPERATURE":
            self._refuse(word, f"*INITIAL CONDITIONS, TYPE={word.options.get('TYPE')}")
            return
        for line in word.lines:
            self.deck.initial_temperature[self._points(line[0])] = float(line[1])
            self.deck.temperature[self._points(line[0])] = float(line[1])

    def _transform(self, word: Keyword) -> None:
        numbers = tuple(float(x) for line in word.lines for x in line if x)
        kind = word.options.get("TYPE", "R").upper()
        self.deck.transforms.append((self._points(word.options["NSET"]), kind, numbers))
