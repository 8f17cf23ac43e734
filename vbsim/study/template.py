"""A commented case to start from, written from the schema itself and so never out of date."""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import wrap
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vbsim.anatomy import Vertebra
from vbsim.augmentation import DISTRIBUTIONS, CementFill
from vbsim.data import names
from vbsim.fem import Compression
from vbsim.fracture import Wedge
from vbsim.materials import Bone
from vbsim.specimen import Potting
from vbsim.study.case import SCHEMA, Case, Solver, Voxels
from vbsim.study.toml import inline

__all__ = ["template"]

_HEAD = """\
# A study for vbsim: one vertebra, what happens to it step by step, the tests of every stage.
# Lines that start with `# key = value` show the defaults; take the mark away to change one.
# Keys carry their unit. `vbsim inspect` shows what a case will do, `vbsim run` does it.
"""

_WIDTH = 100
# Short names that the schema itself leaves open, because a table may stand there too.
_NAMES = {"cement": names("cements"), "distribution": tuple(DISTRIBUTIONS)}


def template() -> str:
    """Return a case file with every parameter of the usual study, its default and its meaning."""
    parts = [
        _HEAD,
        f"schema = {SCHEMA}\n" + f"name = {inline('L1 wedge, bipedicular PMMA')}\n"
        f"{_line('standing_load_n', Case.model_fields['standing_load_n'], {})}",
        _table("[vertebra]", Vertebra, {"level": "L1", "person": "older_woman"}),
        _table("[mesh]", Voxels, {"kind": "voxels", "spacing_mm": 1.0}),
        _table("[bone]", Bone, {"vbmd_mg_cm3": 65.0}),
        _table("[potting]", Potting, {}),
        _table("[[steps]]", Wedge, {"kind": "wedge", "grade": 2}),
        _table(
            "[[steps]]",
            CementFill,
            {
                "kind": "cement",
                "cement": "pmma",
                "volume_ml": 5.0,
                "distribution": "bipedicular",
            },
        ),
        _table("[[tests]]", Compression, {"kind": "compression"}),
        _table("[solver]", Solver, {}),
    ]
    return "\n".join(parts)


def _table(title: str, model: type[BaseModel], given: Mapping[str, Any]) -> str:
    lines = [title + "\n"]
    for name, field in sorted(model.model_fields.items(), key=lambda item: item[0] != "kind"):
        lines.append(_line(field.alias or name, field, given))
    return "".join(lines)


def _line(name: str, field: FieldInfo, given: Mapping[str, Any]) -> str:
    """Return one parameter with its meaning: a setting if given, else a comment."""
    text = _meaning(name, field)
    if name in given:
        return _noted(f"{name} = {inline(given[name])}", text)
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None or default is PydanticUndefined:
        lines = wrap(f"{name}: {text}", _WIDTH - 2, subsequent_indent="    ")
        return "".join(f"# {line}\n" for line in lines)
    if isinstance(default, BaseModel):
        default = default.model_dump(mode="json", by_alias=True, exclude_none=True)
    elif hasattr(default, "_asdict"):
        default = default._asdict()
    return _noted(f"# {name} = {inline(default)}", text)


def _meaning(name: str, field: FieldInfo) -> str:
    """Return what a parameter means and, if there are only a few, the values it can take."""
    text = " ".join((field.description or "").split())
    text = text[:1].upper() + text[1:]
    known = _NAMES.get(name, ())
    if get_origin(field.annotation) is Literal:
        known = tuple(str(value) for value in get_args(field.annotation))
    if len(known) < 2 or all(name in text for name in known):
        return text
    return f"{text.rstrip('.')}; one of {', '.join(known)}."


def _noted(setting: str, text: str) -> str:
    """Put the meaning behind a setting, or above it where both do not fit on a line."""
    if not text:
        return f"{setting}\n"
    together = f"{setting:<34}  # {text}"
    if len(together) <= _WIDTH:
        return f"{together}\n"
    above = "".join(f"#   {line}\n" for line in wrap(text, _WIDTH - 4))
    return f"{above}{setting}\n"
