"""What a kernel kept on disk was compiled from.

Numba compiles a kernel anew when its own file has changed. The laws that it calls lie in other
files: after an update, a kernel from the cache would go on with laws as they were.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["source_stamp", "stamp"]

_IMPORT = re.compile(r"^from (vbsim\.kernels[\w.]*) import (\([^)]*\)|[^\n]*)$", re.MULTILINE)
_ROOT = Path(__file__).parents[2]


def stamp(dispatcher: Any, function: Callable[..., Any]) -> None:
    """Tie a compiled function's cache to its file and to all that this imports from the kernels.

    Parameters
    ----------
    dispatcher
        What Numba made of the function, with a cache.
    function : callable
        The function itself.
    """
    # Numba offers no way to name further files; without a cache there is nothing to tie.
    file = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    source = Path(function.__code__.co_filename)
    if file is not None and source.is_file():
        file._source_stamp = source_stamp(source)


@cache
def source_stamp(path: Path) -> str:
    """Return a digest of a file of kernels and of those it imports, of these too.

    Parameters
    ----------
    path : Path
        The file.
    """
    found, todo = {}, [path]
    while todo:
        file = todo.pop()
        if file not in found:
            found[file], imported = _read(file)
            todo.extend(imported)
    told = hashlib.sha256()
    for file in sorted(found):
        told.update(found[file])
    return told.hexdigest()


@cache
def _read(path: Path) -> tuple[bytes, tuple[Path, ...]]:
    """Return what a file says, and the files of kernels that it imports."""
    text = path.read_text(encoding="utf-8")
    return text.encode(), tuple(file for file in _imported(text) if file.is_file())


def _imported(text: str) -> Iterator[Path]:
    for module, names in _IMPORT.findall(text):
        folder = _ROOT.joinpath(*module.split("."))
        yield folder / "__init__.py"
        yield folder.with_suffix(".py")
        for name in re.findall(r"\w+", names):
            yield folder / f"{name}.py"
