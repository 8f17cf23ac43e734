"""Scenes of stages drawn by PyVista, on or off the screen: one camera, one scale, one cut."""

from __future__ import annotations

import ctypes.util
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from vbsim.checks import InvalidInput, require
from vbsim.study.geometry import Part, read_vtp
from vbsim.study.stored import StoredFields
from vbsim.views.catalogue import look_of
from vbsim.views.scenes.panes import (
    AXES,
    CAMERAS,
    Colours,
    Cut,
    Pane,
    Style,
    colours_of,
    middle_mm,
    shared_range,
    ticks_of,
)
from vbsim.views.style import INK
from vbsim.views.surfaces import Surface, isosurface

if TYPE_CHECKING:
    import pyvista as pv

__all__ = ["can_show", "look_from", "new_plotter", "scene"]

FloatArray = NDArray[np.float64]

BONE, CEMENT, NEEDLE, ENDPLATE, CAP = "#ded5c2", "#8fd3ea", "#4a5a66", "#3b6f8f", "#dcdfe1"
_NEEDLE_RADIUS_MM = 0.9
_EMPTY = "#ece6da"


# Drawing ------------------------------------------------------------------------------------------


def can_show() -> bool:
    """Tell whether there is a screen to open a window on."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def new_plotter(
    n_panes: int, *, off_screen: bool, size: tuple[int, int] | None = None
) -> pv.Plotter:
    """Return an empty plotter with panes side by side.

    Raises
    ------
    InvalidInput
        If nothing can be drawn here: neither a screen nor a library that draws without one.
    """
    if off_screen and not can_show():
        _choose_renderer()
    import pyvista as pv

    return pv.Plotter(
        shape=(1, n_panes),
        off_screen=off_screen,
        window_size=list(size or (min(480 * n_panes, 1600), 620)),
        border=False,
    )


def _choose_renderer() -> None:
    """Name the renderer that needs no display, before VTK looks for one and complains."""
    for library, window in (("EGL", "vtkEGLRenderWindow"), ("OSMesa", "vtkOSOpenGLRenderWindow")):
        if ctypes.util.find_library(library):
            os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", window)
            return
    raise InvalidInput(
        "nothing to draw with: no display, and neither libEGL nor libOSMesa; "
        "on Debian and Ubuntu: apt-get install libegl1 libgl1-mesa-dri"
    )


def scene(
    panes: Sequence[Pane],
    style: Style | None = None,
    *,
    off_screen: bool = True,
    size: tuple[int, int] | None = None,
    plotter: pv.Plotter | None = None,
    has_words: bool = True,
) -> pv.Plotter:
    """Return a plotter that shows stages side by side with one camera and one colour scale.

    Differences have a scale of their own, symmetric about zero.

    Parameters
    ----------
    panes : sequence of Pane
        What is shown, from left to right.
    style : Style, optional
        How.
    off_screen : bool
        Draw without a window.
    size : tuple of int, optional
        Width and height of the picture, pixels.
    plotter : Plotter, optional
        Draw again into this one, whose camera stays.
    has_words : bool
        Write headings and scales into the panes.
    """
    style = style or Style()
    require(len(panes) > 0, "panes", len(panes), "one or more")
    require(style.camera in CAMERAS, "camera", style.camera, f"one of {', '.join(CAMERAS)}")
    look = look_of(style.field)
    panes = [pane.at(style.time_s) for pane in panes]
    values = [pane.values(look) for pane in panes]
    limits = shared_range(look, panes, values)
    is_new = plotter is None
    plotter = plotter or new_plotter(len(panes), off_screen=off_screen, size=size)
    plotter.suppress_rendering = True  # or every layer put in draws the whole again
    for title in list(plotter.scalar_bars.keys()):
        plotter.remove_scalar_bar(title, render=False)
    for k, (pane, found) in enumerate(zip(panes, values, strict=True)):
        plotter.subplot(0, k)
        colours = colours_of(look, limits, pane, found)
        _draw(plotter, pane, found, style, colours)
        if has_words:
            plotter.add_text(
                pane.title, position="upper_edge", font_size=11, color=INK, name="title"
            )
            _add_bar(plotter, colours)
    if is_new:
        plotter.link_views()
        for k in range(len(panes)):
            plotter.subplot(0, k)
            look_from(plotter, panes, style.camera)
    plotter.suppress_rendering = False
    return plotter


def _add_bar(plotter: pv.Plotter, colours: Colours) -> None:
    """Add the scale of a pane, once for all that share it, with ticks on round numbers."""
    from vtkmodules.vtkCommonCore import vtkDoubleArray

    actor = plotter.renderer.actors.get("cut")
    # The built-in letters lack some signs.
    title = colours.label.replace("³", "3").replace("µ", "u")
    if actor is None or title in plotter.scalar_bars:
        return
    bar = plotter.add_scalar_bar(
        title,
        mapper=actor.mapper,
        vertical=False,
        width=0.74,
        height=0.12,
        position_x=0.13,
        position_y=0.03,
        title_font_size=13,
        label_font_size=11,
        fmt="%g",
        color=INK,
    )
    ticks = vtkDoubleArray()
    for tick in ticks_of(colours):
        ticks.InsertNextValue(tick)
    bar.SetCustomLabels(ticks)
    bar.SetUseCustomLabels(True)


def _draw(
    plotter: pv.Plotter,
    pane: Pane,
    values: FloatArray | None,
    style: Style,
    colours: Colours,
) -> None:
    """Put one stage into the current pane of a plotter; a layer drawn before is replaced."""
    fields = pane.fields
    spacing = fields.grid.spacing_mm
    cells = fields.cells
    bone = np.minimum(cells["body_fraction"] + cells["arch_fraction"], 1.0)
    cement = cells["cement_saturation"] * cells["body_fraction"]
    solids = {
        "bone": (bone, BONE, 1.0),
        "caps": (cells["cap_fraction"], CAP, 0.25),
        "cement": (cement, CEMENT, 0.45),
    }
    for name, (part, colour, opacity) in solids.items():
        surface = None if name in style.hidden else isosurface(part, spacing)
        if surface is None:
            plotter.renderer.remove_actor(name, render=False)
            continue
        mesh = _mesh(surface, pane, style.magnify)
        if style.cut is not None and name != "cement":
            mesh = mesh.clip(normal=_away(style), origin=_origin(style.cut, fields), invert=True)
        if mesh.n_points == 0:
            plotter.renderer.remove_actor(name, render=False)
            continue
        plotter.add_mesh(mesh, color=colour, opacity=opacity, smooth_shading=True, name=name)
    _draw_cut(plotter, pane, values, style, colours)
    _draw_lines(plotter, pane, style)


def _draw_cut(
    plotter: pv.Plotter,
    pane: Pane,
    values: FloatArray | None,
    style: Style,
    colours: Colours,
) -> None:
    """Draw the voxels of the cut with their values, and the cement's outline on it."""
    for name in ("cut", "cut caps", "cement line"):
        plotter.renderer.remove_actor(name, render=False)
    if style.cut is None or values is None:
        return
    fields = pane.fields
    image = _image(fields)
    bone = fields.cells["body_fraction"] + fields.cells["arch_fraction"]
    caps = fields.cells["cap_fraction"]
    image.cell_data["value"] = values.ravel()
    image.cell_data["voxel"] = np.arange(values.size)
    image.cell_data["bone"] = ((bone >= 0.2) & (bone >= caps)).astype(np.uint8).ravel()
    image.cell_data["cap"] = ((caps >= 0.5) & (bone < caps)).astype(np.uint8).ravel()
    plane = image.slice(normal=_normal(style.cut), origin=_origin(style.cut, fields))
    if plane.n_cells == 0:
        return
    plane.points = _displaced(np.asarray(plane.points, dtype=np.float64), pane, style.magnify)
    inside = plane.extract_cells(np.flatnonzero(plane.cell_data["bone"]))
    if style.least is not None:
        kept = np.flatnonzero(np.nan_to_num(inside.cell_data["value"], nan=-np.inf) >= style.least)
        inside = inside.extract_cells(kept)
    if inside.n_cells:
        plotter.add_mesh(
            inside,
            scalars="value",
            cmap=mpl.colormaps[colours.colours],
            clim=(colours.low, colours.high),
            log_scale=colours.is_log,
            nan_color=_EMPTY,
            lighting=False,
            show_scalar_bar=False,
            name="cut",
            copy_mesh=False,
        )
    cap = plane.extract_cells(np.flatnonzero(plane.cell_data["cap"]))
    if cap.n_cells:
        plotter.add_mesh(cap, color=CAP, lighting=False, name="cut caps", show_scalar_bar=False)


