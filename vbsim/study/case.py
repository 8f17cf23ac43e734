"""One case: the parameters of a study, declared once for API, file, JSON Schema and docs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Discriminator, Field, Tag, ValidationError, model_validator

from vbsim.anatomy import ImagedVertebra, Vertebra
from vbsim.augmentation import AUGMENTATIONS
from vbsim.checks import InvalidCase, InvalidInput, Parameters
from vbsim.data import Constant, recording
from vbsim.fem import Compression, Flexion, LateralBending, Strength
from vbsim.fem.linear import DEFAULT_TOLERANCE
from vbsim.fracture import FRACTURE_KINDS, FRACTURES
from vbsim.materials import Bone
from vbsim.mesh import VoxelGrid
from vbsim.specimen import Potting
from vbsim.study.faults import models_in, nearest, refuse
from vbsim.study.hexa import Hexa
from vbsim.study.identity import canonical, digest, input_files, program_sha256
from vbsim.study.tetra import Tetra
from vbsim.study.toml import inline

__all__ = ["Case", "Hexa", "Solver", "Tetra", "Voxels", "load_case", "read_case"]

# Steps at large deformation.
_MECHANICS = ("collapse", "traction", "balloon", "settling")

SCHEMA: Literal[1] = 1


class Voxels(Parameters):
    """A regular grid aligned with the body."""

    kind: Literal["voxels"] = Field("voxels", description="Regular grid of cubes.")
    spacing_mm: float = Field(1.0, ge=0.1, le=5.0, description="Edge of the cubes, mm; 0.1 to 5.")
    margin_mm: float = Field(
        14.0,
        ge=2.0,
        le=60.0,
        description="Least distance from the body to the faces of the grid, mm; holds the caps.",
    )

    def around(self, body: Vertebra | ImagedVertebra, potting: Potting) -> VoxelGrid:
        """Return the grid around a vertebra."""
        return VoxelGrid.around(body, spacing_mm=self.spacing_mm, margin_mm=self.margin_mm)

    def rehearsal(self, spacing_mm: float) -> Voxels:
        """Return a coarser grid for looking up what a case uses."""
        return self.model_copy(update={"spacing_mm": max(self.spacing_mm, spacing_mm)})


class Solver(Parameters):
    """How exactly and with how many threads to solve."""

    tolerance: float = Field(
        DEFAULT_TOLERANCE,
        gt=1e-13,
        le=1e-4,
        description="Residual / right-hand side at which CG stops.",
    )
    threads: int | None = Field(
        None,
        ge=1,
        le=1024,
        exclude=True,
        description="Threads; all processors if left out. Changes no digit of the result.",
    )


def _vertebra_tag(given: Any) -> str:
    if isinstance(given, Mapping):
        return "image" if {"image", "labels"} & set(given) else "parametric"
    return "image" if isinstance(given, ImagedVertebra) else "parametric"


def _mesh_tag(given: Any) -> str:
    kind = given.get("kind") if isinstance(given, Mapping) else getattr(given, "kind", None)
    return "voxels" if kind is None else str(kind)


AnyMesh = Annotated[
    Annotated[Voxels, Tag("voxels")]
    | Annotated[Hexa, Tag("hexa")]
    | Annotated[Tetra, Tag("tetra")],
    Discriminator(_mesh_tag),
]
AnyVertebra = Annotated[
    Annotated[Vertebra, Tag("parametric")] | Annotated[ImagedVertebra, Tag("image")],
    Discriminator(_vertebra_tag),
]
AnyTest = Annotated[Compression | Flexion | LateralBending | Strength, Field(discriminator="kind")]
if TYPE_CHECKING:
    AnyStep = Any
else:
    AnyStep = Annotated[Union[(*FRACTURES, *AUGMENTATIONS)], Field(discriminator="kind")]


class Case(Parameters):
    """A study: one vertebra, what happens to it step by step, and the tests that every stage faces.

    Examples
    --------
    >>> Case(name="intact L1", vertebra={"level": "L1"}).mesh.spacing_mm
    1.0
    """

    schema_version: Literal[1] = Field(
        SCHEMA, alias="schema", description="Version of this file format."
    )
    name: str = Field(
        min_length=1, max_length=200, description="Names the result, with the digest."
    )
    vertebra: AnyVertebra = Field(
        description="Parametric (level, size) or measured (image, labels, level)."
    )
    mesh: AnyMesh = Field(
        default_factory=Voxels,
        description="How the vertebra is sampled: voxels, or hexahedra (hexa) or tetrahedra "
        "(tetra) that fit it.",
    )
    bone: Bone = Field(default_factory=Bone, description="Density and stiffness of the bone.")
    potting: Potting = Field(default_factory=Potting, description="Caps between bone and platens.")
    steps: tuple[AnyStep, ...] = Field(
        (), max_length=20, description="Fractures, reductions and fillings, in order."
    )
    tests: tuple[AnyTest, ...] = Field(
        default_factory=lambda: (Compression(),),
        min_length=1,
        max_length=20,
        description="Load cases that every stage faces.",
    )
    standing_load_n: float | None = Field(
        None,
        gt=0,
        le=1e4,
        description="Axial force at which loaded heights are given, N; left out: of the level.",
    )
    solver: Solver = Field(default_factory=Solver, description="Accuracy and threads.")

    @model_validator(mode="after")
    def _fits_together(self) -> Case:
        if isinstance(self.vertebra, ImagedVertebra) and not self.vertebra.align:
            raise InvalidCase(
                "= false: must be true in a study; caps, fractures and cement need a grid along "
                "the body's axes",
                "vertebra.align",
            )
        self._refuse_balloon_in_tetrahedra()
        self._refuse_late_mechanics()
        fractured = False
        for index, step in enumerate(self.steps):
            if step.kind in ("reduction", "traction") and not fractured:
                raise InvalidCase(
                    f"kind = {step.kind!r}: needs a fracture before it", f"steps[{index}]"
                )
            fractured = fractured or step.kind in FRACTURE_KINDS
        return self

    def _refuse_late_mechanics(self) -> None:
        """Refuse mechanics on cement that came before any: its laws know no such body."""
        filled = None
        for index, step in enumerate(self.steps):
            if step.kind in _MECHANICS:
                if filled is None:
                    return
                raise InvalidCase(
                    f"= {inline(step.kind)}: must come before the first cement (steps[{filled}] is "
                    f"{inline(self.steps[filled].kind)}), or follow a 'collapse' before it: "
                    "mechanics starts on bone without cement",
                    f"steps[{index}].kind",
                )
            if step.kind in ("cement", "injection") and filled is None:
                filled = index

    def _refuse_balloon_in_tetrahedra(self) -> None:
        """Refuse a balloon whose pressure would open single cells instead of one cavity."""
        for index, step in enumerate(self.steps):
            if step.kind == "balloon" and self.mesh.kind == "tetra":
                raise InvalidCase(
                    "= 'balloon': single tetrahedra would open instead of one cavity; needs [mesh] "
                    "kind = 'voxels' or 'hexa'",
                    f"steps[{index}].kind",
                )

    @property
    def has_laws(self) -> bool:
        """Whether a strength test or a step of mechanics asks for laws beyond elasticity."""
        by_step = any(step.kind in _MECHANICS for step in self.steps)
        return by_step or any(test.kind == "strength" for test in self.tests)

    @property
    def has_cement(self) -> bool:
        """Whether a step fills the body."""
        return any(step.kind in ("cement", "injection") for step in self.steps)

    @cached_property
    def digest(self) -> str:
        """sha256 of the resolved case, its input files and the program."""
        try:
            return digest(self, program_sha256())
        except InvalidInput as error:
            raise self._place_of_file(error) from None

    def stage_digest(self, n_steps: int, *extra: Any) -> str:
        """Return the sha256 of everything that decides the stage after some steps.

        Equal for all cases that share vertebra, mesh, bone, caps, tolerance and these steps.
        """
        shared = (self.vertebra, self.mesh, self.bone, self.potting, self.solver)
        return digest(shared, self.steps[:n_steps], extra, program_sha256())

    def resolved(self) -> dict[str, Any]:
        """Return the case with every default filled in, as plain data for a file."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return dict(_kind_first(plain))

    def inputs(self) -> dict[str, dict[str, str]]:
        """Return path and sha256 of every file the case reads, by place in the case."""
        found = {}
        for place, path in input_files(self):
            found[place] = {"path": str(path), "sha256": str(canonical(path))[7:]}
        return found

    def constants(self) -> dict[str, Constant]:
        """Return the published constants that stand behind defaults and checks, by path."""
        return _constants(self)

    def _place_of_file(self, error: InvalidInput) -> InvalidInput:
        for place, path in input_files(self):
            if str(path) in str(error):
                return InvalidCase(str(error), place)
        return error


