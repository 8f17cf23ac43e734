"""A study as one compact block of bytes that the browser's viewer draws.

The block is gzip of: length of the head (4 bytes), the head (JSON), arrays one behind the other.
Fields are single bytes: 0 is nothing, 1 to 255 runs over the colour scale, which all stages share.
"""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from vbsim.study.moments import moments_of
from vbsim.study.stored import StoredFields, StoredStudy
from vbsim.views.catalogue import LOOKS, MASKS, FieldLook, LoadOf, colour_range, drawn, load_of
from vbsim.views.surfaces import Surface, isosurface, stage_surfaces

__all__ = ["scene_bytes", "MOST_VOXELS"]

FloatArray = NDArray[np.float64]

MOST_VOXELS = 700_000
"""Voxels a stage may have in a page; finer grids are shown by means over blocks of voxels."""

_BONE, _CEMENT, _NEEDLE, _ENDPLATE = "#ded5c2", "#8fd3ea", "#4a5a66", "#3b6f8f"
_NEEDLE_RADIUS_MM = 0.9  # an 13 G needle is 2.4 mm wide; a little thinner shows more


MOST_MOMENTS = 16
"""Moments of a step that a page holds, chosen evenly."""


class _Block:
    """Arrays one behind the other, each at a multiple of 4 bytes."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.size = 0

    def put(self, array: NDArray[Any]) -> int:
        """Append an array and return where it begins."""
        at = self.size
        raw = np.ascontiguousarray(array).tobytes()
        raw += b"\0" * (-len(raw) % 4)
        self.parts.append(raw)
        self.size += len(raw)
        return at


def scene_bytes(study: StoredStudy, stages: Sequence[str] | None = None) -> bytes:
    """Return the block of a study.

    Parameters
    ----------
    study : StoredStudy
        A result with its fields.
    stages : sequence of str, optional
        Stages to show; all of them by default.
    """
    load = load_of(study)
    wanted = {load.array(look) for look in LOOKS.values()} | set(MASKS)
    block, told, values = _Block(), [], []
    for stage in stages or study.stages:
        fields, times = _with_moments(study, study.fields(stage, only=wanted))
        fields, factor = _small(fields)
        told.append({"name": stage, "coarsened": factor, **_solid(block, study, fields, load)})
        told[-1]["times_s"] = times
        shown = {look.name: drawn(look, fields, load) for look in LOOKS.values()}
        shown |= _over_time(fields, load, len(times))
        values.append({name: found for name, found in shown.items() if found is not None})
    head = {
        "name": study.name,
        "stages": told,
        "fields": _fields(block, told, values, load),
    }
    text = json.dumps(head, allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    raw = struct.pack("<I", len(text)) + text + b"".join(block.parts)
    return gzip.compress(raw, 6, mtime=0)


def _with_moments(study: StoredStudy, fields: StoredFields) -> tuple[StoredFields, list[float]]:
    """Add what the stage's step recorded over time, as ``<array>@<moment>``; return the times."""
    moments = moments_of(study, fields.name, fields.grid)
    if moments is None:
        return fields, []
    n = len(moments.times_s)
    chosen = np.unique(np.round(np.linspace(0, n - 1, min(n, MOST_MOMENTS))).astype(int))
    shown = {array for look in LOOKS.values() for array in look.arrays}
    cells = dict(fields.cells)
    for k, index in enumerate(chosen):
        frame = {name: v for name, v in moments.frame(int(index)).items() if name in shown}
        cells |= {f"{name}@{k}": values for name, values in frame.items()}
        # Without a moment, what only the record has is shown as it was at the end.
        cells |= {name: values for name, values in frame.items() if name not in fields.cells}
    times = [float(t) for t in moments.times_s[chosen]]
    return StoredFields(fields.name, fields.grid, cells, fields.points), times


def _over_time(fields: StoredFields, load: LoadOf, n_moments: int) -> dict[str, FloatArray | None]:
    """Return the fields that change with time at each moment, ``<field>@<moment>``."""
    found = {}
    for k in range(n_moments):
        now = {n.partition("@")[0]: v for n, v in fields.cells.items() if n.endswith(f"@{k}")}
        then = StoredFields(fields.name, fields.grid, {**fields.cells, **now}, fields.points)
        for look in LOOKS.values():
            if look.arrays[0] in now:
                found[f"{look.name}@{k}"] = drawn(look, then, load)
    return found


