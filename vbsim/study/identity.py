"""What makes two runs the same: digests of cases, of the stages inside them, of the program.

A digest covers every resolved parameter, the content of every input file and the sources of the
program, and nothing else: not where a file lies, not how many threads worked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from vbsim.checks import InvalidInput

__all__ = ["canonical", "digest", "file_sha256", "input_files", "program_sha256"]


def canonical(value: Any) -> Any:
    """Return plain data that is equal for equal meaning; a path becomes the digest of its file.

    Parameters
    ----------
    value : model, mapping, sequence, enum, path or plain value
        Fields marked ``exclude`` in a model (they change no result) are left out.
    """
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        kept = {f.alias or n: getattr(value, n) for n, f in fields.items() if not f.exclude}
        return {name: canonical(item) for name, item in kept.items()}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, Path):
        return f"sha256:{file_sha256(value)}"
    if isinstance(value, Enum):
        return value.value
    return value


def digest(*parts: Any) -> str:
    """Return the sha256 of parts in canonical form, 64 hexadecimal digits.

    Examples
    --------
    >>> digest({"a": 1.0, "b": 2}) == digest({"b": 2, "a": 1.0})
    True
    """
    plain = json.dumps(
        [canonical(part) for part in parts],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=True,
        allow_nan=False,
    )
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content; refuses a path that cannot be read."""
    try:
        found = path.stat()
        return _content_sha256(path, found.st_ino, found.st_size, found.st_mtime_ns)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InvalidInput(f"cannot read {path}: {reason}") from None


@lru_cache(maxsize=4096)
def _content_sha256(path: Path, inode: int, size: int, changed_ns: int) -> str:
    """Return the sha256 of a file; many cases of a sweep read the same one."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def input_files(value: Any, at: str = "") -> Iterator[tuple[str, Path]]:
    """Yield every file a case reads, with its place in the case: ``vertebra.image, path``."""
    if isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            key = field.alias or name
            yield from input_files(getattr(value, name), f"{at}.{key}" if at else key)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from input_files(item, f"{at}[{index}]")
    elif isinstance(value, Path):
        yield at, value


@cache
def program_sha256() -> str:
    """Return the sha256 of the package's own sources and data.

    With it in every digest no other code's result is ever taken for this one's.
    """
    total = hashlib.sha256()
    for name, content in sorted(_sources(files("vbsim"))):
        total.update(name.encode())
        total.update(b"\0")
        total.update(content)
    return total.hexdigest()


# The front and the pictures do not change a number.
_NOT_NUMBERS = {"cli", "views", "cli.py"}


def _sources(folder: Traversable, at: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        name = f"{at}/{entry.name}"
        if entry.is_dir() and entry.name != "__pycache__" and entry.name not in _NOT_NUMBERS:
            yield from _sources(entry, name)
        elif entry.name.endswith((".py", ".toml")) and entry.name not in _NOT_NUMBERS:
            yield name, entry.read_bytes()