def _draw_lines(plotter: pv.Plotter, pane: Pane, style: Style) -> None:
    """Draw needles and endplates where the folder has them."""
    import pyvista as pv

    for name in ("needles", "endplates"):
        plotter.renderer.remove_actor(name, render=False)
    path = pane.study.geometry_file(pane.fields.name) if pane.study else None
    if path is None:
        return
    geometry = read_vtp(path)
    local = pane.fields.grid.to_local(geometry.points_mm)
    if len(geometry.lines) and "needles" not in style.hidden:
        tubes = [
            pv.Line(*local[line]).tube(radius=_NEEDLE_RADIUS_MM, n_sides=16)
            for line in geometry.lines
        ]
        plotter.add_mesh(pv.merge(tubes), color=NEEDLE, smooth_shading=True, name="needles")
    if "endplates" not in style.hidden:
        plates = geometry.face_parts <= Part.INFERIOR_ENDPLATE
        faces = np.insert(geometry.faces[plates], 0, 4, axis=1).ravel()
        plate = pv.PolyData(_displaced(local, pane, style.magnify), faces)
        plotter.add_mesh(plate, color=ENDPLATE, opacity=0.35, name="endplates")


def _mesh(surface: Surface, pane: Pane, magnify: float) -> pv.PolyData:
    import pyvista as pv

    faces = np.insert(surface.triangles, 0, 3, axis=1).ravel()
    mesh = pv.PolyData(_displaced(surface.points_mm, pane, magnify), faces)
    mesh.point_data["Normals"] = surface.normals.astype(np.float32)
    mesh.point_data.active_normals_name = "Normals"
    return mesh