def _fields(
    block: _Block,
    told: list[dict[str, Any]],
    values: list[dict[str, FloatArray]],
    load: LoadOf,
) -> list[dict[str, Any]]:
    """Put every field of every stage on the scale that the stages share; return the scales."""
    found = []
    for look in LOOKS.values():
        names = sorted({n for part in values for n in part if n.partition("@")[0] == look.name})
        there = [part[name] for part in values for name in names if name in part]
        if not there:
            continue
        tops = [float(found.max(where=np.isfinite(found), initial=0.0)) for found in there]
        low, high = colour_range(look, there, top=max(tops))
        colours = mpl.colormaps[look.colours](np.linspace(0.0, 1.0, 256))[:, :3]
        for stage, part in zip(told, values, strict=True):
            for name in names:
                if name in part:
                    stage["volumes"][name] = block.put(_as_bytes(part[name], look, low, high))
        found.append(
            {
                "name": look.name,
                "label": f"{look.label} {load.words}".strip() if look.load_power else look.label,
                "unit": look.unit,
                "low": low,
                "high": high,
                "log": look.is_log,
                "colours": block.put(np.round(255.0 * colours).astype(np.uint8)),
            }
        )
    return found


def _as_bytes(values: FloatArray, look: FieldLook, low: float, high: float) -> NDArray[np.uint8]:
    is_there = np.isfinite(values)
    if look.is_log:
        safe = np.where(is_there, np.maximum(values, 1e-3 * low), low)
        share = np.log(safe / low) / np.log(high / low)
    else:
        share = (np.where(is_there, values, low) - low) / (high - low)
    levels = 1.0 + np.round(254.0 * np.clip(share, 0.0, 1.0))
    return np.where(is_there, levels, 0.0).astype(np.uint8)


def _solid(block: _Block, study: StoredStudy, fields: StoredFields, load: LoadOf) -> dict[str, Any]:
    """Put what a stage is made of into the block: masks, displacement, surfaces."""
    cells, grid = fields.cells, fields.grid
    bone = np.minimum(cells["body_fraction"] + cells["arch_fraction"], 1.0)
    masks = {"bone": bone, "cap": cells["cap_fraction"], "cement": cells["cement_saturation"]}
    volumes = {f"_{k}": block.put(np.round(255.0 * v).astype(np.uint8)) for k, v in masks.items()}
    told: dict[str, Any] = {
        "shape": list(grid.shape[::-1]),
        "spacing": list(grid.spacing_mm),
        "volumes": volumes,
        "displacement": _displacement(block, fields, load),
    }
    surfaces = stage_surfaces(fields)
    caps = isosurface(cells["cap_fraction"], grid.spacing_mm)
    looks = {"bone": (_BONE, 1.0), "cement": (_CEMENT, 0.45), "caps": ("#b9bfc4", 0.16)}
    if caps is not None:
        surfaces["caps"] = caps
    meshes = [_mesh(block, name, surface, *looks[name]) for name, surface in surfaces.items()]
    told["meshes"] = meshes + _drawn_lines(block, study, fields)
    return told


def _displacement(block: _Block, fields: StoredFields, load: LoadOf) -> dict[str, Any] | None:
    """Put the displacement at the points into the block, as signed bytes of its largest part."""
    name = f"{load.prefix}displacement_mm"
    if name not in fields.points:
        return None
    # From the world's axes into the grid's.
    moved = np.asarray(fields.points[name], dtype=np.float64) @ fields.grid.axes * load.scale
    most = float(np.abs(moved).max()) or 1.0
    four = np.zeros((*moved.shape[:3], 4), np.int8)
    four[..., :3] = np.round(127.0 * moved / most)
    return {"at": block.put(four), "most_mm": most}


def _mesh(
    block: _Block, name: str, surface: Surface, colour: str, opacity: float
) -> dict[str, Any]:
    """Put a surface into the block: points as shares of its box, normals as signed bytes."""
    low, high = surface.points_mm.min(axis=0), surface.points_mm.max(axis=0)
    size = np.maximum(high - low, 1e-6)
    points = np.zeros((len(surface.points_mm), 4), np.uint16)
    points[:, :3] = np.round(65535.0 * (surface.points_mm - low) / size)
    normals = np.zeros((len(points), 4), np.int8)
    normals[:, :3] = np.round(127.0 * surface.normals)
    return {
        "name": name,
        "colour": colour,
        "opacity": opacity,
        "low": low.tolist(),
        "size": size.tolist(),
        "n_points": len(points),
        "points": block.put(points),
        "normals": block.put(normals),
        "n_corners": int(surface.triangles.size),
        "corners": block.put(surface.triangles.astype(np.uint32)),
    }


