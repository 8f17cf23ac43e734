"""A window on stages: cut, threshold, deformation by mouse; fields, layers and views by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from vbsim.views.catalogue import LOOKS, look_of
from vbsim.views.scenes.drawing import look_from, scene
from vbsim.views.scenes.histories import LoadHistory
from vbsim.views.scenes.panes import AXES, Cut, Pane, Style, colours_of, extent_mm, shared_range
from vbsim.views.style import INK

if TYPE_CHECKING:
    import pyvista as pv

__all__ = ["KEYS", "Window"]

KEYS = {
    "f": "next field",
    "a": "next cut: sagittal, coronal, axial, none",
    "b": "bone",
    "c": "cement",
    "n": "needles",
    "e": "endplates",
    "k": "caps",
    "1 2 3 4": "oblique, anterior, left lateral, superior",
    "p": "values of the voxel under the mouse",
    "h": "these words",
    "q": "close",
}
"""What the keys of a window do."""

_LAYERS = {"b": "bone", "c": "cement", "n": "needles", "e": "endplates", "k": "caps"}
_VIEWS = {"1": "oblique", "2": "anterior", "3": "left lateral", "4": "superior"}
_MOST_MAGNIFIED = 200.0


class Window:
    """Stages side by side in a window, with one state that keys, sliders and mouse change.

    Parameters
    ----------
    panes : sequence of Pane
        What is shown, from left to right.
    style : Style, optional
        How it begins.
    off_screen : bool
        Build everything without opening a window.
    """

    def __init__(
        self, panes: Sequence[Pane], style: Style | None = None, *, off_screen: bool = False
    ) -> None:
        self.panes = list(panes)
        self.style = style or Style()
        self.plotter: pv.Plotter = scene(self.panes, self.style, off_screen=off_screen)
        self.readout = ""
        self._shows_help = True
        self._add_keys()
        self._add_sliders()
        self._add_time()
        self.load_history = LoadHistory.of(self.plotter, self.panes)
        self._add_picking()
        self._help()

    def show(self) -> None:
        """Open the window and come back when it is closed."""
        self.plotter.show(title="vbsim view")

    @property
    def shown(self) -> list[Pane]:
        """The panes at the moment that is shown."""
        return [pane.at(self.style.time_s) for pane in self.panes]

    def set(self, **changes: Any) -> None:
        """Change the style and draw again."""
        self.style = replace(self.style, **changes)
        scene(self.panes, self.style, plotter=self.plotter)
        self.plotter.render()

    # Keys ----------------------------------------------------------------------------------------

    def next_field(self) -> None:
        """Show the next field that any of the stages has."""
        names = [n for n in LOOKS if any(p.values(look_of(n)) is not None for p in self.shown)]
        if not names:
            return
        at = names.index(self.style.field) if self.style.field in names else -1
        self.set(field=names[(at + 1) % len(names)], least=None)

    def next_cut(self) -> None:
        """Cut along the next plane, through the middle of the body; after the last, not at all."""
        planes = [*AXES, None]
        now = self.style.cut.plane if self.style.cut else None
        plane = planes[(planes.index(now) + 1) % len(planes)]
        self.set(cut=Cut(plane) if plane else None)  # type: ignore[arg-type]

    def toggle(self, layer: str) -> None:
        """Show a layer, or leave it out."""
        self.set(hidden=self.style.hidden ^ {layer})

    def look_from(self, camera: str) -> None:
        """Look from one of the named sides, with the near half cut away."""
        self.set(camera=camera)
        look_from(self.plotter, self.panes, camera)
        self.plotter.render()

    def _add_keys(self) -> None:
        add = self.plotter.add_key_event
        add("f", self.next_field)
        add("a", self.next_cut)
        add("h", self._toggle_help)
        for key, layer in _LAYERS.items():
            add(key, lambda layer=layer: self.toggle(layer))
        for key, camera in _VIEWS.items():
            add(key, lambda camera=camera: self.look_from(camera))

    def _toggle_help(self) -> None:
        self._shows_help = not self._shows_help
        self._help()
        self.plotter.render()

    def _help(self) -> None:
        self.plotter.subplot(0, 0)
        words = "\n".join(f"{key}  {does}" for key, does in KEYS.items())
        text = words if self._shows_help else "h  keys"
        self.plotter.add_text(text, position="upper_left", font_size=7, color=INK, name="keys")

    # Mouse ---------------------------------------------------------------------------------------

    def _add_sliders(self) -> None:
        """Put the sliders into the last pane: place of the cut, threshold, deformation."""
        self.plotter.subplot(0, len(self.panes) - 1)
        plane = self.style.cut.plane if self.style.cut else "sagittal"
        reach = extent_mm(self.panes[0].fields, plane)
        at = self.style.cut.at_mm if self.style.cut else 0.0
        places = (0.86, 0.74, 0.62)
        self._slider(self.move_cut, (-reach, reach), at, "cut (mm)", places[0])
        self._slider(self.hide_below, (0.0, 100.0), 0.0, "hide below (% of scale)", places[1])
        self._slider(
            self.deform, (0.0, _MOST_MAGNIFIED), self.style.magnify, "deformation x", places[2]
        )

    def _add_time(self) -> None:
        """Put a slider over what steps recorded, if any did."""
        series = [pane.moments for pane in self.panes if pane.moments is not None]
        if not series:
            return
        first = min(float(moments.times_s[0]) for moments in series)
        last = max(float(moments.times_s[-1]) for moments in series)
        at = last if self.style.time_s is None else self.style.time_s
        self._slider(self.go_to, (first, last), at, "time (s)", 0.50)

    def go_to(self, time_s: float) -> None:
        """Show the recorded moment nearest to a time, s."""
        before = [pane.title for pane in self.shown]
        if before != [pane.at(time_s).title for pane in self.panes]:
            self.set(time_s=float(time_s))

    def _slider(
        self, does: Any, ends: tuple[float, float], value: float, title: str, height: float
    ) -> None:
        self.plotter.add_slider_widget(
            does,
            rng=ends,
            value=value,
            title=title,
            pointa=(0.68, height),
            pointb=(0.97, height),
            style="modern",
            color=INK,
            title_height=0.016,
            fmt="%.1f",
            interaction_event="end",
        )

    def move_cut(self, at_mm: float) -> None:
        """Move the cut to a distance from the middle of the body, mm."""
        if self.style.cut is not None and self.style.cut.at_mm != at_mm:
            self.set(cut=replace(self.style.cut, at_mm=float(at_mm)))

    def hide_below(self, percent: float) -> None:
        """Leave out of the cut what lies below a share of the scale, 0 to 100."""
        if percent <= 0.0:
            if self.style.least is not None:
                self.set(least=None)
            return
        look = look_of(self.style.field)
        values = [pane.values(look) for pane in self.shown]
        limits = shared_range(look, self.shown, values)
        scale = colours_of(look, limits, self.shown[0], values[0])
        share = percent / 100.0
        if scale.is_log:
            least = scale.low * (scale.high / scale.low) ** share
        else:
            least = scale.low + share * (scale.high - scale.low)
        self.set(least=float(least))

    def deform(self, magnify: float) -> None:
        """Magnify the displacements."""
        if self.style.magnify != magnify:
            self.set(magnify=float(magnify))

    # Reading values ------------------------------------------------------------------------------

    def _add_picking(self) -> None:
        def picked(_: Any, picker: Any) -> None:
            mesh, cell = picker.GetDataSet(), picker.GetCellId()
            renderers = list(self.plotter.renderers)
            pane = next((k for k, r in enumerate(renderers) if r is picker.GetRenderer()), 0)
            array = mesh.GetCellData().GetArray("voxel") if mesh is not None else None
            if array is not None and cell >= 0:
                self.read(pane, int(array.GetTuple1(cell)))

        self.plotter.enable_point_picking(
            picked, picker="cell", use_picker=True, show_message=False, show_point=False
        )

    def read(self, pane: int, voxel: int) -> str:
        """Show what every field is in a voxel, and return the words.

        Parameters
        ----------
        pane : int
            Which stage.
        voxel : int
            Flat index of the voxel.
        """
        shown = self.shown[pane]
        z, y, x = np.unravel_index(voxel, shown.fields.grid.shape)
        lines = [f"{shown.title}, voxel {x} {y} {z} (x y z)"]
        for look in LOOKS.values():
            values = shown.values(look)
            if values is not None and np.isfinite(values.flat[voxel]):
                number = f"{values.flat[voxel]:.4g}"
                lines.append(f"{look.label}: {number} {look.unit}")
        self.readout = "\n".join(lines)
        self.plotter.subplot(0, pane)
        letters = self.readout.replace("³", "3").replace("µ", "u")
        self.plotter.add_text(
            letters, position="lower_right", font_size=7, color=INK, name="readout"
        )
        return self.readout