def _image(fields: StoredFields) -> pv.ImageData:
    import pyvista as pv

    n_z, n_y, n_x = fields.grid.point_shape
    return pv.ImageData(dimensions=(n_x, n_y, n_z), spacing=fields.grid.spacing_mm)


def _displaced(points: FloatArray, pane: Pane, magnify: float) -> FloatArray:
    """Return points moved by the magnified displacement at the shown load."""
    moved = pane.fields.points.get(f"{pane.load.prefix}displacement_mm")
    if magnify == 0.0 or moved is None:
        return points
    at = (points / np.asarray(pane.fields.grid.spacing_mm)).T[::-1]
    axes = pane.fields.grid.axes
    local = np.asarray(moved, dtype=np.float64) @ axes
    step = [map_coordinates(local[..., k], at, order=1, mode="nearest") for k in range(3)]
    moved_to: FloatArray = points + magnify * pane.load.scale * np.stack(step, axis=-1)
    return moved_to


def _normal(cut: Cut) -> tuple[float, float, float]:
    normal = [0.0, 0.0, 0.0]
    normal[AXES[cut.plane]] = 1.0
    return normal[0], normal[1], normal[2]


def _away(style: Style) -> tuple[float, float, float]:
    """Return the normal of the cut that points to the eye: that side is taken away."""
    assert style.cut is not None
    axis = AXES[style.cut.plane]
    side = -1.0 if CAMERAS[style.camera][0][axis] < 0 else 1.0
    x, y, z = _normal(style.cut)
    return side * x, side * y, side * z


def _origin(cut: Cut, fields: StoredFields) -> FloatArray:
    origin: FloatArray = middle_mm(fields) + cut.at_mm * np.asarray(_normal(cut), dtype=np.float64)
    return origin


def look_from(plotter: pv.Plotter, panes: Sequence[Pane], name: str) -> None:
    """Turn the current camera to one of the named views and fit the first pane into it."""
    direction, up = CAMERAS[name]
    towards = np.asarray(direction) / np.linalg.norm(direction)
    fields = panes[0].fields
    solid = fields.cells["body_fraction"] + fields.cells["cap_fraction"] > 0.2
    size = [np.ptp(np.flatnonzero(solid.any(axis=tuple({0, 1, 2} - {k})))) + 1 for k in range(3)]
    height = 0.43 * float(np.linalg.norm(np.array(size) * fields.grid.spacing_mm[0]))
    focus = middle_mm(fields)
    camera = plotter.camera
    camera.parallel_projection = True
    camera.focal_point = focus
    camera.position = focus + 10.0 * height * towards
    camera.up = up
    camera.parallel_scale = height
    camera.clipping_range = (0.1, 30.0 * height)