def _drawn_lines(block: _Block, study: StoredStudy, fields: StoredFields) -> list[dict[str, Any]]:
    """Put endplates and needles of a stage into the block."""
    path = study.geometry_file(fields.name)
    if path is None:
        return []
    from vbsim.study.geometry import Part, read_vtp

    geometry = read_vtp(path)
    found = []
    ends = [
        geometry.faces[geometry.face_parts == part]
        for part in (Part.SUPERIOR_ENDPLATE, Part.INFERIOR_ENDPLATE)
    ]
    faces = np.concatenate(ends)
    triangles = np.concatenate([faces[:, [0, 1, 2]], faces[:, [0, 2, 3]]])
    local = fields.grid.to_local(geometry.points_mm)
    used, renumbered = np.unique(triangles, return_inverse=True)
    plates = Surface(local[used], _normals(local, triangles)[used], renumbered.reshape(-1, 3))
    found.append(_mesh(block, "endplates", plates, _ENDPLATE, 0.5))
    for line in geometry.lines:
        found.append(_mesh(block, "needles", _tube(*local[line]), _NEEDLE, 1.0))
    return found


def _normals(points: FloatArray, triangles: NDArray[np.int64]) -> FloatArray:
    a, b, c = (points[triangles[:, k]] for k in range(3))
    area = np.cross(b - a, c - a)
    total = np.zeros_like(points)
    for k in range(3):
        np.add.at(total, triangles[:, k], area)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    return np.asarray(total / np.where(length > 0, length, 1.0))


def _tube(start: FloatArray, stop: FloatArray, n: int = 12) -> Surface:
    """Return a cylinder between two points."""
    along = (stop - start) / np.linalg.norm(stop - start)
    side = np.cross(along, np.eye(3)[np.abs(along).argmin()])
    side /= np.linalg.norm(side)
    other = np.cross(along, side)
    angle = 2.0 * np.pi * np.arange(n)[:, None] / n
    ring = np.cos(angle) * side + np.sin(angle) * other
    points = np.concatenate([start + _NEEDLE_RADIUS_MM * ring, stop + _NEEDLE_RADIUS_MM * ring])
    k = np.arange(n)
    after = (k + 1) % n
    sides = [np.stack([k, after, n + k], axis=1), np.stack([after, n + after, n + k], axis=1)]
    return Surface(points, np.concatenate([ring, ring]), np.concatenate(sides))


def _small(fields: StoredFields) -> tuple[StoredFields, int]:
    """Return the part of the fields that holds material, by means over blocks where it is large."""
    solid = fields.cells["body_fraction"] + fields.cells["arch_fraction"]
    solid = solid + fields.cells["cap_fraction"]
    window = []
    for axis in range(3):
        others = tuple(k for k in range(3) if k != axis)
        filled = np.flatnonzero((solid > 0.02).any(axis=others))
        first, last = (filled[0], filled[-1]) if len(filled) else (0, solid.shape[axis] - 1)
        window.append(slice(max(int(first) - 1, 0), min(int(last) + 2, solid.shape[axis])))
    size = int(np.prod([part.stop - part.start for part in window]))
    factor = int(np.ceil((size / MOST_VOXELS) ** (1.0 / 3.0)))
    window = [slice(p.start, p.stop - (p.stop - p.start) % factor) for p in window]
    weight = solid[tuple(window)]
    grid = fields.grid.crop(window)
    if factor > 1:
        shape = tuple(n // factor for n in grid.shape)
        spacing = tuple(h * factor for h in grid.spacing_mm)
        grid = type(grid)(shape, spacing, grid.origin_mm, grid.axes)  # type: ignore[arg-type]
    at_points = tuple(slice(p.start, p.stop + 1, factor) for p in window)
    cells = {
        name: _means(values[tuple(window)], factor, None if name in MASKS else weight)
        for name, values in fields.cells.items()
    }
    points = {name: values[at_points] for name, values in fields.points.items()}
    return StoredFields(fields.name, grid, cells, points), factor


def _means(values: NDArray[Any], factor: int, weight: NDArray[Any] | None) -> NDArray[Any]:
    """Return means over blocks of voxels, weighted by how much material each holds."""
    if factor == 1:
        return values
    if weight is None:
        return _block_sum(values, factor) / factor**3
    shaped = weight.reshape(*weight.shape, *[1] * (values.ndim - 3))
    total = _block_sum(weight, factor).reshape(
        *(n // factor for n in weight.shape), *[1] * (values.ndim - 3)
    )
    return np.asarray(_block_sum(values * shaped, factor) / np.where(total > 0, total, 1.0))


def _block_sum(values: NDArray[Any], factor: int) -> NDArray[Any]:
    n_z, n_y, n_x = (n // factor for n in values.shape[:3])
    parts = values.reshape(n_z, factor, n_y, factor, n_x, factor, *values.shape[3:])
    return np.asarray(parts.sum(axis=(1, 3, 5), dtype=np.float64))
