"""Three-dimensional scenes: panes and styles, drawing by PyVista, stills, movies, a window."""

from vbsim.views.scenes.drawing import can_show, new_plotter, scene
from vbsim.views.scenes.movie import movie
from vbsim.views.scenes.panes import (
    AXES,
    CAMERAS,
    Cut,
    Difference,
    Pane,
    Style,
    difference,
    panes_of,
)
from vbsim.views.scenes.stills import cutaway
from vbsim.views.scenes.window import KEYS, Window

__all__ = [
    "AXES",
    "CAMERAS",
    "KEYS",
    "Cut",
    "Difference",
    "Pane",
    "Style",
    "Window",
    "can_show",
    "cutaway",
    "difference",
    "movie",
    "new_plotter",
    "panes_of",
    "scene",
]
