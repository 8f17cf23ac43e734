"""Images of Young's moduli: read as they are, or from labels and a table of materials."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vbsim.anatomy.image.reading import Volume, read_labels, read_volume
from vbsim.checks import InvalidInput, require
from vbsim.mesh.voxels import VoxelGrid

__all__ = ["ModulusImage", "read_moduli", "read_materials"]

FloatArray = NDArray[np.float64]

_COLUMNS = ("label", "modulus_mpa")
# Whole numbers up to here are labels or a mask; nobody stores moduli of bone in MPa that way.
_LARGEST_LABEL = 255


@dataclass(frozen=True, eq=False)
class ModulusImage:
    """Young's modulus of every voxel and where the voxels lie.

    Parameters
    ----------
    moduli_mpa : (n_z, n_y, n_x) real numbers, MPa
        0 in voids. Single precision is enough and is not copied.
    grid : VoxelGrid
        Its voxels; edges may differ up to 3:1.
    name : str
        What messages call it.

    Raises
    ------
    InvalidInput
        Anything but three dimensions of finite numbers >= 0, or all of them 0.
    """

    moduli_mpa: NDArray[Any]
    grid: VoxelGrid
    name: str = "image"

    def __post_init__(self) -> None:
        moduli = self.moduli_mpa
        if moduli.ndim != 3:
            _refuse(self.name, f"{moduli.ndim} dimensions", "one volume of 3 dimensions")
        if moduli.dtype.kind not in "buif":
            _refuse(self.name, f"values of type {moduli.dtype}", "real numbers")
        require(moduli.shape == self.grid.shape, "grid", self.grid.shape, f"of {moduli.shape}")
        least, most = moduli.min(), moduli.max()
        if not (np.isfinite(least) and np.isfinite(most)):
            _refuse(self.name, "NaN or infinity", "finite everywhere; 0 in voids")
        if least < 0:
            _refuse(self.name, f"lowest modulus {least:g} MPa", "0 or more everywhere; 0 in voids")
        if most == 0:
            _refuse(self.name, "no voxel has material", "a modulus above 0 somewhere")
        if most > np.finfo(np.float32).max:
            _refuse(self.name, f"highest modulus {most:g} MPa", "a modulus in MPa")


def read_moduli(
    path: Path,
    *,
    materials: Mapping[int, float] | None = None,
    voxel_mm: tuple[float, float, float] | None = None,
) -> ModulusImage:
    """Read an image of moduli in MPa, or of labels if materials are given.

    Parameters
    ----------
    path : Path
        NIfTI, NRRD or MetaImage, or a NumPy array ``.npy`` of shape (n_z, n_y, n_x).
    materials : mapping of int to float, optional
        Young's modulus of each label, MPa; label 0 is void unless it is named.
    voxel_mm : tuple of float, optional
        Edges (x, y, z) of the voxels of a ``.npy`` file, mm; other files tell their own.

    Raises
    ------
    InvalidInput
        Naming the file and what is wrong with it.
    """
    if path.suffix.lower() == ".npy":
        volume = _read_array(path, voxel_mm)
    else:
        if voxel_mm is not None:
            _refuse(path, f"--voxel-mm {voxel_mm}", "left out: this file tells its voxel size")
        read = read_volume if materials is None else read_labels
        volume = read(path, limits="solved_voxel_size_mm")
    if materials is None:
        _refuse_labels(volume)
        return ModulusImage(volume.array, volume.grid, str(path))
    return ModulusImage(_moduli_of(volume, materials), volume.grid, str(path))


def read_materials(given: Iterable[str], table: Path | None = None) -> dict[int, float] | None:
    """Return the modulus of each label, MPa, from ``LABEL=MPA`` words and a table; None if neither.

    Parameters
    ----------
    given : iterable of str
        Words such as ``1=17000``.
    table : Path, optional
        CSV file with the columns ``label`` and ``modulus_mpa``; others are ignored.

    Examples
    --------
    >>> read_materials(["1=17000", "2=2500"])
    {1: 17000.0, 2: 2500.0}
    """
    found: dict[int, float] = {}
    for word in given:
        label, equals, modulus = word.partition("=")
        if not equals:
            raise InvalidInput(f"--modulus {word!r}: must be LABEL=MPA, such as 1=17000")
        _add(found, label, modulus, f"--modulus {word!r}")
    if table is not None:
        for line, label, modulus in _rows(table):
            _add(found, label, modulus, f"{table}, line {line}")
        if not found:
            _refuse(table, "no rows", "a table with one row per label")
    return found or None


def _rows(table: Path) -> Iterable[tuple[int, str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, skipinitialspace=True)
            names = [(name or "").strip() for name in reader.fieldnames or ()]
            missing = [column for column in _COLUMNS if column not in names]
            if missing:
                _refuse(table, f"columns {names}", f"a table with columns {list(_COLUMNS)}")
            reader.fieldnames = names
            for row in reader:
                yield reader.line_num, row["label"] or "", row["modulus_mpa"] or ""
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{table}: cannot be read as a table ({error})") from None


def _add(found: dict[int, float], label: str, modulus: str, place: str) -> None:
    try:
        key, value = int(label), float(modulus)
    except ValueError:
        raise InvalidInput(
            f"{place}: label {label!r}, modulus {modulus!r}: must be a whole number and a number"
        ) from None
    if not (np.isfinite(value) and value >= 0):
        raise InvalidInput(f"{place}: modulus {value:g} MPa: must be 0 or more, in MPa")
    if key in found:
        raise InvalidInput(f"{place}: label {key} is given twice")
    found[key] = value


def _read_array(path: Path, voxel_mm: tuple[float, float, float] | None) -> Volume:
    if not path.is_file():
        raise InvalidInput(f"{path}: no such file")
    if voxel_mm is None:
        _refuse(path, "no voxel size", "given with --voxel-mm: a .npy file does not hold it")
    assert voxel_mm is not None
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidInput(f"{path}: cannot be read as an array ({error})") from None
    if array.ndim != 3 or not array.size:
        _refuse(path, f"an array of shape {array.shape}", "one volume of 3 dimensions")
    n_z, n_y, n_x = array.shape
    return Volume(path, array, VoxelGrid((n_z, n_y, n_x), voxel_mm))


def _refuse_labels(volume: Volume) -> None:
    array = volume.array
    if array.dtype.kind in "bui" and array.max() <= _LARGEST_LABEL:
        _refuse(
            volume.path,
            f"whole numbers up to {int(array.max())}, which look like labels",
            "given a table of materials (--modulus LABEL=MPA or --material-table), "
            "or moduli in MPa as floating-point numbers",
        )


def _moduli_of(volume: Volume, materials: Mapping[int, float]) -> NDArray[np.float32]:
    """Return the moduli of a label map, plane by plane so that nothing wide is made of it all."""
    table = {0: 0.0, **materials}
    keys = np.array(sorted(table))
    values = np.array([table[key] for key in keys.tolist()], np.float32)
    moduli = np.empty(volume.array.shape, np.float32)
    for plane, target in zip(volume.array, moduli, strict=True):
        place = np.searchsorted(keys, plane)
        np.minimum(place, len(keys) - 1, out=place)
        is_unknown = keys[place] != plane
        if is_unknown.any():
            strange = sorted(np.unique(plane[is_unknown]).tolist())
            shown = ", ".join(f"{label:g}" for label in strange[:10])
            _refuse(
                volume.path,
                f"label {shown} without a material",
                f"one of {sorted(table)}, the labels that have one (0 is void)",
            )
        np.take(values, place, out=target)
    return moduli


def _refuse(name: object, found: str, allowed: str) -> None:
    raise InvalidInput(f"{name}: {found}: must be {allowed}")
