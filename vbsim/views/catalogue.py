"""How each stored field is shown: its words, unit, colours and scale; one look for every view."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vbsim.checks import require
from vbsim.study.stored import StoredFields, StoredStudy

__all__ = [
    "FieldLook",
    "LoadOf",
    "LOOKS",
    "colour_range",
    "drawn",
    "load_of",
    "look_of",
    "round_number",
]

FloatArray = NDArray[np.float64]

_LOG_RANGE = 60.0  # a cleft's shadow carries next to nothing and must not stretch the scale
_WARM_C = 40.0  # below, heat does not matter
_LEAST_PART = 0.2  # voxels with less material than this are background


class FieldLook(NamedTuple):
    """How a field is shown.

    Attributes
    ----------
    name : str
        Key on command lines, such as ``von_mises``.
    label, unit : str
        Words and unit on the scale.
    arrays : tuple of str
        Arrays of the file it is made from.
    colours : str
        Colour map, perceptually uniform.
    is_log : bool
        Logarithmic scale.
    load_power : int
        How it grows with the load: 0 not at all, 1 stress, 2 energy.
    factor : float
        Shown number / stored number.
    is_of_failure : bool
        Whether it belongs to a strength test, whose arrays begin with the test's name.
    """

    name: str
    label: str
    unit: str
    arrays: tuple[str, ...]
    colours: str = "magma"
    is_log: bool = False
    load_power: int = 0
    factor: float = 1.0
    is_of_failure: bool = False


LOOKS: dict[str, FieldLook] = {
    look.name: look
    for look in (
        FieldLook("von_mises", "von Mises stress", "MPa", ("von_mises_mpa",), "magma", True, 1),
        FieldLook("compression", "Compressive stress", "MPa", ("stress_mpa",), "magma", True, 1),
        FieldLook(
            "energy", "Strain energy density", "kJ/m³", ("sed_mpa",), "cividis", True, 2, 1e3
        ),
        FieldLook(
            "displacement", "Displacement", "µm", ("displacement_mm",), "cividis", False, 1, 1e3
        ),
        FieldLook("density", "Bone mineral density", "mg/cm³", ("vbmd_mg_cm3",), "viridis"),
        FieldLook("modulus", "Young's modulus", "MPa", ("youngs_modulus_mpa",), "viridis", True),
        FieldLook(
            "cement",
            "Pores filled with cement",
            "%",
            ("cement_saturation",),
            "magma_r",
            factor=100.0,
        ),
        FieldLook(
            "inelastic",
            "Inelastic strain after the strength test",
            "%",
            ("inelastic_strain",),
            "inferno",
            factor=100.0,
            is_of_failure=True,
        ),
        FieldLook(
            "damage",
            "Damage after the strength test",
            "%",
            ("damage",),
            "inferno",
            factor=100.0,
            is_of_failure=True,
        ),
        FieldLook("temperature", "Temperature", "°C", ("temperature_c",), "inferno"),
        FieldLook(
            "pressure", "Pressure in the pores", "kPa", ("pressure_mpa",), "viridis", factor=1e3
        ),
        FieldLook(
            "integrity", "Stiffness kept by bone", "%", ("integrity",), "cividis", factor=100.0
        ),
    )
}
"""Every field that views offer, in the order of their menus."""

MASKS = ("body_fraction", "arch_fraction", "cap_fraction", "cement_saturation", "cement_fraction")
"""Arrays that say what a voxel holds; every view reads them."""


class LoadOf(NamedTuple):
    """The compression test whose fields are shown, scaled to one load.

    Attributes
    ----------
    prefix : str
        How its arrays' names begin.
    scale : float
        Shown load / load of the file.
    words : str
        ``at 460 N``; empty where nothing was loaded.
    failed : str
        How the arrays of the first strength test begin; empty where there was none.
    """

    prefix: str
    scale: float
    words: str
    failed: str = ""

    def array(self, look: FieldLook) -> str:
        """Return the array of a file that a field is made from."""
        (name,) = look.arrays
        if look.is_of_failure:
            return f"{self.failed}{name}"
        return f"{self.prefix}{name}" if look.load_power else name


def look_of(name: str) -> FieldLook:
    """Return the look of a field; refuses an unknown name."""
    require(name in LOOKS, "field", name, f"one of {', '.join(LOOKS)}")
    return LOOKS[name]


def load_of(study: StoredStudy) -> LoadOf:
    """Return which test's fields a study shows: its first compression, at the standing load.

    Responses of a compression are linear in its force; any other first test is shown as it is.
    """
    tests = study.case.get("tests", ())
    strength = [test for test in tests if test.get("kind") == "strength"]
    failed = f"{strength[0].get('name') or 'strength'}_" if strength else ""
    # Strength tests leave arrays under their own names and do not count here.
    for index, test in enumerate(test for test in tests if test not in strength):
        if test.get("kind") != "compression" or not test.get("force_n"):
            continue
        name = test.get("name") or "compression"
        standing = study.value(study.stages[0], "standing_load", name)
        force = float(test["force_n"])
        shown = force if standing is None else standing
        return LoadOf(f"{name}_" if index else "", shown / force, f"at {shown:.0f} N", failed)
    return LoadOf("", 1.0, "", failed)


def drawn(look: FieldLook, fields: StoredFields, load: LoadOf) -> FloatArray | None:
    """Return a field of a stage as it is shown, (n_z, n_y, n_x); NaN outside bone and caps.

    None where the file has no such array.

    Parameters
    ----------
    look : FieldLook
        The field.
    fields : StoredFields
        Arrays of the stage, those of `MASKS` among them.
    load : LoadOf
        Test and load (see `load_of`).
    """
    name = load.array(look)
    source: Mapping[str, NDArray[np.float32]] = (
        fields.points if look.name == "displacement" else fields.cells
    )
    if name not in source:
        return None
    values = _scalar(look.name, np.asarray(source[name], dtype=np.float64))
    values = values * (look.factor * load.scale**look.load_power)
    return np.where(is_drawn(look, fields), values, np.nan)


def is_drawn(look: FieldLook, fields: StoredFields) -> NDArray[np.bool_]:
    """Return where a field has a meaning, (n_z, n_y, n_x)."""
    bone = fields.cells["body_fraction"] + fields.cells["arch_fraction"]
    if look.load_power or look.name == "modulus":
        bone = bone + fields.cells["cap_fraction"]
    return np.asarray(bone >= _LEAST_PART)


def colour_range(
    look: FieldLook, found: Iterable[FloatArray], *, top: float | None = None
) -> tuple[float, float]:
    """Return the ends of one colour scale for several fields, on round numbers.

    Parameters
    ----------
    look : FieldLook
        The field.
    found : iterable of float array
        Values where they have a meaning; NaN elsewhere.
    top : float, optional
        Largest value over time, as shown, of a field that changes with time.
    """
    if look.name == "temperature":
        return _WARM_C, max(20.0 * float(np.ceil((top or 0.0) / 20.0)), _WARM_C + 20.0)
    if top is not None and top > 0.0 and look.name == "pressure":
        return 0.0, round_number(top, up=True)
    if look.name in ("cement", "damage", "integrity"):
        return 0.0, 100.0
    together = np.concatenate([part[np.isfinite(part) & (part > 0.0)] for part in found])
    if not together.size:
        return (0.1, 1.0) if look.is_log else (0.0, 1.0)
    high = float(np.percentile(together, 99.0))
    if not look.is_log:
        top = min(1.15 * high, 3.5 * float(np.percentile(together, 50.0)))
        return 0.0, round_number(top, up=True)
    low = max(float(np.percentile(together, 3.0)), high / _LOG_RANGE)
    low, high = round_number(low, up=False), round_number(high, up=True)
    return low, max(high, 2.0 * low)


def round_number(number: float, *, up: bool) -> float:
    """Return the next number of the series 1, 2, 5, 10, ... above or below."""
    decades = 10.0 ** np.arange(np.floor(np.log10(number)), np.ceil(np.log10(number)) + 1)
    series = np.outer(decades, (1.0, 2.0, 5.0)).ravel()
    # A hair's breadth keeps a number of the series where it is.
    if up:
        return float(series[series >= number * (1 - 1e-9)][0])
    return float(series[series <= number * (1 + 1e-9)][-1])


def _scalar(name: str, values: FloatArray) -> FloatArray:
    """Turn what the file holds into the one number that is shown."""
    if name == "compression":
        xx, yy, zz, xy, yz, xz = np.moveaxis(values, -1, 0)  # VTK's order
        tensor = np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], axis=-1).reshape(*xx.shape, 3, 3)
        return -np.asarray(np.linalg.eigvalsh(tensor)[..., 0])
    if name == "displacement":
        length = np.linalg.norm(values, axis=-1)
        for axis in range(3):
            near = np.take(length, range(length.shape[axis] - 1), axis=axis)
            far = np.take(length, range(1, length.shape[axis]), axis=axis)
            length = 0.5 * (near + far)
        return np.asarray(length)
    return values