def read_case(data: Mapping[str, Any], *, folder: Path | None = None) -> Case:
    """Return a case from plain data; everything wrong with it is named at once.

    Parameters
    ----------
    data : mapping
        What a case file holds.
    folder : Path, optional
        Where relative paths start; the working folder by default.
    """
    for place, value in _odd_values(data):
        raise InvalidCase(f"= {value}: dates and times have no place in a case", place)
    version = data.get("schema", SCHEMA)
    if version != SCHEMA:
        raise InvalidCase(f"= {inline(version)}: this program reads version {SCHEMA}", "schema")
    rooted = _rooted(dict(data), Case, (folder or Path.cwd()).resolve())
    with recording() as constants:
        try:
            case = Case.model_validate(rooted)
        except ValidationError as error:
            raise refuse(error, rooted, Case) from None
    case.__dict__["constants_"] = constants
    for place, value, taken in _reinterpreted(rooted, case.model_dump(by_alias=True)):
        wanted = "true or false" if isinstance(taken, bool) else "a number, without quotes"
        raise InvalidCase(f"= {inline(value)}: must be {wanted}", place)
    return case


def load_case(path: str | Path) -> Case:
    """Return the case in a TOML or JSON file; relative paths start at the file's folder."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidCase(f"{path}: not a text file in UTF-8 ({error.reason})") from None
    except OSError as error:
        raise InvalidCase(f"{path}: {_reason(path, error)}") from None
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        kind = "JSON" if isinstance(error, json.JSONDecodeError) else "TOML"
        raise InvalidCase(f"{path}: not {kind}: {error}") from None
    if not isinstance(data, dict):
        raise InvalidCase(f"{path}: a case is a table of keys, not a {type(data).__name__}")
    return read_case(data, folder=path.parent)


def _reason(path: Path, error: OSError) -> str:
    if not isinstance(error, FileNotFoundError):
        return error.strerror or type(error).__name__
    near = None
    if path.parent.is_dir():
        near = nearest(path.name, [p.name for p in path.parent.iterdir() if p.is_file()])
    return "no such file" + (f"; did you mean {path.with_name(near)}?" if near else "")


def _rooted(data: Any, model: Any, folder: Path) -> Any:
    """Return the data with every relative path joined to a folder."""
    if not isinstance(data, dict):
        return data
    result = dict(data)
    for name, field in model.model_fields.items():
        key = field.alias or name
        if key not in result:
            continue
        item = result[key]
        if _is_path(field.annotation) and isinstance(item, str) and item:
            result[key] = str(folder / Path(item).expanduser())
        for inner in models_in(field.annotation):
            if isinstance(item, list):
                item = [_rooted(part, inner, folder) for part in item]
            else:
                item = _rooted(item, inner, folder)
            result[key] = item
    return result


def _odd_values(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what TOML can hold and a case cannot, with its place."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _odd_values(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _odd_values(item, f"{at}[{index}]")
    elif not isinstance(value, str | int | float | None):
        yield at, value


def _reinterpreted(given: Any, taken: Any, at: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield values that the schema would take for another type: "5" for 5, true for 1."""
    if isinstance(given, Mapping) and isinstance(taken, Mapping):
        for key in given.keys() & taken.keys():
            yield from _reinterpreted(given[key], taken[key], f"{at}.{key}" if at else key)
    elif isinstance(given, list) and isinstance(taken, list | tuple):
        for index, pair in enumerate(zip(given, taken, strict=False)):
            yield from _reinterpreted(*pair, f"{at}[{index}]")
    elif isinstance(taken, int | float) and (
        isinstance(given, str) or isinstance(given, bool) != isinstance(taken, bool)
    ):
        yield at, given, taken


def _constants(value: Any) -> dict[str, Constant]:
    found: dict[str, Constant] = {}
    if isinstance(value, Parameters):
        found |= value.__dict__.get("constants_", {})
        value = [getattr(value, name) for name in type(value).model_fields]
    if isinstance(value, list | tuple):
        for item in value:
            found |= _constants(item)
    return found


def _kind_first(value: Any) -> Any:
    """Return plain data whose tables start with their kind, as one writes them."""
    if isinstance(value, list):
        return [_kind_first(item) for item in value]
    if not isinstance(value, dict):
        return value
    ordered = {"kind": value["kind"], **value} if "kind" in value else value
    return {key: _kind_first(item) for key, item in ordered.items()}


def _is_path(annotation: Any) -> bool:
    return annotation is Path or Path in getattr(annotation, "__args__", ())
